//! The inbox: notifications of users, stored for good, and the number of unread ones.
//!
//! A notification is listed by its time; an item under its id names its recipient and makes it unique however often it
//! is sent. Both, the number of unread ones and the event change in one transaction.

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

/// A notification in a user's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxNotification {
    /// The id.
    pub id: NotificationId,
    /// The sender.
    pub sender: UserId,
    /// When.
    pub sent_at: Time,
    /// When it was read, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Time>,
    /// The notice.
    #[serde(flatten)]
    pub notice: Notice,
}

/// The item under a notification's id.
#[derive(Serialize, Deserialize)]
struct Named {
    to: UserId,
    at: Time,
}

/// A page of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    /// The notifications, the newest first.
    pub notifications: Vec<InboxNotification>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// The table of inboxes.
#[derive(Debug, Clone)]
pub struct Inbox {
    state: StateTable,
}

impl Inbox {
    /// Opens the inboxes.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// The recipient of a notification, if it exists; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn receiver<'a>(&'a self, id: &'a NotificationId) -> BoxFuture<'a, Result<Option<UserId>, StoreError>> {
        Box::pin(async move { Ok(self.named(id).await?.map(|named| named.to)) })
    }

    async fn named(&self, id: &NotificationId) -> Result<Option<Named>, StoreError> {
        self.state.get(&keys::notification(id), Consistency::Strong).await?.map(from_item).transpose()
    }

    /// A notification of a user, if it exists; strongly consistent.
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

    /// Puts a notification into a user's inbox, with its event.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id exists, or another notification is being written to the same user.
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

    /// Marks an unread notification as read.
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

    /// The number of a user's unread notifications. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn unread<'a>(&'a self, of: &'a UserId) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let item = self.state.get(&keys::unread(of), Consistency::Eventual).await?;
            Ok(item.as_ref().and_then(|item| number(item, COUNT)).unwrap_or_default())
        })
    }

    /// Up to `count` notifications of a user, the newest first, from the cursor of an earlier page; none from before
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
            // The last entry of the page before, and one more to know whether another page follows.
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
