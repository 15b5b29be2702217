//! What becomes of the events of a batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::live::Channel;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::batch::{EventRecord, Outcomes, Projection, RecordOutcome};
use runtime::messaging::Queue;
use runtime::stream::{self, UnreadableRecord};
use serde_json::json;
use store::{Budget, Outbox, PendingEvent};
use system::clock::Clock;
use tokio::time::{Instant, timeout_at};

/// How many events the server takes at once
/// ([batches](https://pusher.com/docs/channels/library_auth_reference/rest-api/#post-batch-events-trigger-multiple-events)).
const AT_ONCE: usize = 10;

/// A server of channels.
pub trait Server: Send + Sync {
    /// Sends up to ten events, in their order; all of them or none. Gives up by itself after a while.
    fn send<'a>(&'a self, events: &'a [PendingEvent]) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// Why events were not sent, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// One of them, at least, will never be taken.
    #[error("the server refuses it: {0}")]
    Rejected(String),
    /// They may be taken later, or have been.
    #[error("the server is not available: {0}")]
    Unavailable(String),
}

/// Sends what waits in the outbox.
pub struct Publisher {
    outbox: Outbox,
    server: Box<dyn Server>,
    failures: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Publisher {
    /// Sends what waits in an outbox to a server, and names what that will never take to a queue.
    #[must_use]
    pub fn new(outbox: Outbox, server: Box<dyn Server>, failures: Arc<dyn Queue>, clock: Arc<dyn Clock>) -> Self {
        Self { outbox, server, failures, clock }
    }

    /// Publishes all pending events of these channels.
    async fn publish(&self, all: &BTreeSet<Channel>, deadline: Instant) -> Outcomes<Channel> {
        let (mut outcomes, mut channels) = (Outcomes::done(all), all.clone());
        while !channels.is_empty() {
            let (mut waiting, mut more) = (Vec::new(), BTreeSet::new());
            for channel in channels {
                match self.outbox.pending(&channel).await {
                    Ok((events, is_all)) => {
                        if !is_all {
                            more.insert(channel.clone());
                        }
                        waiting.extend(events.into_iter().map(|event| (channel.clone(), event)));
                    }
                    Err(error) => {
                        outcomes.set(channel, RecordOutcome::from(&error));
                    }
                }
            }
            for chunk in waiting.chunks(AT_ONCE) {
                self.send(chunk, &mut outcomes, deadline).await;
            }
            // An event that could not be sent stays the first of its channel: those behind it wait too.
            channels = more.into_iter().filter(|channel| !outcomes.is_retry(channel)).collect();
        }
        outcomes
    }

    /// Sends events together; one by one, if the server refuses one of them.
    async fn send(&self, chunk: &[(Channel, PendingEvent)], outcomes: &mut Outcomes<Channel>, deadline: Instant) {
        let open: Vec<&(Channel, PendingEvent)> =
            chunk.iter().filter(|(channel, _)| !outcomes.is_retry(channel)).collect();
        let events: Vec<PendingEvent> = open.iter().map(|(_, event)| event.clone()).collect();
        if events.is_empty() {
            return;
        }
        match self.try_send(&events, deadline).await {
            Ok(()) => {
                let channels = open.iter().map(|(channel, _)| channel.clone());
                self.take_out(&events, channels.collect(), outcomes, deadline).await;
            }
            Err(PublishError::Unavailable(reason)) => {
                tracing::warn!(reason, "events are not sent yet: {reason}");
                open.iter().for_each(|(channel, _)| outcomes.set(channel.clone(), RecordOutcome::Retry));
            }
            Err(PublishError::Rejected(reason)) => match open.as_slice() {
                [(channel, event)] => {
                    if !self.put_aside(event, &reason).await {
                        outcomes.set(channel.clone(), RecordOutcome::Retry);
                    }
                }
                _ => {
                    for one in open {
                        Box::pin(self.send(std::slice::from_ref(one), outcomes, deadline)).await;
                    }
                }
            },
        }
    }

    /// Names an event that will never be sent, and puts it aside; tells whether that is done. Named first: what is put aside
    /// is not come back to.
    async fn put_aside(&self, event: &PendingEvent, reason: &str) -> bool {
        tracing::error!(channel = event.channel, event = event.name, reason, "an event is refused: {reason}");
        if let Err(error) =
            self.failures.send(json!({"record": event.stream_record(), "reason": reason}).to_string()).await
        {
            tracing::error!(error = %error, "a refused event is not named: {error}");
            return false;
        }
        let put = self.outbox.set_aside(event, reason, Time::from(self.clock.now())).await;
        put.inspect_err(|error| tracing::warn!(error = %error, "not put aside: {error}")).is_ok()
    }

    async fn try_send(&self, events: &[PendingEvent], deadline: Instant) -> Result<(), PublishError> {
        let sent = timeout_at(deadline, self.server.send(events)).await;
        sent.unwrap_or_else(|_| Err(PublishError::Unavailable("the time was over".to_owned())))
    }

    async fn take_out(
        &self,
        events: &[PendingEvent],
        channels: BTreeSet<Channel>,
        outcomes: &mut Outcomes<Channel>,
        deadline: Instant,
    ) {
        if let Err(error) = self.outbox.remove(events, deadline).await {
            outcomes.set_where(|channel| channels.contains(channel), &RecordOutcome::from(&error));
        }
    }
}

impl Projection for Publisher {
    type Key = Channel;

    fn key(&self, record: &EventRecord) -> Result<Option<Channel>, UnreadableRecord> {
        stream::channel(record)
    }

    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Channel>,
        _: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Channel>> {
        Box::pin(self.publish(keys, deadline))
    }
}
