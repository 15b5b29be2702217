//! Putting many things right, of which some may have to be looked at again.

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::retry;
use system::backoff::Backoff;

/// What was wrong and was put right; where somebody was faster with something, that is not all.
#[derive(Debug)]
pub(super) struct Part<T> {
    wrong: Vec<T>,
    is_all: bool,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { wrong: Vec::new(), is_all: true }
    }
}

impl<T> Part<T> {
    /// Something was changed that the rest depends on: all is to be looked at again.
    pub(super) fn look_again(&mut self) {
        self.is_all = false;
    }

    /// Takes note of one thing: whether it was wrong, or that it is to be looked at again.
    pub(super) fn note(&mut self, settled: Result<bool, StoreError>, what: T) -> Result<(), StoreError> {
        match settled {
            Ok(true) => self.wrong.push(what),
            Ok(false) => {}
            Err(error) if error.is_transient() => self.is_all = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Puts things right until all are, or the deadline; tells all that was wrong, however many attempts it took.
pub(super) async fn until_all<'a, T>(
    deadline: Instant,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<Part<T>, StoreError>>,
) -> Result<Vec<T>, StoreError> {
    let (mut wrong, mut backoff) = (Vec::new(), Backoff::until(deadline));
    loop {
        let part = retry::until(deadline, &mut attempt).await?;
        wrong.extend(part.wrong);
        if part.is_all {
            return Ok(wrong);
        }
        if !backoff.wait().await {
            return Err(StoreError::Conflict);
        }
    }
}
