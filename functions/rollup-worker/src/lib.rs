//! Closes periods: takes pieces of work from the queue that the dispatcher fills.

use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use store::{Closing, Work};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "rollup-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| RollupWorker { closing: Closing::open(setup) })
}

struct RollupWorker {
    closing: Closing,
}

impl RollupWorker {
    async fn work(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let work: Work = match serde_json::from_str(&message.body) {
            Ok(work) => work,
            Err(error) => return RecordOutcome::Poison(format!("not a piece of work: {error}")),
        };
        match self.closing.work(&work, deadline).await {
            Ok(()) => RecordOutcome::Done,
            Err(error) if !error.is_transient() => RecordOutcome::Poison(error.to_string()),
            Err(error) => {
                tracing::warn!(error = %error, "not closed: {error}");
                RecordOutcome::Retry
            }
        }
    }
}

impl QueueHandler for RollupWorker {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let mut settled = Vec::with_capacity(messages.len());
            // One after the other: they all add to the platform's numbers, and would only wait for each other.
            for message in messages {
                settled.push(self.work(message, deadline).await);
            }
            settled
        })
    }
}
