//! The range of an analytics query, and the points of its series.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta};

use crate::calendar::{Calendar, Level};
use crate::time::Time;
use crate::time_span::{HOURS_KEPT_FOR, TimeSpan};
use crate::validation::InvalidField;

/// The most points that a series has: two years of days, a month of hours.
pub const MAX_POINTS: usize = 750;

/// The distance of every range's end from the present; greater than the skew that an event may have.
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// A part of the past that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRange {
    /// The running hour and the 23 before it.
    Last24Hours,
    /// Today and the 6 days before.
    Last7Days,
    /// Today and the 29 days before.
    Last30Days,
    /// Today and the 89 days before.
    Last90Days,
    /// Today and the 364 days before.
    LastYear,
    /// Everything.
    All,
}

impl TimeRange {
    const EVERY: [Self; 6] =
        [Self::Last24Hours, Self::Last7Days, Self::Last30Days, Self::Last90Days, Self::LastYear, Self::All];

    fn name(self) -> &'static str {
        match self {
            Self::Last24Hours => "24h",
            Self::Last7Days => "7d",
            Self::Last30Days => "30d",
            Self::Last90Days => "90d",
            Self::LastYear => "1y",
            Self::All => "all",
        }
    }

    /// The number of days, if the range consists of days.
    fn days(self) -> Option<u32> {
        match self {
            Self::Last7Days => Some(7),
            Self::Last30Days => Some(30),
            Self::Last90Days => Some(90),
            Self::LastYear => Some(365),
            Self::Last24Hours | Self::All => None,
        }
    }

    /// The steps that a chart of it has.
    #[must_use]
    pub fn step(self) -> Level {
        match self {
            Self::Last24Hours => Level::Hour,
            Self::Last7Days | Self::Last30Days | Self::Last90Days => Level::Day,
            Self::LastYear | Self::All => Level::Month,
        }
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TimeRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::EVERY
            .into_iter()
            .find(|range| range.name() == text)
            .ok_or_else(|| format!("must be one of {}", Self::EVERY.map(Self::name).join(", ")))
    }
}

/// The step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Level);

impl Interval {
    /// The level whose periods are the steps.
    #[must_use]
    pub fn level(self) -> Level {
        self.0
    }
}

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "must be one of hour, day, week, month, year")
    }
}

/// The part of the past that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The name by which it was requested, if by one.
    pub named: Option<TimeRange>,
    /// From when to when it goes.
    pub span: TimeSpan,
    /// The range before it, for comparison, if there is one.
    pub previous: Option<TimeSpan>,
}

/// The beginning of the running minute's successor: a range that ends there has all that happened until now.
fn after(now: Time) -> Time {
    now.minute().start().plus(TimeDelta::minutes(1))
}

impl Range {
    /// The range of a name.
    #[must_use]
    pub fn named(named: TimeRange, calendar: &Calendar, now: Time) -> Self {
        let to = after(now);
        let (span, before) = match (named, named.days()) {
            (TimeRange::All, _) => (everything(now), None),
            (_, Some(days)) => {
                let from = calendar.days_before(now, days - 1);
                (TimeSpan { from, to }, Some(calendar.days_before(from, days)))
            }
            (_, None) => {
                let running = calendar.period(Level::Hour, now);
                let from = (1..24).fold(running, |hour, _| calendar.previous(&hour)).start();
                (TimeSpan { from, to }, Some(from.plus(-TimeDelta::hours(24))))
            }
        };
        // As far into its period as the running one is; a day more or less of an hour must not make them overlap.
        let previous = before.map(|from| TimeSpan { from, to: from.plus(span.length()).min(span.from) });
        Self::resolved(Some(named), span, previous, calendar, now)
    }

    /// The range between two times; without an end, it ends with the running minute.
    ///
    /// # Errors
    /// If the range is empty, or too short for the resolution that is still available.
    pub fn between(from: Time, to: Option<Time>, calendar: &Calendar, now: Time) -> Result<Self, InvalidField> {
        match to {
            Some(to) if to <= from => return Err(InvalidField::new("to", "must be later than from")),
            None if now < from => return Err(InvalidField::new("from", "must not be in the future")),
            _ => {}
        }
        // The range is bounded by all recorded time, so that neither end makes the read longer than necessary.
        let all = everything(now);
        let span = TimeSpan { from: from.max(all.from), to: to.unwrap_or_else(|| after(now)).min(all.to) };
        if span.is_empty() {
            let field = if from < all.to { "to" } else { "from" };
            return Err(InvalidField::new(field, "must be between 1970 and now"));
        }
        let range = Self::resolved(None, span, None, calendar, now);
        if range.span.is_empty() {
            return Err(InvalidField::new(
                "to",
                format!(
                    "must be in a later minute than from, or on a later day if from is {} days ago",
                    HOURS_KEPT_FOR.num_days()
                ),
            ));
        }
        let previous = TimeSpan { from: range.span.from.plus(-range.span.length()), to: range.span.from };
        Ok(Self::resolved(None, range.span, Some(previous), calendar, now))
    }

