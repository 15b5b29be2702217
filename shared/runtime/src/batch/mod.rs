//! Batches of stream records and of queue messages: each done, to be tried again, or poison.
//!
//! Poison can never succeed. It would block a stream, so it goes to the queue of failures with its
//! reason; a queue moves it to its dead letters by itself, and the log holds the reason. The rest goes on: what is to be
//! tried again is named to the event source mapping, which delivers it once more. What would hold up the others of a batch is
//! deferred: a queue takes one message per bucket, and the same function folds that bucket by itself.

mod projection;
mod queue;
mod stream;

use std::time::Duration;

pub use aws_lambda_events::dynamodb::EventRecord;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use projection::{Outcomes, Projection};
pub use queue::{Message, QueueHandler, function as queue_function, start as start_queue};
pub use stream::{BatchHandler, function, start as start_stream};

use crate::function::Invocation;
use crate::obs::Reporter;
use domain::entity::Bucket;
use store::StoreError;

/// What is kept of the deadline for putting poison aside and answering.
const TO_ANSWER: Duration = Duration::from_secs(2);

/// What became of a part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Nothing is left to do.
    Done,
    /// It may work later.
    Retry,
    /// It will never work, for this reason.
    Poison(String),
    /// The bucket that it is about takes too long for a batch: it is folded by itself, a little later.
    Defer(Bucket),
}

impl RecordOutcome {
    /// What is to become of a record about a bucket that could not be folded.
    #[must_use]
    pub fn unfolded(bucket: &Bucket, error: &StoreError) -> Self {
        match error {
            StoreError::OverBudget { .. } => Self::Defer(bucket.clone()),
            error => Self::from(error),
        }
    }
}

impl From<&StoreError> for RecordOutcome {
    /// An error that lasts is poison; all others may pass.
    fn from(error: &StoreError) -> Self {
        if error.is_lasting() {
            return Self::Poison(error.to_string());
        }
        tracing::warn!(error = %error, "not brought up to date: {error}");
        Self::Retry
    }
}

/// Until when a handler must have settled its batch.
fn deadline(invocation: &Invocation) -> Instant {
    invocation.deadline.checked_sub(TO_ANSWER).unwrap_or(invocation.deadline)
}

/// How a batch went.
struct Report<'a> {
    /// What its parts are called in logs.
    parts: &'static str,
    total: usize,
    /// The identifiers of the parts that must come again.
    retried: Vec<&'a str>,
    poison: usize,
    /// How many are left to the queue of buckets that take too long.
    deferred: usize,
}

impl Report<'_> {
    /// Tells how it went, and answers the mapping
    /// ([partial batch responses](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html)).
    fn ended(&self, reporter: &Reporter, invocation: &Invocation, began: Instant) -> String {
        let Self { parts, total, retried, poison, deferred } = self;
        let outcome = if retried.is_empty() { "ok" } else { "retry" };
        let detail = format!("{total} {parts}, {} to come again, {poison} poison, {deferred} deferred", retried.len());
        reporter.ended(&invocation.request_id, began, (outcome, &detail), &[]);
        let failures: Vec<Value> = retried.iter().map(|part| json!({"itemIdentifier": part})).collect();
        json!({"batchItemFailures": failures}).to_string()
    }
}
