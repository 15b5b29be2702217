//! A secret that is asked for once in a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Secret, Unavailable};

/// How long a secret is used without asking again, and so how late at most one that was changed is taken up.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// How soon at the earliest it is asked for again where asking failed, or where it is doubted.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// The same while there is none, and all who need it are sent away.
const FIRST_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long asking may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A secret that is kept for five minutes. Who comes while it is being asked for shares the answer, and the failure too.
pub struct Kept {
    secret: Arc<dyn Secret>,
    state: Mutex<State>,
}

struct State {
    /// What it was when it was last told, or why it never was.
    known: Result<String, Unavailable>,
    /// When it was last asked for, and when it is to be asked for again; nothing before the first time.
    asked: Option<(Instant, Instant)>,
}

impl Kept {
    /// Keeps this secret, which is asked for when it is first needed.
    #[must_use]
    pub fn new(secret: Arc<dyn Secret>) -> Self {
        let state = State { known: Err(Unavailable("nobody has asked for it".to_owned())), asked: None };
        Self { secret, state: Mutex::new(state) }
    }

    /// The secret. Where asking fails, the last one that was told goes on being used.
    ///
    /// # Errors
    /// None was ever told.
    pub async fn get(&self) -> Result<String, Unavailable> {
        let mut state = self.state.lock().await;
        if state.asked.is_none_or(|(_, due)| Instant::now() >= due) {
            let answer = timeout(PATIENCE, self.secret.ask()).await;
            let answer = answer.unwrap_or_else(|_| Err(Unavailable("no answer in time".to_owned())));
            let again_after = match (&answer, &state.known) {
                (Ok(_), _) => FRESH_FOR,
                (Err(error), Ok(_)) => {
                    tracing::warn!(error = %error, "the last known secret is used: {error}");
                    AGAIN_AFTER
                }
                (Err(error), Err(_)) => {
                    tracing::error!(error = %error, "{error}");
                    FIRST_AGAIN_AFTER
                }
            };
            let now = Instant::now();
            state.asked = Some((now, now + again_after));
            if answer.is_ok() || state.known.is_err() {
                state.known = answer;
            }
        }
        state.known.clone()
    }

    /// Somebody does not take this secret: if it is still the one that is kept, it is asked for again soon.
    pub async fn doubt(&self, secret: &str) {
        let mut state = self.state.lock().await;
        if state.known.as_ref().is_ok_and(|known| known == secret) {
            state.asked = state.asked.map(|(asked, due)| (asked, due.min(asked + AGAIN_AFTER)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use futures::FutureExt;
    use futures::future::{BoxFuture, join_all};
    use tokio::time::{advance, sleep};

    use super::*;

    /// How long an answer takes.
    const TAKES: Duration = Duration::from_millis(100);

    /// A secret that a test changes; counts how often it was asked for.
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

    impl Secret for Fake {
        fn ask(&self) -> BoxFuture<'_, Result<String, Unavailable>> {
            *self.asked.lock().unwrap() += 1;
            let now = *self.now.lock().unwrap();
            let takes = if *self.hangs.lock().unwrap() { Duration::MAX } else { TAKES };
            async move {
                sleep(takes).await;
                now.map(str::to_owned).ok_or_else(|| Unavailable("as told".to_owned()))
            }
            .boxed()
        }
    }

    fn kept(secret: Option<&'static str>) -> (Arc<Fake>, Kept) {
        let fake = Arc::new(Fake::default());
        fake.is(secret);
        (Arc::clone(&fake), Kept::new(fake))
    }

    fn told(secret: &str) -> Result<String, Unavailable> {
        Ok(secret.to_owned())
    }

    fn unavailable(reason: &str) -> Result<String, Unavailable> {
        Err(Unavailable(reason.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_for_when_it_is_needed_and_again_when_its_time_is_over() {
        let (fake, kept) = kept(Some("old"));
        assert_eq!(fake.asked(), 0);
        assert_eq!((kept.get().await, fake.asked()), (told("old"), 1));
        fake.is(Some("new"));
        advance(FRESH_FOR - Duration::from_millis(1)).await;
        assert_eq!((kept.get().await, fake.asked()), (told("old"), 1));
        advance(Duration::from_millis(1)).await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 2));
        advance(FRESH_FOR - Duration::from_millis(1)).await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_meanwhile_shares_the_answer_and_the_failure() {
        let (fake, kept) = kept(None);
        let all = join_all((0..50).map(|_| kept.get())).await;
        assert!(all.iter().all(|one| *one == unavailable("as told")));
        assert_eq!(fake.asked(), 1);
        fake.is(Some("first"));
        advance(FIRST_AGAIN_AFTER).await;
        for asked in [2, 3] {
            let all = join_all((0..50).map(|_| kept.get())).await;
            assert!(all.iter().all(|one| *one == told("first")));
            assert_eq!(fake.asked(), asked);
            advance(FRESH_FOR).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_one_it_is_asked_for_soon_again() {
        let (fake, kept) = kept(None);
        assert_eq!(kept.get().await, unavailable("as told"));
        advance(FIRST_AGAIN_AFTER - Duration::from_millis(1)).await;
        assert_eq!((kept.get().await, fake.asked()), (unavailable("as told"), 1));
        advance(Duration::from_millis(1)).await;
        *fake.hangs.lock().unwrap() = true;
        let began = Instant::now();
        assert_eq!((kept.get().await, fake.asked()), (unavailable("no answer in time"), 2));
        assert_eq!(began.elapsed(), PATIENCE);
        *fake.hangs.lock().unwrap() = false;
        fake.is(Some("first"));
        advance(FIRST_AGAIN_AFTER).await;
        assert_eq!((kept.get().await, fake.asked()), (told("first"), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_one_outlives_failures() {
        let (fake, kept) = kept(Some("old"));
        assert_eq!(kept.get().await, told("old"));
        fake.is(None);
        advance(FRESH_FOR).await;
        for asked in [2, 3, 4] {
            assert_eq!((kept.get().await, fake.asked()), (told("old"), asked));
            advance(AGAIN_AFTER - Duration::from_millis(1)).await;
            assert_eq!((kept.get().await, fake.asked()), (told("old"), asked));
            advance(Duration::from_millis(1)).await;
        }
        fake.is(Some("new"));
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_doubted_is_asked_for_again_but_not_all_the_time() {
        let (fake, kept) = kept(Some("old"));
        assert_eq!(kept.get().await, told("old"));
        fake.is(Some("new"));
        kept.doubt("old").await;
        assert_eq!((kept.get().await, fake.asked()), (told("old"), 1));
        advance(AGAIN_AFTER).await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 2));
        // Who was late with the old one says nothing of the new one.
        advance(AGAIN_AFTER).await;
        kept.doubt("old").await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 2));
        kept.doubt("new").await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 3));
        // A doubted one is still better than none.
        fake.is(None);
        advance(AGAIN_AFTER).await;
        kept.doubt("new").await;
        assert_eq!((kept.get().await, fake.asked()), (told("new"), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_it_to_the_next() {
        let (fake, kept) = kept(Some("first"));
        assert!(timeout(TAKES / 2, kept.get()).await.is_err());
        assert_eq!((kept.get().await, fake.asked()), (told("first"), 2));
    }
}
