//! The outbox: events of channels, written together with the change that they report, until they are published.
//!
//! Each channel has a partition with its pending events in the order of their times. A stream record only names a
//! channel with pending events: the publisher reads all of them, sends them in order, and removes those it has sent. So
//! with repeated, late or concurrent records no event is lost, and an event that is sent again has the same id.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::StoreError;
use super::idempotency::{IdempotencyStore, StoredResponse};
use super::items::{Item, TTL, key_of, text, to_key};
use super::keys::{self, Key};
use super::table::{Consistency, KeyRange, Write};
use super::transaction::{Changes, Condition, Transaction};
use crate::setup::{OutboxTable, Setup};
use domain::live::{Channel, LiveEvent};
use domain::time::Time;

/// How long an event is worth publishing; later, clients load the state again.
const TIME_TO_LIVE: TimeDelta = TimeDelta::days(1);

/// How long an event that cannot be published is set aside.
const SET_ASIDE_FOR: TimeDelta = TimeDelta::days(14);

/// The most events of a channel that are read together.
const AT_ONCE: i32 = 100;

const NAME: &str = "name";
const DATA: &str = "data";
const REASON: &str = "reason";
/// The second of the stats that were published last.
const SECOND: &str = "second";

/// An event that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    key: Key,
    /// The channel's name.
    pub channel: String,
    /// The event's name.
    pub name: String,
    /// The data, as JSON.
    pub data: String,
}

impl PendingEvent {
    /// The event as a record of the stream names it.
    #[must_use]
    pub fn stream_record(&self) -> Value {
        let keys = json!({(keys::PK): {"S": self.key.pk}, (keys::SK): {"S": self.key.sk}});
        json!({"dynamodb": {"Keys": keys}})
    }
}

/// The events of a change, and the outbox that they are written to; none if live updates are off.
pub type OutboxEvents<'a> = (Option<&'a Outbox>, &'a [LiveEvent]);

/// The table of events that are to be sent.
#[derive(Debug, Clone)]
pub struct Outbox {
    table: OutboxTable,
}

