//! What somebody wants closed once more.

use serde_json::Value;
use shared::domain::calendar::Level;
use shared::domain::fields::{Invalid, object};
use shared::domain::span::Span;

/// All periods of a level in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) level: Level,
    pub(crate) span: Span,
}

impl Again {
    /// Reads `interval`, `from` and `to`.
    pub(crate) fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let (fields, mut wrong) = object(body, &["interval", "from", "to"])?;
        let level = wrong.keep(fields.required("interval"));
        let (from, to) = (wrong.keep(fields.required("from")), wrong.keep(fields.required("to")));
        let span = from.zip(to).map(|(from, to)| Span { from, to });
        if span.is_some_and(|span| span.is_empty()) {
            wrong.add(Invalid::new("to", "must be after from"));
        }
        wrong.finish(level.zip(span).map(|(level, span)| Self { level, span }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(body: &Value) -> Vec<String> {
        Again::parse(body).unwrap_err().into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn names_every_field_that_is_wrong() {
        let good = json!({"interval": "day", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
        assert_eq!(Again::parse(&good).unwrap().level, Level::Day);
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
}
