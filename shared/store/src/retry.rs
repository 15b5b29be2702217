//! Trying again.

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::error::StoreError;
use system::backoff::Backoff;

/// Does something until it is done, until it fails in a way that no further try can mend, or until the deadline.
pub(super) async fn until<'a, T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut backoff = Backoff::until(deadline);
    loop {
        let error = match timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
        };
        if !error.may_pass() || !backoff.wait().await {
            return Err(error);
        }
    }
}
