//! Batches that are processed only in part.

use serde_json::{Map, Value, json};

use super::answer::Answer;

/// A batch split into what is carried out and what is handed back.
#[derive(Debug)]
pub(super) struct Split {
    /// The request that is carried out; none if nothing is left of it.
    pub(super) carried_out: Option<String>,
    /// What is handed back, as the answer's field holds it.
    handed_back: Value,
    field: &'static str,
}

/// Splits a batch by a mask of requests to hand back; none if the call is no batch.
pub(super) fn split(operation: &str, body: &str, mask: u64) -> Option<Split> {
    let field = match operation {
        "BatchWriteItem" => "UnprocessedItems",
        "BatchGetItem" => "UnprocessedKeys",
        "SendMessageBatch" => return split_messages(body, mask),
        _ => return None,
    };
    let mut request: Value = serde_json::from_str(body).ok()?;
    let tables = request.get("RequestItems")?.as_object()?.clone();
    let (mut kept, mut handed_back) = (Map::new(), Map::new());
    let mut is_handed_back = bits(mask);
    let mut names: Vec<&String> = tables.keys().collect();
    names.sort();
    for name in names {
        let asked = tables.get(name)?;
        let requests = asked.as_array().or_else(|| asked.get("Keys").and_then(Value::as_array))?;
        let (back, keep): (Vec<Value>, Vec<Value>) = requests.iter().cloned().partition(|_| is_handed_back());
        for (requests, into) in [(back, &mut handed_back), (keep, &mut kept)] {
            if requests.is_empty() {
                continue;
            }
            let part = match asked.as_object() {
                Some(keys_and_more) => {
                    let mut part = keys_and_more.clone();
                    part.insert("Keys".to_owned(), Value::Array(requests));
                    Value::Object(part)
                }
                None => Value::Array(requests),
            };
            into.insert(name.clone(), part);
        }
    }
    let carried_out = (!kept.is_empty()).then(|| {
        if let Some(fields) = request.as_object_mut() {
            fields.insert("RequestItems".to_owned(), Value::Object(kept));
        }
        request.to_string()
    });
    Some(Split { carried_out, handed_back: Value::Object(handed_back), field })
}

/// The bits of a mask, one after the other.
fn bits(mask: u64) -> impl FnMut() -> bool {
    let mut index = 0_u32;
    move || {
        let bit = mask >> (index % 64) & 1;
        index += 1;
        bit == 1
    }
}

/// Splits a batch of messages. SQS reports the unprocessed part as failed.
fn split_messages(body: &str, mask: u64) -> Option<Split> {
    let mut request: Value = serde_json::from_str(body).ok()?;
    let entries = request.get_mut("Entries")?.as_array_mut()?;
    let mut is_handed_back = bits(mask);
    let (back, keep): (Vec<Value>, Vec<Value>) = entries.drain(..).partition(|_| is_handed_back());
    let failed = |entry: &Value| {
        let id = entry.get("Id").cloned().unwrap_or_default();
        json!({ "Id": id, "Code": "InternalError", "Message": "Try again.", "SenderFault": false })
    };
    let is_carried_out = !keep.is_empty();
    *entries = keep;
    let handed_back = back.iter().map(failed).collect();
    Some(Split { carried_out: is_carried_out.then(|| request.to_string()), handed_back, field: "Failed" })
}

impl Split {
    /// The answer to the whole batch, from the answer to the part that was carried out.
    pub(super) fn merge(self, answer: Option<Answer>) -> Answer {
        let empty = match self.field {
            "UnprocessedKeys" => json!({ "Responses": {} }),
            "Failed" => json!({ "Successful": [] }),
            _ => json!({}),
        };
        let mut body = match answer {
            Some(answer) if !answer.is_ok() => return answer,
            Some(answer) => serde_json::from_str(&answer.body).unwrap_or(empty),
            None => empty,
        };
        match (body.get_mut(self.field).and_then(Value::as_array_mut), self.handed_back) {
            // Entries that failed themselves are reported too.
            (Some(failed), Value::Array(mut more)) => failed.append(&mut more),
            (_, handed_back) => {
                if let Some(fields) = body.as_object_mut() {
                    fields.insert(self.field.to_owned(), handed_back);
                }
            }
        }
        Answer::ok(body.to_string())
    }
}
