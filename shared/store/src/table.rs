//! One table: reading and writing items by key, several at a time, until all of it is done or the time is up.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, WriteRequest,
};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::error::StoreError;
use super::items::{Item, key_of, to_key};
use super::keys::{Key, PK, SK};
use super::transaction::{Changes, Condition};
use system::backoff::Backoff;

/// The most keys of one `BatchGetItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const READ_AT_ONCE: usize = 100;

/// The most items of one `BatchWriteItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html)).
const WRITTEN_AT_ONCE: usize = 25;

/// The most concurrent requests.
const AT_ONCE: usize = 8;

/// Whether a read sees every write that was confirmed before it, at twice the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consistency {
    Eventual,
    Strong,
}

/// The items of a partition from one sort key to another, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) pk: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl KeyRange {
    /// The items whose sort keys begin with `prefix`.
    pub(super) fn with_prefix(pk: String, prefix: &str) -> Self {
        // No sort key is empty, so no query may name one.
        let from = if prefix.is_empty() { " ".to_owned() } else { prefix.to_owned() };
        Self { pk, from, to: format!("{prefix}{LAST}") }
    }
}

/// Sorts behind everything that keys are made of.
pub(super) const LAST: char = '~';

/// A change of one item, unconditional.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Put(Item),
    Delete(Key),
}

impl Write {
    fn key(&self) -> Option<Key> {
        match self {
            Self::Put(item) => key_of(item),
            Self::Delete(key) => Some(key.clone()),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    pub(super) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// The item of a key.
    pub(super) async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(to_key(key)));
        Ok(get.consistent_read(consistency == Consistency::Strong).send().await?.item)
    }

