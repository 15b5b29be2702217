//! Retries until a deadline: of a request to a table, and of an optimistic update.

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::error::StoreError;
use system::backoff::Backoff;

/// Repeats an attempt until it succeeds, until it fails in a way that no retry can mend, or until the deadline.
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
        if !error.is_transient() || !backoff.wait().await {
            return Err(error);
        }
    }
}

/// Changes stored state under optimistic concurrency. An attempt reads the present state, decides, and writes on the version
/// that it read; when its write conflicts with another, the next attempt reads again.
///
/// The outer result of an attempt is its decision, and final: an error, or `Ok(Ok(value))` if nothing is to be written.
/// The inner result is that of its write.
///
/// # Errors
/// The error of a decision, or of a write that failed for another reason than a conflict, or that still conflicts at
/// the deadline.
pub async fn update<T, E, F>(deadline: Instant, attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<Result<T, StoreError>, E>>,
    E: From<StoreError>,
{
    repeat(deadline, attempt, |error| matches!(error, StoreError::Conflict)).await
}

/// Does the same as [`update`], and also repeats a write whose outcome is unknown. The attempt must recognise that its
/// own write has happened before.
///
/// # Errors
/// The error of a decision, or of a write that no retry can mend, or that still fails at the deadline.
pub async fn update_idempotent<T, E, F>(deadline: Instant, attempt: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<Result<T, StoreError>, E>>,
    E: From<StoreError>,
{
    repeat(deadline, attempt, StoreError::is_transient).await
}

async fn repeat<T, E, F>(
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
    is_retried: fn(&StoreError) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<Result<T, StoreError>, E>>,
    E: From<StoreError>,
{
    let mut backoff = Backoff::until(deadline);
    loop {
        match attempt().await? {
            Ok(value) => return Ok(value),
            Err(error) if is_retried(&error) && backoff.wait().await => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn unavailable() -> StoreError {
        StoreError::Unavailable { source: "no answer".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflicting_update_reads_again() {
        let attempts = Cell::new(0);
        let updated: Result<u32, StoreError> = update(deadline(), || async {
            attempts.set(attempts.get() + 1);
            Ok(if attempts.get() < 3 { Err(StoreError::Conflict) } else { Ok(attempts.get()) })
        })
        .await;
        assert_eq!(updated.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_decision_and_a_lasting_failure_end_an_update() {
        let decided: Result<(), StoreError> = update(deadline(), || async { Err(StoreError::Conflict) }).await;
        assert!(matches!(decided, Err(StoreError::Conflict)));
        let refused = || async { Ok(Err(StoreError::corrupt("x", "y"))) };
        let written: Result<(), StoreError> = update_idempotent(deadline(), refused).await;
        assert!(matches!(written, Err(StoreError::Corrupt { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_idempotent_update_repeats_a_write_of_unknown_outcome() {
        let attempts = Cell::new(0);
        let attempt = || async {
            attempts.set(attempts.get() + 1);
            Ok(if attempts.get() == 1 { Err(unavailable()) } else { Ok(()) })
        };
        let updated: Result<(), StoreError> = update(deadline(), attempt).await;
        assert!(matches!(updated, Err(StoreError::Unavailable { .. })));
        attempts.set(0);
        let updated: Result<(), StoreError> = update_idempotent(deadline(), attempt).await;
        assert!(updated.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_gives_up_at_the_deadline() {
        let updated: Result<(), StoreError> = update(deadline(), || async { Ok(Err(StoreError::Conflict)) }).await;
        assert!(matches!(updated, Err(StoreError::Conflict)));
    }
}
