//! Expiry: items whose time is over are deleted, and their stream records say who did it. Stream records
//! themselves go after a day.

use std::collections::HashMap;
use std::sync::PoisonError;

use dynoxide::actions::delete_item::{self, DeleteItemRequest};
use dynoxide::storage::Storage;
use dynoxide::{AttributeValue, DynoxideError, Item};
use futures::FutureExt;

use super::TableConfig;
use super::store::{Database, DatabaseError};

/// Items looked at under one hold of the database, so that requests wait for a page and not for a sweep.
const PAGE: usize = 500;

/// DynamoDB keeps what expired longer ago than five years, taking it for a mistake.
const OLDEST: i64 = 5 * 365 * 24 * 3600;

/// How long a stream keeps its records.
const RETENTION: i64 = 24 * 3600;

/// The trigger that marks records while expired items are deleted.
pub(super) const MARKING: &str = "_local_expiry";

/// Marks the records of deletions as the service's own while expired items are deleted.
const MARK: &str = "
    CREATE TEMP TRIGGER _local_expiry AFTER INSERT ON main._stream_records BEGIN
        UPDATE _stream_records SET user_identity = '{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"}'
        WHERE id = NEW.id;
    END;";

impl Database {
    /// Deletes what has expired by `now` (seconds since 1970) from every table, and from every stream that
    /// nobody here reads; says how many items it were.
    ///
    /// # Errors
    /// SQLite or DynamoDB fails.
    pub fn sweep_expired(&self, now: i64) -> Result<usize, DatabaseError> {
        let tables: Vec<TableConfig> = {
            let configs = self.configs().read().unwrap_or_else(PoisonError::into_inner);
            configs.values().filter(|table| table.ttl_attribute.is_some()).cloned().collect()
        };
        self.drop_old_records(now)?;
        let mut deleted = 0;
        for table in tables {
            // What is written from here on is left to the next sweep, or this one might never end.
            let (mut after, end) = (0, self.last_row(&table.name)?);
            while after < end
                && let Some((last, count)) = self.sweep_page(&table, after, now)?
            {
                deleted += count;
                after = last;
            }
        }
        if deleted > 0 {
            self.wrote();
        }
        Ok(deleted)
    }

    /// Drops day-old records of streams that no mapping reads; a mapping's own wait for it however long it
    /// was stopped, for a local cloud is not always running.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn drop_old_records(&self, now: i64) -> Result<usize, DatabaseError> {
        let tables: Vec<String> = {
            let configs = self.configs().read().unwrap_or_else(PoisonError::into_inner);
            configs.keys().cloned().collect()
        };
        let mut dropped = 0;
        for table in tables {
            let is_read = self.lock().conn().query_row(
                "SELECT EXISTS (SELECT 1 FROM _local_checkpoints WHERE substr(reader, instr(reader, '/') + 1) = ?1)",
                [&table],
                |row| row.get::<_, bool>(0),
            )?;
            if !is_read {
                // Sequence numbers count microseconds, and are never below the time at which they were given.
                dropped += self.prune(&table, now.saturating_sub(RETENTION).saturating_mul(1_000_000))?;
            }
        }
        Ok(dropped)
    }

    fn last_row(&self, table: &str) -> Result<i64, DatabaseError> {
        let query = format!("SELECT COALESCE(MAX(rowid), 0) FROM \"{}\"", table.replace('"', "\"\""));
        Ok(self.lock().conn().query_row(&query, [], |row| row.get(0))?)
    }

    /// Looks at the next items in the order of storage; none when there are no more.
    fn sweep_page(&self, table: &TableConfig, after: i64, now: i64) -> Result<Option<(i64, usize)>, DatabaseError> {
        let Some(attribute) = &table.ttl_attribute else { return Ok(None) };
        let storage = self.lock();
        let (last, expired) = expired_items(&storage, &table.name, attribute, after, now)?;
        let Some(last) = last else { return Ok(None) };
        if expired.is_empty() {
            return Ok(Some((last, 0)));
        }
        storage.conn().execute_batch(MARK)?;
        let deleted = expired.iter().try_for_each(|item| delete(&storage, table, item));
        storage.conn().execute_batch("DROP TRIGGER temp._local_expiry")?;
        deleted?;
        Ok(Some((last, expired.len())))
    }
}

/// The expired items of a page of a table, and the page's last row.
fn expired_items(
    storage: &Storage,
    table: &str,
    attribute: &str,
    after: i64,
    now: i64,
) -> Result<(Option<i64>, Vec<Item>), DatabaseError> {
    let quoted = table.replace('"', "\"\"");
    let mut statement = storage.conn().prepare_cached(&format!(
        "SELECT rowid, CASE WHEN CAST(json_extract(item_json, ?1) AS INTEGER) BETWEEN ?4 AND ?2 THEN item_json END
         FROM \"{quoted}\" WHERE rowid > ?3 ORDER BY rowid LIMIT {PAGE}"
    ))?;
    let path = format!("$.\"{}\".N", attribute.replace('"', ""));
    let rows = statement.query_map((path, now - 1, after, now - OLDEST), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let (mut last, mut expired) = (None, Vec::new());
    for row in rows {
        let (rowid, item) = row?;
        last = Some(rowid);
        if let Some(json) = item {
            let unreadable = |error: serde_json::Error| DynoxideError::InternalServerError(error.to_string());
            expired.push(serde_json::from_str::<Item>(&json).map_err(unreadable)?);
        }
    }
    Ok((last, expired))
}

fn delete(storage: &Storage, table: &TableConfig, item: &Item) -> Result<(), DatabaseError> {
    let names = std::iter::once(&table.key_schema.hash).chain(&table.key_schema.range);
    let key: HashMap<String, AttributeValue> =
        names.filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect();
    let request = DeleteItemRequest { table_name: table.name.clone(), key, ..DeleteItemRequest::default() };
    let waited = || Err(DynoxideError::InternalServerError("the engine waited for something".to_owned()));
    delete_item::execute(storage, request).now_or_never().unwrap_or_else(waited)?;
    Ok(())
}