    fn resolved(
        named: Option<TimeRange>,
        span: TimeSpan,
        previous: Option<TimeSpan>,
        calendar: &Calendar,
        now: Time,
    ) -> Self {
        let previous = previous.map(|previous| previous.rounded(calendar, now));
        let previous = previous.filter(|span| !span.is_empty() && span.to > Time::from(DateTime::UNIX_EPOCH));
        Self { named, span: span.rounded(calendar, now), previous }
    }

    /// This range widened to full hours, without the running one. Reads over many tracks use it, so that they read
    /// minutes only of hours that are not closed.
    #[must_use]
    pub fn in_full_hours(self, calendar: &Calendar, now: Time) -> Self {
        let running = calendar.period(Level::Hour, now).start();
        let hour = |time: Time| calendar.period(Level::Hour, time);
        let from = |time: Time| hour(time).start();
        let to = |time: Time| if time <= from(time) || time > running { time } else { hour(time).end() };
        let span = TimeSpan { from: from(self.span.from), to: to(self.span.to) };
        let previous =
            self.previous.map(|before| TimeSpan { from: from(before.from), to: to(before.to).min(span.from) });
        Self { span, previous: previous.filter(|before| !before.is_empty()), ..self }
    }

    /// Whether a series begins with the first thing that happened, and not with the range.
    #[must_use]
    pub fn begins_with_the_first(&self) -> bool {
        self.named == Some(TimeRange::All)
    }

    /// The points of a series; `first` is the time of the first event and is needed only for the range of everything.
    #[must_use]
    pub fn points(&self, level: Level, first: Option<Time>, calendar: &Calendar) -> Vec<TimeSpan> {
        let from = match first {
            _ if !self.begins_with_the_first() => self.span.from,
            Some(first) => calendar.period(level, first).start().max(self.span.from),
            None => return Vec::new(),
        };
        TimeSpan { from, to: self.span.to }.split(calendar, level)
    }

    /// The points of a series at an interval that a client requests.
    ///
    /// # Errors
    /// If there are too many points, or hours that are no longer stored.
    pub fn series(
        &self,
        interval: Interval,
        first: Option<Time>,
        calendar: &Calendar,
        now: Time,
    ) -> Result<Vec<TimeSpan>, InvalidField> {
        let points = self.points(interval.level(), first, calendar);
        let begins = points.first().map_or(now, |point| point.from);
        if interval.level() == Level::Hour && now.since(begins) > HOURS_KEPT_FOR {
            let reason = format!(
                "must be longer than an hour for a range that begins more than {} days ago",
                HOURS_KEPT_FOR.num_days()
            );
            return Err(InvalidField::new("interval", reason));
        }
        if points.len() > MAX_POINTS {
            let reason = format!(
                "must be longer: it divides this range into {} points, and the limit is {MAX_POINTS}",
                points.len()
            );
            return Err(InvalidField::new("interval", reason));
        }
        Ok(points)
    }
}

