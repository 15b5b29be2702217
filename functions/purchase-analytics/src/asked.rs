//! What the query asks.

use chrono::TimeDelta;
use shared::domain::calendar::{Calendar, Level, Period};
use shared::domain::days::{self, Days};
use shared::domain::fields::Invalid;
use shared::domain::id::{GuestId, UserId};
use shared::domain::money::Currency;
use shared::domain::purchase::Buyer;
use shared::domain::time::Time;
use shared::http::{Problem, Request};

/// The most points that a series has: two years of days.
const MAX_POINTS: usize = 750;

/// How many months are read for an answer, at most.
const MOST_MONTHS: i64 = 240;

/// What the query asks.
pub(crate) struct Asked {
    first: Option<Period>,
    last: Option<Period>,
    interval: Level,
    /// By which currency's revenue items are ranked; `None`: that with the most purchases.
    pub(crate) currency: Option<Currency>,
    /// Whose pattern is asked for.
    pub(crate) buyer: Option<Buyer>,
}

fn refused(parameter: &'static str, reason: impl ToString) -> Problem {
    Problem::query(Invalid::new(parameter, reason))
}

fn day(request: &Request, name: &'static str) -> Result<Option<Period>, Problem> {
    let Some(text) = request.query::<String>(name)? else { return Ok(None) };
    let day = days::day(&text).map_err(|error| refused(name, error))?;
    // The year 9999 ends at a time that RFC 3339 has no text for.
    if day.end().to_string().starts_with('+') {
        return Err(refused(name, "must be before the last day of 9999"));
    }
    Ok(Some(day))
}

fn buyer(request: &Request) -> Result<Option<Buyer>, Problem> {
    let (user, guest): (Option<UserId>, Option<GuestId>) = (request.query("userId")?, request.query("guestId")?);
    match (user, guest) {
        (Some(_), Some(_)) => Err(refused("guestId", "must not be given with userId")),
        (user, guest) => Ok(user.map(Buyer::User).or(guest.map(Buyer::Guest))),
    }
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let interval = request.query("interval")?.unwrap_or(Level::Month);
        if interval == Level::Hour {
            return Err(refused("interval", "must be one of day, week, month, year"));
        }
        let (first, last) = (day(request, "from")?, day(request, "to")?);
        Ok(Self { first, last, interval, currency: request.query("currency")?, buyer: buyer(request)? })
    }

    /// The days: unless it is said, from the month of the first sale until today.
    pub(crate) fn days(&self, first_month: Option<&Period>, now: Time) -> Result<Days, Problem> {
        let last = self.last.map_or(now, |day| day.start());
        // By default no further back than a series may reach.
        let earliest = month(last.min(now).plus(-TimeDelta::days(31 * (MOST_MONTHS - 1)))).start();
        let of_first = first_month.map_or(last, |month| month.start().max(earliest).min(last));
        Days::between(self.first.map_or(of_first, |day| day.start()), last).map_err(Problem::query)
    }

    /// Makes sure that days on which anything can have been sold are not more than can be read for an answer.
    pub(crate) fn check(known: Option<&Days>) -> Result<(), Problem> {
        if known.is_some_and(|days| days.count() > 31 * MOST_MONTHS) {
            return Err(refused("from", format!("must be at most {MOST_MONTHS} months before to")));
        }
        Ok(())
    }

    /// The points of the series, as the parts of the days that lie in different periods.
    pub(crate) fn points(&self, days: &Days) -> Result<Vec<Days>, Problem> {
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
    pub(crate) fn parts(&self, days: &Days) -> Vec<Period> {
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
