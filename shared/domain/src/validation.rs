//! Reading the fields of a JSON object that came from outside, with an error that names the field.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::time::Time;

/// The longest title, in characters.
pub const MAX_TITLE: usize = 300;

/// The longest text of several lines, in characters.
pub const MAX_TEXT: usize = 1_000;

/// Why something from outside is refused: which field, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidField {
    /// The field's name.
    pub field: Cow<'static, str>,
    /// The rule.
    pub reason: String,
}

impl InvalidField {
    /// A field that breaks a rule.
    pub fn new(field: impl Into<Cow<'static, str>>, reason: impl ToString) -> Self {
        Self { field: field.into(), reason: reason.to_string() }
    }
}

/// The most fields that are named for one kind of mistake.
pub(super) const MAX_NAMED: usize = 10;

/// The longest name of an unknown field that is repeated in full, in characters.
const MAX_NAME: usize = 64;

/// The most edits that turn a mistyped name into the one that was meant.
const MAX_EDITS: usize = 2;

/// The violations found so far.
#[derive(Debug, Default)]
pub struct Violations(Vec<InvalidField>);

impl Violations {
    /// The violations of the names of a body's fields. A command rejects unknown fields, so that a mistyped name of an
    /// optional field is not ignored.
    fn names(fields: &Map<String, Value>, known: &[&str]) -> Self {
        let unknown = fields.keys().filter(|name| !known.contains(&name.as_str()));
        Self(
            unknown
                .take(MAX_NAMED)
                .map(|name| InvalidField::new(shortened(name), unknown_field(name, known)))
                .collect(),
        )
    }

    /// One more rule that is broken.
    pub fn add(&mut self, invalid: InvalidField) {
        self.0.push(invalid);
    }

    /// The value, if there are no violations.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<InvalidField>> {
        read.filter(|_| self.0.is_empty()).ok_or(self.0)
    }

    /// The value, or `None` after its violation was recorded.
    pub fn keep<T>(&mut self, read: Result<T, InvalidField>) -> Option<T> {
        read.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// Does the same for the violations of several fields.
    pub fn keep_all<T>(&mut self, read: Result<T, Vec<InvalidField>>) -> Option<T> {
        read.map_err(|invalid| self.0.extend(invalid)).ok()
    }
}

impl From<Violations> for Vec<InvalidField> {
    fn from(violations: Violations) -> Self {
        violations.0
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME).chain(['…']).collect()
}

fn unknown_field(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("is not a field of this request; did you mean {meant}?"),
        None if known.is_empty() => "is not a field of this request, which has none".to_owned(),
        None => format!("is not a field of this request, which accepts {}", known.join(", ")),
    }
}

/// The known name that is meant by a mistyped one, if one is close.
#[must_use]
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.chars().count() > MAX_NAME {
        return None;
    }
    let name = name.to_lowercase();
    let edits = |known: &str| strsim::osa_distance(&name, &known.to_lowercase());
    let nearest = known.iter().map(|known| (edits(known), *known)).min()?;
    let (edits, meant) = nearest;
    // Half of a short name is another name.
    (edits <= MAX_EDITS && edits * 2 <= meant.len()).then_some(meant)
}

