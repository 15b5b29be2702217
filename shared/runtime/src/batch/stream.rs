//! Batches of stream records.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{Message, RecordOutcome, Report, queue};
use crate::context::{FunctionContext, Setup};
use crate::function::{Function, Invocation, InvocationError, Invoke, StartResult};
use crate::messaging::Queue;
use crate::obs::Reporter;
use crate::stream::{refold_record, touched_bucket};
use domain::entity::Bucket;
use store::{Budget, Deferral, Deferrals, RefoldChunk, Refolds};

/// Handles batches of stream records.
pub trait BatchHandler: Send + Sync {
    /// Returns the outcome of each record, in their order. A bucket that costs more than the budget is deferred.
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>>;
}

/// The queue of buckets that would delay the others of a batch.
struct DeferralQueue {
    /// Takes a record of each bucket; the same function handles it.
    queue: Arc<dyn Queue>,
    /// The buckets that wait there.
    deferrals: Deferrals,
    /// Counts what was refolded for an operator.
    refolds: Refolds,
    /// The cost above which a bucket is deferred.
    budget: Budget,
}

impl DeferralQueue {
    /// Opens the queue that `DEFERRED_QUEUE_URL` names, if it is set.
    fn open(setup: &mut Setup<'_>, function: &'static str) -> Option<Self> {
        Some(Self {
            queue: setup.optional_queue("DEFERRED_QUEUE_URL")?,
            deferrals: Deferrals::open(setup, function),
            refolds: Refolds::open(setup),
            budget: Budget::of_facts(setup.parsed("BUCKET_FACTS")),
        })
    }
}

/// Starts a function that handles the records of a stream. Poison goes to the queue that `FAILURES_QUEUE_URL` names, and
/// buckets that take too long to the one that `DEFERRED_QUEUE_URL` names, if it is set.
///
/// # Errors
/// The environment lacks what the handler needs.
pub fn start<H: BatchHandler + 'static>(
    context: &FunctionContext,
    function: Function,
    open: impl FnOnce(&mut Setup<'_>) -> H,
) -> StartResult {
    let reporter = context.reporter(function.name);
    let started = context.open(|setup| BatchFunction {
        reporter,
        failures: setup.queue("FAILURES_QUEUE_URL"),
        deferring: DeferralQueue::open(setup, function.name),
        handler: Box::new(open(setup)),
    });
    Ok(Box::new(started?))
}

/// A function that handles the records of a stream and defers nothing.
#[must_use]
pub fn function(
    name: &'static str,
    context: &FunctionContext,
    failures: Arc<dyn Queue>,
    handler: impl BatchHandler + 'static,
) -> Box<dyn Invoke> {
    let reporter = context.reporter(name);
    Box::new(BatchFunction { reporter, failures, deferring: None, handler: Box::new(handler) })
}

struct BatchFunction {
    reporter: Reporter,
    failures: Arc<dyn Queue>,
    deferring: Option<DeferralQueue>,
    handler: Box<dyn BatchHandler>,
}

/// The message of a panic.
fn reason_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// What is read of a batch to tell where it comes from.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    records: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    event_source: Option<String>,
}

/// Where queue messages say that they come from.
const QUEUE: &str = "aws:sqs";

/// Whether a batch is one of queue messages. A batch of a stream is long, and seldom looked at twice.
fn is_of_queue(payload: &str) -> bool {
    let first_source = || serde_json::from_str::<Batch>(payload).ok()?.records.into_iter().next()?.event_source;
    payload.contains(QUEUE) && first_source().is_some_and(|source| source == QUEUE)
}

