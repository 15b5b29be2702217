//! Closes periods: runs the tasks that the dispatcher sends.

use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use store::{PeriodCloser, RollupTask};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "rollup-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| RollupWorker { closer: PeriodCloser::open(setup) })
}

struct RollupWorker {
    closer: PeriodCloser,
}

impl RollupWorker {
    async fn run(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let task: RollupTask = match serde_json::from_str(&message.body) {
            Ok(task) => task,
            Err(error) => return RecordOutcome::Poison(format!("not a rollup task: {error}")),
        };
        match self.closer.run(&task, deadline).await {
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
            let mut outcomes = Vec::with_capacity(messages.len());
            // One after the other: all of them change the platform's rollups, and would only wait for each other.
            for message in messages {
                outcomes.push(self.run(message, deadline).await);
            }
            outcomes
        })
    }
}
