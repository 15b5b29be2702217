//! What an event source mapping is, as the template declares it.

use std::time::Duration;

/// A mapping of a table's stream to a function.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamMapping {
    /// The function that takes the records.
    pub function: String,
    /// The name of the table whose stream it is.
    pub table: String,
    /// The most records of one invocation.
    pub batch_size: usize,
    /// How long to wait for a batch to fill.
    pub batching_window: Duration,
    /// Where a new mapping begins.
    pub starting_position: StartingPosition,
    /// How often a failed batch is tried again; -1 is endless.
    pub maximum_retry_attempts: i32,
    /// How old a record may become before it is given up; none is endless.
    pub maximum_record_age: Option<Duration>,
    /// Whether a failed batch is halved.
    pub bisect: bool,
    /// How many batches of a shard are under way at once.
    pub parallelization_factor: usize,
    /// Whether the function reports which records failed.
    pub report_batch_item_failures: bool,
    /// The name of the on-failure queue, which receives discarded records.
    pub on_failure_queue: Option<String>,
    /// Filter patterns; a record must match one of them. Without patterns all records match.
    pub filters: Vec<serde_json::Value>,
}

impl StreamMapping {
    /// A mapping with Lambda's default values.
    #[must_use]
    pub fn new(function: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            function: function.into(),
            table: table.into(),
            batch_size: 100,
            batching_window: Duration::ZERO,
            starting_position: StartingPosition::TrimHorizon,
            maximum_retry_attempts: -1,
            maximum_record_age: None,
            bisect: false,
            parallelization_factor: 1,
            report_batch_item_failures: false,
            on_failure_queue: None,
            filters: Vec::new(),
        }
    }
}

/// Where a new mapping begins in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// With the oldest record.
    TrimHorizon,
    /// With the next record.
    Latest,
}

/// A mapping of a queue to a function.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueMapping {
    /// The function that takes the messages.
    pub function: String,
    /// The name of the queue.
    pub queue: String,
    /// The most messages of one invocation.
    pub batch_size: usize,
    /// How long to wait for a batch to fill.
    pub batching_window: Duration,
    /// Whether the function reports which messages failed.
    pub report_batch_item_failures: bool,
    /// How many invocations are under way at once.
    pub maximum_concurrency: Option<usize>,
    /// Filter patterns; a message must match one of them. Others are deleted.
    pub filters: Vec<serde_json::Value>,
}

impl QueueMapping {
    /// A mapping with Lambda's default values.
    #[must_use]
    pub fn new(function: impl Into<String>, queue: impl Into<String>) -> Self {
        Self {
            function: function.into(),
            queue: queue.into(),
            batch_size: 10,
            batching_window: Duration::ZERO,
            report_batch_item_failures: false,
            maximum_concurrency: None,
            filters: Vec::new(),
        }
    }
}
