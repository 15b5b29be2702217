//! Items of tables and bodies of requests, as JSON.

use serde_json::{Value, json};

/// The key of an item.
pub(crate) fn key(pk: &str, sk: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": sk}})
}

/// A string attribute of an item; empty if the item does not have it.
pub(crate) fn text(item: &Value, name: &str) -> String {
    item[name]["S"].as_str().unwrap_or_default().to_owned()
}

/// The value of a number attribute; 0 if the item does not have it.
pub(crate) fn number(value: &Value) -> i64 {
    value["N"].as_str().map(|number| number.parse().unwrap()).unwrap_or_default()
}

/// A body with some of its fields replaced.
pub(crate) fn with(body: &Value, patch: &Value) -> Value {
    let mut body = body.clone();
    for (field, value) in patch.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}
