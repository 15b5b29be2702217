//! Time for tests: a clock that runs with tokio's own, which tests may pause.

use chrono::{DateTime, TimeDelta, Utc};
use system::clock::{Clock, SystemClock};
use tokio::time::Instant;

/// Runs with tokio's time, and began at the machine's.
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
