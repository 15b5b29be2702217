//! SQS, embedded: standard queues on SQLite, so that accepted messages survive the process.
//!
//! Architecture invariant: nothing here knows of mappings or functions; they use the same
//! [`Queues::receive`] and [`Queues::delete`] that clients reach through the protocol.

mod config;
mod error;
mod message;
mod moves;
mod operations;
mod protocol;
mod received;
mod store;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use system::clock::Clock;
use system::ids::Ids;
use tokio::sync::watch;
use tokio::time::Instant;

pub use config::{QueueConfig, Redrive};
pub use received::Received;
pub use store::{Depth, QueueError};

use store::{ByReceipt, NewMessage, Store};

/// Maximum sleep of a receiver before it checks hidden messages again.
const MAX_SLEEP: Duration = Duration::from_millis(250);

/// Queues. Clones share them.
#[derive(Clone)]
pub struct Queues {
    inner: Arc<Inner>,
}

struct Inner {
    store: Mutex<Store>,
    queues: HashMap<String, Queue>,
    moves: Mutex<Vec<moves::Task>>,
    base_url: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

struct Queue {
    config: QueueConfig,
    /// Wakes waiting receivers when a message may have become visible.
    changed: watch::Sender<()>,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").field("queues", &self.inner.queues.keys()).finish_non_exhaustive()
    }
}

impl Queues {
    /// Queues in memory. They end with their last clone. Clients reach them at `base_url`.
    ///
    /// # Errors
    /// SQLite fails, or a queue is invalid.
    pub fn memory(
        queues: &[QueueConfig],
        base_url: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, QueueError> {
        Self::new(Store::memory()?, queues, base_url, clock, ids)
    }

    /// Queues in a file. They survive restarts and crashes.
    ///
    /// # Errors
    /// SQLite fails, a queue is invalid, or another process uses the file.
    pub fn open(
        path: &Path,
        queues: &[QueueConfig],
        base_url: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, QueueError> {
        Self::new(Store::open(path)?, queues, base_url, clock, ids)
    }

    fn new(
        store: Store,
        queues: &[QueueConfig],
        base_url: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, QueueError> {
        for queue in queues {
            if queue.name.ends_with(".fifo") {
                return Err(QueueError::Fifo { queue: queue.name.clone() });
            }
            if let Some(redrive) = &queue.redrive
                && (redrive.dead_letter_queue == queue.name
                    || !queues.iter().any(|other| other.name == redrive.dead_letter_queue))
            {
                let target = redrive.dead_letter_queue.clone();
                return Err(QueueError::Redrive { queue: queue.name.clone(), target });
            }
        }
        let queue = |config: &QueueConfig| Queue { config: config.clone(), changed: watch::Sender::new(()) };
        let inner = Inner {
            store: Mutex::new(store),
            queues: queues.iter().map(|config| (config.name.clone(), queue(config))).collect(),
            moves: Mutex::default(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            clock,
            ids,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The URL of a queue.
    #[must_use]
    pub fn url(&self, queue: &str) -> String {
        crate::wire::queue_url(&self.inner.base_url, queue)
    }

    /// The configuration of a queue.
    #[must_use]
    pub fn config(&self, queue: &str) -> Option<&QueueConfig> {
        Some(&self.inner.queues.get(queue)?.config)
    }

    /// The names of all queues.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.inner.queues.keys().cloned().collect();
        names.sort();
        names
    }

    /// The number of messages in a queue.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        self.lock().depth(queue, self.now())
    }

    /// Sends a message without attributes.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn send(&self, queue: &str, body: &str) -> Result<String, QueueError> {
        let delay = self.config(queue).map_or(Duration::ZERO, |config| config.delay);
        let id = self.message_id();
        let now = self.now();
        let visible_at = now + millis(delay);
        self.insert(queue, now, &[NewMessage { id: &id, body, attributes: "{}", trace_header: None, visible_at }])?;
        Ok(id)
    }

    /// Receives up to `limit` messages, waiting up to `wait` for the first.
    ///
    /// # Errors
    /// SQLite fails.
    pub async fn receive(
        &self,
        queue: &str,
        limit: usize,
        wait: Duration,
        visibility: Option<Duration>,
    ) -> Result<Vec<Received>, QueueError> {
        let Some(Queue { config, changed }) = self.inner.queues.get(queue) else { return Ok(Vec::new()) };
        let mut changed = changed.subscribe();
        let deadline = Instant::now() + wait;
        loop {
            changed.mark_unchanged();
            let received = self.receive_now(config, limit, visibility.unwrap_or(config.visibility_timeout))?;
            let remaining = deadline.saturating_duration_since(Instant::now());
            if !received.is_empty() || remaining.is_zero() {
                return Ok(received);
            }
            let now = self.now();
            let next = self.lock().next_visible_at(queue, now)?;
            // Senders wake receivers; only the end of a delay does not. Naps are short because tests move the clock.
            let sleep = next.map_or(remaining, |at| remaining.min(millis_between(now, at)).min(MAX_SLEEP));
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                changed = changed.changed() => if changed.is_err() { return Ok(Vec::new()) },
            }
        }
    }

    fn receive_now(
        &self,
        config: &QueueConfig,
        limit: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let ids = &self.inner.ids;
        let (received, dead) = self.lock().receive(config, self.now(), limit, millis(visibility), || ids.fresh())?;
        if let (Some(redrive), 1..) = (&config.redrive, dead) {
            self.wake(&redrive.dead_letter_queue);
        }
        Ok(received.into_iter().map(Received::from).collect())
    }

    /// Deletes a received message. Returns whether the receipt was still valid.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn delete(&self, queue: &str, receipt: &str) -> Result<bool, QueueError> {
        Ok(self.lock().delete(queue, receipt)? == ByReceipt::Done)
    }

    /// Makes a received message visible again after a delay. Returns whether the receipt was still valid.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn change_visibility(&self, queue: &str, receipt: &str, after: Duration) -> Result<bool, QueueError> {
        let changed = self.lock().set_visible_at(queue, receipt, self.now() + millis(after))?;
        self.wake(queue);
        Ok(changed == ByReceipt::Done)
    }

    /// Keeps the messages of a queue under its new name, and returns dead letters there too.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn rename(&self, old: &str, new: &str) -> Result<(), QueueError> {
        let (old_arn, new_arn) = (crate::wire::queue_arn(old), crate::wire::queue_arn(new));
        self.lock().rename((old, &old_arn), (new, &new_arn))?;
        self.wake(new);
        Ok(())
    }

    fn insert(&self, queue: &str, now: i64, messages: &[NewMessage<'_>]) -> Result<(), QueueError> {
        self.lock().send(queue, now, messages)?;
        self.wake(queue);
        Ok(())
    }

    fn wake(&self, queue: &str) {
        if let Some(queue) = self.inner.queues.get(queue) {
            queue.changed.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.inner.clock.now().timestamp_millis()
    }

    /// An id in the form that SQS gives.
    fn message_id(&self) -> String {
        let id = self.inner.ids.fresh();
        match (id.get(..8), id.get(8..12), id.get(12..16), id.get(16..20), id.get(20..)) {
            (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
            _ => id,
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn millis_between(from: i64, to: i64) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or_default())
}
