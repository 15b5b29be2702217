//! `AWS::SQS::Queue`.

use serde::Deserialize;
use serde_json::Value;

use super::{count, seconds, whole};
use crate::sqs::{QueueConfig, Redrive};
use crate::template::described::Described;
use crate::template::inventory::Found;
use crate::template::names::{Kind, Names};
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::{Flag, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Properties {
    #[serde(rename = "QueueName")]
    _queue_name: Option<String>,
    visibility_timeout: Option<Whole>,
    message_retention_period: Option<Whole>,
    delay_seconds: Option<Whole>,
    receive_message_wait_time_seconds: Option<Whole>,
    maximum_message_size: Option<Whole>,
    redrive_policy: Option<RedrivePolicy>,
    redrive_allow_policy: Option<Value>,
    sqs_managed_sse_enabled: Option<Flag>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Whole,
}

/// Reads a queue.
pub(crate) fn queue(
    found: &Found<'_>,
    properties: Value,
    names: &Names,
    described: &mut Described,
) -> Result<QueueConfig, Refusal> {
    let place = found.place.as_str();
    let properties: Properties = read(place, properties)?;
    described.note(properties.sqs_managed_sse_enabled, "encryption at rest");
    described.note(properties.redrive_allow_policy, "redrive allow policy");
    described.note(properties.tags, "tags");
    let redrive = match properties.redrive_policy {
        None => None,
        Some(policy) => {
            let place = at(place, "RedrivePolicy");
            let attempts = whole(&at(&place, "maxReceiveCount"), Some(policy.max_receive_count), 10, 1..=1000)?;
            Some(Redrive {
                dead_letter_queue: queue_of_arn(
                    &at(&place, "deadLetterTargetArn"),
                    &policy.dead_letter_target_arn,
                    names,
                )?,
                max_receive_count: u32::try_from(attempts).unwrap_or(u32::MAX),
            })
        }
    };
    Ok(QueueConfig {
        logical_id: found.id.to_owned(),
        name: found.name.to_owned(),
        visibility_timeout: seconds(&at(place, "VisibilityTimeout"), properties.visibility_timeout, 30, 0..=43_200)?,
        message_retention: seconds(
            &at(place, "MessageRetentionPeriod"),
            properties.message_retention_period,
            345_600,
            60..=1_209_600,
        )?,
        delay: seconds(&at(place, "DelaySeconds"), properties.delay_seconds, 0, 0..=900)?,
        receive_wait: seconds(
            &at(place, "ReceiveMessageWaitTimeSeconds"),
            properties.receive_message_wait_time_seconds,
            0,
            0..=20,
        )?,
        maximum_message_size: count(
            &at(place, "MaximumMessageSize"),
            properties.maximum_message_size,
            1_048_576,
            1_024..=1_048_576,
        )?,
        redrive,
    })
}

/// The name of the template's queue that an ARN names.
pub(crate) fn queue_of_arn(place: &str, arn: &str, names: &Names) -> Result<String, Refusal> {
    let name = names.with_arn(Kind::Queue, arn).and_then(|id| names.name(id));
    name.map(str::to_owned).ok_or_else(|| Refusal::new(place, format_args!("{arn:?} is not a queue of this template")))
}