    /// Puts an item.
    pub(super) async fn put(&self, item: Item, condition: Condition) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition;
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let put = put.set_condition_expression(expression.map(str::to_owned));
        put.set_expression_attribute_names(names).set_expression_attribute_values(values).send().await?;
        Ok(())
    }

    /// Changes an item in place, or makes it.
    pub(super) async fn update(&self, key: &Key, changes: Changes, condition: Condition) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition;
        let (update_expression, mut all_names, mut all_values) = changes.into_parts();
        all_names.extend(names.unwrap_or_default());
        all_values.extend(values.unwrap_or_default());
        let update = self.client.update_item().table_name(&self.name).set_key(Some(to_key(key)));
        let update = update.update_expression(update_expression);
        let update = update.set_condition_expression(expression.map(str::to_owned));
        let update = update.set_expression_attribute_names(Some(all_names));
        update.set_expression_attribute_values(Some(all_values)).send().await?;
        Ok(())
    }

    /// Changes an item in place, or creates it; returns its new attributes.
    pub(super) async fn update_returning(&self, key: &Key, changes: Changes) -> Result<Item, StoreError> {
        let (expression, names, values) = changes.into_parts();
        let update = self.client.update_item().table_name(&self.name).set_key(Some(to_key(key)));
        let update = update.update_expression(expression).set_expression_attribute_names(Some(names));
        let update = update.set_expression_attribute_values(Some(values)).return_values(ReturnValue::AllNew);
        Ok(update.send().await?.attributes.unwrap_or_default())
    }

    /// Deletes an item.
    pub(super) async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let Condition { expression, names, values } = condition;
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(to_key(key)));
        let delete = delete.set_condition_expression(expression.map(str::to_owned));
        delete.set_expression_attribute_names(names).set_expression_attribute_values(values).send().await?;
        Ok(())
    }

    /// Makes a number of an item at least this great.
    pub(super) async fn set_maximum(&self, key: &Key, name: &str, number: u64) -> Result<(), StoreError> {
        let Condition { expression, names, values } = Condition::below(name, number, None);
        let update = self.client.update_item().table_name(&self.name).set_key(Some(to_key(key)));
        let update = update.update_expression("SET #below = :limit");
        let update = update.set_condition_expression(expression.map(str::to_owned));
        match update.set_expression_attribute_names(names).set_expression_attribute_values(values).send().await {
            Ok(_) => Ok(()),
            Err(error) => match StoreError::from(error) {
                StoreError::Conflict => Ok(()),
                error => Err(error),
            },
        }
    }

    /// The items of keys, those that are there.
    pub(super) fn get_all(
        &self,
        keys: BTreeSet<Key>,
        consistency: Consistency,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<HashMap<Key, Item>, StoreError>> {
        Box::pin(async move {
            let keys: Vec<Key> = keys.into_iter().collect();
            let chunks: Vec<Vec<Key>> = keys.chunks(READ_AT_ONCE).map(<[Key]>::to_vec).collect();
            stream::iter(chunks)
                .map(|chunk| self.get_chunk(chunk, consistency, deadline))
                .buffer_unordered(AT_ONCE)
                .try_fold(HashMap::new(), |mut all, items| async move {
                    all.extend(items);
                    Ok(all)
                })
                .await
        })
    }

    async fn get_chunk(
        &self,
        keys: Vec<Key>,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<HashMap<Key, Item>, StoreError> {
        let mut found = HashMap::new();
        let mut left: Vec<Item> = keys.iter().map(to_key).collect();
        let mut backoff = Backoff::until(deadline);
        loop {
            let request = KeysAndAttributes::builder()
                .consistent_read(consistency == Consistency::Strong)
                .set_keys(Some(left))
                .build()
                .map_err(|error| StoreError::corrupt("keys", error))?;
            let answer = self.client.batch_get_item().request_items(&self.name, request).send().await?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                if let Some(key) = key_of(&item) {
                    found.insert(key, item);
                }
            }
            left = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
            if left.is_empty() {
                return Ok(found);
            }
            if !backoff.wait().await {
                return Err(StoreError::Throttled);
            }
        }
    }

    /// The items of a stretch, in the order of their keys.
    pub(super) fn query<'a>(
        &'a self,
        range: &'a KeyRange,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<Vec<Item>, StoreError>> {
        Box::pin(async move {
            let mut pages = self.query_request(range, consistency).into_paginator().send();
            let mut items = Vec::new();
            while let Some(page) = pages.next().await {
                items.extend(page?.items.unwrap_or_default());
            }
            Ok(items)
        })
    }

    /// The first items of a range in the order of their keys, at most `most`, and whether more follow.
    pub(super) fn query_up_to<'a>(
        &'a self,
        range: &'a KeyRange,
        most: usize,
        consistency: Consistency,
    ) -> BoxFuture<'a, Result<(Vec<Item>, bool), StoreError>> {
        Box::pin(async move {
            let limit = i32::try_from(most).unwrap_or(i32::MAX).saturating_add(1);
            let mut pages = self.query_request(range, consistency).into_paginator().page_size(limit).send();
            let mut items = Vec::new();
            while items.len() <= most
                && let Some(page) = pages.next().await
            {
                items.extend(page?.items.unwrap_or_default());
            }
            let more = items.len() > most;
            items.truncate(most);
            Ok((items, more))
        })
    }

    /// The first or the last items of a stretch, in the order of their keys or against it.
    pub(super) fn query_page<'a>(
        &'a self,
        range: &'a KeyRange,
        limit: i32,
        backwards: bool,
    ) -> BoxFuture<'a, Result<Vec<Item>, StoreError>> {
        Box::pin(async move {
            let request = self.query_request(range, Consistency::Eventual).limit(limit).scan_index_forward(!backwards);
            Ok(request.send().await?.items.unwrap_or_default())
        })
    }

    /// The first items of a stretch, in the order of their keys; strongly consistent.
    pub(super) async fn query_head(&self, range: &KeyRange, limit: i32) -> Result<Vec<Item>, StoreError> {
        Ok(self.query_request(range, Consistency::Strong).limit(limit).send().await?.items.unwrap_or_default())
    }

    fn query_request(
        &self,
        range: &KeyRange,
        consistency: Consistency,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(consistency == Consistency::Strong)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :from AND :to")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()))
            .expression_attribute_values(":from", AttributeValue::S(range.from.clone()))
            .expression_attribute_values(":to", AttributeValue::S(range.to.clone()))
    }

    /// Writes all of it, trying again until the deadline.
    pub(super) fn write_all(&self, writes: Vec<Write>, deadline: Instant) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // One request must not name a key twice; the last of equals is the one that would win anyway.
            let distinct: HashMap<Option<Key>, Write> = writes.into_iter().map(|write| (write.key(), write)).collect();
            let writes: Vec<Write> = distinct.into_values().collect();
            let chunks: Vec<Vec<Write>> = writes.chunks(WRITTEN_AT_ONCE).map(<[Write]>::to_vec).collect();
            stream::iter(chunks)
                .map(|chunk| self.write_chunk(chunk, deadline))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        })
    }

    async fn write_chunk(&self, writes: Vec<Write>, deadline: Instant) -> Result<(), StoreError> {
        let mut left = Vec::with_capacity(writes.len());
        for write in writes {
            left.push(match write {
                Write::Put(item) => {
                    let put = PutRequest::builder().set_item(Some(item)).build();
                    let put = put.map_err(|error| StoreError::corrupt("item", error))?;
                    WriteRequest::builder().put_request(put).build()
                }
                Write::Delete(key) => {
                    let delete = DeleteRequest::builder().set_key(Some(to_key(&key))).build();
                    let delete = delete.map_err(|error| StoreError::corrupt("item", error))?;
                    WriteRequest::builder().delete_request(delete).build()
                }
            });
        }
        let mut backoff = Backoff::until(deadline);
        loop {
            let request = self.client.batch_write_item().request_items(&self.name, left.clone()).send();
            let error = match timeout_at(deadline, request).await {
                Ok(Ok(answer)) => {
                    left = answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
                    if left.is_empty() {
                        return Ok(());
                    }
                    StoreError::Throttled
                }
                Ok(Err(error)) => error.into(),
                Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
            };
            if !error.is_transient() || !backoff.wait().await {
                return Err(error);
            }
        }
    }
}
