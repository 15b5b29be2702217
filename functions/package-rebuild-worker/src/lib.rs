//! Refreshes packages, one leg of a refresh after the other, as the queue brings them.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::messaging::Queue;
use serde_json::json;
use store::{Leg, PackageRebuilds, StoreError};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "package-rebuild-worker", start };

/// How many legs are gone at once.
const AT_ONCE: usize = 4;

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| PackageRefresher {
        refreshes: PackageRebuilds::open(setup).in_parts_of(setup.positive("PART_PACKAGES")),
        queue: setup.queue("PACKAGE_REBUILD_QUEUE_URL"),
    })
}

struct PackageRefresher {
    refreshes: PackageRebuilds,
    queue: Arc<dyn Queue>,
}

impl PackageRefresher {
    async fn go(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let leg: Leg = match serde_json::from_str(&message.body) {
            Ok(leg) => leg,
            Err(error) => return RecordOutcome::Poison(format!("not a leg of a refresh: {error}")),
        };
        let next = match self.refreshes.go(&leg, deadline).await {
            Ok(next) => next,
            Err(error @ StoreError::Corrupt { .. }) => return RecordOutcome::Poison(error.to_string()),
            Err(error) => {
                tracing::warn!(refreshId = leg.refresh.as_str(), error = %error, "leg not gone: {error}");
                return RecordOutcome::Retry;
            }
        };
        let Some(next) = next else { return RecordOutcome::Done };
        match self.queue.send(json!(next).to_string()).await {
            Ok(()) => RecordOutcome::Done,
            Err(error) => {
                tracing::warn!(refreshId = leg.refresh.as_str(), error = %error, "next leg not sent: {error}");
                RecordOutcome::Retry
            }
        }
    }
}

impl QueueHandler for PackageRefresher {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let legs: Vec<_> = messages.iter().map(|message| self.go(message, deadline)).collect();
            stream::iter(legs).buffered(AT_ONCE).collect().await
        })
    }
}