impl BatchFunction {
    /// Puts poison aside; `false` if that could not be done, so the record must come again.
    async fn put_aside(&self, record: &EventRecord, reason: &str) -> bool {
        let function = self.reporter.function();
        tracing::error!(function, eventId = record.event_id, reason, "poison: {reason}");
        let message = json!({"function": function, "reason": reason, "record": record});
        match self.failures.send(message.to_string()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(function, error = %error, "poison not put aside: {error}");
                false
            }
        }
    }

    /// Defers buckets, each given with a record about it; returns those that are certainly deferred.
    async fn defer<'a>(&self, buckets: &BTreeMap<&'a Bucket, &EventRecord>, deadline: Instant) -> Vec<&'a Bucket> {
        let Some(deferring) = &self.deferring else { return Vec::new() };
        let deferrals = &deferring.deferrals;
        let (mut certain, mut to_send): (Vec<&Bucket>, Vec<(&Bucket, Deferral, String)>) = Default::default();
        for (bucket, record) in buckets {
            match (deferrals.mark(bucket, deadline).await, serde_json::to_string(record)) {
                (Ok(None), _) => certain.push(bucket),
                (Ok(Some(mark)), Ok(record)) => to_send.push((bucket, mark, record)),
                (Err(error), _) => tracing::warn!(error = %error, "bucket not deferred: {error}"),
                (_, Err(error)) => tracing::error!(error = %error, "record has no JSON: {error}"),
            }
        }
        let bodies: Vec<String> = to_send.iter().map(|(_, _, record)| record.clone()).collect();
        let unsent = match deferring.queue.send_all(&bodies, deadline).await {
            Ok(()) => Vec::new(),
            Err(unsent) => {
                tracing::warn!(error = %unsent, "buckets not deferred: {unsent}");
                unsent.places
            }
        };
        let sent = to_send.into_iter().enumerate().filter(|(place, _)| !unsent.contains(place));
        for (bucket, mark, _) in sent.map(|(_, sent)| sent) {
            if let Err(error) = deferrals.confirm(&mark, deadline).await {
                tracing::warn!(error = %error, "a deferral is not confirmed: {error}");
            }
            certain.push(bucket);
        }
        certain
    }

    /// Has a batch handled. A batch whose handling panics fails, so that the mapping bisects it; a single record that does
    /// is poison, for otherwise it would hold up its shard for as long as records are tried.
    async fn settle(
        &self,
        records: &[EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> Result<Vec<RecordOutcome>, InvocationError> {
        match AssertUnwindSafe(self.handler.handle(records, budget, deadline)).catch_unwind().await {
            Ok(settled) => Ok(settled),
            Err(panic) => match (records, reason_of(&*panic)) {
                ([_], reason) => Ok(vec![RecordOutcome::Poison(format!("the function panicked: {reason}"))]),
                (_, reason) => Err(InvocationError { message: format!("the function panicked: {reason}") }),
            },
        }
    }

    /// Settles a batch of the stream.
    async fn of_stream(
        &self,
        payload: &str,
        invocation: &Invocation,
        began: Instant,
    ) -> Result<String, InvocationError> {
        let event: Event = serde_json::from_str(payload)
            .map_err(|error| InvocationError { message: format!("not a batch of stream records: {error}") })?;
        let deadline = super::deadline(invocation);
        let budget = self.deferring.as_ref().map_or(Budget::WHOLE, |deferring| deferring.budget);
        let settled = self.settle(&event.records, budget, deadline).await?;

        let to_defer = event.records.iter().zip(&settled).filter_map(|(record, settled)| match settled {
            RecordOutcome::Defer(bucket) => Some((bucket, record)),
            _ => None,
        });
        let to_defer: BTreeMap<&Bucket, &EventRecord> = to_defer.collect();
        let certain = if to_defer.is_empty() { Vec::new() } else { self.defer(&to_defer, deadline).await };

        let (mut retried, mut poison) = (Vec::new(), 0);
        for (index, record) in event.records.iter().enumerate() {
            let retry = match settled.get(index) {
                Some(RecordOutcome::Done) => false,
                Some(RecordOutcome::Defer(bucket)) => !certain.contains(&bucket),
                Some(RecordOutcome::Poison(reason)) => {
                    poison += 1;
                    !self.put_aside(record, reason).await
                }
                // A handler that forgot a record has not handled it.
                Some(RecordOutcome::Retry) | None => true,
            };
            if retry {
                retried.push(record.change.sequence_number.as_deref().unwrap_or_default());
            }
        }
        let deferred = certain.len();
        let report = Report { parts: "records", total: event.records.len(), retried, poison, deferred };
        Ok(report.ended(&self.reporter, invocation, began))
    }

    /// Folds what was deferred: without a budget, and each bucket apart.
    async fn of_queue(
        &self,
        payload: &str,
        invocation: &Invocation,
        began: Instant,
    ) -> Result<String, InvocationError> {
        let messages = queue::read(payload)?;
        let deadline = super::deadline(invocation);
        let (mut retried, mut poison) = (Vec::new(), 0);
        for message in &messages {
            match self.work_off(message, deadline).await {
                RecordOutcome::Done => continue,
                RecordOutcome::Poison(reason) => {
                    poison += 1;
                    let function = self.reporter.function();
                    tracing::error!(function, messageId = message.id, reason, "poison: {reason}");
                }
                RecordOutcome::Retry | RecordOutcome::Defer(_) => {}
            }
            retried.push(message.id.as_str());
        }
        let report = Report { parts: "messages", total: messages.len(), retried, poison, deferred: 0 };
        Ok(report.ended(&self.reporter, invocation, began))
    }

    /// Folds again what an operator asked for. A unit that takes too long for a chunk gets a chunk of its own.
    async fn refold(&self, deferring: &DeferralQueue, chunk: &RefoldChunk, deadline: Instant) -> RecordOutcome {
        let records: Vec<EventRecord> = chunk.keys.iter().map(refold_record).collect();
        let is_alone = records.len() == 1;
        let budget = if is_alone { Budget::WHOLE } else { deferring.budget };
        let settled = match self.settle(&records, budget, deadline).await {
            Ok(settled) => settled,
            Err(error) => {
                tracing::warn!(error = %error, "a chunk is folded unit by unit: {error}");
                let mut settled = Vec::with_capacity(records.len());
                for record in &records {
                    let alone = self.settle(std::slice::from_ref(record), budget, deadline).await;
                    settled.extend(alone.into_iter().flatten());
                }
                settled
            }
        };
        let (mut folded, mut failed, mut apart) = (0, 0, Vec::new());
        for (place, key) in chunk.keys.iter().enumerate() {
            match settled.get(place) {
                Some(RecordOutcome::Done) => folded += 1,
                Some(RecordOutcome::Poison(reason)) => {
                    failed += 1;
                    let (function, (pk, sk)) = (self.reporter.function(), key);
                    tracing::error!(function, refoldId = chunk.refold.as_str(), pk, sk, reason, "not folded: {reason}");
                }
                Some(RecordOutcome::Defer(_)) if !is_alone => {
                    apart.push(RefoldChunk::new(chunk.refold.clone(), vec![key.clone()]));
                }
                Some(RecordOutcome::Retry | RecordOutcome::Defer(_)) | None => return RecordOutcome::Retry,
            }
        }
        if let Err(error) = deferring.refolds.record_folded(chunk, (folded, failed), &apart, deadline).await {
            return RecordOutcome::from(&error);
        }
        let bodies: Vec<String> = apart.iter().map(|chunk| json!(chunk).to_string()).collect();
        match deferring.queue.send_all(&bodies, deadline).await {
            Ok(()) => RecordOutcome::Done,
            Err(unsent) => {
                tracing::warn!(error = %unsent, "units of their own are not sent: {unsent}");
                RecordOutcome::Retry
            }
        }
    }

    async fn work_off(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let Some(deferring) = &self.deferring else { return RecordOutcome::Retry };
        if let Ok(chunk) = serde_json::from_str::<RefoldChunk>(&message.body) {
            return self.refold(deferring, &chunk, deadline).await;
        }
        let record: EventRecord = match serde_json::from_str(&message.body) {
            Ok(record) => record,
            Err(error) => return RecordOutcome::Poison(format!("not a stream record: {error}")),
        };
        let bucket = match touched_bucket(&record) {
            Ok(bucket) => bucket,
            Err(foreign) => return RecordOutcome::Poison(foreign.to_string()),
        };
        if let Err(error) = deferring.deferrals.clear(&bucket, deadline).await {
            return RecordOutcome::from(&error);
        }
        let settled = self.handler.handle(std::slice::from_ref(&record), Budget::WHOLE, deadline).await;
        settled.into_iter().next().unwrap_or(RecordOutcome::Retry)
    }
}

impl Invoke for BatchFunction {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            if self.deferring.is_some() && is_of_queue(payload) {
                self.of_queue(payload, invocation, began).await
            } else {
                self.of_stream(payload, invocation, began).await
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;
    use crate::messaging::{SendError, Unsent};
    use crate::testing::{Lines, invocation};

    /// Keeps what is sent.
    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Queue for Kept {
        fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>> {
            self.0.lock().unwrap().push(body);
            Box::pin(async { Ok(()) })
        }

        fn send_all<'a>(&'a self, bodies: &'a [String], _: Instant) -> BoxFuture<'a, Result<(), Unsent>> {
            self.0.lock().unwrap().extend_from_slice(bodies);
            Box::pin(async { Ok(()) })
        }
    }

    /// Panics over records that are called so.
    struct Nervous;

    impl BatchHandler for Nervous {
        fn handle<'a>(
            &'a self,
            records: &'a [EventRecord],
            _: Budget,
            _: Instant,
        ) -> BoxFuture<'a, Vec<RecordOutcome>> {
            Box::pin(async move {
                assert!(records.iter().all(|record| record.event_id != "panic"), "as told");
                vec![RecordOutcome::Done; records.len()]
            })
        }
    }

    async fn delivered(ids: &[&str]) -> (Result<String, InvocationError>, Vec<String>) {
        let failures = Arc::new(Kept::default());
        let function = function("updater", &Lines::default().context(), Arc::clone(&failures) as _, Nervous);
        let record = |id: &&str| {
            json!({"awsRegion": "r", "eventID": id, "eventName": "INSERT",
                "dynamodb": {"Keys": {}, "SequenceNumber": id, "SizeBytes": 1}})
        };
        let payload = json!({"Records": ids.iter().map(record).collect::<Vec<_>>()}).to_string();
        let answer = function.invoke(&payload, &invocation()).await;
        let kept = failures.0.lock().unwrap().clone();
        (answer, kept)
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_and_a_record_that_panics_is_set_aside() {
        let (answer, kept) = delivered(&["a", "panic", "b"]).await;
        assert_eq!(answer.unwrap_err().message, "the function panicked: as told");
        assert!(kept.is_empty(), "{kept:?}");

        let (answer, kept) = delivered(&["panic"]).await;
        assert_eq!(answer.unwrap(), r#"{"batchItemFailures":[]}"#);
        let message: Value = serde_json::from_str(&kept[0]).unwrap();
        assert_eq!((kept.len(), &message["reason"]), (1, &json!("the function panicked: as told")));
        assert_eq!(message["record"]["eventID"], "panic");
    }
}
