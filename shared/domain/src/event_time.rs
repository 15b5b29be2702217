//! Limits that several systems share.

use chrono::{DateTime, TimeDelta};

use super::time::Time;

/// A play shorter than this is skipped, unless the track was completed.
pub const SKIP_BELOW_MS: u64 = 20_000;

/// How far an event's time may be ahead of the server, since clients' clocks are skewed.
pub const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// The greatest age of an event that no admin imports.
pub const MAX_AGE: TimeDelta = TimeDelta::days(7);

/// Nothing happened before this: 1970.
#[must_use]
pub fn earliest() -> Time {
    Time::from(DateTime::UNIX_EPOCH)
}

/// Why an event's time is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventTime {
    /// The client's clock is wrong; `serverTime` in the answer helps it to correct it.
    #[error("must be at most 5 minutes ahead of serverTime")]
    Ahead,
    /// The event is too old for its figures to change.
    #[error("must be at most 7 days old; only an admin may import older events")]
    Old,
    /// The event's time is before 1970.
    #[error("must not be before 1970-01-01T00:00:00Z")]
    Ancient,
}

/// Whether an event of this time is taken.
///
/// # Errors
/// If it is ahead of `now` by more than [`MAX_AHEAD`], or older than [`MAX_AGE`] and no backfill, or before
/// [`earliest`].
pub fn check_event_time(at: Time, now: Time, may_backfill: bool) -> Result<(), InvalidEventTime> {
    if at.since(now) > MAX_AHEAD {
        Err(InvalidEventTime::Ahead)
    } else if at < earliest() {
        Err(InvalidEventTime::Ancient)
    } else if !may_backfill && now.since(at) > MAX_AGE {
        Err(InvalidEventTime::Old)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_times_at_the_limits_are_accepted() {
        let now: Time = "2026-01-31T12:00:00.000Z".parse().unwrap();
        let judge = |by: TimeDelta, backfill| check_event_time(now.plus(by), now, backfill);
        let tick = TimeDelta::milliseconds(1);
        assert_eq!(judge(MAX_AHEAD, false), Ok(()));
        assert_eq!(judge(MAX_AHEAD + tick, true), Err(InvalidEventTime::Ahead));
        assert_eq!(judge(-MAX_AGE, false), Ok(()));
        assert_eq!(judge(-MAX_AGE - tick, false), Err(InvalidEventTime::Old));
        assert_eq!(judge(-TimeDelta::days(4000), true), Ok(()));
        assert_eq!(check_event_time(earliest(), now, true), Ok(()));
        assert_eq!(check_event_time(earliest().plus(-tick), now, true), Err(InvalidEventTime::Ancient));
    }
}
