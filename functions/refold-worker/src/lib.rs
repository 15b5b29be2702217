//! Finds what is to be folded again, part by part of a scan, and hands it to the updaters.

use std::sync::Arc;

use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::messaging::Queue;
use runtime::refold::{HandOverError, Updaters};
use serde_json::json;
use store::{FactScan, ScanPart, StoreError};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "refold-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| Refolder {
        updaters: Updaters::open(setup),
        facts: FactScan::open(setup),
        queue: setup.queue("REFOLD_QUEUE_URL"),
    })
}

struct Refolder {
    updaters: Updaters,
    facts: FactScan,
    queue: Arc<dyn Queue>,
}

impl Refolder {
    /// Reads on in a part, and hands over what it found. Who dies in between does the same again.
    async fn go(&self, part: &ScanPart, deadline: Instant) -> Result<(), HandOverError> {
        let (found, next) = self.facts.read(part, deadline).await?;
        self.updaters.hand_over(&part.refold, &found, deadline).await?;
        match next {
            Some(next) => self.queue.send_all(&[json!(next).to_string()], deadline).await?,
            None => self.updaters.refolds.ended(&part.refold, part.segment, deadline).await?,
        }
        Ok(())
    }

    async fn settle(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let part: ScanPart = match serde_json::from_str(&message.body) {
            Ok(part) => part,
            Err(error) => return RecordOutcome::Poison(format!("not a part of a refold: {error}")),
        };
        match self.go(&part, deadline).await {
            Ok(()) => RecordOutcome::Done,
            Err(HandOverError::Store(error @ StoreError::Corrupt { .. })) => RecordOutcome::Poison(error.to_string()),
            Err(error) => {
                tracing::warn!(refoldId = part.refold.as_str(), error = %error, "part not done: {error}");
                RecordOutcome::Retry
            }
        }
    }
}

impl QueueHandler for Refolder {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let mut settled = Vec::with_capacity(messages.len());
            for message in messages {
                settled.push(self.settle(message, deadline).await);
            }
            settled
        })
    }
}
