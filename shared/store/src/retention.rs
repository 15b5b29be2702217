//! Retention removes facts, never totals.
//!
//! A fact expires some days after it was recorded. Once the first fact of a bucket may have expired, another fold would
//! lose it. So the bucket is never folded again, and it is closed to facts in time: the stream delivers a fact to its
//! updater within a day, or not at all.

use chrono::TimeDelta;

use domain::event_time::MAX_AHEAD;
use domain::time::Time;

/// Before a bucket's first fact expires by less than this, the bucket takes no more facts: the 24 hours that a stream
/// keeps a record ([DynamoDB Streams](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html)),
/// and a day to spare.
const CLOSED_TO_FACTS: TimeDelta = TimeDelta::hours(48);

/// Before a bucket's first fact expires by less than this, the bucket is not folded again: longer than any fold takes.
const CLOSED_TO_FOLDS: TimeDelta = TimeDelta::hours(1);

/// How long a bucket or an hour is stored after the first of its facts expired, in case its parent is not closed yet:
/// figures outlive facts.
pub(super) const ROLLUPS_LIVE: TimeDelta = TimeDelta::days(45);

/// How long a minute of a track is stored after it was folded. Once its hour is closed, only a late fact of the hour
/// reads it.
pub(super) const MINUTES_LIVE: TimeDelta = TimeDelta::days(35);

/// The age after which some minutes of an hour may have expired, or expire before it is closed again. Clients' facts
/// are younger ([`MAX_AGE`](domain::event_time::MAX_AGE)).
pub(super) const MINUTES_SURE: TimeDelta = TimeDelta::days(8);

/// How long facts are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u32,
}

impl Retention {
    /// Facts are stored for this many days after they were recorded.
    #[must_use]
    pub fn of_days(days: u32) -> Self {
        Self { days }
    }

    /// When a fact taken in now expires, in seconds since 1970.
    #[must_use]
    pub fn expiry(self, now: Time) -> i64 {
        now.plus(TimeDelta::days(i64::from(self.days))).seconds()
    }

    /// Whether a fact of this time may belong to a bucket that has been closed to facts: only then is it worth a look.
    #[must_use]
    pub fn may_be_closed(self, at: Time, now: Time) -> bool {
        // The bucket's first fact may have happened a minute before, and been taken in MAX_AHEAD before that.
        let earliest = at.plus(-TimeDelta::minutes(1)).plus(-MAX_AHEAD);
        closed_to_facts(self.expiry(earliest), now)
    }
}

/// Whether a bucket whose first fact expires at `expires` is closed to facts.
pub(super) fn closed_to_facts(expires: i64, now: Time) -> bool {
    now.plus(CLOSED_TO_FACTS).seconds() >= expires
}

/// Whether a bucket whose first fact expires at `expires` is closed to folds.
pub(super) fn closed_to_folds(expires: i64, now: Time) -> bool {
    now.plus(CLOSED_TO_FOLDS).seconds() >= expires
}

/// Whether some minutes or hours of a rollup may have expired, if the first of its facts expires at `expires`. It is
/// closed to facts long before.
pub(super) fn sources_may_be_gone(expires: i64, now: Time) -> bool {
    now.seconds() >= expires + ROLLUPS_LIVE.num_seconds() * 2 / 3
}

/// Whether some minutes of an hour with this beginning may have expired.
pub(super) fn minutes_may_be_gone(begins: Time, now: Time) -> bool {
    // Its first fact may have been recorded that long before.
    now.since(begins) >= MINUTES_LIVE - MAX_AHEAD - TimeDelta::hours(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_close_to_facts_before_they_close_to_folds() {
        let now: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let retention = Retention::of_days(90);
        let expires = retention.expiry(now);
        let later = |days: i64, hours: i64| now.plus(TimeDelta::days(days)).plus(TimeDelta::hours(hours));
        assert!(!closed_to_facts(expires, later(87, 23)));
        assert!(closed_to_facts(expires, later(88, 0)) && !closed_to_folds(expires, later(88, 0)));
        assert!(closed_to_folds(expires, later(90, -1)));
    }

    #[test]
    fn every_closed_bucket_is_checked() {
        let now: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let retention = Retention::of_days(90);
        let at = now;
        let expires = retention.expiry(at.plus(-MAX_AHEAD));
        let mut later = now;
        while !closed_to_facts(expires, later) {
            assert!(later.since(now) < TimeDelta::days(91));
            later = later.plus(TimeDelta::minutes(1));
        }
        assert!(retention.may_be_closed(at, later));
        assert!(!retention.may_be_closed(at, at.plus(TimeDelta::days(80))));
    }
}
