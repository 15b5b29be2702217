//! Queues.

mod sqs;

use futures::future::BoxFuture;
use tokio::time::Instant;

pub use sqs::sqs;

/// A queue that takes messages.
pub trait Queue: Send + Sync {
    /// Sends one message.
    fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>>;

    /// Sends many messages, again and again until all have arrived or the deadline is over. A message may arrive twice.
    fn send_all<'a>(&'a self, bodies: &'a [String], deadline: Instant) -> BoxFuture<'a, Result<(), Unsent>>;
}

/// A message that may not have arrived.
#[derive(Debug, thiserror::Error)]
#[error("message not sent: {0}")]
pub struct SendError(Box<dyn std::error::Error + Send + Sync>);

/// Messages that may not have arrived; all others have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} messages not sent: {reason}", .places.len())]
pub struct Unsent {
    /// Their places among the bodies, in order; never empty.
    pub places: Vec<usize>,
    /// What happened to the first of them.
    pub reason: String,
}
