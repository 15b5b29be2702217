//! Periods: hours, days, ISO weeks, months and years of one time zone.
//!
//! A day begins and ends where the date of the zone changes, so a day on which clocks are changed has 23 or 25 hours.
//! Hours are counted from the beginning of the day, sixty minutes each except perhaps the last: no hour belongs to two
//! days, whatever the offset of the zone.

use std::fmt;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::time::Time;
use super::time_span::TimeSpan;

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Sixty minutes from a full hour of its day.
    Hour,
    /// A date.
    Day,
    /// From a Monday to a Sunday ([ISO 8601](https://www.iso.org/iso-8601-date-and-time-format.html)).
    Week,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

impl Level {
    /// All levels, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The level of the periods that one of this level consists of; an hour consists of minutes.
    #[must_use]
    pub fn below(self) -> Option<Self> {
        match self {
            Self::Hour => None,
            Self::Day => Some(Self::Hour),
            Self::Week | Self::Month => Some(Self::Day),
            Self::Year => Some(Self::Month),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of hour, day, week, month, year")]
pub struct InvalidLevel;

impl std::str::FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or(InvalidLevel)
    }
}

/// An hour, a day, a week, a month or a year of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    level: Level,
    date: NaiveDate,
    start: Time,
    end: Time,
}

impl Period {
    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// When it begins.
    #[must_use]
    pub fn start(&self) -> Time {
        self.start
    }

    /// When the next one begins.
    #[must_use]
    pub fn end(&self) -> Time {
        self.end
    }

    /// From its beginning to its end.
    #[must_use]
    pub fn span(&self) -> TimeSpan {
        TimeSpan { from: self.start, to: self.end }
    }

    /// Whether a time falls into it.
    #[must_use]
    pub fn contains(&self, time: Time) -> bool {
        self.start <= time && time < self.end
    }
}

impl fmt::Display for Period {
    /// `yyyy-mm-ddThh:mm` (UTC) for an hour, else `yyyy-mm-dd`, `yyyy-Www`, `yyyy-mm`, `yyyy` in the zone; texts of one
    /// level are ordered as their periods are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Hour => write!(f, "{}", self.start.minute()),
            Level::Day => write!(f, "{}", self.date),
            Level::Week => {
                let week = self.date.iso_week();
                write!(f, "{:04}-W{:02}", week.year(), week.week())
            }
            Level::Month => write!(f, "{}", self.date.format("%Y-%m")),
            Level::Year => write!(f, "{}", self.date.format("%Y")),
        }
    }
}

/// A text that names no period of its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name a period: yyyy-mm-ddThh:mm, yyyy-mm-dd, yyyy-Www, yyyy-mm or yyyy")]
pub struct InvalidPeriod;

/// A text that is no supported time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidZone {
    /// The zone does not exist.
    #[error("must be a zone of the IANA time zone database such as UTC or Europe/Berlin")]
    Unknown,
    /// The zone's offset from UTC once had seconds.
    #[error("must be a zone whose offset from UTC has been whole minutes since 1970, such as UTC or Africa/Abidjan")]
    Seconds,
}

/// The calendar of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar(Tz);

impl Default for Calendar {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl std::str::FromStr for Calendar {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        let zone: Tz = text.parse().map_err(|_| InvalidZone::Unknown)?;
        if differs_by_seconds(zone) { Err(InvalidZone::Seconds) } else { Ok(Self(zone)) }
    }
}

