//! Reading the fields of a JSON object that came from outside, with an error that names the field.

use std::str::FromStr;

use serde_json::{Map, Value};

/// Why something from outside is refused: which field, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field's name.
    pub field: &'static str,
    /// What it must be.
    pub reason: String,
}

impl Invalid {
    /// A field that breaks a rule.
    pub fn new(field: &'static str, reason: impl ToString) -> Self {
        Self { field, reason: reason.to_string() }
    }
}

/// The fields of a JSON object. A `null` counts as absent; fields nobody asks for are left alone.
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
    pub fn text(self, field: &'static str) -> Result<Option<&'a str>, Invalid> {
        self.get(field).map(|value| value.as_str().ok_or_else(|| Invalid::new(field, "must be a string"))).transpose()
    }

    /// A text that parses (an id, a time, one of an enumeration), if present.
    ///
    /// # Errors
    /// If it is not a string or does not parse.
    pub fn parsed<T: FromStr<Err: ToString>>(self, field: &'static str) -> Result<Option<T>, Invalid> {
        self.text(field)?.map(|text| text.parse().map_err(|error: T::Err| Invalid::new(field, error))).transpose()
    }

    /// A text that parses and must be there.
    ///
    /// # Errors
    /// If it is absent, not a string or does not parse.
    pub fn required<T: FromStr<Err: ToString>>(self, field: &'static str) -> Result<T, Invalid> {
        self.parsed(field)?.ok_or_else(|| Invalid::new(field, "is missing"))
    }

    /// A finite number from 0 to `max`, if present.
    ///
    /// # Errors
    /// If it is not a number or out of range.
    pub fn number(self, field: &'static str, max: f64) -> Result<Option<f64>, Invalid> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| Invalid::new(field, "must be a number"))?;
        if (0.0..=max).contains(&number) {
            Ok(Some(number))
        } else {
            Err(Invalid::new(field, format!("must be from 0 to {max}")))
        }
    }

    /// A truth value, if present.
    ///
    /// # Errors
    /// If it is neither `true` nor `false`.
    pub fn flag(self, field: &'static str) -> Result<Option<bool>, Invalid> {
        self.get(field)
            .map(|value| value.as_bool().ok_or_else(|| Invalid::new(field, "must be true or false")))
            .transpose()
    }
}
