//! Spans of time, and how exactly the past can still be cut.

use chrono::{DateTime, TimeDelta};
use serde::{Serialize, Serializer};

use super::calendar::{Calendar, Level};
use super::time::Time;

/// How long hours are certain to be stored; further back the resolution is a day.
pub const HOURS_KEPT_FOR: TimeDelta = TimeDelta::days(88);

/// How long minutes are certain to be stored; further back the resolution is an hour.
pub const MINUTES_KEPT_FOR: TimeDelta = TimeDelta::days(31);

/// From a time until just before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TimeSpan {
    /// The first moment in it. It is shown as 1970 at the earliest, though a day of the zone may begin before.
    #[serde(serialize_with = "since_1970")]
    pub from: Time,
    /// The first moment after it.
    pub to: Time,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn since_1970<S: Serializer>(from: &Time, to: S) -> Result<S::Ok, S::Error> {
    (*from).max(Time::from(DateTime::UNIX_EPOCH)).serialize(to)
}

impl TimeSpan {
    /// This span with its ends rounded down to the stored resolution: to the minute, or to the hour or the day where
    /// minutes or hours may no longer be stored.
    #[must_use]
    pub fn rounded(self, calendar: &Calendar, now: Time) -> Self {
        let cut = |time: Time| match now.since(time) {
            ago if ago > HOURS_KEPT_FOR => calendar.period(Level::Day, time).start(),
            ago if ago > MINUTES_KEPT_FOR => calendar.period(Level::Hour, time).start(),
            _ => time.minute().start(),
        };
        Self { from: cut(self.from), to: cut(self.to) }
    }

    /// Its length.
    #[must_use]
    pub fn length(self) -> TimeDelta {
        self.to.since(self.from)
    }

    /// Whether nothing can be in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// Its parts in the different periods of a level, in order.
    #[must_use]
    pub fn split(self, calendar: &Calendar, level: Level) -> Vec<Self> {
        let mut split = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = calendar.period(level, from).end().min(self.to);
            split.push(Self { from, to });
            from = to;
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_is_rounded_to_the_stored_resolution() {
        let now: Time = "2026-11-20T14:37:20.000Z".parse().unwrap();
        let span = TimeSpan { from: "2026-01-05T10:20:30.400Z".parse().unwrap(), to: now };
        let rounded = span.rounded(&Calendar::default(), now);
        assert_eq!(rounded.from.to_string(), "2026-01-05T00:00:00.000Z");
        assert_eq!(rounded.to.to_string(), "2026-11-20T14:37:00.000Z");
        let in_october = TimeSpan { from: "2026-10-05T10:20:30.400Z".parse().unwrap(), to: now };
        assert_eq!(in_october.rounded(&Calendar::default(), now).from.to_string(), "2026-10-05T10:00:00.000Z");
        let split = TimeSpan { from: "2026-10-31T12:00:00Z".parse().unwrap(), to: now }
            .split(&Calendar::default(), Level::Month);
        let starts: Vec<String> = split.iter().map(|cell| cell.from.to_string()[..10].to_owned()).collect();
        assert_eq!(starts, ["2026-10-31", "2026-11-01"]);
        assert_eq!(split[1].to, now);
    }
}
