//! What the local cloud refuses about a template, and where.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A place in the template, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Refusal {
    /// The path from the root of the template, such as `Resources.Facts.Properties.BillingMode`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Refusal {
    /// Rejects the value at a path.
    pub fn new(place: impl Into<String>, problem: impl Display) -> Self {
        Self { place: place.into(), problem: problem.to_string() }
    }

    /// The refusal as a result, for the end of a check.
    ///
    /// # Errors
    /// Always: the refusal.
    pub fn err<T>(place: impl Into<String>, problem: impl Display) -> Result<T, Self> {
        Err(Self::new(place, problem))
    }
}

/// The place of a child.
#[must_use]
pub(super) fn at(place: &str, key: impl Display) -> String {
    if place.is_empty() { key.to_string() } else { format!("{place}.{key}") }
}

/// Reads a resolved value into a type that knows every property it may have.
///
/// # Errors
/// The place of the first property that is missing, unknown or of the wrong type.
pub(super) fn read<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { place.to_owned() } else { at(place, path) };
        Refusal::new(place, error.into_inner())
    })
}
