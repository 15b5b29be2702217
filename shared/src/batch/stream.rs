//! Batches of stream records.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{Message, Report, Settled, queue};
use crate::boot::Boot;
use crate::config::Reader;
use crate::domain::entity::Bucket;
use crate::function::{Invocation, InvocationError, Invoke};
use crate::messaging::{self, Queue};
use crate::obs::Reporter;
use crate::store::{Budget, Deferral, Deferrals};
use crate::stream::touched_bucket;

/// Handles batches of stream records.
pub trait BatchHandler: Send + Sync {
    /// Tells of each record, in their order, what became of it. No bucket may cost more than the budget: one that would is
    /// deferred.
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Settled>>;
}

/// Where buckets go that would hold up the others of a batch.
pub struct Deferring {
    /// Takes a record of each; the same function works it off.
    pub queue: Arc<dyn Queue>,
    /// Which buckets wait there already.
    pub deferrals: Deferrals,
    /// What a bucket may cost before it is deferred.
    pub budget: Budget,
}

impl Deferring {
    /// What the environment says of it; nothing is deferred where it names no queue.
    #[must_use]
    pub fn of(reader: &mut Reader<'_>, boot: &Boot, function: &'static str, stats: &str) -> Option<Self> {
        let queue = messaging::sqs(boot.sqs(), reader.optional("DEFERRED_QUEUE_URL")?);
        let (clock, ids) = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
        let deferrals = Deferrals::new(boot.dynamodb(), stats.to_owned(), function, clock, ids);
        Some(Self { queue, deferrals, budget: Budget::of_facts(reader.parsed("BUCKET_FACTS")) })
    }
}

/// A function that keeps something up to date with a stream.
#[must_use]
pub fn function(
    name: &'static str,
    boot: &Boot,
    failures: Arc<dyn Queue>,
    handler: impl BatchHandler + 'static,
) -> Box<dyn Invoke> {
    function_that_defers(name, boot, failures, None, handler)
}

/// A function that keeps something up to date with a stream, and defers buckets that take too long.
#[must_use]
pub fn function_that_defers(
    name: &'static str,
    boot: &Boot,
    failures: Arc<dyn Queue>,
    deferring: Option<Deferring>,
    handler: impl BatchHandler + 'static,
) -> Box<dyn Invoke> {
    Box::new(BatchFunction { reporter: Reporter::new(name, boot), failures, deferring, handler: Box::new(handler) })
}

struct BatchFunction {
    reporter: Reporter,
    failures: Arc<dyn Queue>,
    deferring: Option<Deferring>,
    handler: Box<dyn BatchHandler>,
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

    /// Sees to it that buckets are folded later, each given with a record about it; tells for which that is certain.
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
        let settled = self.handler.handle(&event.records, budget, deadline).await;

        let to_defer = event.records.iter().zip(&settled).filter_map(|(record, settled)| match settled {
            Settled::Defer(bucket) => Some((bucket, record)),
            _ => None,
        });
        let to_defer: BTreeMap<&Bucket, &EventRecord> = to_defer.collect();
        let certain = if to_defer.is_empty() { Vec::new() } else { self.defer(&to_defer, deadline).await };

        let (mut retried, mut poison) = (Vec::new(), 0);
        for (index, record) in event.records.iter().enumerate() {
            let retry = match settled.get(index) {
                Some(Settled::Done) => false,
                Some(Settled::Defer(bucket)) => !certain.contains(&bucket),
                Some(Settled::Poison(reason)) => {
                    poison += 1;
                    !self.put_aside(record, reason).await
                }
                // A handler that forgot a record has not handled it.
                Some(Settled::Retry) | None => true,
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
                Settled::Done => continue,
                Settled::Poison(reason) => {
                    poison += 1;
                    let function = self.reporter.function();
                    tracing::error!(function, messageId = message.id, reason, "poison: {reason}");
                }
                Settled::Retry | Settled::Defer(_) => {}
            }
            retried.push(message.id.as_str());
        }
        let report = Report { parts: "messages", total: messages.len(), retried, poison, deferred: 0 };
        Ok(report.ended(&self.reporter, invocation, began))
    }

    async fn work_off(&self, message: &Message, deadline: Instant) -> Settled {
        let Some(deferring) = &self.deferring else { return Settled::Retry };
        let record: EventRecord = match serde_json::from_str(&message.body) {
            Ok(record) => record,
            Err(error) => return Settled::Poison(format!("not a stream record: {error}")),
        };
        let bucket = match touched_bucket(&record) {
            Ok(bucket) => bucket,
            Err(foreign) => return Settled::Poison(foreign.to_string()),
        };
        if let Err(error) = deferring.deferrals.clear(&bucket, deadline).await {
            return Settled::from(&error);
        }
        let settled = self.handler.handle(std::slice::from_ref(&record), Budget::WHOLE, deadline).await;
        settled.into_iter().next().unwrap_or(Settled::Retry)
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
