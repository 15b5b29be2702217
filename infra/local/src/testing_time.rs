//! Time for tests: a clock that follows tokio's time, which tests can pause.

use chrono::{DateTime, TimeDelta, Utc};
use system::clock::{Clock, SystemClock};
use tokio::time::Instant;

/// A clock that starts at the machine's time and follows tokio's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestClock {
    start: DateTime<Utc>,
    began: Instant,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { start: SystemClock.now(), began: Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + TimeDelta::from_std(self.began.elapsed()).unwrap_or_default()
    }
}
