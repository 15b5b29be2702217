//! Batches of stream records.

use std::sync::Arc;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use futures::future::BoxFuture;
use serde_json::json;
use tokio::time::Instant;

use super::{Report, Settled};
use crate::boot::Boot;
use crate::function::{Invocation, InvocationError, Invoke};
use crate::messaging::Queue;
use crate::obs::Reporter;

/// Handles batches of stream records.
pub trait BatchHandler: Send + Sync {
    /// Tells of each record, in their order, what became of it.
    fn handle<'a>(&'a self, records: &'a [EventRecord], deadline: Instant) -> BoxFuture<'a, Vec<Settled>>;
}

/// A function that keeps something up to date with a stream.
#[must_use]
pub fn function(
    name: &'static str,
    boot: &Boot,
    failures: Arc<dyn Queue>,
    handler: impl BatchHandler + 'static,
) -> Box<dyn Invoke> {
    Box::new(BatchFunction { reporter: Reporter::new(name, boot), failures, handler: Box::new(handler) })
}

struct BatchFunction {
    reporter: Reporter,
    failures: Arc<dyn Queue>,
    handler: Box<dyn BatchHandler>,
}

impl BatchFunction {
    /// Puts poison aside; `false` if that could not be done, so the record must come again.
    async fn put_aside(&self, record: &EventRecord, reason: &str) -> bool {
        let function = self.reporter.function();
        tracing::error!(function, eventId = record.event_id, reason, "poison: {reason}");
        let message = json!({"function": function, "reason": reason, "record": record});
        match self.failures.send(message.to_string()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(function, error = %error, "poison not put aside: {error}");
                false
            }
        }
    }
}

impl Invoke for BatchFunction {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            let event: Event = serde_json::from_str(payload)
                .map_err(|error| InvocationError { message: format!("not a batch of stream records: {error}") })?;
            let settled = self.handler.handle(&event.records, super::deadline(invocation)).await;

            let (mut retried, mut poison) = (Vec::new(), 0);
            for (index, record) in event.records.iter().enumerate() {
                let retry = match settled.get(index) {
                    Some(Settled::Done) => false,
                    Some(Settled::Poison(reason)) => {
                        poison += 1;
                        !self.put_aside(record, reason).await
                    }
                    // A handler that forgot a record has not handled it.
                    Some(Settled::Retry) | None => true,
                };
                if retry {
                    retried.push(record.change.sequence_number.as_deref().unwrap_or_default());
                }
            }
            let report = Report { parts: "records", total: event.records.len(), retried, poison };
            Ok(report.ended(&self.reporter, invocation, began))
        })
    }
}
