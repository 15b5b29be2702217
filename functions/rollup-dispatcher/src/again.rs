//! What somebody wants closed once more.

use serde_json::Value;
use shared::domain::calendar::Level;
use shared::domain::fields::{Fields, Invalid};
use shared::domain::span::Span;

/// All periods of a level in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) level: Level,
    pub(crate) span: Span,
}

impl Again {
    /// Reads `interval`, `from` and `to`.
    pub(crate) fn parse(body: &Value) -> Result<Self, Invalid> {
        let fields = Fields(body.as_object().ok_or_else(|| Invalid::new("body", "must be an object"))?);
        let level = fields.required("interval")?;
        let span = Span { from: fields.required("from")?, to: fields.required("to")? };
        if span.is_empty() {
            return Err(Invalid::new("to", "must be after from"));
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
        assert_eq!(Again::parse(&good).unwrap().level, Level::Day);
        for (field, value) in
            [("interval", json!("fortnight")), ("from", json!("yesterday")), ("to", json!("2025-01-01T00:00:00Z"))]
        {
            let mut body = good.clone();
            body[field] = value;
            assert_eq!(Again::parse(&body).unwrap_err().field, field);
        }
        assert_eq!(Again::parse(&json!([])).unwrap_err().field, "body");
    }
}
