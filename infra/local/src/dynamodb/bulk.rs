//! Batches of plain puts, in one transaction with statements that stay prepared.
//!
//! The engine carries out a batch item by item, each in a transaction of its own and with its statements
//! prepared anew. Facts arrive in such batches, so this is what the local cloud's speed depends on. What
//! is done here leaves the tables exactly as the engine does, except that a stream gets no record of a
//! put that changes nothing, and no images that its view does not show; a test holds the two against each
//! other. Whatever is not plain (deletes, indexes, keys that are no texts, nested values, anything that
//! might be refused) is left to the engine.

use std::collections::HashSet;

use dynoxide::actions::batch_write_item::{BatchWriteItemRequest, BatchWriteItemResponse, WriteRequest};
use dynoxide::types::{ConsumedCapacity, MAX_ITEM_SIZE, item_size};
use dynoxide::{AttributeValue, DynoxideError, Item, Result};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::Serialize;

use super::stream::same_item;
use super::{AttributeKind, Database, StreamView, TableConfig, shard_id};

/// The longest partition key and the longest sort key, in bytes.
const LONGEST_KEYS: (usize, usize) = (2048, 1024);

/// An item on its way into its table.
struct Put<'a> {
    item: &'a Item,
    pk: String,
    sk: String,
    size: usize,
}

