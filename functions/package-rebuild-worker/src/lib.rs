//! Runs the tasks of package rebuilds.

use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::job::{Job, JobError, JobWorker};
use store::{PackageRebuilds, RebuildTask};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "package-rebuild-worker", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| {
        let rebuilds = PackageRebuilds::open(setup).with_task_size(setup.positive("PART_PACKAGES"));
        JobWorker::new(RebuildJob(rebuilds), setup.queue("PACKAGE_REBUILD_QUEUE_URL"))
    })
}

struct RebuildJob(PackageRebuilds);

impl Job for RebuildJob {
    type Task = RebuildTask;

    const CONCURRENCY: usize = 4;

    fn id(task: &RebuildTask) -> &str {
        task.rebuild.as_str()
    }

    fn run<'a>(
        &'a self,
        task: &'a RebuildTask,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<RebuildTask>, JobError>> {
        Box::pin(async move { Ok(self.0.run_task(task, deadline).await?.into_iter().collect()) })
    }
}
