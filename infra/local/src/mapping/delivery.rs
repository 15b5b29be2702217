//! Delivers one batch of a stream: tries, splits, tries again, and gives up, as Lambda does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde_json::json;
use tokio::sync::watch;

use super::Sources;
use super::config::StreamMapping;
use super::pruning::Readers;
use super::response::{self, Outcome};
use crate::wire::{self, function_arn, stream_arn};

/// How long a stream keeps a record
/// ([DynamoDB Streams](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html)).
const KEPT: TimeDelta = TimeDelta::hours(24);

/// The first and the longest pause before a batch is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A record on its way to a function.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) sequence: i64,
    pub(super) sequence_number: String,
    pub(super) created_at: i64,
    pub(super) json: String,
}

/// A part of a batch that is delivered as one.
#[derive(Debug)]
struct Part {
    records: Vec<Record>,
    /// How often it was tried; splitting does not count.
    attempts: u32,
}

/// What delivers the batches of one mapping.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) mapping: Arc<StreamMapping>,
    pub(super) sources: Sources,
    pub(super) readers: Arc<Readers>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Delivery {
    /// Delivers a batch. `undone` is kept at the first record that is not done; records are done in order,
    /// and those that were given up are done too. Says whether all are done; they are not when the mapping
    /// stops before.
    pub(super) async fn deliver(mut self, batch: Vec<Record>, undone: Arc<AtomicI64>) -> bool {
        let mut parts = VecDeque::from([Part { records: batch, attempts: 0 }]);
        let mut pause = PAUSES.0;
        while let Some(mut part) = parts.pop_front() {
            self.give_up_old(&mut part).await;
            if part.records.is_empty() {
                continue;
            }
            if let Some(first) = part.records.first() {
                undone.store(first.sequence, Ordering::Release);
            }
            let failed = match self.attempt(&part.records).await {
                Outcome::Done => {
                    pause = PAUSES.0;
                    self.done(&part.records, &undone);
                    continue;
                }
                Outcome::NotCalled => {
                    parts.push_front(part);
                    None
                }
                Outcome::Failed(places) => {
                    let first = places.first().copied().unwrap_or_default();
                    let rest = part.records.split_off(first.min(part.records.len()));
                    self.done(&part.records, &undone);
                    // Splitting does not count as a try, but only what was left out makes it a split.
                    let is_split = self.mapping.bisect && first > 0;
                    let rest = Part { records: rest, attempts: part.attempts };
                    if is_split {
                        parts.push_front(rest);
                        None
                    } else {
                        Some(rest)
                    }
                }
                Outcome::AllFailed(reason) => {
                    let Self { mapping, .. } = &self;
                    tracing::warn!(
                        function = mapping.function,
                        records = part.records.len(),
                        attempt = part.attempts + 1,
                        "a batch failed: {reason}"
                    );
                    if mapping.bisect && part.records.len() > 1 {
                        let second = part.records.split_off(part.records.len().div_ceil(2));
                        parts.push_front(Part { records: second, attempts: part.attempts });
                        parts.push_front(part);
                        None
                    } else {
                        Some(part)
                    }
                }
            };
            if let Some(mut part) = failed {
                let limit = u32::try_from(self.mapping.maximum_retry_attempts).ok();
                if limit.is_some_and(|limit| part.attempts >= limit) {
                    self.give_up(&part.records, part.attempts + 1, "RetryAttemptsExhausted").await;
                    self.done(&part.records, &undone);
                    pause = PAUSES.0;
                    continue;
                }
                part.attempts += 1;
                parts.push_front(part);
            }
            if wire::pause(&mut self.stop, pause).await {
                return false;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        true
    }

    fn done(&self, records: &[Record], undone: &AtomicI64) {
        if let Some(last) = records.last() {
            undone.store(last.sequence + 1, Ordering::Release);
        }
    }

    async fn attempt(&self, records: &[Record]) -> Outcome {
        let mut payload = String::with_capacity(16 + records.iter().map(|record| record.json.len() + 1).sum::<usize>());
        payload.push_str(r#"{"Records":["#);
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                payload.push(',');
            }
            payload.push_str(&record.json);
        }
        payload.push_str("]}");
        let result = self.sources.invoker.invoke(&self.mapping.function, payload.into()).await;
        let reports = self.mapping.report_batch_item_failures;
        let names = || records.iter().map(|record| record.sequence_number.clone()).collect::<Vec<_>>();
        let identifiers = if reports { names() } else { Vec::new() };
        response::read(result, reports, &identifiers)
    }

    /// Gives up the records at the head of a part that have become too old. Where the mapping has a limit of its own, the
    /// on-failure queue is told of them; without one they go when the stream drops them, and nobody is told.
    async fn give_up_old(&self, part: &mut Part) {
        let StreamMapping { function, table, maximum_record_age, .. } = &*self.mapping;
        if let Some(limit) = maximum_record_age {
            let old = self.head_older_than(part, TimeDelta::from_std(*limit).unwrap_or(TimeDelta::MAX));
            self.give_up(&old, part.attempts, "RecordAgeExceeded").await;
            return;
        }
        let dropped = self.head_older_than(part, KEPT);
        if let (Some(first), Some(last)) = (dropped.first(), dropped.last()) {
            let (records, start, end) = (dropped.len(), &first.sequence_number, &last.sequence_number);
            tracing::error!(function, table, records, start, end, "the stream dropped records that were not delivered");
        }
    }

    /// Takes the records off the head of a part that were written longer ago than this.
    fn head_older_than(&self, part: &mut Part, age: TimeDelta) -> Vec<Record> {
        let oldest = self.sources.clock.now().timestamp().saturating_sub(age.num_seconds());
        let count = part.records.iter().take_while(|record| record.created_at < oldest).count();
        let rest = part.records.split_off(count);
        std::mem::replace(&mut part.records, rest)
    }

    /// Sends discarded records to the on-failure queue.
    async fn give_up(&self, records: &[Record], invocations: u32, condition: &str) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let StreamMapping { function, table, on_failure_queue, .. } = &*self.mapping;
        self.readers.give_up(table, first.sequence);
        tracing::error!(
            function,
            table,
            condition,
            records = records.len(),
            start = first.sequence_number,
            end = last.sequence_number,
            "records were given up"
        );
        let Some(queue) = on_failure_queue else { return };
        let time = |seconds| {
            DateTime::from_timestamp(seconds, 0)
                .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
                .unwrap_or_default()
        };
        let message = json!({
            "requestContext": {
                "requestId": self.sources.ids.fresh(),
                "functionArn": function_arn(function),
                "condition": condition,
                "approximateInvokeCount": invocations,
            },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "version": "1.0",
            "timestamp": self.sources.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "DDBStreamBatchInfo": {
                "shardId": crate::dynamodb::shard_id(table),
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": time(first.created_at),
                "approximateArrivalOfLastRecord": time(last.created_at),
                "batchSize": records.len(),
                "streamArn": stream_arn(table),
            },
        });
        // Continuing without the message would lose the records silently.
        while let Err(error) = self.sources.queues.send(queue, &message.to_string()) {
            tracing::error!(queue, %error, "an on-failure message could not be sent");
            tokio::time::sleep(PAUSES.1).await;
        }
    }
}
