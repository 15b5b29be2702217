//! Several who deliver the pieces of a stream at once, from where it was acknowledged, or from before.

use local::dynamodb::StreamRecord;
use runtime::function::Invoke;
use serde_json::Value;

use crate::support::crowd::Running;
use crate::support::stage::{Stage, invoke};

/// How a stream is delivered.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) table: &'static str,
    /// What the template's filter lets through.
    pub(crate) told: fn(&Stage) -> Vec<StreamRecord>,
    /// How many deliver at once.
    pub(crate) at_once: usize,
    /// Of how many records a piece is at most.
    pub(crate) longest: usize,
    /// How many of a hundred pieces begin where others have been.
    pub(crate) again: u8,
    /// Whether what comes before the first record that failed is acknowledged, or the whole of a piece or nothing.
    pub(crate) in_part: bool,
}

/// Records that come one after the other.
pub(crate) struct Piece {
    from: usize,
    numbers: Vec<String>,
}

pub(crate) struct Deliveries {
    way: Way,
    acknowledged: usize,
    under_way: Vec<(Piece, Running<Option<Vec<String>>>)>,
}

impl Deliveries {
    pub(crate) fn new(way: Way) -> Self {
        Self { way, acknowledged: 0, under_way: Vec::new() }
    }

    /// How many are at it.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether all that the stream tells was delivered, and nobody is at it.
    pub(crate) fn are_done(&self, stage: &Stage) -> bool {
        self.under_way.is_empty() && self.acknowledged >= (self.way.told)(stage).len()
    }

    /// What is delivered next, and as a function is given it, if there is anything, and anybody who could.
    pub(crate) fn piece(&self, stage: &Stage, random: &mut fastrand::Rng) -> Option<(Piece, Value)> {
        let Self { way: Way { table, told, at_once, longest, again, .. }, acknowledged, ref under_way } = *self;
        if under_way.len() >= at_once {
            return None;
        }
        let records = told(stage);
        if acknowledged >= records.len() {
            return None;
        }
        let again = random.u8(0..100) < again;
        let from = if again { random.usize(0..=acknowledged) } else { acknowledged };
        let to = random.usize(from + 1..=records.len().min(from + longest));
        let records = &records[from..to];
        let numbers = records.iter().map(StreamRecord::sequence_number).collect();
        Some((Piece { from, numbers }, stage.payload(table, records)))
    }

    pub(crate) fn begin(&mut self, piece: Piece, running: Running<Option<Vec<String>>>) {
        self.under_way.push((piece, running));
    }

    /// The name of any one who delivers.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<String> {
        random.choice(&self.under_way).map(|(_, running)| running.name().to_owned())
    }

    /// Takes note of what was delivered by now.
    pub(crate) async fn settle(&mut self, crashed: &[String]) {
        while let Some(at) = self.under_way.iter().position(|(_, running)| running.is_over(crashed)) {
            let (Piece { from, numbers }, running) = self.under_way.swap_remove(at);
            let Some(failed) = running.outcome(crashed).await.flatten() else { continue };
            let done = match numbers.iter().position(|number| failed.contains(number)) {
                _ if failed.is_empty() => numbers.len(),
                Some(first) if self.way.in_part => first,
                _ => 0,
            };
            if from <= self.acknowledged {
                self.acknowledged = self.acknowledged.max(from + done);
            }
        }
    }
}

/// What of a batch has failed; nothing to be told if the whole of it has.
pub(crate) async fn failed(started: &dyn Invoke, payload: &Value) -> Option<Vec<String>> {
    let answer = invoke(started, payload).await.ok()?;
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    Some(failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect())
}