impl Outbox {
    /// Opens the outbox.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { table: setup.outbox_table() }
    }

    /// Opens the outbox where live updates are on: where `PUSHER_KEY` is set.
    pub fn open_if_live(setup: &mut Setup<'_>) -> Option<Self> {
        setup.optional("PUSHER_KEY").map(|_| Self::open(setup))
    }

    fn item(event: &LiveEvent) -> Item {
        let mut item = to_key(&keys::live_event(event));
        let expiry = event.time.plus(TIME_TO_LIVE).seconds();
        item.insert(NAME.to_owned(), AttributeValue::S(event.name.to_string()));
        item.insert(DATA.to_owned(), AttributeValue::S(event.data().to_string()));
        item.insert(TTL.to_owned(), AttributeValue::N(expiry.to_string()));
        item
    }

    /// Events are sent if and when a transaction commits.
    pub(super) fn enqueue(&self, events: &[LiveEvent], transaction: &mut Transaction) -> Result<(), StoreError> {
        events.iter().try_for_each(|event| transaction.put(&self.table.name, Self::item(event), None))
    }

    /// Enqueues events if and when a transaction commits, if live updates are on.
    pub(super) fn enqueue_in(
        (outbox, events): OutboxEvents<'_>,
        transaction: &mut Transaction,
    ) -> Result<(), StoreError> {
        outbox.map_or(Ok(()), |outbox| outbox.enqueue(events, transaction))
    }

    /// Enqueues an event that accompanies no change.
    ///
    /// # Errors
    /// If it may not have been written.
    pub fn enqueue_event<'a>(&'a self, event: &'a LiveEvent) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.table.put(Self::item(event), Condition::default()))
    }

    /// Enqueues an event together with the response to an idempotent request.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a request of its key was answered before.
    pub fn enqueue_idempotent<'a>(
        &'a self,
        event: &'a LiveEvent,
        (answers, answer): (&'a IdempotencyStore, &'a StoredResponse),
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = Transaction::new(self.table.client.clone());
            answers.put_in(answer, &mut transaction)?;
            self.enqueue(std::slice::from_ref(event), &mut transaction)?;
            transaction.commit().await
        })
    }

    /// Enqueues an event with stats, unless stats of this second or a later one were published on its channel; returns
    /// whether it did. The stats must have been read after the second was over, and the event must have the time of
    /// that second: then seconds are published in order.
    ///
    /// # Errors
    /// If it may not have been written.
    pub fn enqueue_stats<'a>(&'a self, event: &'a LiveEvent, second: u64) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            // Most stats were published by then: a read costs less than a transaction that fails.
            if self.is_published(&event.channel, second).await? {
                return Ok(false);
            }
            let mut told = Changes::default();
            told.set(SECOND, AttributeValue::N(second.to_string()));
            let expiry = event.time.plus(TIME_TO_LIVE).seconds();
            told.set(TTL, AttributeValue::N(expiry.to_string()));
            let mut transaction = Transaction::new(self.table.client.clone());
            let is_later = Condition::below(SECOND, second, None);
            transaction.update(&self.table.name, &keys::published_second(&event.channel), told, Some(is_later))?;
            transaction.put(&self.table.name, Self::item(event), None)?;
            match transaction.commit().await {
                Ok(()) => Ok(true),
                // Also where another is at it: then it must be looked at again.
                Err(StoreError::Conflict) if self.is_published(&event.channel, second).await? => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Whether stats of this second or a later one were published on a channel; strongly consistent.
    async fn is_published(&self, channel: &Channel, second: u64) -> Result<bool, StoreError> {
        let item = self.table.get(&keys::published_second(channel), Consistency::Strong).await?;
        let told: Option<u64> = item.as_ref().and_then(|item| super::items::number(item, SECOND));
        Ok(told.is_some_and(|told| told >= second))
    }

    /// The next pending events of a channel in order, and whether they are all. Strongly consistent.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn pending<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<(Vec<PendingEvent>, bool), StoreError>> {
        Box::pin(async move {
            let name = channel.to_string();
            let range = KeyRange::with_prefix(keys::outbox(channel), "");
            let items = self.table.query_head(&range, AT_ONCE).await?;
            let is_all = items.len() < usize::try_from(AT_ONCE).unwrap_or_default();
            let waiting = |item: &Item| {
                let told = |attribute| text(item, attribute).unwrap_or_default().to_owned();
                Some(PendingEvent { key: key_of(item)?, channel: name.clone(), name: told(NAME), data: told(DATA) })
            };
            Ok((items.iter().filter_map(waiting).collect(), is_all))
        })
    }

    /// These were sent.
    ///
    /// # Errors
    /// If some of them may still wait.
    pub fn remove<'a>(
        &'a self,
        events: &'a [PendingEvent],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let gone = events.iter().map(|event| Write::Delete(event.key.clone())).collect();
        Box::pin(self.table.write_all(gone, deadline))
    }

    /// Sets aside an event that can never be published, with the reason, so that it does not block its channel.
    ///
    /// # Errors
    /// If it may still wait.
    pub fn set_aside<'a>(
        &'a self,
        event: &'a PendingEvent,
        reason: &'a str,
        now: Time,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut aside = to_key(&keys::set_aside(&event.key));
            for (name, value) in [(NAME, event.name.as_str()), (DATA, event.data.as_str()), (REASON, reason)] {
                aside.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
            }
            aside.insert(TTL.to_owned(), AttributeValue::N(now.plus(SET_ASIDE_FOR).seconds().to_string()));
            let mut transaction = Transaction::new(self.table.client.clone());
            transaction.put(&self.table.name, aside, None)?;
            transaction.delete(&self.table.name, &event.key, None)?;
            transaction.commit().await
        })
    }
}
