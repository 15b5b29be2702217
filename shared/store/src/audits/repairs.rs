//! Repairs of many things, some of which may have to be repeated.

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::retry;
use system::backoff::Backoff;

/// The repairs of one pass. It is incomplete where another writer was faster.
#[derive(Debug)]
pub(super) struct Repairs<T> {
    wrong: Vec<T>,
    is_complete: bool,
}

impl<T> Default for Repairs<T> {
    fn default() -> Self {
        Self { wrong: Vec::new(), is_complete: true }
    }
}

impl<T> Repairs<T> {
    /// Requires another pass, because something has changed that the rest depends on.
    pub(super) fn repeat(&mut self) {
        self.is_complete = false;
    }

    /// Records the result of a repair: whether something was wrong, or that another pass is required.
    pub(super) fn record(&mut self, repaired: Result<bool, StoreError>, what: T) -> Result<(), StoreError> {
        match repaired {
            Ok(true) => self.wrong.push(what),
            Ok(false) => {}
            Err(error) if error.is_transient() => self.is_complete = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Makes passes until one is complete or the deadline has passed. Returns what was wrong in any of them.
pub(super) async fn repair_all<'a, T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<Repairs<T>, StoreError>>,
) -> Result<Vec<T>, StoreError> {
    let (mut wrong, mut backoff) = (Vec::new(), Backoff::until(deadline));
    loop {
        let pass = retry::until(deadline, &mut attempt).await?;
        wrong.extend(pass.wrong);
        if pass.is_complete {
            return Ok(wrong);
        }
        if !backoff.wait().await {
            return Err(StoreError::Conflict);
        }
    }
}
