//! Redrive: moving dead letters back to where they came from, or elsewhere
//! ([StartMessageMoveTask](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html)).
//!
//! A task moves what is ready when it starts, all at once; so none is ever seen running, and none can be cancelled.

use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::SqsError;
use super::protocol::read;
use super::{QueueConfig, Queues};
use crate::iam::{self, Access};
use crate::wire::{Answer, ClientOptions, Service, arn_name, queue_arn};

/// The tasks of a queue that are remembered.
const REMEMBERED: usize = 10;

/// A task, over as soon as it was started.
#[derive(Debug, Clone)]
pub(super) struct Task {
    source_arn: String,
    destination_arn: Option<String>,
    per_second: Option<u64>,
    moved: usize,
    ready: usize,
    started_at: i64,
}

impl Task {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "SourceArn": self.source_arn,
            "Status": "COMPLETED",
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.ready,
            "StartedTimestamp": self.started_at,
        });
        let Some(fields) = json.as_object_mut() else { return json };
        if let Some(destination) = &self.destination_arn {
            fields.insert("DestinationArn".to_owned(), Value::from(destination.clone()));
        }
        if let Some(per_second) = self.per_second {
            fields.insert("MaxNumberOfMessagesPerSecond".to_owned(), Value::from(per_second));
        }
        if self.moved < self.ready {
            fields.insert("Status".to_owned(), Value::from("FAILED"));
            fields.insert("FailureReason".to_owned(), Value::from("CouldNotDetermineMessageSource"));
        }
        json
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Start {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    source_arn: String,
    max_results: Option<usize>,
}

impl Queues {
    /// Starts a task, and brings it to its end.
    pub(super) fn start_move(
        &self,
        request: &Value,
        caller: &ClientOptions,
    ) -> Result<Result<Value, Answer>, SqsError> {
        let start: Start = read(request)?;
        let of_source =
            ["sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
        let mut needed: Vec<Access> =
            of_source.into_iter().map(|action| Access::new(action, start.source_arn.clone())).collect();
        let sends = match &start.destination_arn {
            Some(destination) => vec![destination.clone()],
            None => self.sources_of(arn_name(&start.source_arn)).map(|queue| queue.arn()).collect(),
        };
        needed.extend(sends.into_iter().map(|queue| Access::new("sqs:SendMessage", queue)));
        if let Some(denied) = denied(caller, &needed) {
            return Ok(Err(denied));
        }

        let source = self.by_arn("SourceArn", &start.source_arn)?;
        if self.sources_of(&source.name).next().is_none() {
            return Err(SqsError::invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let destination = match &start.destination_arn {
            Some(arn) if *arn == start.source_arn => {
                return Err(SqsError::invalid("Source queue arn and destination queue arn cannot be the same."));
            }
            Some(arn) => Some(self.by_arn("DestinationArn", arn)?),
            None => None,
        };
        if let Some(rate) = start.max_number_of_messages_per_second.filter(|rate| !(1..=500).contains(rate)) {
            let name = "MaxNumberOfMessagesPerSecond";
            return Err(SqsError::invalid(format!("Value {rate} for parameter {name} is invalid.")));
        }

        // Only dead letters have a source queue; messages sent directly do not.
        let target = |died_in: Option<&str>| destination.or_else(|| self.config(arn_name(died_in?)));
        let now = self.now();
        let (moved, ready) = self.lock().move_ready(source, now, target, || self.message_id())?;
        for name in self.names() {
            self.wake(&name);
        }
        let handle = json!({ "taskId": self.message_id(), "sourceArn": start.source_arn }).to_string();
        let task = Task {
            source_arn: start.source_arn,
            destination_arn: start.destination_arn,
            per_second: start.max_number_of_messages_per_second,
            moved,
            ready,
            started_at: now,
        };
        self.inner.moves.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(Ok(json!({ "TaskHandle": STANDARD.encode(handle) })))
    }

    /// The tasks of a queue, the latest first.
    pub(super) fn list_moves(
        &self,
        request: &Value,
        caller: &ClientOptions,
    ) -> Result<Result<Value, Answer>, SqsError> {
        let list: List = read(request)?;
        let needed = ["sqs:ListMessageMoveTasks", "sqs:GetQueueAttributes"];
        let needed = needed.map(|action| Access::new(action, list.source_arn.clone()));
        if let Some(denied) = denied(caller, &needed) {
            return Ok(Err(denied));
        }
        self.by_arn("SourceArn", &list.source_arn)?;
        let limit = list.max_results.unwrap_or(1);
        if !(1..=REMEMBERED).contains(&limit) {
            return Err(SqsError::invalid(format!("Value {limit} for parameter MaxResults is invalid.")));
        }
        let tasks = self.inner.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let of_queue = tasks.iter().rev().filter(|task| task.source_arn == list.source_arn);
        Ok(Ok(json!({ "Results": of_queue.take(limit).map(Task::to_json).collect::<Vec<_>>() })))
    }

    fn by_arn(&self, parameter: &str, arn: &str) -> Result<&QueueConfig, SqsError> {
        let name = arn_name(arn);
        let queue = self.config(name).filter(|_| queue_arn(name) == arn);
        queue.ok_or_else(|| SqsError::no_resource(parameter))
    }

    /// The queues whose dead letters go to a queue.
    fn sources_of<'a>(&'a self, dead_letter_queue: &'a str) -> impl Iterator<Item = &'a QueueConfig> {
        let is_source = move |queue: &&QueueConfig| {
            queue.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_queue == dead_letter_queue)
        };
        self.inner.queues.values().map(|queue| &queue.config).filter(is_source)
    }
}

fn denied(caller: &ClientOptions, needed: &[Access]) -> Option<Answer> {
    let denied = caller.policy.as_ref()?.first_denied(needed)?;
    Some(Answer::denied(Service::Sqs, &iam::denial(&caller.function, denied)))
}
