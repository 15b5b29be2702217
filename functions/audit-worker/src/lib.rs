//! Audits purchases, one leg of an audit after the other, as the queue brings them.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::messaging::Queue;
use runtime::obs::metrics::{Measure, Metric, Metrics};
use serde_json::json;
use store::{AuditOutcome, AuditTask, Audits, StoreError};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "audit-worker", start };

/// How many legs are gone at once.
const AT_ONCE: usize = 2;

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| Auditor {
        audits: Audits::open(setup).in_parts_of(setup.positive("PART_ITEMS")),
        queue: setup.queue("AUDIT_QUEUE_URL"),
        metrics: context.metrics(FUNCTION.name),
    })
}

struct Auditor {
    audits: Audits,
    queue: Arc<dyn Queue>,
    metrics: Metrics,
}

impl Auditor {
    async fn go(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let leg: AuditTask = match serde_json::from_str(&message.body) {
            Ok(leg) => leg,
            Err(error) => return RecordOutcome::Poison(format!("not a leg of an audit: {error}")),
        };
        let audit = leg.audit.as_str();
        let (next, outcome) = match self.audits.go(&leg, deadline).await {
            Ok(gone) => gone,
            Err(error @ StoreError::Corrupt { .. }) => return RecordOutcome::Poison(error.to_string()),
            Err(error) => {
                tracing::warn!(auditId = audit, error = %error, "leg not gone: {error}");
                return RecordOutcome::Retry;
            }
        };
        self.tell(audit, &outcome);
        let bodies: Vec<String> = next.iter().map(|leg| json!(leg).to_string()).collect();
        match self.queue.send_all(&bodies, deadline).await {
            Ok(()) => RecordOutcome::Done,
            Err(unsent) => {
                tracing::warn!(auditId = audit, error = %unsent, "next leg not sent: {unsent}");
                RecordOutcome::Retry
            }
        }
    }

    /// Logs what was found, and counts it for the alarm. Subjects may name people: they are in the report alone.
    fn tell(&self, audit: &str, outcome: &AuditOutcome) {
        for finding in &outcome.findings {
            let kind = finding.kind.to_string();
            tracing::error!(auditId = audit, kind, repaired = finding.kind.is_repaired(), "audit found: {kind}");
        }
        self.metrics.emit(&[Measure::count(Metric::AuditFindings, outcome.findings.len())]);
    }
}

impl QueueHandler for Auditor {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let legs: Vec<_> = messages.iter().map(|message| self.go(message, deadline)).collect();
            stream::iter(legs).buffered(AT_ONCE).collect().await
        })
    }
}
