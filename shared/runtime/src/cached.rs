//! A value that is fetched from elsewhere, such as a secret or a set of keys, and reused for a while.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long a value is used before it is fetched again, and so how late a change is noticed at most.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// How soon a value is fetched again after a failed fetch, or after it was marked as stale.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The same while no value is known, so every caller fails.
const FIRST_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a known value is used while fetches fail.
const USABLE_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a value comes from.
pub trait Source<T>: Send + Sync {
    /// Fetches the present value.
    fn fetch(&self) -> BoxFuture<'_, Result<T, Unavailable>>;
}

/// A value that cannot be fetched at the moment. The reason holds nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be fetched: {0}")]
pub struct Unavailable(pub String);

/// A value that is fetched when it is first needed and reused for five minutes. Callers that come during a fetch share its
/// outcome, a failure included.
pub struct Cached<T> {
    source: Arc<dyn Source<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The last value, or why there is none.
    last: Result<T, Unavailable>,
    /// When the last value was fetched.
    fetched: Option<Instant>,
    /// When the last fetch ended, and when the next is due; absent before the first.
    tried: Option<(Instant, Instant)>,
}

impl<T: Clone + Send> Cached<T> {
    /// A value that nothing was fetched of yet.
    #[must_use]
    pub fn new(source: Arc<dyn Source<T>>) -> Self {
        let last = Err(Unavailable("it was never fetched".to_owned()));
        Self { source, state: Mutex::new(State { last, fetched: None, tried: None }) }
    }

    /// The value. While fetches fail, the last one is used for up to 24 hours.
    ///
    /// # Errors
    /// There is no usable value.
    pub async fn get(&self) -> Result<T, Unavailable> {
        let mut state = self.state.lock().await;
        if state.tried.is_none_or(|(_, due)| Instant::now() >= due) {
            let fetched = timeout(FETCH_TIMEOUT, self.source.fetch()).await;
            let fetched = fetched.unwrap_or_else(|_| Err(Unavailable("no answer in time".to_owned())));
            let now = Instant::now();
            let is_usable = state.fetched.is_some_and(|fetched| now - fetched < USABLE_FOR);
            let next = match &fetched {
                Ok(_) => FRESH_FOR,
                Err(error) if is_usable => {
                    tracing::warn!(error = %error, "the last known value stays in use: {error}");
                    RETRY_AFTER
                }
                Err(error) => {
                    tracing::error!(error = %error, "{error}");
                    FIRST_RETRY_AFTER
                }
            };
            state.tried = Some((now, now + next));
            if fetched.is_ok() {
                state.fetched = Some(now);
            }
            if fetched.is_ok() || !is_usable {
                state.last = fetched;
            }
        }
        state.last.clone()
    }

