//! Secrets that are kept elsewhere: asked for when they are needed, and kept for a while.

mod kept;
mod secrets_manager;

use futures::future::BoxFuture;

pub use kept::Kept;
pub use secrets_manager::secrets_manager;

/// A secret, wherever it is.
pub trait Secret: Send + Sync {
    /// What it is now.
    fn ask(&self) -> BoxFuture<'_, Result<String, Unavailable>>;
}

/// A secret that cannot be had at the moment; the reason holds nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret cannot be had: {0}")]
pub struct Unavailable(pub String);