/// Executes a batch if it is plain; otherwise returns `None` and changes nothing.
pub(super) fn put_all(
    database: &Database,
    request: &mut BatchWriteItemRequest,
) -> Result<Option<BatchWriteItemResponse>> {
    let wants_capacity = match request.return_consumed_capacity.as_deref() {
        None | Some("NONE") => false,
        Some("TOTAL") => true,
        Some(_) => return Ok(None),
    };
    let count: usize = request.request_items.values().map(Vec::len).sum();
    if request.return_item_collection_metrics.is_some() || !(1..=25).contains(&count) {
        return Ok(None);
    }
    let mut plain = Vec::new();
    for (name, requests) in &request.request_items {
        let Some(table) = database.table(name) else { return Ok(None) };
        match keys(&table, requests) {
            Some(keys) => plain.push((table, keys)),
            None => return Ok(None),
        }
    }
    // Numbers are kept in DynamoDB's own form.
    let items = request.request_items.values_mut().flatten().filter_map(|request| request.put_request.as_mut());
    items.for_each(|put| dynoxide::validation::normalize_item_sets(&mut put.item));
    let plain: Vec<(TableConfig, Vec<Put<'_>>)> = plain
        .into_iter()
        .map(|(table, keys)| {
            let requests = request.request_items.get(&table.name).into_iter().flatten();
            let items = requests.filter_map(|request| Some(&request.put_request.as_ref()?.item));
            let put = |(item, (pk, sk))| Put { item, pk, sk, size: item_size(item) };
            let puts = items.zip(keys).map(put).collect();
            (table, puts)
        })
        .collect();
    let mut storage = database.lock();
    let transaction = storage.conn_mut().transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut consumed = Vec::new();
    for (table, puts) in &plain {
        let capacity_units = put_into(&transaction, table, puts)?;
        consumed.push(ConsumedCapacity {
            table_name: table.name.clone(),
            capacity_units,
            ..ConsumedCapacity::default()
        });
    }
    transaction.commit()?;
    Ok(Some(BatchWriteItemResponse {
        consumed_capacity: wants_capacity.then_some(consumed),
        ..BatchWriteItemResponse::default()
    }))
}

/// The stored keys of a batch's puts into a table, if all of them are plain.
fn keys(table: &TableConfig, requests: &[WriteRequest]) -> Option<Vec<(String, String)>> {
    let is_text = |name: &String| {
        table.attributes.iter().any(|attribute| attribute.name == *name && attribute.kind == AttributeKind::String)
    };
    let schema = &table.key_schema;
    if !table.gsis.is_empty() || !table.lsis.is_empty() || !is_text(&schema.hash) || !schema.range.iter().all(is_text) {
        return None;
    }
    let mut seen = HashSet::new();
    let mut keys = Vec::with_capacity(requests.len());
    for request in requests {
        let item = match request {
            WriteRequest { put_request: Some(put), delete_request: None } => &put.item,
            _ => return None,
        };
        let is_plain = |(name, value): (&String, &AttributeValue)| {
            let is_scalar = matches!(
                value,
                AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::BOOL(_) | AttributeValue::NULL(_)
            );
            !name.is_empty() && is_scalar
        };
        if !item.iter().all(is_plain)
            || dynoxide::validation::validate_item_attribute_values(item).is_err()
            || item_size(item) > MAX_ITEM_SIZE
        {
            return None;
        }
        let text = |name: &String, longest: usize| match item.get(name)? {
            value @ AttributeValue::S(text) if (1..=longest).contains(&text.len()) => value.to_key_string(),
            _ => None,
        };
        let pk = text(&schema.hash, LONGEST_KEYS.0)?;
        let sk = match &schema.range {
            Some(range) => text(range, LONGEST_KEYS.1)?,
            None => String::new(),
        };
        if !seen.insert((pk.clone(), sk.clone())) {
            return None;
        }
        keys.push((pk, sk));
    }
    Some(keys)
}

/// Writes items and their stream records. Returns the consumed units.
fn put_into(connection: &Connection, table: &TableConfig, puts: &[Put<'_>]) -> Result<f64> {
    let quoted = table.name.replace('"', "\"\"");
    let mut select = connection
        .prepare_cached(&format!("SELECT item_json, item_size FROM \"{quoted}\" WHERE pk = ?1 AND sk = ?2"))?;
    let mut write = connection.prepare_cached(&format!(
        "INSERT OR REPLACE INTO \"{quoted}\" (pk, sk, item_json, item_size, hash_prefix) VALUES (?1, ?2, ?3, ?4, ?5)"
    ))?;
    let mut stream = table.stream_view.map(|view| Stream::of(connection, table, view)).transpose()?;
    let mut units = 0.0;
    for put in puts {
        let old: Option<(String, i64)> =
            select.query_row((&put.pk, &put.sk), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let new = json(put.item)?;
        let size = i64::try_from(put.size).unwrap_or(i64::MAX);
        let hash = put.item.get(&table.key_schema.hash).map(dynoxide::storage::compute_hash_prefix).unwrap_or_default();
        write.execute((&put.pk, &put.sk, &new, size, &hash))?;
        units += write_units(size.max(old.as_ref().map_or(0, |(_, size)| *size)));
        if let Some(stream) = &mut stream {
            stream.record(put.item, old.as_ref().map(|(old, _)| old.as_str()), &new)?;
        }
    }
    Ok(units)
}

/// What a write of so many bytes costs.
fn write_units(bytes: i64) -> f64 {
    let kilobytes = u32::try_from(bytes.max(1).unsigned_abs().div_ceil(1024)).unwrap_or(u32::MAX);
    f64::from(kilobytes)
}

/// The stream of a table, while a batch is written.
struct Stream<'a> {
    insert: rusqlite::CachedStatement<'a>,
    table: &'a TableConfig,
    view: StreamView,
    shard: String,
    next: i64,
}

impl<'a> Stream<'a> {
    fn of(connection: &'a Connection, table: &'a TableConfig, view: StreamView) -> Result<Self> {
        let insert = connection.prepare_cached(
            "INSERT INTO _stream_records (table_name, event_name, keys_json, new_image, old_image, sequence_number,
                                          shard_id, created_at, event_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, unixepoch(), lower(hex(randomblob(16))))",
        )?;
        // One past the last, and never below the microsecond: as the engine counts.
        let mut next = connection.prepare_cached(
            "SELECT MAX(COALESCE((SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records
                                  WHERE table_name = ?1), 0) + 1,
                        CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
        )?;
        let next = next.query_row([&table.name], |row| row.get(0))?;
        Ok(Self { insert, table, view, shard: shard_id(&table.name), next })
    }

    fn record(&mut self, item: &Item, old: Option<&str>, new: &str) -> Result<()> {
        let change = match old {
            Some(old) if old.len() == new.len() && same_item(old, new) => return Ok(()),
            Some(_) => "MODIFY",
            None => "INSERT",
        };
        let names = std::iter::once(&self.table.key_schema.hash).chain(&self.table.key_schema.range);
        let keys: std::collections::BTreeMap<&String, &AttributeValue> =
            names.filter_map(|name| Some((name, item.get(name)?))).collect();
        let new_image = self.view.shows_new().then_some(new);
        let old_image = if self.view.shows_old() { old } else { None };
        let sequence = self.next.to_string();
        let row = (&self.table.name, change, json(&keys)?, new_image, old_image, sequence, &self.shard);
        self.insert.execute(row)?;
        self.next += 1;
        Ok(())
    }
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
