//! Values as MongoDB's [extended JSON](https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/) tells
//! them, and as plain JSON does.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest id that the API takes, in characters.
const MAX_ID: usize = 64;

/// Why a value is not of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no id.
    #[error("is no id, which is {{\"$oid\": …}} or a text, of 1 to {MAX_ID} characters of A-Z a-z 0-9 _ . : -")]
    Id,
    /// It is no time.
    #[error("is no time, which is an RFC 3339 text or milliseconds since 1970, by itself or in {{\"$date\": …}}")]
    Time,
    /// It is no number.
    #[error("is no number")]
    Number,
    /// It is no text.
    #[error("is no text")]
    Text,
}

/// Whether the API takes a text as an id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))
}

/// An id: a text, or `{"$oid": "…"}`.
///
/// # Errors
/// If it is none.
pub fn id(value: &RawValue) -> Result<String, Unreadable> {
    let id = match parsed(value).ok_or(Unreadable::Id)? {
        Value::String(text) => text,
        wrapped => match only(&wrapped) {
            Some(("$oid", Value::String(text))) => text.clone(),
            _ => return Err(Unreadable::Id),
        },
    };
    if is_id(&id) { Ok(id) } else { Err(Unreadable::Id) }
}

/// A time: an RFC 3339 text or milliseconds since 1970, by itself or as `{"$date": …}`.
///
/// # Errors
/// If it is none, or not of the years 0 to 9999.
pub fn time(value: &RawValue) -> Result<DateTime<Utc>, Unreadable> {
    let value = parsed(value).ok_or(Unreadable::Time)?;
    let value = match only(&value) {
        Some(("$date", date)) => date,
        _ => &value,
    };
    let millis = match value {
        Value::String(text) => return instant(text).ok_or(Unreadable::Time),
        Value::Number(number) => number.as_i64(),
        wrapped => match only(wrapped) {
            Some(("$numberLong", Value::String(text))) => text.parse().ok(),
            _ => None,
        },
    };
    millis.and_then(DateTime::from_timestamp_millis).filter(is_of_the_calendar).ok_or(Unreadable::Time)
}

/// The time that an RFC 3339 text tells.
#[must_use]
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    Some(time).filter(is_of_the_calendar)
}

fn is_of_the_calendar(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year())
}

/// The text of a number, with every digit that was written: a number, or one of MongoDB's kinds, `{"$numberDouble":
/// "…"}`.
///
/// # Errors
/// If it is none. What the text of such a kind says is not looked at.
pub fn number(value: &RawValue) -> Result<String, Unreadable> {
    const KINDS: [&str; 4] = ["$numberDouble", "$numberDecimal", "$numberInt", "$numberLong"];
    let text = value.get();
    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    match only(&parsed(value).ok_or(Unreadable::Number)?) {
        Some((kind, Value::String(text))) if KINDS.contains(&kind) => Ok(text.clone()),
        _ => Err(Unreadable::Number),
    }
}

/// A text.
///
/// # Errors
/// If it is none.
pub fn text(value: &RawValue) -> Result<String, Unreadable> {
    serde_json::from_str(value.get()).map_err(|_| Unreadable::Text)
}

/// The elements of an array.
#[must_use]
pub fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The fields of an object; those that are null count as absent.
#[must_use]
pub fn fields(json: &str) -> Option<BTreeMap<String, &RawValue>> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    fields.retain(|_, value| value.get() != "null");
    Some(fields)
}

fn parsed(value: &RawValue) -> Option<Value> {
    serde_json::from_str(value.get()).ok()
}

/// The only field of an object.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn ids() {
        for json in [r#""65a0c1f2""#, r#"{"$oid": "65a0c1f2"}"#] {
            assert_eq!(id(&raw(json)).unwrap(), "65a0c1f2", "{json}");
        }
        let long = format!("\"{}\"", "x".repeat(65));
        for json in [
            "7",
            "true",
            "[]",
            "{}",
            r#"{"$oid": 7}"#,
            r#"{"$oid": "a", "b": 1}"#,
            r#"{"$uuid": "a"}"#,
            r#""""#,
            r#""a b""#,
            r#""\ud800""#,
            long.as_str(),
        ] {
            assert_eq!(id(&raw(json)), Err(Unreadable::Id), "{json}");
        }
    }

    #[test]
    fn times() {
        let expected = "2025-01-31T12:00:00.5Z".parse::<DateTime<Utc>>().unwrap();
        for json in [
            r#""2025-01-31T12:00:00.5Z""#,
            r#""2025-01-31T14:00:00.500+02:00""#,
            r#"{"$date": "2025-01-31T12:00:00.500Z"}"#,
            r#"{"$date": {"$numberLong": "1738324800500"}}"#,
            r#"{"$date": 1738324800500}"#,
            r#"{"$numberLong": "1738324800500"}"#,
            "1738324800500",
        ] {
            assert_eq!(time(&raw(json)), Ok(expected), "{json}");
        }
        assert_eq!(time(&raw("-1")).unwrap().to_rfc3339(), "1969-12-31T23:59:59.999+00:00");
        for json in [
            r#""2025-01-31""#,
            r#""soon""#,
            "1.5",
            "9223372036854775807",
            "253402300800000",
            "99999999999999999999",
            r#"{"$date": {"$numberLong": 7}}"#,
            r#"{"$date": {"$date": "2025-01-31T12:00:00Z"}}"#,
            r#"{"$date": null}"#,
            "[]",
            "true",
        ] {
            assert_eq!(time(&raw(json)), Err(Unreadable::Time), "{json}");
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        for (json, text) in [
            ("29.99", "29.99"),
            ("-1", "-1"),
            ("2.999e1", "2.999e1"),
            ("0.30000000000000000001", "0.30000000000000000001"),
            (r#"{"$numberDouble": "29.99"}"#, "29.99"),
            (r#"{"$numberDecimal": "2.999E+1"}"#, "2.999E+1"),
            (r#"{"$numberInt": "29"}"#, "29"),
            (r#"{"$numberLong": "29"}"#, "29"),
        ] {
            assert_eq!(number(&raw(json)).unwrap(), text, "{json}");
        }
        for json in [r#""29.99""#, "true", "[29.99]", r#"{"$numberDouble": 29.99}"#, r#"{"amount": "29.99"}"#] {
            assert_eq!(number(&raw(json)), Err(Unreadable::Number), "{json}");
        }
    }

    #[test]
    fn what_is_null_is_absent() {
        let fields = fields(r#"{"a": null, "b": 1.50, "c": {"d": null}}"#).unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(fields["b"].get(), "1.50");
    }
}
