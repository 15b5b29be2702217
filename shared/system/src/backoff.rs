//! Waiting before trying again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The shortest wait.
const FIRST: Duration = Duration::from_millis(25);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// Exponential backoff with full jitter, inside a deadline
/// ([Exponential backoff and jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
#[derive(Debug)]
pub struct Backoff {
    deadline: Instant,
    ceiling: Duration,
}

impl Backoff {
    /// Waits that end before the deadline.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, ceiling: FIRST }
    }

    /// Waits before another try; `false` if there is no time for one.
    pub async fn wait(&mut self) -> bool {
        let until = Instant::now() + self.ceiling.mul_f64(fastrand::f64());
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        if until >= self.deadline {
            return false;
        }
        sleep_until(until).await;
        true
    }
}
