//! Times: UTC to the millisecond, and the hours and minutes that facts fall into.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// The seconds of a day.
const SECONDS_OF_A_DAY: u32 = 24 * 60 * 60;

/// A point in time, UTC, to the millisecond, of the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(DateTime<Utc>);

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-01-31T09:30:00.000Z")]
pub struct InvalidTime;

impl Time {
    /// The time in whole milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The time in whole seconds since 1970, as DynamoDB's time to live counts it.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// This time moved by `by`; stays put where the calendar ends.
    #[must_use]
    pub fn plus(self, by: TimeDelta) -> Self {
        self.0.checked_add_signed(by).map_or(self, Self::from)
    }

    /// This time, or the millisecond after `earlier` if that is later: changes of one document are in order, whatever
    /// the clocks show.
    #[must_use]
    pub fn strictly_after(self, earlier: Self) -> Self {
        self.max(earlier.plus(TimeDelta::milliseconds(1)))
    }

    /// The day of UTC it falls into, as `yyyy-mm-dd`.
    #[must_use]
    pub fn day(self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }

    /// The seconds until the end of its day in UTC, at least one.
    #[must_use]
    pub fn seconds_left_in_day(self) -> u32 {
        SECONDS_OF_A_DAY.saturating_sub(self.0.num_seconds_from_midnight()).max(1)
    }

    /// The time since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> TimeDelta {
        self.0 - earlier.0
    }

    /// The hour it falls into.
    #[must_use]
    pub fn hour(self) -> Hour {
        Hour(self.0.with_minute(0).and_then(|t| t.with_second(0)).and_then(|t| t.with_nanosecond(0)).unwrap_or(self.0))
    }

    /// The minute it falls into.
    #[must_use]
    pub fn minute(self) -> Minute {
        Minute { hour: self.hour(), minute: self.0.minute() }
    }

    /// `mm:ss.mmm`: where in its hour it is.
    #[must_use]
    pub fn offset_in_hour(self) -> String {
        self.0.format("%M:%S%.3f").to_string()
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        // Going through milliseconds drops finer digits and folds a leap second into the next one.
        Self(DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time))
    }
}

impl From<Time> for DateTime<Utc> {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl std::str::FromStr for Time {
    type Err = InvalidTime;

    /// Reads RFC 3339 of any offset; digits finer than a millisecond are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = Self::from(DateTime::parse_from_rfc3339(text).map_err(|_| InvalidTime)?.to_utc());
        if (0..=9999).contains(&time.0.year()) { Ok(time) } else { Err(InvalidTime) }
    }
}

impl TryFrom<String> for Time {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// An hour of the UTC calendar, shown as `yyyy-mm-ddThh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(DateTime<Utc>);

impl Hour {
    /// The minute of this hour, if there is one of that number.
    #[must_use]
    pub fn minute(self, minute: u32) -> Option<Minute> {
        (minute < 60).then_some(Minute { hour: self, minute })
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H"))
    }
}

impl std::str::FromStr for Hour {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let (date, hour) = text.split_once('T').ok_or(InvalidTime)?;
        let date: NaiveDate = date.parse().map_err(|_| InvalidTime)?;
        let hour = hour.parse().ok().and_then(|hour| date.and_hms_opt(hour, 0, 0)).ok_or(InvalidTime)?;
        let parsed = Self(hour.and_utc());
        // One hour has one name, so that it has one key.
        if parsed.to_string() == text { Ok(parsed) } else { Err(InvalidTime) }
    }
}

/// A minute of the UTC calendar, shown as `yyyy-mm-ddThh:mm`: the span of a live bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute {
    hour: Hour,
    minute: u32,
}

impl Minute {
    /// The hour.
    #[must_use]
    pub fn hour(self) -> Hour {
        self.hour
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Time {
        Time(self.hour.0 + TimeDelta::minutes(i64::from(self.minute)))
    }

    /// The number in the hour, 0 to 59.
    #[must_use]
    pub fn in_hour(self) -> u32 {
        self.minute
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn parses_any_offset_and_shows_utc_milliseconds() {
        assert_eq!(time("2026-01-31T23:30:00.1239-01:00").to_string(), "2026-02-01T00:30:00.123Z");
        assert_eq!(time("2026-01-31T09:30:00Z").to_string(), "2026-01-31T09:30:00.000Z");
        for bad in
            ["", "2026-01-31", "1770000000", "2026-13-01T00:00:00Z", "2026-01-31T09:30:00", "0000-01-01T00:00:00+01:00"]
        {
            assert_eq!(bad.parse::<Time>(), Err(InvalidTime), "{bad}");
        }
    }

    #[test]
    fn time_is_in_one_hour_and_one_minute() {
        let at = time("2026-01-31T09:07:05.040Z");
        assert_eq!(at.minute().to_string(), "2026-01-31T09:07");
        assert_eq!(at.offset_in_hour(), "07:05.040");
        assert_eq!(at.hour().to_string().parse(), Ok(at.hour()));
        assert_eq!(time("2016-12-31T23:59:60Z").minute().to_string(), "2017-01-01T00:00");
        for bad in ["2026-01-31", "2026-01-31T9", "2026-01-31T24", "2026-1-31T09", "+2026-01-31T09"] {
            assert_eq!(bad.parse::<Hour>(), Err(InvalidTime), "{bad}");
        }
    }
}
