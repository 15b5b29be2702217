//! Event source mappings: from streams and queues to functions, as Lambda delivers.
//!
//! A stream is read by one task per mapping. It wakes on writes, keeps the order within every partition
//! key, and records how far it is only when everything before is done, so a restart goes on where the
//! last run was. A queue is read by one task per mapping too, which leaves what failed to show again.

mod config;
mod delivery;
mod filter;
mod pruning;
mod queue;
mod response;
mod stream;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use system::clock::Clock;
use system::ids::Ids;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use config::{QueueMapping, StartingPosition, StreamMapping};
pub use filter::{FilterError, Filters};

use crate::dynamodb::{Database, DatabaseError};
use crate::iam::Access;
use crate::lambda::Invoker;
use crate::sqs::{QueueError, Queues};
use crate::wire::{queue_arn, stream_arn};

/// The most that Lambda hands to a function at once.
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// What mappings read from and deliver to.
#[derive(Clone)]
pub struct Sources {
    /// The tables.
    pub database: Database,
    /// The queues.
    pub queues: Queues,
    /// The functions.
    pub invoker: Arc<dyn Invoker>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("queues", &self.queues).finish_non_exhaustive()
    }
}

/// Why a mapping could not start.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The mapping itself is wrong.
    #[error("event source mapping of {function}: {problem}")]
    Invalid {
        /// The function.
        function: String,
        /// What is wrong.
        problem: String,
    },
    /// The tables failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The queues failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The mappings of a cloud, at work until they are stopped.
pub struct Mappings {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    database: Database,
    queues: Queues,
    readers: Arc<pruning::Readers>,
    consumed: Vec<String>,
}

impl fmt::Debug for Mappings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mappings").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Mappings {
    /// Checks all mappings and sets them to work.
    ///
    /// # Errors
    /// Names the first mapping that the local cloud cannot do as it is declared.
    pub fn start(
        sources: &Sources,
        streams: Vec<StreamMapping>,
        queues: Vec<QueueMapping>,
    ) -> Result<Self, MappingError> {
        let stop = watch::Sender::new(false);
        let readers = Arc::new(pruning::Readers::default());
        let consumed = queues.iter().map(|mapping| mapping.queue.clone()).collect();
        let names: Vec<String> = streams.iter().map(stream::reader_name).collect();
        sources.database.retain_checkpoints(&names)?;
        // All readers of a table are known before the first of them lets anything be removed.
        let mut stream_readers = Vec::new();
        for mapping in streams {
            let filters = check_stream(&mapping, sources).map_err(|problem| invalid(&mapping.function, problem))?;
            let table = sources.database.table(&mapping.table);
            let table = table.ok_or_else(|| invalid(&mapping.function, format!("no table {}", mapping.table)))?;
            let readers = Arc::clone(&readers);
            stream_readers.push(stream::StreamReader::new(
                mapping,
                table,
                filters,
                sources,
                readers,
                stop.subscribe(),
            )?);
        }
        let mut queue_readers = Vec::new();
        for mapping in queues {
            let filters = check_queue(&mapping, sources).map_err(|problem| invalid(&mapping.function, problem))?;
            queue_readers.push(queue::QueueReader::new(mapping, filters, sources, stop.subscribe()));
        }
        let mut tasks = JoinSet::new();
        for reader in stream_readers {
            tasks.spawn(reader.run());
        }
        for reader in queue_readers {
            tasks.spawn(reader.run());
        }
        let (database, queues) = (sources.database.clone(), sources.queues.clone());
        Ok(Self { tasks, stop, database, queues, readers, consumed })
    }

    /// Whether everything that was written has been delivered: every stream is read to its end, and no
    /// message is left in a queue that a function reads.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn is_drained(&self) -> Result<bool, MappingError> {
        if !self.readers.are_done(&self.database)? {
            return Ok(false);
        }
        for queue in &self.consumed {
            if self.queues.depth(queue)?.total() > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// SQLite fails.
    pub async fn drained(&self) -> Result<(), MappingError> {
        while !self.is_drained()? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops: running batches are finished, and the rest is delivered at the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a mapping ended badly");
            }
        }
    }
}

/// The permissions that a function needs so that Lambda can read a stream for it.
#[must_use]
pub fn stream_accesses(mapping: &StreamMapping) -> Vec<Access> {
    let stream = stream_arn(&mapping.table);
    let reads = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
    let mut accesses: Vec<Access> = reads.into_iter().map(|action| Access::new(action, stream.clone())).collect();
    accesses.extend(mapping.on_failure_queue.iter().map(|queue| Access::new("sqs:SendMessage", queue_arn(queue))));
    accesses
}

/// The permissions that a function needs so that Lambda can read a queue for it.
#[must_use]
pub fn queue_accesses(mapping: &QueueMapping) -> Vec<Access> {
    let actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    actions.into_iter().map(|action| Access::new(action, queue_arn(&mapping.queue))).collect()
}

fn invalid(function: &str, problem: String) -> MappingError {
    MappingError::Invalid { function: function.to_owned(), problem }
}

fn check_stream(mapping: &StreamMapping, sources: &Sources) -> Result<Filters, String> {
    within("BatchSize", mapping.batch_size, 1, 10_000)?;
    within("ParallelizationFactor", mapping.parallelization_factor, 1, 10)?;
    within("MaximumBatchingWindowInSeconds", mapping.batching_window.as_secs(), 0, 300)?;
    within("MaximumRetryAttempts", mapping.maximum_retry_attempts, -1, 10_000)?;
    if let Some(age) = mapping.maximum_record_age {
        within("MaximumRecordAgeInSeconds", age.as_secs(), 60, 604_800)?;
    }
    if let Some(queue) = &mapping.on_failure_queue
        && sources.queues.config(queue).is_none()
    {
        return Err(format!("no queue {queue}"));
    }
    if sources.database.table(&mapping.table).is_some_and(|table| table.stream_view.is_none()) {
        return Err(format!("table {} has no stream", mapping.table));
    }
    Filters::compile(&mapping.filters).map_err(|error| error.to_string())
}

fn check_queue(mapping: &QueueMapping, sources: &Sources) -> Result<Filters, String> {
    let largest = if mapping.batching_window.is_zero() { 10 } else { 10_000 };
    within("BatchSize", mapping.batch_size, 1, largest)?;
    within("MaximumBatchingWindowInSeconds", mapping.batching_window.as_secs(), 0, 300)?;
    if let Some(concurrency) = mapping.maximum_concurrency {
        within("MaximumConcurrency", concurrency, 2, 1000)?;
    }
    if sources.queues.config(&mapping.queue).is_none() {
        return Err(format!("no queue {}", mapping.queue));
    }
    Filters::compile(&mapping.filters).map_err(|error| error.to_string())
}

fn within<T: PartialOrd + fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<(), String> {
    if value < least || value > most {
        return Err(format!("{name} is {value}, not within {least} and {most}"));
    }
    Ok(())
}
