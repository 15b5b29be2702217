//! Receives a queue's messages for one function and delivers them in batches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::QueueMapping;
use super::filter::Filters;
use super::response::{self, Outcome};
use super::{LARGEST_PAYLOAD, Sources};
use crate::lambda::Event;
use crate::sqs::{QueueError, Received};
use crate::trace::Trace;
use crate::wire::{self, REGION, queue_arn};

/// The most that one receive gives.
const RECEIVED_AT_ONCE: usize = 10;
/// How long a receive waits.
const WAIT: Duration = Duration::from_secs(20);
/// How long to wait after an error of the queue itself.
const PAUSE: Duration = Duration::from_secs(1);
/// Invocations under way at once where the template sets no limit.
const CONCURRENCY: usize = 10;

/// The reader of one mapping.
#[derive(Clone)]
pub(super) struct QueueReader {
    mapping: Arc<QueueMapping>,
    filters: Arc<Filters>,
    sources: Sources,
    stop: watch::Receiver<bool>,
}

impl QueueReader {
    pub(super) fn new(mapping: QueueMapping, filters: Filters, sources: &Sources, stop: watch::Receiver<bool>) -> Self {
        Self { mapping: Arc::new(mapping), filters: Arc::new(filters), sources: sources.clone(), stop }
    }

    /// Delivers until it is stopped. Running batches are finished.
    pub(super) async fn run(self) {
        let places = Arc::new(Semaphore::new(self.mapping.maximum_concurrency.unwrap_or(CONCURRENCY)));
        let mut under_way = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            while under_way.try_join_next().is_some() {}
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(place) = place else { break };
            let collected = tokio::select! {
                collected = self.collect() => collected,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match collected {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => {
                    let reader = self.clone();
                    under_way.spawn(async move {
                        reader.deliver(batch).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(queue = self.mapping.queue, %error, "the queue could not be read");
                    if wire::pause(&mut stop, PAUSE).await {
                        break;
                    }
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Receives a batch: what there is, or what comes within the window.
    async fn collect(&self) -> Result<Vec<Received>, QueueError> {
        let QueueMapping { queue, batch_size, batching_window, .. } = &*self.mapping;
        let queues = &self.sources.queues;
        let mut batch = queues.receive(queue, RECEIVED_AT_ONCE.min(*batch_size), WAIT, None).await?;
        let window = Instant::now() + *batching_window;
        let mut bytes: usize = batch.iter().map(|message| message.body.len()).sum();
        while !batch.is_empty() && batch.len() < *batch_size && bytes < LARGEST_PAYLOAD / 2 {
            let wait = window.saturating_duration_since(Instant::now());
            let limit = RECEIVED_AT_ONCE.min(*batch_size - batch.len());
            let more = queues.receive(queue, limit, wait, None).await?;
            if more.is_empty() {
                break;
            }
            bytes += more.iter().map(|message| message.body.len()).sum::<usize>();
            batch.extend(more);
        }
        Ok(batch)
    }

    async fn deliver(&self, batch: Vec<Received>) {
        let QueueMapping { function, queue, report_batch_item_failures, .. } = &*self.mapping;
        let (wanted, unwanted): (Vec<Received>, Vec<Received>) =
            batch.into_iter().partition(|message| self.filters.is_empty() || self.filters.matches(&filtered(message)));
        self.delete(&unwanted);
        if wanted.is_empty() {
            return;
        }
        let records: Vec<Value> = wanted.iter().map(|message| record(queue, message)).collect();
        let identifiers: Vec<String> = wanted.iter().map(|message| message.id.clone()).collect();
        let trace = Trace::joined(wanted.iter().map(Received::trace));
        let event = Event { payload: json!({ "Records": records }).to_string(), trace };
        let result = self.sources.invoker.invoke(function, event).await;
        match response::read(result, *report_batch_item_failures, &identifiers) {
            Outcome::Done => self.delete(&wanted),
            Outcome::Failed(places) => {
                let is_done = |(place, _): &(usize, &Received)| places.binary_search(place).is_err();
                let done: Vec<Received> =
                    wanted.iter().enumerate().filter(is_done).map(|(_, message)| message.clone()).collect();
                self.delete(&done);
            }
            // They show again when their time is over, and go to the dead letters when that was too often.
            Outcome::AllFailed(reason) => {
                tracing::warn!(function, queue, messages = wanted.len(), "a batch failed: {reason}");
            }
            Outcome::NotCalled => tracing::warn!(function, queue, "the function could not be called"),
        }
    }

    fn delete(&self, messages: &[Received]) {
        let queue = &self.mapping.queue;
        for message in messages {
            if let Err(error) = self.sources.queues.delete(queue, &message.receipt) {
                tracing::error!(queue, message = message.id, %error, "a message could not be deleted");
            }
        }
    }
}

/// A message as a function gets it.
fn record(queue: &str, message: &Received) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(),
        "messageAttributes": message.lambda_attributes(),
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn(queue),
        "awsRegion": REGION,
    })
}

/// A message as filters look at it: a body of JSON is looked into.
fn filtered(message: &Received) -> Value {
    let body = serde_json::from_str(&message.body).unwrap_or_else(|_| Value::String(message.body.clone()));
    json!({
        "messageId": message.id,
        "body": body,
        "attributes": message.system_attributes(),
        "messageAttributes": message.lambda_attributes(),
    })
}
