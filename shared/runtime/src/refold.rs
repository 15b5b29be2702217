//! Sends what is to be refolded to the updaters: each chunk to the queue of its system's updater.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::context::Setup;
use crate::job::{JobError, enqueue};
use crate::messaging::Queue;
use domain::id::RefoldId;
use domain::refold::System;
use store::{RefoldChunk, Refolds, ToRefold};

/// Sends what is to be refolded to the updaters.
#[derive(Clone)]
pub struct Updaters {
    /// The progress of refolds.
    pub refolds: Refolds,
    queues: BTreeMap<System, Arc<dyn Queue>>,
}

impl Updaters {
    /// Opens the refolds and the queues of the updaters.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let queue = |system: &System| {
            let name = match system {
                System::Tracks => "COUNTER_QUEUE_URL",
                System::Quizzes => "PACKAGE_STATS_QUEUE_URL",
                System::Products => "LEADERBOARD_QUEUE_URL",
                System::Sales => "REVENUE_QUEUE_URL",
            };
            (*system, setup.queue(name))
        };
        let queues = System::ALL.iter().map(queue).collect();
        Self { refolds: Refolds::open(setup), queues }
    }

    /// Records units and sends them to their updaters, in chunks. A chunk that is sent twice counts once.
    ///
    /// # Errors
    /// If not all chunks were recorded and sent.
    pub fn send<'a>(
        &'a self,
        refold: &'a RefoldId,
        found: &'a ToRefold,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(async move {
            let chunks = found.chunks(refold);
            let all: Vec<&RefoldChunk> = chunks.iter().map(|(_, chunk)| chunk).collect();
            // Recorded before they are sent, so that what is folded was found.
            self.refolds.record_found(&all, deadline).await?;
            for (system, queue) in &self.queues {
                let of_system = chunks.iter().filter(|(of, _)| of == system);
                let of_system: Vec<&RefoldChunk> = of_system.map(|(_, chunk)| chunk).collect();
                enqueue(queue.as_ref(), &of_system, deadline).await?;
            }
            Ok(())
        })
    }
}
