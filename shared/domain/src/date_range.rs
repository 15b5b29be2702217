//! DateRange of UTC, from one to another, both included.

use chrono::{DateTime, TimeDelta};

use super::calendar::{Calendar, InvalidPeriod, Level, Period};
use super::time::Time;
use super::validation::InvalidField;

/// The days from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateRange {
    first: Period,
    last: Period,
}

/// Days of UTC: money is reported in the days that all users share.
fn utc() -> Calendar {
    Calendar::default()
}

fn moment_before(time: Time) -> Time {
    time.plus(-TimeDelta::milliseconds(1))
}

/// The day of UTC that a text names.
///
/// # Errors
/// If it names none of four-digit years.
pub fn day(text: &str) -> Result<Period, InvalidPeriod> {
    // Years without four digits do not sort in chronological order.
    utc().parse(Level::Day, text).ok().filter(|_| text.len() == "2026-01-31".len()).ok_or(InvalidPeriod)
}

/// The day of UTC that a time falls into.
#[must_use]
pub fn day_of(time: Time) -> Period {
    utc().period(Level::Day, time)
}

impl DateRange {
    /// From the day of one time to the day of another.
    ///
    /// # Errors
    /// If the last is before the first.
    pub fn between(first: Time, last: Time) -> Result<Self, InvalidField> {
        let (first, last) = (day_of(first), day_of(last));
        if last.start() < first.start() {
            return Err(InvalidField::new("to", "must not be before from"));
        }
        Ok(Self { first, last })
    }

    /// The first day.
    #[must_use]
    pub fn first(&self) -> Period {
        self.first
    }

    /// The last day.
    #[must_use]
    pub fn last(&self) -> Period {
        self.last
    }

    /// The number of days.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.last.end().since(self.first.start()).num_days()
    }

    /// Whether they are the days of whole months.
    #[must_use]
    pub fn is_whole_months(&self) -> bool {
        self.first.start() == self.month(self.first).start() && self.last.end() == self.month(self.last).end()
    }

    fn month(&self, day: Period) -> Period {
        utc().period(Level::Month, day.start())
    }

    /// The months that contain them.
    #[must_use]
    pub fn months(&self) -> Vec<Period> {
        self.periods(Level::Month)
    }

    /// The periods of a level that contain them; the first may begin before them and the last end after them.
    #[must_use]
    pub fn periods(&self, level: Level) -> Vec<Period> {
        let mut period = utc().period(level, self.first.start());
        let mut periods = vec![period];
        while period.end() < self.last.end() {
            period = utc().next(&period);
            periods.push(period);
        }
        periods
    }

    /// The days within a period.
    #[must_use]
    pub fn within(&self, period: &Period) -> Self {
        let first = self.first.start().max(period.start());
        let end = self.last.end().min(period.end());
        Self { first: day_of(first), last: day_of(moment_before(end).max(first)) }
    }

    /// The days between two times, if there are any.
    #[must_use]
    pub fn between_times(&self, from: Time, to: Time) -> Option<Self> {
        let (first, last) = (self.first.start().max(day_of(from).start()), self.last.start().min(day_of(to).start()));
        Self::between(first, last).ok()
    }

    /// Whether they include a whole day or month.
    #[must_use]
    pub fn contains(&self, period: &Period) -> bool {
        self.first.start() <= period.start() && period.end() <= self.last.end()
    }

    /// As few days and months as they can be put together of.
    #[must_use]
    pub fn parts(&self) -> Vec<Period> {
        let months = self.months().into_iter();
        let part =
            |month: Period| if self.contains(&month) { vec![month] } else { self.within(&month).periods(Level::Day) };
        months.flat_map(part).collect()
    }

    /// The same number of days before them, or of months if they are whole months. `None` before 1970.
    #[must_use]
    pub fn before(&self) -> Option<Self> {
        let last = day_of(moment_before(self.first.start()));
        let first = if self.is_whole_months() {
            let mut month = self.month(last);
            for _ in 1..self.months().len() {
                month = utc().previous(&month);
            }
            month.start()
        } else {
            last.start().plus(TimeDelta::days(1 - self.count()))
        };
        (first >= Time::from(DateTime::UNIX_EPOCH)).then(|| Self { first: day_of(first), last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(first: &str, last: &str) -> DateRange {
        DateRange::between(day(first).unwrap().start(), day(last).unwrap().start()).unwrap()
    }

    fn names(periods: &[Period]) -> Vec<String> {
        periods.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn range_is_covered_by_months_where_possible() {
        let parts = |first, last| names(&days(first, last).parts());
        assert_eq!(parts("2026-01-01", "2026-02-28"), ["2026-01", "2026-02"]);
        assert_eq!(
            parts("2026-01-30", "2026-03-02"),
            ["2026-01-30", "2026-01-31", "2026-02", "2026-03-01", "2026-03-02"]
        );
        assert_eq!(parts("2026-01-31", "2026-01-31"), ["2026-01-31"]);
        assert_eq!(parts("2025-12-31", "2026-01-01"), ["2025-12-31", "2026-01-01"]);
        assert_eq!(parts("2024-02-01", "2024-02-28").len(), 28);
    }

    #[test]
    fn preceding_range_has_the_same_length() {
        let before =
            |first, last| days(first, last).before().map(|days| (days.first.to_string(), days.last.to_string()));
        let told = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        assert_eq!(before("2026-03-01", "2026-03-31"), told("2026-02-01", "2026-02-28"));
        assert_eq!(before("2025-12-01", "2026-11-30"), told("2024-12-01", "2025-11-30"));
        assert_eq!(before("2026-03-01", "2026-03-30"), told("2026-01-30", "2026-02-28"));
        assert_eq!(before("2026-03-01", "2026-03-01"), told("2026-02-28", "2026-02-28"));
        assert_eq!(before("1970-01-01", "1970-01-01"), None);
    }

    #[test]
    fn range_is_split_at_period_borders() {
        let all = days("2026-01-30", "2026-02-10");
        let weeks = all.periods(Level::Week);
        assert_eq!(names(&weeks), ["2026-W05", "2026-W06", "2026-W07"]);
        let cut: Vec<(String, i64)> =
            weeks.iter().map(|week| all.within(week)).map(|days| (days.first.to_string(), days.count())).collect();
        assert_eq!(cut, [("2026-01-30".to_owned(), 3), ("2026-02-02".to_owned(), 7), ("2026-02-09".to_owned(), 2)]);
        assert!(DateRange::between(all.last.start(), all.first.start()).is_err());
        assert!(day("2026-02-30").is_err() && day("+12026-02-03").is_err());
    }
}
