//! What a queue is, as the template declares it.

use std::time::Duration;

/// A standard queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The template's name of it.
    pub logical_id: String,
    /// The name that its URL and its ARN carry.
    pub name: String,
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message is kept at most.
    pub message_retention: Duration,
    /// How long a new message stays hidden.
    pub delay: Duration,
    /// The default wait time of a receive.
    pub receive_wait: Duration,
    /// The greatest message in bytes.
    pub maximum_message_size: usize,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

impl QueueConfig {
    /// A queue with SQS's default values.
    #[must_use]
    pub fn new(logical_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            logical_id: logical_id.into(),
            name: name.into(),
            visibility_timeout: Duration::from_secs(30),
            message_retention: Duration::from_secs(4 * 24 * 3600),
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
            maximum_message_size: 1_048_576,
            redrive: None,
        }
    }

    /// The queue's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        crate::wire::queue_arn(&self.name)
    }
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub dead_letter_queue: String,
    /// How often a message may be received before it goes there.
    pub max_receive_count: u32,
}
