//! Runs the tasks of audits.

use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::job::{Job, JobError, JobWorker};
use runtime::obs::metrics::{Measure, Metric, Metrics};
use store::{AuditOutcome, AuditTask, Audits};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "audit-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| {
        let audits = Audits::open(setup).with_task_size(setup.positive("PART_ITEMS"));
        let job = AuditJob { audits, metrics: context.metrics(FUNCTION.name) };
        JobWorker::new(job, setup.queue("AUDIT_QUEUE_URL"))
    })
}

struct AuditJob {
    audits: Audits,
    metrics: Metrics,
}

impl Job for AuditJob {
    type Task = AuditTask;

    const CONCURRENCY: usize = 2;

    fn id(task: &AuditTask) -> &str {
        task.audit.as_str()
    }

    fn run<'a>(&'a self, task: &'a AuditTask, deadline: Instant) -> BoxFuture<'a, Result<Vec<AuditTask>, JobError>> {
        Box::pin(async move {
            let (next, outcome) = self.audits.run_task(task, deadline).await?;
            self.report(task.audit.as_str(), &outcome);
            Ok(next)
        })
    }
}

impl AuditJob {
    /// Logs findings, and counts them for the alarm. Subjects may name people: they are in the audit's report alone.
    fn report(&self, audit: &str, outcome: &AuditOutcome) {
        for finding in &outcome.findings {
            let kind = finding.kind.to_string();
            tracing::error!(auditId = audit, kind, repaired = finding.kind.is_repaired(), "audit found: {kind}");
        }
        self.metrics.emit(&[Measure::count(Metric::AuditFindings, outcome.findings.len())]);
    }
}
