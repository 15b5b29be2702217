//! What requests hold, and what is checked before any is carried out.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::QueueConfig;
use super::error::SqsError;
use super::message::{self, Attributes};
use crate::trace;

/// The most that one message, or one batch of them, may hold.
pub(super) const LARGEST: usize = 1_048_576;
/// The longest that a message may be hidden.
pub(super) const LONGEST_HIDDEN: u64 = 12 * 3600;
/// The longest that a message may be delayed.
pub(super) const LONGEST_DELAY: u64 = 900;
/// The longest that a receive may wait.
pub(super) const LONGEST_WAIT: u64 = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    pub(super) queue_url: Option<String>,
    pub(super) queue_name: Option<String>,
    pub(super) queue_name_prefix: Option<String>,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) attributes: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<u64>,
    #[serde(default)]
    pub(super) message_attributes: Attributes,
    #[serde(default)]
    pub(super) message_system_attributes: Attributes,
}

impl Send {
    /// The trace header that the message is given, before that of its request.
    pub(super) fn trace_header(&self) -> Option<&str> {
        self.message_system_attributes.get(trace::ATTRIBUTE)?.string_value.as_deref()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    pub(super) max_number_of_messages: Option<usize>,
    pub(super) visibility_timeout: Option<u64>,
    pub(super) wait_time_seconds: Option<u64>,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_attribute_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByHandle {
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch {
    pub(super) entries: Vec<Value>,
}

pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, SqsError> {
    T::deserialize(value).map_err(|error| SqsError::invalid(error.to_string()))
}

/// The permission that an operation needs. A batch needs the permission of its entries.
pub(super) fn action(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "sqs:ChangeMessageVisibility",
        "CreateQueue" => "sqs:CreateQueue",
        "DeleteMessage" | "DeleteMessageBatch" => "sqs:DeleteMessage",
        "GetQueueAttributes" => "sqs:GetQueueAttributes",
        "GetQueueUrl" => "sqs:GetQueueUrl",
        "ListMessageMoveTasks" => "sqs:ListMessageMoveTasks",
        "ListQueues" => "sqs:ListQueues",
        "PurgeQueue" => "sqs:PurgeQueue",
        "ReceiveMessage" => "sqs:ReceiveMessage",
        "SendMessage" | "SendMessageBatch" => "sqs:SendMessage",
        "SetQueueAttributes" => "sqs:SetQueueAttributes",
        "StartMessageMoveTask" => "sqs:StartMessageMoveTask",
        _ => return None,
    })
}

pub(super) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

pub(super) fn at_most(name: &str, seconds: Option<u64>, limit: u64) -> Result<Option<Duration>, SqsError> {
    match seconds {
        Some(seconds) if seconds > limit => {
            let message = format!("Value {seconds} for parameter {name} is invalid. Must be between 0 and {limit}.");
            Err(SqsError::invalid(message))
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// Validates a message and returns its size in bytes.
pub(super) fn check(queue: &QueueConfig, send: &Send) -> Result<usize, SqsError> {
    if send.message_body.is_empty() {
        return Err(SqsError::invalid("The request must contain the parameter MessageBody."));
    }
    if !message::is_valid_body(&send.message_body) {
        return Err(SqsError::invalid_contents());
    }
    if send.message_attributes.len() > 10 || !send.message_attributes.values().all(message::Attribute::is_valid) {
        return Err(SqsError::invalid(format!("The attributes of a message to {} are invalid.", queue.name)));
    }
    let is_known = |(name, attribute): (&String, &message::Attribute)| {
        name == trace::ATTRIBUTE && attribute.data_type == "String" && attribute.is_valid()
    };
    if !send.message_system_attributes.iter().all(is_known) {
        return Err(SqsError::invalid(
            "The only system attribute that a message can be given is AWSTraceHeader, a String.",
        ));
    }
    at_most("DelaySeconds", send.delay_seconds, LONGEST_DELAY)?;
    Ok(message::size(&send.message_body, &send.message_attributes))
}

pub(super) fn valid_handle(by: &ByHandle) -> Result<&str, SqsError> {
    // A handle of ours is an id; anything else was never given out.
    if by.receipt_handle.is_empty()
        || !by.receipt_handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(SqsError::invalid_receipt(&by.receipt_handle));
    }
    Ok(&by.receipt_handle)
}

/// The entries of a batch with their ids.
pub(super) fn entries(request: &Value) -> Result<Vec<(String, Value)>, SqsError> {
    let Batch { entries } = read(request)?;
    match entries.len() {
        0 => return Err(SqsError::empty_batch()),
        1..=10 => {}
        count => return Err(SqsError::too_many_entries(count)),
    }
    let mut ids = HashSet::new();
    let mut named = Vec::new();
    for entry in entries {
        let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_valid = (1..=80).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_valid {
            return Err(SqsError::invalid_id(&id));
        }
        if !ids.insert(id.clone()) {
            return Err(SqsError::ids_not_distinct(&id));
        }
        named.push((id, entry));
    }
    Ok(named)
}

/// Carries out each entry of a batch by itself.
pub(super) fn batch(request: &Value, run: impl Fn(&Value) -> Result<(), SqsError>) -> Result<Value, SqsError> {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in entries(request)? {
        match run(&entry) {
            Ok(()) => successful.push(json!({ "Id": id })),
            Err(error) => failed.push(failure(&id, error)),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

pub(super) fn failure(id: &str, error: SqsError) -> Value {
    let is_sender = error.kind != "InternalError";
    json!({ "Id": id, "Code": error.code, "Message": error.message, "SenderFault": is_sender })
}
