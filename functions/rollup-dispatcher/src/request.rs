//! The request to recompute rollups.

use domain::calendar::{Calendar, Level};
use domain::time_span::TimeSpan;
use domain::validation::{InvalidField, object};
use serde_json::Value;

/// So many periods may be asked for at once: the hours of 92 days. Which tracks were active is known of the last 90.
const MOST_PERIODS: usize = 92 * 24;

/// All periods of a level in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecomputeRequest {
    pub(crate) level: Level,
    pub(crate) span: TimeSpan,
}

impl RecomputeRequest {
    /// Reads `interval`, `from` and `to`.
    pub(crate) fn parse(body: &Value, calendar: &Calendar) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["interval", "from", "to"])?;
        let level = violations.keep(fields.required("interval"));
        let (from, to) = (violations.keep(fields.required("from")), violations.keep(fields.required("to")));
        let again = level.zip(from.zip(to)).map(|(level, (from, to))| Self { level, span: TimeSpan { from, to } });
        if again.is_some_and(|Self { span, .. }| span.is_empty()) {
            violations.add(InvalidField::new("to", "must be later than from"));
        } else if again.is_some_and(|Self { level, span }| calendar.periods(level, span).nth(MOST_PERIODS).is_some()) {
            let reason = format!("must be at most {MOST_PERIODS} periods of this interval after from");
            violations.add(InvalidField::new("to", reason));
        }
        violations.finish(again)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(body: &Value) -> Vec<String> {
        let violations = RecomputeRequest::parse(body, &Calendar::default()).unwrap_err();
        violations.into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn names_every_field_that_is_wrong() {
        let good = json!({"interval": "day", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
        assert_eq!(RecomputeRequest::parse(&good, &Calendar::default()).unwrap().level, Level::Day);
        for (field, value) in
            [("interval", json!("fortnight")), ("from", json!("yesterday")), ("to", json!("2025-01-01T00:00:00Z"))]
        {
            let mut body = good.clone();
            body[field] = value;
            assert_eq!(named(&body), [field]);
        }
        assert_eq!(named(&json!([])), ["body"]);
        assert_eq!(named(&json!({"from": 1, "form": 2})), ["form", "interval", "from", "to"]);
    }

    #[test]
    fn takes_the_hours_of_three_months_and_no_more() {
        let of = |interval: &str, to: &str| json!({"interval": interval, "from": "2026-01-01T00:00:00Z", "to": to});
        assert!(RecomputeRequest::parse(&of("hour", "2026-04-03T00:00:00Z"), &Calendar::default()).is_ok());
        for (interval, to) in
            [("hour", "2026-04-03T00:00:00.001Z"), ("day", "2036-01-01T00:00:00Z"), ("year", "9999-01-01T00:00:00Z")]
        {
            assert_eq!(named(&of(interval, to)), ["to"], "{interval}");
        }
    }
}
