//! Jobs: long work that a queue's messages carry on, task by task.
//!
//! A message is a task. Running it returns the tasks that follow it, which go to the same queue before the message is done.
//! A task may run twice, so its outcome is counted under a name that follows from the task.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::batch::{Message, QueueHandler, RecordOutcome};
use crate::messaging::{Queue, Unsent};
use store::StoreError;

/// Why a job did not go on.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not all messages were sent.
    #[error(transparent)]
    Queue(#[from] Unsent),
}

/// A job whose tasks a queue brings.
pub trait Job: Send + Sync + 'static {
    /// A task, as a message of the queue.
    type Task: Serialize + DeserializeOwned + Send + Sync;

    /// How many tasks of a batch run at once.
    const CONCURRENCY: usize;

    /// The id of the job that a task belongs to, for logs.
    fn id(task: &Self::Task) -> &str;

    /// Runs a task, retrying until the deadline. Returns the tasks that follow it.
    ///
    /// # Errors
    /// Why the task is to run again, or never can.
    fn run<'a>(&'a self, task: &'a Self::Task, deadline: Instant) -> BoxFuture<'a, Result<Vec<Self::Task>, JobError>>;
}

/// Sends tasks to the queue of their job.
///
/// # Errors
/// If not all of them were sent.
pub async fn enqueue<T: Serialize>(queue: &dyn Queue, tasks: &[T], deadline: Instant) -> Result<(), Unsent> {
    let bodies: Vec<String> = tasks.iter().map(|task| serde_json::json!(task).to_string()).collect();
    queue.send_all(&bodies, deadline).await
}

/// Runs the tasks of a job as its queue brings them.
pub struct JobWorker<J> {
    job: J,
    queue: Arc<dyn Queue>,
}

impl<J: Job> JobWorker<J> {
    /// Runs tasks of this job, and sends those that follow them to this queue.
    #[must_use]
    pub fn new(job: J, queue: Arc<dyn Queue>) -> Self {
        Self { job, queue }
    }

    async fn run(&self, message: &Message, deadline: Instant) -> RecordOutcome {
        let task: J::Task = match serde_json::from_str(&message.body) {
            Ok(task) => task,
            Err(error) => return RecordOutcome::Poison(format!("not a task: {error}")),
        };
        match self.run_and_enqueue(&task, deadline).await {
            Ok(()) => RecordOutcome::Done,
            Err(JobError::Store(error @ StoreError::Corrupt { .. })) => RecordOutcome::Poison(error.to_string()),
            Err(error) => {
                tracing::warn!(jobId = J::id(&task), error = %error, "task not done: {error}");
                RecordOutcome::Retry
            }
        }
    }

    async fn run_and_enqueue(&self, task: &J::Task, deadline: Instant) -> Result<(), JobError> {
        let next = self.job.run(task, deadline).await?;
        Ok(enqueue(self.queue.as_ref(), &next, deadline).await?)
    }
}

impl<J: Job> QueueHandler for JobWorker<J> {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let tasks: Vec<_> = messages.iter().map(|message| self.run(message, deadline)).collect();
            stream::iter(tasks).buffered(J::CONCURRENCY).collect().await
        })
    }
}
