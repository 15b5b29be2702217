//! SQS's operations in its JSON protocol.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::SqsError;
use super::protocol::{
    ByHandle, LARGEST, LONGEST_HIDDEN, LONGEST_WAIT, OfQueue, Receive, Send, action, at_most, batch, check, entries,
    failure, name_of, read, valid_handle,
};
use super::store::NewMessage;
use super::{QueueConfig, Queues, message, millis};
use crate::iam::{self, Access};
use crate::wire::{Answer, ClientOptions, Service, queue_arn};

impl Queues {
    /// Carries out one operation for a caller and answers it.
    pub async fn call(&self, operation: &str, body: &str, caller: &ClientOptions) -> Answer {
        let request: Value = match serde_json::from_str(body) {
            Ok(request) => request,
            Err(error) => return SqsError::invalid(error.to_string()).answer(),
        };
        let Some(action) = action(operation) else { return Answer::unknown_operation() };
        match self.carry_out(operation, action, &request, caller).await {
            Ok(Ok(body)) => Answer::ok(body.to_string()),
            Ok(Err(denied)) => denied,
            Err(error) => error.answer(),
        }
    }

    async fn carry_out(
        &self,
        operation: &str,
        action: &'static str,
        request: &Value,
        caller: &ClientOptions,
    ) -> Result<Result<Value, Answer>, SqsError> {
        match operation {
            "StartMessageMoveTask" => return self.start_move(request, caller),
            "ListMessageMoveTasks" => return self.list_moves(request, caller),
            _ => {}
        }
        let target: OfQueue = read(request)?;
        let name = target.queue_url.as_deref().map(name_of).or(target.queue_name.as_deref());
        let access = Access::new(action, name.map_or_else(|| queue_arn("*"), queue_arn));
        if let Some(policy) = &caller.policy
            && !policy.allows(&access)
        {
            return Ok(Err(Answer::denied(Service::Sqs, &iam::denial(&caller.function, &access))));
        }
        if operation == "ListQueues" {
            let prefix = target.queue_name_prefix.unwrap_or_default();
            let urls: Vec<String> =
                self.names().iter().filter(|name| name.starts_with(&prefix)).map(|name| self.url(name)).collect();
            return Ok(Ok(if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }));
        }
        let queue = name.and_then(|name| self.config(name)).ok_or_else(SqsError::no_queue)?;
        Ok(Ok(match operation {
            "CreateQueue" => self.create(queue, &target)?,
            "GetQueueUrl" => json!({ "QueueUrl": self.url(&queue.name) }),
            "GetQueueAttributes" => self.attributes(queue, &target.attribute_names)?,
            "PurgeQueue" => {
                self.lock().purge(&queue.name)?;
                json!({})
            }
            "SendMessage" => self.send_one(queue, &read(request)?, caller)?,
            "SendMessageBatch" => self.send_batch(queue, request, caller)?,
            "ReceiveMessage" => self.receive_many(queue, &read(request)?).await?,
            "DeleteMessage" => {
                self.delete_one(queue, &read(request)?)?;
                json!({})
            }
            "DeleteMessageBatch" => batch(request, |entry| self.delete_one(queue, &read(entry)?))?,
            "ChangeMessageVisibility" => {
                self.change_one(queue, &read(request)?)?;
                json!({})
            }
            "ChangeMessageVisibilityBatch" => batch(request, |entry| self.change_one(queue, &read(entry)?))?,
            other => return Err(SqsError::unsupported(other)),
        }))
    }

    /// Queues are the template's; making one again that is there is fine, as it is in SQS.
    fn create(&self, queue: &QueueConfig, target: &OfQueue) -> Result<Value, SqsError> {
        let all = self.attributes(queue, &["All".to_owned()])?;
        let all = all.get("Attributes").cloned().unwrap_or_default();
        let same = |(name, value): (&String, &Value)| all.get(name) == Some(value);
        if !target.attributes.iter().all(same) {
            return Err(SqsError::unsupported("a queue with other attributes than the template gives it"));
        }
        Ok(json!({ "QueueUrl": self.url(&queue.name) }))
    }

    fn attributes(&self, queue: &QueueConfig, names: &[String]) -> Result<Value, SqsError> {
        let depth = self.depth(&queue.name)?;
        let mut all = json!({
            "ApproximateNumberOfMessages": depth.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
            "ApproximateNumberOfMessagesDelayed": depth.delayed.to_string(),
            "VisibilityTimeout": queue.visibility_timeout.as_secs().to_string(),
            "MessageRetentionPeriod": queue.message_retention.as_secs().to_string(),
            "MaximumMessageSize": queue.maximum_message_size.to_string(),
            "DelaySeconds": queue.delay.as_secs().to_string(),
            "ReceiveMessageWaitTimeSeconds": queue.receive_wait.as_secs().to_string(),
            "QueueArn": queue.arn(),
        });
        if let (Some(redrive), Some(attributes)) = (&queue.redrive, all.as_object_mut()) {
            let policy = json!({
                "deadLetterTargetArn": queue_arn(&redrive.dead_letter_queue),
                "maxReceiveCount": redrive.max_receive_count,
            });
            attributes.insert("RedrivePolicy".to_owned(), Value::String(policy.to_string()));
        }
        if let Some(attributes) = all.as_object_mut() {
            attributes.retain(|name, _| names.iter().any(|wanted| wanted == "All" || wanted == name));
        }
        Ok(json!({ "Attributes": all }))
    }

    fn send_one(&self, queue: &QueueConfig, send: &Send, caller: &ClientOptions) -> Result<Value, SqsError> {
        let size = check(queue, send)?;
        let limit = queue.maximum_message_size.min(LARGEST);
        if size > limit {
            return Err(SqsError::too_long(limit));
        }
        let mut sent = self.send_all(queue, &[send], caller)?;
        Ok(sent.pop().unwrap_or_default())
    }

    fn send_batch(&self, queue: &QueueConfig, request: &Value, caller: &ClientOptions) -> Result<Value, SqsError> {
        let entries = entries(request)?;
        let (mut sends, mut ids, mut failed, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (id, entry) in &entries {
            let limit = queue.maximum_message_size.min(LARGEST);
            let checked = read::<Send>(entry).and_then(|send| match check(queue, &send)? {
                size if size > limit => Err(SqsError::too_long(limit)),
                size => Ok((send, size)),
            });
            match checked {
                Ok((send, size)) => {
                    total += size;
                    sends.push(send);
                    ids.push(id);
                }
                Err(error) => failed.push(failure(id, error)),
            }
        }
        if total > LARGEST {
            return Err(SqsError::batch_too_long(LARGEST, total));
        }
        let mut sent = self.send_all(queue, &sends.iter().collect::<Vec<_>>(), caller)?;
        for (id, sent) in ids.iter().zip(&mut sent) {
            if let Some(fields) = sent.as_object_mut() {
                fields.insert("Id".to_owned(), Value::String((*id).clone()));
            }
        }
        Ok(json!({ "Successful": sent, "Failed": failed }))
    }

    fn send_all(&self, queue: &QueueConfig, sends: &[&Send], caller: &ClientOptions) -> Result<Vec<Value>, SqsError> {
        let now = self.now();
        let prepare = |send: &&Send| {
            let attributes =
                serde_json::to_string(&send.message_attributes).map_err(|error| SqsError::internal(&error))?;
            let delay = send.delay_seconds.map_or(queue.delay, Duration::from_secs);
            Ok((self.message_id(), attributes, now + millis(delay)))
        };
        let prepared: Vec<(String, String, i64)> = sends.iter().map(prepare).collect::<Result<_, SqsError>>()?;
        let messages: Vec<NewMessage<'_>> = sends
            .iter()
            .zip(&prepared)
            .map(|(send, (id, attributes, visible_at))| NewMessage {
                id,
                body: &send.message_body,
                attributes,
                trace_header: send.trace_header().or(caller.trace.as_deref()),
                visible_at: *visible_at,
            })
            .collect();
        self.insert(&queue.name, now, &messages)?;
        let answer = |(send, (id, ..)): (&&Send, &(String, String, i64))| {
            let mut answer = json!({ "MessageId": id, "MD5OfMessageBody": message::md5_of_body(&send.message_body) });
            if let (Some(md5), Some(fields)) =
                (message::md5_of_attributes(&send.message_attributes), answer.as_object_mut())
            {
                fields.insert("MD5OfMessageAttributes".to_owned(), Value::String(md5));
            }
            if let (Some(md5), Some(fields)) =
                (message::md5_of_attributes(&send.message_system_attributes), answer.as_object_mut())
            {
                fields.insert("MD5OfMessageSystemAttributes".to_owned(), Value::String(md5));
            }
            answer
        };
        Ok(sends.iter().zip(&prepared).map(answer).collect())
    }

    async fn receive_many(&self, queue: &QueueConfig, receive: &Receive) -> Result<Value, SqsError> {
        let limit = receive.max_number_of_messages.unwrap_or(1);
        if !(1..=10).contains(&limit) {
            let message =
                format!("Value {limit} for parameter MaxNumberOfMessages is invalid. Must be between 1 and 10.");
            return Err(SqsError::invalid(message));
        }
        let wait = at_most("WaitTimeSeconds", receive.wait_time_seconds, LONGEST_WAIT)?;
        let hidden = at_most("VisibilityTimeout", receive.visibility_timeout, LONGEST_HIDDEN)?;
        let received = self.receive(&queue.name, limit, wait.unwrap_or(queue.receive_wait), hidden).await?;
        let mut wanted = receive.attribute_names.clone();
        wanted.extend(receive.message_system_attribute_names.iter().cloned());
        let messages: Vec<Value> =
            received.iter().map(|message| message.to_json(&wanted, &receive.message_attribute_names)).collect();
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn delete_one(&self, queue: &QueueConfig, by: &ByHandle) -> Result<(), SqsError> {
        let handle = valid_handle(by)?;
        // An old receipt is no error, and neither is a message that is gone.
        self.delete(&queue.name, handle)?;
        Ok(())
    }

    fn change_one(&self, queue: &QueueConfig, by: &ByHandle) -> Result<(), SqsError> {
        let handle = valid_handle(by)?;
        let hidden = at_most("VisibilityTimeout", by.visibility_timeout, LONGEST_HIDDEN)?;
        let hidden = hidden.ok_or_else(|| SqsError::invalid("VisibilityTimeout is missing."))?;
        if self.change_visibility(&queue.name, handle, hidden)? { Ok(()) } else { Err(SqsError::not_in_flight()) }
    }
}
