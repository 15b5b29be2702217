//! Closes periods: takes pieces of work from the queue that the dispatcher fills.

use std::sync::Arc;

use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use store::{Activity, Closing, Work};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "rollup-worker", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let calendar = reader.parsed("TIME_ZONE");
    reader.finish(())?;
    let client = boot.dynamodb();
    let activity = Activity::new(client.clone(), stats, calendar, Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let worker = RollupWorker { closing: Closing::new(activity, client, state) };
    Ok(runtime::batch::queue_function(FUNCTION.name, boot, worker))
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
