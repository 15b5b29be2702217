//! Runs the tasks of refolds: finds the units of a day, part by part of a scan, and sends them to the updaters.

use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::job::{Job, JobError, JobWorker};
use runtime::refold::Updaters;
use store::{FactScan, ScanPart};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "refold-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| {
        let job = RefoldJob { updaters: Updaters::open(setup), facts: FactScan::open(setup) };
        JobWorker::new(job, setup.queue("REFOLD_QUEUE_URL"))
    })
}

struct RefoldJob {
    updaters: Updaters,
    facts: FactScan,
}

impl Job for RefoldJob {
    type Task = ScanPart;

    const CONCURRENCY: usize = 1;

    fn id(task: &ScanPart) -> &str {
        task.refold.as_str()
    }

    /// Reads on in a part of a scan, and sends what it finds to the updaters.
    fn run<'a>(&'a self, task: &'a ScanPart, deadline: Instant) -> BoxFuture<'a, Result<Vec<ScanPart>, JobError>> {
        Box::pin(async move {
            let (found, next) = self.facts.read(task, deadline).await?;
            self.updaters.send(&task.refold, &found, deadline).await?;
            if next.is_none() {
                self.updaters.refolds.record_part_end(&task.refold, task.segment, deadline).await?;
            }
            Ok(next.into_iter().collect())
        })
    }
}
