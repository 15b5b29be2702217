//! Queues.

use std::sync::Arc;

use futures::future::BoxFuture;

/// A queue that takes messages.
pub trait Queue: Send + Sync {
    /// Sends one message.
    fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>>;
}

/// A message that may not have arrived.
#[derive(Debug, thiserror::Error)]
#[error("message not sent: {0}")]
pub struct SendError(Box<dyn std::error::Error + Send + Sync>);

/// A queue of SQS.
#[derive(Debug, Clone)]
struct Sqs {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// The queue of SQS at this URL.
#[must_use]
pub fn sqs(client: aws_sdk_sqs::Client, url: String) -> Arc<dyn Queue> {
    Arc::new(Sqs { client, url })
}

impl Queue for Sqs {
    fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>> {
        Box::pin(async move {
            let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
            sent.map(|_| ()).map_err(|error| SendError(Box::new(error)))
        })
    }
}
