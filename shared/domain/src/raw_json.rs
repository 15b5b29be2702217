//! JSON objects whose fields are parsed one by one.
//!
//! Half of a surrogate pair (`"\ud83d"`) and a number beyond the range of doubles (`1e400`) are correct JSON without a
//! value. Such a field is invalid on its own; the other fields stay readable.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::validation::InvalidField;

/// A JSON object, not yet read. Of two fields of one name the last counts.
#[derive(Debug, Clone)]
pub struct RawObject<'a>(HashMap<String, &'a RawValue>);

impl<'a> RawObject<'a> {
    /// The object of a JSON text; `None` if it is something else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text of a field, if it is there.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// Reads these fields. The violations of a field go to `violations`, and the field is left out.
    pub fn read(
        &self,
        names: impl IntoIterator<Item = &'static str>,
        violations: &mut Vec<InvalidField>,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        for name in names {
            let Some(raw) = self.0.get(name) else { continue };
            match serde_json::from_str(raw.get()) {
                Ok(value) => {
                    fields.insert(name.to_owned(), value);
                }
                Err(_) => violations.push(InvalidField::new(name, unreadable(raw.get()))),
            }
        }
        fields
    }
}

/// Why a JSON value cannot be represented.
fn unreadable(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "must be valid Unicode without unpaired surrogates",
        Some(b'-' | b'0'..=b'9') => "must be a number that a double can hold",
        _ => "must hold only valid Unicode and numbers that a double can hold, nested at most 128 deep",
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = HashMap<String, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = HashMap::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.insert(name, value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object).map(RawObject)
    }
}

/// The name of a field; invalid Unicode in it is replaced, so that it matches no known name.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Name, E> {
                Ok(Name(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrepresentable_field_affects_only_itself() {
        let text = r#"{"a": "x", "b": "cut \ud83d", "c": 1e400, "d": [1e400], "\ud83d": {"e": "\udc00"}, "a": "y"}"#;
        let object = RawObject::parse(text).unwrap();
        let mut violations = Vec::new();
        assert_eq!(Value::Object(object.read(["a", "z"], &mut violations)), serde_json::json!({"a": "y"}));
        assert_eq!(violations, []);
        assert!(object.read(["b", "c", "d"], &mut violations).is_empty());
        assert_eq!(violations.iter().map(|violations| violations.field.as_ref()).collect::<Vec<_>>(), ["b", "c", "d"]);
        for other in ["[]", "7", "null", "\"a\"", "{", ""] {
            assert!(RawObject::parse(other).is_none(), "{other}");
        }
    }
}