/// Whether a zone's clocks ever differed from UTC by other than whole minutes since 1970: minutes, by which everything is
/// counted, would belong to two of its days.
fn differs_by_seconds(zone: Tz) -> bool {
    const DAYS: i64 = 30;
    let mut at = DateTime::UNIX_EPOCH;
    let until = at + TimeDelta::days(68 * 365);
    while at < until {
        if zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc() % 60 != 0 {
            return true;
        }
        at += TimeDelta::days(DAYS);
    }
    false
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Calendar {
    /// The period of a level that a time falls into.
    #[must_use]
    pub fn period(&self, level: Level, time: Time) -> Period {
        let date = self.date(time);
        if level == Level::Hour {
            let midnight = self.midnight(date);
            let hours = time.since(midnight).num_hours();
            let start = midnight.plus(TimeDelta::hours(hours));
            return self.hour(date, start);
        }
        self.of_date(level, date)
    }

    /// The period after another.
    #[must_use]
    pub fn next(&self, period: &Period) -> Period {
        self.period(period.level, period.end)
    }

    /// The period before another.
    #[must_use]
    pub fn previous(&self, period: &Period) -> Period {
        self.period(period.level, period.start.plus(-TimeDelta::milliseconds(1)))
    }

    /// The periods of a level that a span touches, in their order.
    pub fn periods(&self, level: Level, span: TimeSpan) -> impl Iterator<Item = Period> {
        let calendar = *self;
        let first = self.period(level, span.from);
        std::iter::successors(Some(first), move |period| {
            Some(calendar.next(period)).filter(|next| next.start > period.start)
        })
        .take_while(move |period| period.start < span.to)
    }

    /// The beginning of the day this number of days before the day of a time.
    #[must_use]
    pub fn days_before(&self, time: Time, days: u32) -> Time {
        let date = self.date(time);
        self.midnight(date.checked_sub_days(Days::new(u64::from(days))).unwrap_or(date))
    }

    /// The period that a text names.
    ///
    /// # Errors
    /// If it names none of this level.
    pub fn parse(&self, level: Level, text: &str) -> Result<Period, InvalidPeriod> {
        let date = |text: &str| text.parse::<NaiveDate>().map_err(|_| InvalidPeriod);
        let period = match level {
            Level::Hour => self.period(level, format!("{text}:00Z").parse().map_err(|_| InvalidPeriod)?),
            Level::Day => self.of_date(level, date(text)?),
            Level::Month => self.of_date(level, date(&format!("{text}-01"))?),
            Level::Year => self.of_date(level, date(&format!("{text}-01-01"))?),
            Level::Week => {
                let (year, week) = text.split_once("-W").ok_or(InvalidPeriod)?;
                let (year, week) = year.parse().ok().zip(week.parse().ok()).ok_or(InvalidPeriod)?;
                let monday = NaiveDate::from_isoywd_opt(year, week, Weekday::Mon).ok_or(InvalidPeriod)?;
                self.of_date(level, monday)
            }
        };
        // One period has one name, so that it has one key.
        if period.to_string() == text { Ok(period) } else { Err(InvalidPeriod) }
    }

    /// The date of a time. Where clocks are set back over midnight, the new date stays.
    fn date(&self, time: Time) -> NaiveDate {
        let utc: DateTime<Utc> = time.into();
        let local = utc.with_timezone(&self.0);
        let (date, next) = (local.date_naive(), next_day(local.date_naive()));
        if local.hour() >= 12 && self.midnight(next) <= time { next } else { date }
    }

    fn hour(&self, date: NaiveDate, start: Time) -> Period {
        let end = start.plus(TimeDelta::hours(1)).min(self.midnight(next_day(date)));
        Period { level: Level::Hour, date, start, end }
    }

    fn of_date(&self, level: Level, date: NaiveDate) -> Period {
        let (first, next) = match level {
            Level::Hour | Level::Day => (date, next_day(date)),
            Level::Week => {
                let monday = date - Days::new(u64::from(date.weekday().num_days_from_monday()));
                (monday, monday.checked_add_days(Days::new(7)).unwrap_or(monday))
            }
            Level::Month => {
                let first = date.with_day(1).unwrap_or(date);
                (first, first.checked_add_months(Months::new(1)).unwrap_or(first))
            }
            Level::Year => {
                let first = date.with_ordinal(1).unwrap_or(date);
                (first, first.checked_add_months(Months::new(12)).unwrap_or(first))
            }
        };
        Period { level, date: first, start: self.midnight(first), end: self.midnight(next) }
    }

    /// When a date begins: where clocks skip midnight, at the first minute after it; where they repeat it, at the first.
    fn midnight(&self, date: NaiveDate) -> Time {
        let midnight = date.and_time(NaiveTime::MIN);
        let mut local = midnight;
        loop {
            if let Some(time) = self.0.from_local_datetime(&local).earliest() {
                return Time::from(time.to_utc());
            }
            local += TimeDelta::minutes(1);
            if local - midnight > TimeDelta::days(2) {
                return Time::from(midnight.and_utc());
            }
        }
    }
}

fn next_day(date: NaiveDate) -> NaiveDate {
    date.succ_opt().unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn calendar(zone: &str) -> Calendar {
        zone.parse().unwrap()
    }

    #[test]
    fn shows_the_period_of_every_level() {
        let utc = Calendar::default();
        let at = time("2027-01-03T23:59:59.999Z");
        let names: Vec<String> = Level::ALL.map(|level| utc.period(level, at).to_string()).to_vec();
        assert_eq!(names, ["2027-01-03T23:00", "2027-01-03", "2026-W53", "2027-01", "2027"]);
        let leap = utc.period(Level::Month, time("2028-02-29T12:00:00Z"));
        assert_eq!((leap.start(), leap.end()), (time("2028-02-01T00:00:00Z"), time("2028-03-01T00:00:00Z")));
        for level in Level::ALL {
            let period = utc.period(level, at);
            assert_eq!(utc.parse(level, &period.to_string()), Ok(period));
            assert_eq!(utc.next(&utc.previous(&period)), period);
        }
    }

    #[test]
    fn periods_of_a_level_follow_each_other_without_a_gap_in_any_zone() {
        // New York changes its clocks by an hour, Lord Howe by half an hour, Santiago at midnight; Kolkata is half an
        // hour off the hours of UTC; Samoa skipped a date.
        for zone in
            ["UTC", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata", "Pacific/Apia"]
        {
            let calendar = calendar(zone);
            for level in Level::ALL {
                let first = time("2010-12-20T00:00:00Z");
                let mut period = calendar.period(level, first);
                while period.start() < time("2012-04-20T00:00:00Z") {
                    let next = calendar.next(&period);
                    assert_eq!((period.end(), next.level()), (next.start(), level), "{zone} {period}");
                    assert!(period.start() < period.end() && period.to_string() < next.to_string(), "{zone} {period}");
                    assert_eq!(calendar.parse(level, &period.to_string()), Ok(period), "{zone}");
                    if let Some(below) = level.below() {
                        let inner = calendar.period(below, period.start());
                        assert_eq!(inner.start(), period.start(), "{zone} {period}");
                        let last = calendar.period(below, period.end().plus(-TimeDelta::milliseconds(1)));
                        assert_eq!(last.end(), period.end(), "{zone} {period}");
                    }
                    period = next;
                }
            }
        }
    }

    #[test]
    fn hours_of_a_day_follow_its_zone() {
        let new_york = calendar("America/New_York");
        for (date, hours) in [("2026-03-08", 23), ("2026-11-01", 25), ("2026-07-01", 24)] {
            let day = new_york.parse(Level::Day, date).unwrap();
            assert_eq!(day.end().since(day.start()), TimeDelta::hours(hours), "{date}");
        }
        let day = calendar("Australia/Lord_Howe").parse(Level::Day, "2026-04-05").unwrap();
        assert_eq!(day.end().since(day.start()), TimeDelta::minutes(24 * 60 + 30));
        let first = calendar("Asia/Kolkata").period(Level::Hour, time("2026-01-01T18:45:00Z"));
        assert_eq!(first.to_string(), "2026-01-01T18:30");
    }

    #[test]
    fn rejects_names_of_no_period() {
        let utc = Calendar::default();
        for (level, text) in [
            (Level::Hour, "2026-01-01T18:30"),
            (Level::Hour, "2026-01-01"),
            (Level::Day, "2026-02-30"),
            (Level::Day, "2026-2-3"),
            (Level::Week, "2025-W53"),
            (Level::Week, "2026-05"),
            (Level::Month, "2026-13"),
            (Level::Year, "26"),
        ] {
            assert_eq!(utc.parse(level, text), Err(InvalidPeriod), "{level} {text}");
        }
        assert_eq!("Mars/Olympus".parse::<Calendar>(), Err(InvalidZone::Unknown));
    }

    /// When a zone's distance from UTC changes since 1970, to the minute.
    fn changes(zone: Tz) -> Vec<Time> {
        let offset = |at: Time| zone.offset_from_utc_datetime(&DateTime::<Utc>::from(at).naive_utc()).fix();
        let (mut changes, mut at) = (Vec::new(), Time::from(DateTime::UNIX_EPOCH));
        while at < time("2030-01-01T00:00:00Z") {
            let next = at.plus(TimeDelta::days(7));
            let (mut before, mut after) = (at, next);
            while offset(before) != offset(after) && after.since(before) > TimeDelta::minutes(1) {
                let middle = before.plus(TimeDelta::minutes(after.since(before).num_minutes() / 2));
                if offset(middle) == offset(before) { before = middle } else { after = middle }
            }
            if offset(before) != offset(after) {
                changes.push(after);
            }
            at = next;
        }
        changes
    }

    #[test]
    fn every_zone_has_a_calendar_without_gaps_or_is_rejected() {
        let mut refused = Vec::new();
        for zone in chrono_tz::TZ_VARIANTS {
            let calendar = match zone.name().parse::<Calendar>() {
                Ok(calendar) => calendar,
                Err(error) => {
                    assert_eq!(error, InvalidZone::Seconds, "{zone}");
                    refused.push(zone.name());
                    continue;
                }
            };
            for change in changes(zone) {
                let day = calendar.period(Level::Day, change);
                let around = [-60, -30, -1, 0, 1, 29, 30, 31, 59, 60, 90]
                    .map(|minutes| change.plus(TimeDelta::minutes(minutes)));
                let near_midnight = change.since(day.start()).abs().min(day.end().since(change)) < TimeDelta::hours(3);
                let at: &[Time] = if near_midnight { &around } else { &around[2..4] };
                for at in at.iter().copied().chain([day.start(), day.start().plus(-TimeDelta::milliseconds(1))]) {
                    for level in [Level::Hour, Level::Day] {
                        let period = calendar.period(level, at);
                        assert!(period.contains(at), "{zone} {at}: {level} {} to {}", period.start(), period.end());
                        assert_eq!(calendar.parse(level, &period.to_string()), Ok(period), "{zone} {at}");
                        assert_eq!(calendar.next(&period).start(), period.end(), "{zone} {at}");
                    }
                }
            }
        }
        assert_eq!(refused, ["Africa/Monrovia"]);
    }
}
