//! Handing over what is to be folded again: each chunk goes to the queue of its system's updater.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::json;
use tokio::time::Instant;

use crate::context::Setup;
use crate::messaging::{Queue, Unsent};
use domain::id::RefoldId;
use domain::refold::System;
use store::{RefoldChunk, Refolds, StoreError, ToRefold};

/// Why not all was handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// It could not be noted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be sent.
    #[error(transparent)]
    Queue(#[from] Unsent),
}

/// Notes what is to be folded again, and sends it to the updaters.
#[derive(Clone)]
pub struct Updaters {
    /// The progress.
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
                System::Sales => "SALES_QUEUE_URL",
            };
            (*system, setup.queue(name))
        };
        let queues = System::ALL.iter().map(queue).collect();
        Self { refolds: Refolds::open(setup), queues }
    }

    /// Hands over what is to be folded again. What is handed over twice counts once.
    ///
    /// # Errors
    /// If not all of it is certain to be folded.
    pub fn hand_over<'a>(
        &'a self,
        refold: &'a RefoldId,
        found: &'a ToRefold,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), HandOverError>> {
        Box::pin(async move {
            let chunks = found.chunks(refold);
            let all: Vec<&RefoldChunk> = chunks.iter().map(|(_, chunk)| chunk).collect();
            // Noted before it is sent: what is folded was found.
            self.refolds.found(&all, deadline).await?;
            for (system, queue) in &self.queues {
                let of_system = chunks.iter().filter(|(of, _)| of == system);
                let bodies: Vec<String> = of_system.map(|(_, chunk)| json!(chunk).to_string()).collect();
                queue.send_all(&bodies, deadline).await?;
            }
            Ok(())
        })
    }
}