/// From 1970 until after anything that may have happened.
fn everything(now: Time) -> TimeSpan {
    TimeSpan { from: Time::from(DateTime::UNIX_EPOCH), to: now.plus(AHEAD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: [&str; 6] = ["24h", "7d", "30d", "90d", "1y", "all"];

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn calendar(zone: &str) -> Calendar {
        zone.parse().unwrap()
    }

    fn named(name: &str, zone: &str, now: &str) -> Range {
        Range::named(name.parse().unwrap(), &calendar(zone), time(now))
    }

    fn show(span: TimeSpan) -> String {
        let minute = |time: Time| time.minute().to_string();
        format!("{}..{}", minute(span.from), minute(span.to))
    }

    fn between(from: &str, to: Option<&str>) -> Result<Range, InvalidField> {
        Range::between(time(from), to.map(time), &Calendar::default(), time("2026-11-20T14:37:20.500Z"))
    }

    #[test]
    fn named_ranges_end_with_the_running_minute() {
        for (name, span, previous) in [
            ("24h", "2026-11-19T15:00..2026-11-20T14:38", "2026-11-18T15:00..2026-11-19T14:38"),
            ("7d", "2026-11-14T00:00..2026-11-20T14:38", "2026-11-07T00:00..2026-11-13T14:38"),
            ("30d", "2026-10-22T00:00..2026-11-20T14:38", "2026-09-22T00:00..2026-10-21T14:38"),
            // Beyond 88 days only whole days are stored.
            ("90d", "2026-08-23T00:00..2026-11-20T14:38", "2026-05-25T00:00..2026-08-22T00:00"),
            ("1y", "2025-11-21T00:00..2026-11-20T14:38", "2024-11-21T00:00..2025-11-20T00:00"),
        ] {
            let range = named(name, "UTC", "2026-11-20T14:37:20.500Z");
            assert_eq!((show(range.span), show(range.previous.unwrap())), (span.to_owned(), previous.to_owned()));
        }
        let all = named("all", "UTC", "2026-11-20T14:37:20.500Z");
        assert_eq!((show(all.span).as_str(), all.previous), ("1970-01-01T00:00..2026-11-20T14:47", None));
        for name in NAMED {
            assert_eq!(name.parse::<TimeRange>().unwrap().to_string(), name);
        }
        assert!("31d".parse::<TimeRange>().unwrap_err().contains("24h, 7d, 30d, 90d, 1y, all"));
    }

    #[test]
    fn full_hours_contain_the_range_without_the_running_hour() {
        let now = time("2026-11-20T14:37:20Z");
        let hours = |range: Range| range.in_full_hours(&Calendar::default(), now);
        let range = hours(between("2026-11-19T10:20:00Z", Some("2026-11-20T11:40:00Z")).unwrap());
        assert_eq!(show(range.span), "2026-11-19T10:00..2026-11-20T12:00");
        assert_eq!(show(range.previous.unwrap()), "2026-11-18T09:00..2026-11-19T10:00");
        let range = hours(Range::named(TimeRange::Last24Hours, &Calendar::default(), now));
        assert_eq!(show(range.span), "2026-11-19T15:00..2026-11-20T14:38");
        assert_eq!(show(range.previous.unwrap()), "2026-11-18T15:00..2026-11-19T15:00");
    }

    #[test]
    fn nothing_is_told_of_times_before_1970_in_any_zone() {
        for zone in ["UTC", "America/New_York", "Pacific/Honolulu", "Asia/Tokyo"] {
            let calendar = calendar(zone);
            let now = time("2026-11-20T14:37:20.500Z");
            let all = named("all", zone, "2026-11-20T14:37:20.500Z");
            let first = time("1970-01-01T00:30:00Z");
            let points = all.points(Level::Day, Some(first), &calendar);
            for told in [all.span, points[0]] {
                let told = serde_json::to_value(told).unwrap();
                assert!(told["from"].as_str().unwrap() >= "1970-01-01T00:00:00.000Z", "{zone}: {told}");
            }
            // The series begins with the day that contains the first moment of 1970.
            assert!(all.span.from <= Time::from(DateTime::UNIX_EPOCH) && points[0].from <= first);
            assert_eq!(all.span.from, calendar.period(Level::Day, all.span.from).start(), "{zone}");
            let early =
                Range::between(time("1970-01-02T10:00:00Z"), Some(time("1970-01-05T10:00:00Z")), &calendar, now);
            let previous = early.unwrap().previous.map(|span| serde_json::to_value(span).unwrap());
            assert!(previous.is_none_or(|span| span["from"].as_str() < span["to"].as_str()));
        }
    }

    #[test]
    fn days_follow_the_zone() {
        let week = named("7d", "America/New_York", "2026-11-04T03:00:00Z");
        assert_eq!(show(week.span), "2026-10-28T04:00..2026-11-04T03:01");
        let day = named("24h", "Asia/Kolkata", "2026-11-04T03:00:00Z");
        assert_eq!(show(day.span), "2026-11-03T03:30..2026-11-04T03:01");
    }

    #[test]
    fn range_never_overlaps_the_previous_one_and_both_are_rounded() {
        for zone in ["UTC", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia"] {
            let calendar = calendar(zone);
            let mut now = time("2026-03-01T23:59:59.999Z");
            while now < time("2027-05-01T00:00:00Z") {
                for name in NAMED {
                    let range = Range::named(name.parse().unwrap(), &calendar, now);
                    let Range { span, previous, .. } = range;
                    assert_eq!(span, span.rounded(&calendar, now), "{zone} {now} {name}");
                    assert!(span.from <= now && now < span.to, "{zone} {now} {name}");
                    if let Some(previous) = previous {
                        assert_eq!(previous, previous.rounded(&calendar, now), "{zone} {now} {name}");
                        assert!(!previous.is_empty() && previous.to <= span.from, "{zone} {now} {name}");
                    }
                    let points = range.points(range.named.unwrap().step(), Some(now), &calendar);
                    let resolved = points.iter().all(|point| *point == point.rounded(&calendar, now));
                    assert!(resolved && points.len() <= 92, "{zone} {now} {name}: {points:?}");
                    assert!(points.windows(2).all(|two| two[0].to == two[1].from), "{zone} {now} {name}");
                }
                now = now.plus(TimeDelta::minutes(31 * 60 + 11));
            }
        }
    }

    #[test]
    fn explicit_ranges_are_rounded_to_the_stored_resolution() {
        let range = between("2026-11-20T10:10:10Z", Some("2026-11-20T12:00:00+01:00")).unwrap();
        assert_eq!(show(range.span), "2026-11-20T10:10..2026-11-20T11:00");
        assert_eq!(show(range.previous.unwrap()), "2026-11-20T09:20..2026-11-20T10:10");
        let open = between("2026-11-20T10:10:10Z", None).unwrap();
        assert_eq!(show(open.span), "2026-11-20T10:10..2026-11-20T14:38");
        let old = between("2026-03-05T10:10:10Z", Some("2026-03-08T09:00:00Z")).unwrap();
        assert_eq!(show(old.span), "2026-03-05T00:00..2026-03-08T00:00");
        assert_eq!(show(old.previous.unwrap()), "2026-03-02T00:00..2026-03-05T00:00");
        let endless = between("0001-01-01T00:00:00Z", Some("9999-12-31T23:59:59Z")).unwrap();
        assert_eq!(show(endless.span), "1970-01-01T00:00..2026-11-20T14:47");
        assert!(endless.named.is_none());
    }

    #[test]
    fn empty_explicit_ranges_report_the_invalid_end() {
        for (from, to, field) in [
            ("2026-11-20T10:00:00Z", Some("2026-11-20T10:00:00Z"), "to"),
            ("2026-11-20T10:00:00Z", Some("2026-11-19T10:00:00Z"), "to"),
            ("2026-11-20T10:00:10Z", Some("2026-11-20T10:00:50Z"), "to"),
            ("2026-03-05T10:00:00Z", Some("2026-03-05T20:00:00Z"), "to"),
            ("1950-01-01T00:00:00Z", Some("1960-01-01T00:00:00Z"), "to"),
            ("2026-11-20T15:00:00Z", None, "from"),
            ("2036-01-01T00:00:00Z", Some("2037-01-01T00:00:00Z"), "from"),
        ] {
            assert_eq!(between(from, to).unwrap_err().field, field, "{from} {to:?}");
        }
    }

    #[test]
    fn series_has_at_most_the_maximum_of_points() {
        let (utc, now) = (Calendar::default(), time("2026-11-20T14:37:20.500Z"));
        let series = |range: &Range, interval: &str, first: Option<&str>| {
            let points = range.series(interval.parse().unwrap(), first.map(time), &utc, now);
            let shown = points.map(|points| points.into_iter().map(show).collect::<Vec<_>>());
            shown.map_err(|invalid| if invalid.field == "interval" { "interval" } else { "another field" })
        };
        let of = |name: &str| named(name, "UTC", "2026-11-20T14:37:20.500Z");
        let hours = series(&of("24h"), "hour", None).unwrap();
        assert_eq!((hours.len(), hours.last().unwrap().as_str()), (24, "2026-11-20T14:00..2026-11-20T14:38"));
        assert_eq!(series(&of("24h"), "day", None).unwrap()[0], "2026-11-19T15:00..2026-11-20T00:00");
        assert_eq!(series(&of("30d"), "hour", None).unwrap().len(), 29 * 24 + 15);
        assert_eq!(series(&of("90d"), "hour", None), Err("interval"));
        assert_eq!(series(&of("1y"), "week", None).unwrap()[0], "2025-11-21T00:00..2025-11-24T00:00");
        assert_eq!(series(&of("1y"), "month", None).unwrap().len(), 13);

        let all = of("all");
        assert_eq!(series(&all, "month", None), Ok(vec![]));
        let months = series(&all, "month", Some("2026-10-31T23:59:00Z")).unwrap();
        assert_eq!(months, ["2026-10-01T00:00..2026-11-01T00:00", "2026-11-01T00:00..2026-11-20T14:47"]);
        assert_eq!(series(&all, "hour", Some("2026-01-01T00:00:00Z")), Err("interval"));
        assert_eq!(series(&all, "hour", Some("2026-11-20T13:59:00Z")).unwrap().len(), 2);
        assert_eq!(series(&all, "day", Some("2020-01-01T00:00:00Z")), Err("interval"));
        assert_eq!(
            series(&all, "week", Some("2020-01-01T00:00:00Z")).unwrap()[0],
            "2019-12-30T00:00..2020-01-06T00:00"
        );
        let long = between("2026-08-26T00:00:00Z", None).unwrap();
        assert_eq!(series(&long, "hour", None), Err("interval"));
        let years = series(&all, "year", Some("2024-06-01T00:00:00Z")).unwrap();
        assert_eq!((years.len(), years[0].as_str()), (3, "2024-01-01T00:00..2025-01-01T00:00"));
        assert!("minute".parse::<Interval>().is_err() && "Hour".parse::<Interval>().is_err());
    }
}