    /// Marks the value as stale if it still is the one that the caller means: it is fetched again, five seconds after the last
    /// fetch at the earliest.
    pub async fn invalidate_if(&self, is_meant: impl Fn(&T) -> bool + Send) {
        let mut state = self.state.lock().await;
        if state.last.as_ref().is_ok_and(is_meant) {
            state.tried = state.tried.map(|(tried, due)| (tried, due.min(tried + RETRY_AFTER)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use futures::FutureExt;
    use futures::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    /// How long an answer takes.
    const TAKES: Duration = Duration::from_millis(100);

    /// A source that a test changes; counts its fetches.
    #[derive(Default)]
    struct Fake {
        now: Lock<Option<&'static str>>,
        hangs: Lock<bool>,
        asked: Lock<usize>,
    }

    impl Fake {
        fn is(&self, secret: Option<&'static str>) {
            *self.now.lock().unwrap() = secret;
        }

        fn asked(&self) -> usize {
            *self.asked.lock().unwrap()
        }
    }

    impl Source<&'static str> for Fake {
        fn fetch(&self) -> BoxFuture<'_, Result<&'static str, Unavailable>> {
            *self.asked.lock().unwrap() += 1;
            let now = *self.now.lock().unwrap();
            let takes = if *self.hangs.lock().unwrap() { Duration::MAX } else { TAKES };
            async move {
                sleep(takes).await;
                now.ok_or_else(|| Unavailable("as told".to_owned()))
            }
            .boxed()
        }
    }

    fn cached(secret: Option<&'static str>) -> (Arc<Fake>, Cached<&'static str>) {
        let fake = Arc::new(Fake::default());
        fake.is(secret);
        (Arc::clone(&fake), Cached::new(fake))
    }

    fn is(value: &'static str) -> Result<&'static str, Unavailable> {
        Ok(value)
    }

    fn unavailable(reason: &str) -> Result<&'static str, Unavailable> {
        Err(Unavailable(reason.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn is_fetched_on_first_use_and_again_after_five_minutes() {
        let (fake, cached) = cached(Some("old"));
        assert_eq!(fake.asked(), 0);
        assert_eq!((cached.get().await, fake.asked()), (is("old"), 1));
        fake.is(Some("new"));
        advance(FRESH_FOR - Duration::from_millis(1)).await;
        assert_eq!((cached.get().await, fake.asked()), (is("old"), 1));
        advance(Duration::from_millis(1)).await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 2));
        advance(FRESH_FOR - Duration::from_millis(1)).await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_fetch_and_its_failure() {
        let (fake, cached) = cached(None);
        let all = join_all((0..50).map(|_| cached.get())).await;
        assert!(all.iter().all(|one| *one == unavailable("as told")));
        assert_eq!(fake.asked(), 1);
        fake.is(Some("first"));
        advance(FIRST_RETRY_AFTER).await;
        for asked in [2, 3] {
            let all = join_all((0..50).map(|_| cached.get())).await;
            assert!(all.iter().all(|one| *one == is("first")));
            assert_eq!(fake.asked(), asked);
            advance(FRESH_FOR).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_fetched_again_soon_while_no_value_is_known() {
        let (fake, cached) = cached(None);
        assert_eq!(cached.get().await, unavailable("as told"));
        advance(FIRST_RETRY_AFTER - Duration::from_millis(1)).await;
        assert_eq!((cached.get().await, fake.asked()), (unavailable("as told"), 1));
        advance(Duration::from_millis(1)).await;
        *fake.hangs.lock().unwrap() = true;
        let began = Instant::now();
        assert_eq!((cached.get().await, fake.asked()), (unavailable("no answer in time"), 2));
        assert_eq!(began.elapsed(), FETCH_TIMEOUT);
        *fake.hangs.lock().unwrap() = false;
        fake.is(Some("first"));
        advance(FIRST_RETRY_AFTER).await;
        assert_eq!((cached.get().await, fake.asked()), (is("first"), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn known_value_outlives_failed_fetches_for_a_day() {
        let (fake, cached) = cached(Some("old"));
        assert_eq!(cached.get().await, is("old"));
        fake.is(None);
        advance(FRESH_FOR).await;
        for asked in [2, 3, 4] {
            assert_eq!((cached.get().await, fake.asked()), (is("old"), asked));
            advance(RETRY_AFTER - Duration::from_millis(1)).await;
            assert_eq!((cached.get().await, fake.asked()), (is("old"), asked));
            advance(Duration::from_millis(1)).await;
        }
        fake.is(Some("new"));
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 5));
        fake.is(None);
        advance(USABLE_FOR).await;
        assert_eq!((cached.get().await, fake.asked()), (unavailable("as told"), 6));
    }

    #[tokio::test(start_paused = true)]
    async fn invalidated_value_is_fetched_again_at_most_every_five_seconds() {
        let (fake, cached) = cached(Some("old"));
        assert_eq!(cached.get().await, is("old"));
        fake.is(Some("new"));
        cached.invalidate_if(|value| *value == "old").await;
        assert_eq!((cached.get().await, fake.asked()), (is("old"), 1));
        advance(RETRY_AFTER).await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 2));
        // A complaint about the old value says nothing of the new one.
        advance(RETRY_AFTER).await;
        cached.invalidate_if(|value| *value == "old").await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 2));
        cached.invalidate_if(|value| *value == "new").await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 3));
        // A stale value is still better than none.
        fake.is(None);
        advance(RETRY_AFTER).await;
        cached.invalidate_if(|value| *value == "new").await;
        assert_eq!((cached.get().await, fake.asked()), (is("new"), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_fetch_is_left_to_the_next_caller() {
        let (fake, cached) = cached(Some("first"));
        assert!(timeout(TAKES / 2, cached.get()).await.is_err());
        assert_eq!((cached.get().await, fake.asked()), (is("first"), 2));
    }
}