/// The fields of a JSON object. A `null` counts as absent. Unknown fields are ignored, unless the object was read by
/// [`object`].
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text, if present.
    ///
    /// # Errors
    /// If it is not a string.
    pub fn text(self, field: &'static str) -> Result<Option<&'a str>, InvalidField> {
        self.get(field)
            .map(|value| value.as_str().ok_or_else(|| InvalidField::new(field, "must be a string")))
            .transpose()
    }

    /// A text that parses (an id, a time, one of an enumeration), if present.
    ///
    /// # Errors
    /// If it is not a string or does not parse.
    pub fn parsed<T: FromStr<Err: ToString>>(self, field: &'static str) -> Result<Option<T>, InvalidField> {
        self.text(field)?.map(|text| text.parse().map_err(|error: T::Err| InvalidField::new(field, error))).transpose()
    }

    /// The time of an event, if present. Events are counted by time, from 1970 on.
    ///
    /// # Errors
    /// If it is not a string, no time, or before 1970.
    pub fn time(self, field: &'static str) -> Result<Option<Time>, InvalidField> {
        match self.parsed::<Time>(field)? {
            Some(at) if at.millis() < 0 => Err(InvalidField::new(field, "must not be before 1970")),
            at => Ok(at),
        }
    }

    /// A text that parses and must be there.
    ///
    /// # Errors
    /// If it is absent, not a string or does not parse.
    pub fn required<T: FromStr<Err: ToString>>(self, field: &'static str) -> Result<T, InvalidField> {
        self.parsed(field)?.ok_or_else(|| InvalidField::new(field, "is required"))
    }

    /// A finite number from 0 to `max`, if present.
    ///
    /// # Errors
    /// If it is not a number or out of range.
    pub fn number(self, field: &'static str, max: f64) -> Result<Option<f64>, InvalidField> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| InvalidField::new(field, "must be a number"))?;
        if (0.0..=max).contains(&number) {
            Ok(Some(number))
        } else {
            Err(InvalidField::new(field, format!("must be from 0 to {max}")))
        }
    }

    /// A truth value, if present.
    ///
    /// # Errors
    /// If it is neither `true` nor `false`.
    pub fn flag(self, field: &'static str) -> Result<Option<bool>, InvalidField> {
        self.get(field)
            .map(|value| value.as_bool().ok_or_else(|| InvalidField::new(field, "must be true or false")))
            .transpose()
    }

    /// A whole number from 0 to `max`, if present. `5.0` is not a whole number.
    ///
    /// # Errors
    /// If it is not a whole number or out of range.
    pub fn whole(self, field: &'static str, max: u64) -> Result<Option<u64>, InvalidField> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value
            .as_u64()
            .filter(|number| *number <= max)
            .map(Some)
            .ok_or_else(|| InvalidField::new(field, format!("must be a whole number from 0 to {max}")))
    }

    /// Whether a field is there and `null`.
    #[must_use]
    pub fn is_null(self, field: &str) -> bool {
        self.0.get(field).is_some_and(Value::is_null)
    }

    /// An object, if present.
    ///
    /// # Errors
    /// If it is not one.
    pub fn object(self, field: &'static str) -> Result<Option<&'a Map<String, Value>>, InvalidField> {
        let object = self.get(field).map(|value| value.as_object());
        object.map(|object| object.ok_or_else(|| InvalidField::new(field, "must be an object"))).transpose()
    }

    /// A list, if present.
    ///
    /// # Errors
    /// If it is not an array.
    pub fn list(self, field: &'static str) -> Result<Option<&'a [Value]>, InvalidField> {
        let list =
            self.get(field).map(|value| value.as_array().ok_or_else(|| InvalidField::new(field, "must be an array")));
        Ok(list.transpose()?.map(Vec::as_slice))
    }
}

/// The fields of a body, which must be an object with only these fields, and the violations of their names.
///
/// # Errors
/// If it is no object.
pub fn object<'a>(body: &'a Value, known: &[&str]) -> Result<(Fields<'a>, Violations), Vec<InvalidField>> {
    let fields = body.as_object().ok_or_else(|| vec![InvalidField::new("body", "must be an object")])?;
    Ok((Fields(fields), Violations::names(fields, known)))
}

/// A title that must be there.
pub(super) fn title(fields: Fields<'_>) -> Result<String, InvalidField> {
    let title = fields.text("title")?.ok_or_else(|| InvalidField::new("title", "is required"))?;
    if title.trim().is_empty() || title.chars().count() > MAX_TITLE || title.chars().any(char::is_control) {
        return Err(InvalidField::new(
            "title",
            format!("must have 1 to {MAX_TITLE} characters without control characters"),
        ));
    }
    Ok(title.to_owned())
}

/// A text of several lines, if there is anything in it.
pub(super) fn text(fields: Fields<'_>, field: &'static str) -> Result<Option<String>, InvalidField> {
    let Some(text) = fields.text(field)? else { return Ok(None) };
    let is_unfit = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    if text.chars().count() > MAX_TEXT || text.chars().any(is_unfit) {
        let reason = format!("must be at most {MAX_TEXT} characters, none of them control characters but line breaks");
        return Err(InvalidField::new(field, reason));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_field_is_rejected_with_a_suggestion() {
        let known = ["amount", "discountCode", "to"];
        for (name, meant) in [
            ("amout", Some("amount")),
            ("Amount", Some("amount")),
            ("amuont", Some("amount")),
            ("discountcode", Some("discountCode")),
            ("discuntCod", Some("discountCode")),
            ("ot", Some("to")),
            ("x", None),
            ("sum", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
            let body = json!({"amount": 1, (name): 5});
            let (fields, violations) = object(&body, &known).unwrap();
            assert_eq!(fields.whole("amount", 9), Ok(Some(1)));
            let violations = violations.finish(Some(())).unwrap_err();
            assert_eq!(violations.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(), [name]);
        }
        let body = json!({"to": "x"});
        assert!(object(&body, &known).unwrap().1.finish(Some(())).is_ok());
        assert!(object(&json!([]), &known).is_err());
    }

    #[test]
    fn reports_of_unknown_fields_are_bounded() {
        let body: Map<String, Value> = (0..1000).map(|n| (format!("{n}{}", "x".repeat(10_000)), json!(n))).collect();
        let violations = object(&Value::Object(body), &["a"]).unwrap().1.finish(Some(())).unwrap_err();
        let said: usize = violations.iter().map(|invalid| invalid.field.len() + invalid.reason.len()).sum();
        assert!(violations.len() == MAX_NAMED && said < 2_000, "{violations:?}");
    }
}
