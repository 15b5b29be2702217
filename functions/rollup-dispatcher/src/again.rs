//! What somebody wants closed once more.

use serde_json::Value;
use shared::domain::calendar::{Calendar, Level};
use shared::domain::fields::{Fields, Invalid};
use shared::domain::span::Span;

/// So many periods may be asked for at once: the hours of 92 days. Which tracks were active is known of the last 90.
const MOST_PERIODS: usize = 92 * 24;

/// All periods of a level in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) level: Level,
    pub(crate) span: Span,
}

impl Again {
    /// Reads `interval`, `from` and `to`.
    pub(crate) fn parse(body: &Value, calendar: &Calendar) -> Result<Self, Invalid> {
        let fields = Fields(body.as_object().ok_or_else(|| Invalid::new("body", "must be an object"))?);
        let level = fields.required("interval")?;
        let span = Span { from: fields.required("from")?, to: fields.required("to")? };
        if span.is_empty() {
            return Err(Invalid::new("to", "must be after from"));
        }
        if calendar.periods(level, span).nth(MOST_PERIODS).is_some() {
            let reason = format!("must lie at most {MOST_PERIODS} periods of this length after from");
            return Err(Invalid::new("to", reason));
        }
        Ok(Self { level, span })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_field_that_is_wrong() {
        let good = json!({"interval": "day", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
        let utc = Calendar::default();
        assert_eq!(Again::parse(&good, &utc).unwrap().level, Level::Day);
        for (field, value) in
            [("interval", json!("fortnight")), ("from", json!("yesterday")), ("to", json!("2025-01-01T00:00:00Z"))]
        {
            let mut body = good.clone();
            body[field] = value;
            assert_eq!(Again::parse(&body, &utc).unwrap_err().field, field);
        }
        assert_eq!(Again::parse(&json!([]), &utc).unwrap_err().field, "body");
    }

    #[test]
    fn takes_the_hours_of_three_months_and_no_more() {
        let asked = |interval: &str, from: &str, to: &str| {
            Again::parse(&json!({"interval": interval, "from": from, "to": to}), &Calendar::default())
        };
        assert!(asked("hour", "2026-01-01T00:00:00Z", "2026-04-03T00:00:00Z").is_ok());
        for (interval, to) in
            [("hour", "2026-04-03T00:00:00.001Z"), ("day", "2036-01-01T00:00:00Z"), ("year", "9999-01-01T00:00:00Z")]
        {
            assert_eq!(asked(interval, "2026-01-01T00:00:00Z", to).unwrap_err().field, "to", "{interval}");
        }
    }
}
