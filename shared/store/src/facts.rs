//! Writes facts. A fact is immutable, and the same however often it is sent.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::compact::compact;
use super::error::StoreError;
use super::items::{Item, TTL, key_of, to_item};
use super::keys::Key;
use super::table::Table;
use crate::setup::Setup;
use system::backoff::Backoff;

/// The most items of one `BatchWriteItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html)).
const BATCH: usize = 25;

/// The most concurrent batches.
const AT_ONCE: usize = 8;

/// A fact to be written.
#[derive(Debug, Clone)]
pub struct NewFact {
    key: Key,
    item: Item,
}

impl NewFact {
    /// The fact of this key, which expires at `expires`, in seconds since 1970.
    ///
    /// # Errors
    /// If the fact has no shape that an item can have.
    pub fn new<F: Serialize>(key: Key, fact: F, expires: i64) -> Result<Self, StoreError> {
        let mut item = compact(&key, to_item(&key, fact)?);
        item.insert(TTL.to_owned(), AttributeValue::N(expires.to_string()));
        Ok(Self { key, item })
    }

    /// The fact of this key, which never expires.
    ///
    /// # Errors
    /// If the fact has no shape that an item can have.
    pub(super) fn for_ever<F: Serialize>(key: Key, fact: F) -> Result<Self, StoreError> {
        let item = to_item(&key, fact)?;
        Ok(Self { key, item })
    }

    /// The item, for a transaction.
    pub(super) fn into_item(self) -> Item {
        self.item
    }
}

/// The table of facts, for writing.
#[derive(Debug, Clone)]
pub struct Facts {
    client: Client,
    table: String,
}

impl Facts {
    /// Opens the facts of tracks.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let table = setup.events_table();
        Self { client: table.client.clone(), table: table.name.clone() }
    }

    /// The table, for reading.
    pub(super) fn table(&self) -> Table {
        Table::new(self.client.clone(), self.table.clone())
    }

    /// Writes facts, retrying until the deadline. Returns for each whether it is certainly stored.
    ///
    /// Unconditional: a fact that is there already is written over by itself.
    pub fn record(&self, facts: Vec<NewFact>, deadline: Instant) -> BoxFuture<'_, Vec<bool>> {
        Box::pin(async move {
            let keys: Vec<Key> = facts.iter().map(|fact| fact.key.clone()).collect();
            // One request must not name a key twice; the last of equals is the one that would win anyway.
            let distinct: BTreeMap<Key, Item> = facts.into_iter().map(|fact| (fact.key, fact.item)).collect();
            let mut pending = distinct.into_values();
            let batches: Vec<Vec<Item>> =
                std::iter::from_fn(|| Some(pending.by_ref().take(BATCH).collect::<Vec<_>>()).filter(|b| !b.is_empty()))
                    .collect();
            let left: BTreeSet<Key> = stream::iter(batches)
                .map(|batch| self.write(batch, deadline))
                .buffer_unordered(AT_ONCE)
                .flat_map(stream::iter)
                .filter_map(|item| async move { key_of(&item) })
                .collect()
                .await;
            keys.iter().map(|key| !left.contains(key)).collect()
        })
    }

    /// Writes up to 25 items, and returns those that were not written in time.
    async fn write(&self, mut left: Vec<Item>, deadline: Instant) -> Vec<Item> {
        let mut backoff = Backoff::until(deadline);
        loop {
            match timeout_at(deadline, self.write_once(&left)).await {
                Ok(Ok(unprocessed)) => left = unprocessed,
                Ok(Err(error)) if error.is_transient() => tracing::warn!(error = %error, "facts not written: {error}"),
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "facts refused: {error}");
                    return left;
                }
                Err(_) => return left,
            }
            if left.is_empty() || !backoff.wait().await {
                return left;
            }
        }
    }

    async fn write_once(&self, items: &[Item]) -> Result<Vec<Item>, StoreError> {
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item.clone())).build();
            let put = put.map_err(|error| StoreError::corrupt("fact", error))?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        let answer = self.client.batch_write_item().request_items(&self.table, writes).send().await?;
        let unprocessed = answer.unprocessed_items.unwrap_or_default().into_values().flatten();
        Ok(unprocessed.filter_map(|write| Some(write.put_request?.item)).collect())
    }
}
