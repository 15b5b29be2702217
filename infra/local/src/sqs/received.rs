//! Messages as those who receive them see them.

use serde_json::{Map, Value, json};

use super::message::{self, Attributes};
use super::store::Stored;
use crate::trace::{self, Trace};

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// What deletes it.
    pub receipt: String,
    /// Its body.
    pub body: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: i64,
    /// When it was first received, in milliseconds since 1970.
    pub first_received_at: i64,
    /// How often it was received.
    pub receive_count: u32,
    /// The JSON of its attributes, in the protocol's own form.
    attributes: String,
    dead_letter_source: Option<String>,
    trace_header: Option<String>,
}

impl Received {
    /// The system attributes of the message.
    pub(crate) fn system_attributes(&self) -> Map<String, Value> {
        let mut all = Map::new();
        let mut add = |name: &str, value: String| all.insert(name.to_owned(), Value::String(value));
        add("SenderId", crate::wire::ACCOUNT.to_owned());
        add("SentTimestamp", self.sent_at.to_string());
        add("ApproximateFirstReceiveTimestamp", self.first_received_at.to_string());
        add("ApproximateReceiveCount", self.receive_count.to_string());
        if let Some(source) = &self.dead_letter_source {
            add("DeadLetterQueueSourceArn", source.clone());
        }
        if let Some(header) = &self.trace_header {
            add(trace::ATTRIBUTE, header.clone());
        }
        all
    }

    /// The chain of invocations that sent it.
    pub(crate) fn trace(&self) -> Trace {
        self.trace_header.as_deref().map(Trace::parse).unwrap_or_default()
    }

    /// The attributes that the sender gave the message.
    fn own_attributes(&self) -> Attributes {
        serde_json::from_str(&self.attributes).unwrap_or_default()
    }

    /// The message's own attributes as Lambda shows them.
    pub(crate) fn lambda_attributes(&self) -> Value {
        let mut all = Map::new();
        for (name, attribute) in self.own_attributes() {
            let mut shown = json!({ "stringListValues": [], "binaryListValues": [], "dataType": attribute.data_type });
            if let Some(fields) = shown.as_object_mut() {
                if let Some(text) = attribute.string_value {
                    fields.insert("stringValue".to_owned(), Value::String(text));
                }
                if let Some(base64) = attribute.binary_value {
                    fields.insert("binaryValue".to_owned(), Value::String(base64));
                }
            }
            all.insert(name, shown);
        }
        Value::Object(all)
    }

    /// The digest of the body.
    pub(crate) fn md5_of_body(&self) -> String {
        message::md5_of_body(&self.body)
    }

    /// The message in the protocol's form, with the requested attributes.
    pub(super) fn to_json(&self, system: &[String], own: &[String]) -> Value {
        let mut json = json!({
            "MessageId": self.id,
            "ReceiptHandle": self.receipt,
            "MD5OfBody": self.md5_of_body(),
            "Body": self.body,
        });
        let Some(fields) = json.as_object_mut() else { return json };
        let mut attributes = self.system_attributes();
        attributes.retain(|name, _| system.iter().any(|wanted| wanted == "All" || wanted == name));
        if !attributes.is_empty() {
            fields.insert("Attributes".to_owned(), Value::Object(attributes));
        }
        let mut chosen = self.own_attributes();
        chosen.retain(|name, _| own.iter().any(|wanted| is_wanted(wanted, name)));
        if let (Some(md5), Ok(attributes)) = (message::md5_of_attributes(&chosen), serde_json::to_value(&chosen)) {
            fields.insert("MD5OfMessageAttributes".to_owned(), Value::String(md5));
            fields.insert("MessageAttributes".to_owned(), attributes);
        }
        json
    }
}

fn is_wanted(wanted: &str, name: &str) -> bool {
    wanted == "All" || wanted.strip_suffix(".*").map_or(wanted == name, |prefix| name.starts_with(prefix))
}

impl From<Stored> for Received {
    fn from(stored: Stored) -> Self {
        Self {
            id: stored.message_id,
            receipt: stored.receipt,
            body: stored.body,
            sent_at: stored.sent_at,
            first_received_at: stored.first_received_at,
            receive_count: stored.receive_count,
            attributes: stored.attributes,
            dead_letter_source: stored.dead_letter_source,
            trace_header: stored.trace_header,
        }
    }
}
