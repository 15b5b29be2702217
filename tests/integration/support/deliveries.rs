//! The delivery of a stream to a function: several batches at once, some of them again.

use std::sync::Arc;

use local::dynamodb::StreamRecord;
use local::wire::Faults;
use runtime::function::{Function, Invoke};
use serde_json::Value;

use crate::support::driver::{Running, Turns};
use crate::support::stage::{Stage, invoke, start};

/// A consumer of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Consumer {
    pub(crate) table: &'static str,
    /// The records that the template's filter lets through.
    pub(crate) records: fn(&Stage) -> Vec<StreamRecord>,
    /// The largest number of batches at once.
    pub(crate) concurrency: usize,
    /// The largest number of records in a batch.
    pub(crate) batch: usize,
    /// The percentage of batches that begin with records that have been delivered before.
    pub(crate) redelivered: u8,
    /// Whether the records before the first failed one are acknowledged, or a batch as a whole or not at all.
    pub(crate) is_partial: bool,
}

/// The identifiers of the records that failed; `None` if the whole batch failed.
pub(crate) type Failed = Option<Vec<String>>;

/// Consecutive records.
struct Batch {
    from: usize,
    numbers: Vec<String>,
}

pub(crate) struct Deliveries {
    consumer: Consumer,
    acknowledged: usize,
    under_way: Vec<(Batch, Running<Failed>)>,
}

impl Deliveries {
    pub(crate) fn new(consumer: Consumer) -> Self {
        Self { consumer, acknowledged: 0, under_way: Vec::new() }
    }

    /// The number of batches under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether every record is acknowledged and no batch is under way.
    pub(crate) fn are_done(&self, stage: &Stage) -> bool {
        self.under_way.is_empty() && self.acknowledged >= (self.consumer.records)(stage).len()
    }

    /// Delivers a batch, from the first record that is not acknowledged or from an earlier one, if there is one and not too
    /// many batches are under way. `consume` gets the name of the invocation and the payload.
    pub(crate) fn deliver<F>(
        &mut self,
        stage: &Stage,
        turns: &mut Turns,
        kind: &str,
        consume: impl FnOnce(String, Value) -> F,
    ) where
        F: Future<Output = Failed> + Send + 'static,
    {
        let Some((batch, payload)) = self.batch(stage, &mut turns.random) else { return };
        let name = turns.name(kind);
        self.under_way.push((batch, Running::new(name.clone(), consume(name, payload))));
    }

    fn batch(&self, stage: &Stage, random: &mut fastrand::Rng) -> Option<(Batch, Value)> {
        let Self { consumer, acknowledged, ref under_way } = *self;
        if under_way.len() >= consumer.concurrency {
            return None;
        }
        let records = (consumer.records)(stage);
        if acknowledged >= records.len() {
            return None;
        }
        let is_redelivered = random.u8(0..100) < consumer.redelivered;
        let from = if is_redelivered { random.usize(0..=acknowledged) } else { acknowledged };
        let to = random.usize(from + 1..=records.len().min(from + consumer.batch));
        let records = &records[from..to];
        let numbers = records.iter().map(StreamRecord::sequence_number).collect();
        Some((Batch { from, numbers }, stage.payload(consumer.table, records)))
    }

    /// The name of one of the invocations.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<String> {
        random.choice(&self.under_way).map(|(_, running)| running.name().to_owned())
    }

    /// Acknowledges the delivered batches.
    pub(crate) async fn settle(&mut self, crashed: &[String]) {
        while let Some(at) = self.under_way.iter().position(|(_, running)| running.is_over(crashed)) {
            let (Batch { from, numbers }, running) = self.under_way.swap_remove(at);
            let Some(failed) = running.outcome(crashed).await.flatten() else { continue };
            let done = match numbers.iter().position(|number| failed.contains(number)) {
                _ if failed.is_empty() => numbers.len(),
                Some(first) if self.consumer.is_partial => first,
                _ => 0,
            };
            if from <= self.acknowledged {
                self.acknowledged = self.acknowledged.max(from + done);
            }
        }
    }
}

/// Invokes a function with a batch.
pub(crate) async fn consume(started: &dyn Invoke, payload: &Value) -> Failed {
    let answer = invoke(started, payload).await.ok()?;
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    Some(failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect())
}

/// Invokes a function with a batch in a new sandbox.
pub(crate) async fn consume_in(
    stage: Stage,
    name: String,
    faults: Arc<dyn Faults>,
    function: Function,
    payload: Value,
) -> Failed {
    consume(&*start(&stage.boot(&name, Some(faults), "UTC"), function), &payload).await
}
