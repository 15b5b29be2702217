//! The clock of a local cloud.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use system::clock::{Clock, SystemClock};

/// A clock that is ahead of the system's by an offset.
#[derive(Default)]
pub(crate) struct OffsetClock(Mutex<TimeDelta>);

impl OffsetClock {
    /// Replaces the offset.
    pub(crate) fn set_offset(&self, offset: TimeDelta) {
        *self.0.lock().unwrap() = offset;
    }

    /// Sets the time.
    pub(crate) fn set_time(&self, time: DateTime<Utc>) {
        self.set_offset(time - SystemClock.now());
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}
