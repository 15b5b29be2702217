//! The inbox: notifications of people, kept for good, and how many of them are not read.
//!
//! A notification lies under its time, as it is listed; under its id lies whose it is, which makes it one however often it is
//! sent. Both, how many are not read, and the event that tells of it change together.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::items::{from_item, number, text, to_item};
use super::keys;
use super::outbox::Outbox;
use super::table::{Consistency, KeyRange, LAST};
use super::transaction::{Changes, Condition, Transaction};
use crate::setup::{Setup, StateTable};
use domain::id::{NotificationId, UserId};
use domain::live::LiveEvent;
use domain::notification::Notice;
use domain::time::Time;

const COUNT: &str = "count";
const READ_AT: &str = "readAt";

/// A notification that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxNotification {
    /// Its id.
    pub id: NotificationId,
    /// Who sent it.
    pub sender: UserId,
    /// When.
    pub sent_at: Time,
    /// When it was read, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Time>,
    /// What it says.
    #[serde(flatten)]
    pub notice: Notice,
}

/// What there is of a notification under its id alone.
#[derive(Serialize, Deserialize)]
struct Named {
    to: UserId,
    at: Time,
}

/// A page of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    /// They, the newest first.
    pub notifications: Vec<InboxNotification>,
    /// Where it goes on, if it does.
    pub next: Option<String>,
}

/// The table of what people were sent.
#[derive(Debug, Clone)]
pub struct Inbox {
    state: StateTable,
}

impl Inbox {
    /// Opens the inboxes.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// Whose the notification of an id is, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn receiver<'a>(&'a self, id: &'a NotificationId) -> BoxFuture<'a, Result<Option<UserId>, StoreError>> {
        Box::pin(async move { Ok(self.named(id).await?.map(|named| named.to)) })
    }

    async fn named(&self, id: &NotificationId) -> Result<Option<Named>, StoreError> {
        self.state.get(&keys::notification(id), Consistency::Strong).await?.map(from_item).transpose()
    }

    /// A notification of somebody's, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn notification<'a>(
        &'a self,
        of: &'a UserId,
        id: &'a NotificationId,
    ) -> BoxFuture<'a, Result<Option<InboxNotification>, StoreError>> {
        Box::pin(async move {
            let named = self.named(id).await?.filter(|named| named.to == *of);
            let Some(Named { at, .. }) = named else { return Ok(None) };
            let item = self.state.get(&keys::received(of, at, id), Consistency::Strong).await?;
            item.map(from_item).transpose()
        })
    }

    /// Somebody has a notification, which an event tells.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is one of this id, or another is being written to the same person.
    pub fn put<'a>(
        &'a self,
        of: &'a UserId,
        notification: &'a InboxNotification,
        (outbox, event): (&'a Outbox, &'a LiveEvent),
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let InboxNotification { id, sent_at, .. } = notification;
            let named = to_item(&keys::notification(id), Named { to: of.clone(), at: *sent_at })?;
            let mut one = Changes::default();
            one.add(COUNT, 1);
            let state = &self.state.name;
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(state, named, Some(Condition::unchanged(None)))?;
            transaction.put(state, to_item(&keys::received(of, *sent_at, id), notification)?, None)?;
            transaction.update(state, &keys::unread(of), one, None)?;
            outbox.enqueue(std::slice::from_ref(event), &mut transaction)?;
            transaction.commit().await
        })
    }

    /// Somebody has read a notification, which was not read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was read in between.
    pub fn read<'a>(
        &'a self,
        of: &'a UserId,
        notification: &'a InboxNotification,
        now: Time,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (mut read, mut one_less) = (Changes::default(), Changes::default());
            read.set(READ_AT, AttributeValue::S(now.to_string()));
            one_less.add(COUNT, -1);
            let key = keys::received(of, notification.sent_at, &notification.id);
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.update(&self.state.name, &key, read, Some(Condition::absent(READ_AT)))?;
            transaction.update(&self.state.name, &keys::unread(of), one_less, None)?;
            transaction.commit().await
        })
    }

    /// How many notifications somebody has not read. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn unread<'a>(&'a self, of: &'a UserId) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let item = self.state.get(&keys::unread(of), Consistency::Eventual).await?;
            Ok(item.as_ref().and_then(|item| number(item, COUNT)).unwrap_or_default())
        })
    }

    /// Up to `count` of somebody's notifications, the newest first, from where an earlier page says it goes on; none from before
    /// `since`. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn page<'a>(
        &'a self,
        of: &'a UserId,
        since: Option<Time>,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<InboxPage, StoreError>> {
        Box::pin(async move {
            let from = since.map_or(keys::RECEIVED.to_owned(), |since| format!("{}{since}", keys::RECEIVED));
            let to = after.map_or(format!("{}{LAST}", keys::RECEIVED), str::to_owned);
            let range = KeyRange { pk: keys::inbox(of), from, to };
            // What was last on the page before, and whether there is one more.
            let limit = i32::try_from(count + 2).unwrap_or(i32::MAX);
            let mut items = self.state.query_page(&range, limit, true).await?;
            items.retain(|item| text(item, keys::SK) != after);
            let goes_on = items.len() > count;
            items.truncate(count);
            let next = items.last().and_then(|last| text(last, keys::SK)).map(str::to_owned).filter(|_| goes_on);
            let notifications: Result<Vec<InboxNotification>, StoreError> = items.into_iter().map(from_item).collect();
            Ok(InboxPage { notifications: notifications?, next })
        })
    }
}
