//! Batches of queue messages.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{RecordOutcome, Report};
use crate::context::{FunctionContext, Setup};
use crate::function::{Function, Invocation, InvocationError, Invoke, StartResult};
use crate::obs::Reporter;

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same however often it comes.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it has been received, this time included; about right, as SQS counts it.
    pub received: u32,
    /// In which second since 1970 it was sent, by the queue's clock.
    pub sent: u64,
}

/// Handles batches of queue messages.
pub trait QueueHandler: Send + Sync {
    /// Returns the outcome of each message, in their order. Messages to retry and poison come again, until the queue's redrive
    /// policy moves them to the dead-letter queue.
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>>;
}

/// Starts a function that handles the messages of a queue.
///
/// # Errors
/// The environment lacks what the handler needs.
pub fn start<H: QueueHandler + 'static>(
    context: &FunctionContext,
    function: Function,
    open: impl FnOnce(&mut Setup<'_>) -> H,
) -> StartResult {
    Ok(self::function(function.name, context, context.open(open)?))
}

/// A function that handles the messages of a queue.
#[must_use]
pub fn function(
    name: &'static str,
    context: &FunctionContext,
    handler: impl QueueHandler + 'static,
) -> Box<dyn Invoke> {
    Box::new(QueueFunction { reporter: context.reporter(name), handler: Box::new(handler) })
}

struct QueueFunction {
    reporter: Reporter,
    handler: Box<dyn QueueHandler>,
}

/// A message without an id could not be named as failed, and would be lost.
fn message(message: SqsMessage) -> Option<Message> {
    let received = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    let sent: Option<u64> = message.attributes.get("SentTimestamp").and_then(|millis| millis.parse().ok());
    let (received, sent) = (received.unwrap_or(1), sent.unwrap_or_default() / 1_000);
    Some(Message { id: message.message_id?, body: message.body?, received, sent })
}

pub(super) fn read(payload: &str) -> Result<Vec<Message>, InvocationError> {
    let foreign = |why: &str| InvocationError { message: format!("not a batch of queue messages: {why}") };
    let event: SqsEvent = serde_json::from_str(payload).map_err(|error| foreign(&error.to_string()))?;
    let messages: Option<Vec<Message>> = event.records.into_iter().map(message).collect();
    messages.ok_or_else(|| foreign("one has no id or no body"))
}

impl Invoke for QueueFunction {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            let messages = read(payload)?;
            let settled = self.handler.handle(&messages, super::deadline(invocation)).await;

            let (mut retried, mut poison) = (Vec::new(), 0);
            for (index, message) in messages.iter().enumerate() {
                match settled.get(index) {
                    Some(RecordOutcome::Done) => continue,
                    Some(RecordOutcome::Poison(reason)) => {
                        poison += 1;
                        let function = self.reporter.function();
                        tracing::error!(function, messageId = message.id, reason, "poison: {reason}");
                    }
                    // A handler that forgot a message has not handled it, and a queue defers by showing it again.
                    Some(RecordOutcome::Retry | RecordOutcome::Defer(_)) | None => {}
                }
                retried.push(message.id.as_str());
            }
            let report = Report { parts: "messages", total: messages.len(), retried, poison, deferred: 0 };
            Ok(report.ended(&self.reporter, invocation, began))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Lines, invocation};

    /// Does with each message what its body says, and forgets what comes after "forget".
    struct Obedient;

    impl QueueHandler for Obedient {
        fn handle<'a>(&'a self, messages: &'a [Message], _: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
            let settle = |message: &Message| match message.body.as_str() {
                "forget" => None,
                "retry" => Some(RecordOutcome::Retry),
                "poison" => Some(RecordOutcome::Poison(format!("received {} times", message.received))),
                _ => Some(RecordOutcome::Done),
            };
            let settled = messages.iter().map_while(settle).collect();
            Box::pin(async move { settled })
        }
    }

    fn event(bodies: &[&str]) -> String {
        let record = |(index, body): (usize, &&str)| json!({"messageId": format!("m{index}"), "body": body, "attributes": {"ApproximateReceiveCount": "3"}});
        json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()}).to_string()
    }

    async fn failures(bodies: &[&str]) -> Value {
        let function = function("worker", &Lines::default().context(), Obedient);
        let answer = function.invoke(&event(bodies), &invocation()).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    #[tokio::test]
    async fn what_is_not_done_is_named() {
        let expected = json!({"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]});
        assert_eq!(failures(&["done", "retry", "poison", "done"]).await, expected);
        assert_eq!(failures(&["done"]).await, json!({"batchItemFailures": []}));
    }

    #[tokio::test]
    async fn a_message_that_is_forgotten_comes_again() {
        let answer = failures(&["done", "forget", "done"]).await;
        assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]));
    }

    #[tokio::test]
    async fn what_is_no_batch_of_messages_fails_as_a_whole() {
        let function = function("worker", &Lines::default().context(), Obedient);
        for payload in ["", "{}", r#"{"Records":[{"messageId":"m"}]}"#, r#"{"Records":[{"body":"done"}]}"#] {
            let error = function.invoke(payload, &invocation()).await.unwrap_err();
            assert!(error.message.starts_with("not a batch of queue messages: "), "{payload}: {error}");
        }
    }

    #[test]
    fn messages_are_read_as_lambda_sends_them() {
        let payload = event(&["hello"]).replace("\"3\"", "\"2\"");
        assert_eq!(read(&payload).unwrap(), [Message { id: "m0".into(), body: "hello".into(), received: 2, sent: 0 }]);
    }
}
