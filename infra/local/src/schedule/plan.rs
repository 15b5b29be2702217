//! When a schedule fires.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// When a schedule fires.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Again and again after the same time.
    Rate(TimeDelta),
    /// At the times that a calendar names, in UTC.
    Cron(Box<cron::Schedule>),
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expression}: {problem}")]
pub struct PlanError {
    /// The expression.
    pub expression: String,
    /// What is wrong.
    pub problem: String,
}

impl Plan {
    /// Reads `rate(…)` or `cron(…)`.
    ///
    /// # Errors
    /// Anything that EventBridge would refuse, or that the local cloud does not know.
    pub fn parse(expression: &str) -> Result<Self, PlanError> {
        let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let plan = match (inner("rate"), inner("cron")) {
            (Some(rate), _) => parse_rate(rate),
            (_, Some(cron)) => parse_cron(cron),
            _ => Err("only rate(…) and cron(…) are known".to_owned()),
        };
        plan.map_err(|problem| PlanError { expression: expression.to_owned(), problem })
    }

    /// The first time after another one.
    #[must_use]
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Rate(every) => time.checked_add_signed(*every),
            Self::Cron(schedule) => schedule.after(&time).next(),
        }
    }
}

fn parse_rate(text: &str) -> Result<Plan, String> {
    let mut words = text.split_whitespace();
    let (Some(count), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err("a rate is a number and a unit".to_owned());
    };
    let count: i64 = count.parse().ok().filter(|count| *count > 0).ok_or("the number is not above 0")?;
    let every = match (unit, count == 1) {
        ("minute", true) | ("minutes", false) => TimeDelta::try_minutes(count),
        ("hour", true) | ("hours", false) => TimeDelta::try_hours(count),
        ("day", true) | ("days", false) => TimeDelta::try_days(count),
        ("minute" | "minutes" | "hour" | "hours" | "day" | "days", _) => {
            return Err(format!("the unit of {count} is not {unit}"));
        }
        _ => return Err(format!("unknown unit {unit}")),
    };
    every.map(Plan::Rate).ok_or_else(|| "too long".to_owned())
}

/// Minutes, hours, day of the month, month, day of the week, year.
fn parse_cron(text: &str) -> Result<Plan, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, day_of_month, month, day_of_week, year] = fields[..] else {
        return Err(format!("a cron expression has 6 fields, not {}", fields.len()));
    };
    if (day_of_month == "?") == (day_of_week == "?") {
        return Err("exactly one of the day of the month and the day of the week is ?".to_owned());
    }
    for (name, field) in [("day of the month", day_of_month), ("day of the week", day_of_week)] {
        // Letters stand alone or behind digits; within a day's or month's name they mean nothing.
        let is_special = |c: char| {
            matches!(c, '#') || (field.chars().all(|c| !c.is_alphabetic() || "LW".contains(c)) && "LW".contains(c))
        };
        if let Some(special) = field.chars().find(|c| is_special(*c)) {
            return Err(format!("the local cloud does not know {special} in the {name}"));
        }
    }
    let with_seconds = format!("0 {minutes} {hours} {day_of_month} {month} {day_of_week} {year}");
    let schedule = cron::Schedule::from_str(&with_seconds).map_err(|error| error.to_string())?;
    Ok(Plan::Cron(Box::new(schedule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> String {
        let after: DateTime<Utc> = after.parse().unwrap();
        Plan::parse(expression).unwrap().next_after(after).unwrap().to_rfc3339()
    }

    #[test]
    fn rates_repeat() {
        let start = "2024-02-28T23:59:30Z";
        assert_eq!(next("rate(1 minute)", start), "2024-02-29T00:00:30+00:00");
        assert_eq!(next("rate(12 hours)", start), "2024-02-29T11:59:30+00:00");
        assert_eq!(next("rate(2 days)", start), "2024-03-01T23:59:30+00:00");
    }

    #[test]
    fn cron_expressions_follow_eventbridge() {
        // A Wednesday.
        let start = "2024-02-28T23:59:30Z";
        for (expression, expected) in [
            ("cron(0/15 * * * ? *)", "2024-02-29T00:00:00+00:00"),
            ("cron(5 * * * ? *)", "2024-02-29T00:05:00+00:00"),
            ("cron(0 12 * * ? *)", "2024-02-29T12:00:00+00:00"),
            ("cron(0 8 1 * ? *)", "2024-03-01T08:00:00+00:00"),
            ("cron(0 18 ? * MON-FRI *)", "2024-02-29T18:00:00+00:00"),
            ("cron(0 6 ? * 1 *)", "2024-03-03T06:00:00+00:00"),
            ("cron(0 6 ? * SUN *)", "2024-03-03T06:00:00+00:00"),
            ("cron(0 0 ? JUL WED 2024-2030)", "2024-07-03T00:00:00+00:00"),
            ("cron(30 4 1,15 * ? *)", "2024-03-01T04:30:00+00:00"),
        ] {
            assert_eq!(next(expression, start), expected, "{expression}");
        }
        let past = Plan::parse("cron(0 0 1 1 ? 2020)").unwrap();
        assert_eq!(past.next_after(start.parse().unwrap()), None);
    }

    #[test]
    fn rejects_unknown_expressions() {
        for (expression, problem) in [
            ("rate(0 minutes)", "not above 0"),
            ("rate(5 minute)", "not minute"),
            ("rate(1 minutes)", "not minutes"),
            ("rate(5 weeks)", "unknown unit weeks"),
            ("rate(five minutes)", "not above 0"),
            ("at(2024-01-01T00:00:00)", "only rate"),
            ("cron(0 12 * * *)", "6 fields, not 5"),
            ("cron(0 12 * * * *)", "exactly one"),
            ("cron(0 12 ? * ? *)", "exactly one"),
            ("cron(0 12 L * ? *)", "does not know L in the day of the month"),
            ("cron(0 12 15W * ? *)", "does not know W in the day of the month"),
            ("cron(0 12 ? * 6#3 *)", "does not know # in the day of the week"),
            ("cron(0 12 ? * 6L *)", "does not know L in the day of the week"),
            ("cron(61 * * * ? *)", ""),
        ] {
            let error = Plan::parse(expression).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(expression), "{error}");
        }
    }
}
