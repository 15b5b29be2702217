//! The query of purchase analytics.

use chrono::TimeDelta;
use domain::calendar::{Calendar, Level, Period};
use domain::date_range::{self, DateRange};
use domain::id::{GuestId, UserId};
use domain::money::Currency;
use domain::purchase::Buyer;
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::http::{Problem, QueryReader, Request};

/// The most points that a series has: two years of days.
const MAX_POINTS: usize = 750;

/// How many months are read for an answer, at most.
const MOST_MONTHS: i64 = 240;

/// The query of purchase analytics.
pub(crate) struct AnalyticsQuery {
    first: Option<Period>,
    last: Option<Period>,
    interval: Level,
    /// By which currency's revenue items are ranked; `None`: that with the most purchases.
    pub(crate) currency: Option<Currency>,
    /// Whose pattern is asked for.
    pub(crate) buyer: Option<Buyer>,
}

fn refused(parameter: &'static str, reason: impl ToString) -> Problem {
    Problem::query(InvalidField::new(parameter, reason))
}

fn day(query: &mut QueryReader<'_>, name: &'static str) -> Option<Period> {
    let text = query.one::<String>(name)?;
    let day = date_range::day(&text).map_err(|error| query.refuse(name, error)).ok()?;
    // The year 9999 ends at a time that RFC 3339 has no text for.
    if day.end().to_string().starts_with('+') {
        query.refuse(name, "must be before the last day of 9999");
        return None;
    }
    Some(day)
}

fn buyer(query: &mut QueryReader<'_>) -> Option<Buyer> {
    let (user, guest): (Option<UserId>, Option<GuestId>) = (query.one("userId"), query.one("guestId"));
    if user.is_some() && guest.is_some() {
        query.refuse("guestId", "must not be given with userId");
    }
    user.map(Buyer::User).or(guest.map(Buyer::Guest))
}

impl AnalyticsQuery {
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let mut query = request.query_reader();
        let interval = query.one("interval").unwrap_or(Level::Month);
        if interval == Level::Hour {
            query.refuse("interval", "must be one of day, week, month, year");
        }
        let (first, last) = (day(&mut query, "from"), day(&mut query, "to"));
        let (currency, buyer) = (query.one("currency"), buyer(&mut query));
        query.done()?;
        Ok(Self { first, last, interval, currency, buyer })
    }

    /// The days: unless it is said, from the month of the first sale until today.
    pub(crate) fn days(&self, first_month: Option<&Period>, now: Time) -> Result<DateRange, Problem> {
        let last = self.last.map_or(now, |day| day.start());
        // By default no further back than a series may reach.
        let earliest = month(last.min(now).plus(-TimeDelta::days(31 * (MOST_MONTHS - 1)))).start();
        let of_first = first_month.map_or(last, |month| month.start().max(earliest).min(last));
        DateRange::between(self.first.map_or(of_first, |day| day.start()), last).map_err(Problem::query)
    }

    /// Makes sure that days on which anything can have been sold are not more than can be read for an answer.
    pub(crate) fn check(known: Option<&DateRange>) -> Result<(), Problem> {
        if known.is_some_and(|days| days.count() > 31 * MOST_MONTHS) {
            return Err(refused("from", format!("must be at most {MOST_MONTHS} months before to")));
        }
        Ok(())
    }

    /// The points of the series, as the parts of the days that lie in different periods.
    pub(crate) fn points(&self, days: &DateRange) -> Result<Vec<DateRange>, Problem> {
        let shortest = match self.interval {
            Level::Week => 7,
            Level::Month => 28,
            Level::Year => 365,
            Level::Hour | Level::Day => 1,
        };
        // Told before they are counted out.
        let most = usize::try_from(days.count() / shortest).unwrap_or(usize::MAX);
        let periods = if most > 2 * MAX_POINTS { Vec::new() } else { days.periods(self.interval) };
        if periods.is_empty() || periods.len() > MAX_POINTS {
            let reason = format!("makes too many points of these days; {MAX_POINTS} are the most");
            return Err(refused("interval", reason));
        }
        Ok(periods.iter().map(|period| days.within(period)).collect())
    }

    /// Of which days and months the answer is put together.
    pub(crate) fn parts(&self, days: &DateRange) -> Vec<Period> {
        match self.interval {
            Level::Hour | Level::Day | Level::Week => days.periods(Level::Day),
            Level::Month | Level::Year => days.parts(),
        }
    }

    /// The length of the points.
    pub(crate) fn interval(&self) -> Level {
        self.interval
    }
}

/// The month that a time falls into.
pub(crate) fn month(time: Time) -> Period {
    Calendar::default().period(Level::Month, time)
}
