//! Messages on disk: accepted messages survive the process.

use std::fs::{File, TryLockError};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::QueueConfig;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        first_received_at INTEGER,
        receive_count INTEGER NOT NULL DEFAULT 0,
        receipt TEXT,
        dead_letter_source TEXT,
        trace_header TEXT
    );
    CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_at, id);
    CREATE INDEX IF NOT EXISTS messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;
";

/// Whether the table has the column that older versions did not have.
const HAS_TRACE_HEADERS: &str = "SELECT COUNT(*) > 0 FROM pragma_table_info('messages') WHERE name = 'trace_header'";
const ADD_TRACE_HEADERS: &str = "ALTER TABLE messages ADD COLUMN trace_header TEXT";

/// An error of the queues.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQLite failed.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be used.
    #[error("the queues' folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The file is used by another local cloud.
    #[error("{path} is in use by another local cloud")]
    InUse {
        /// The file.
        path: String,
    },
    /// A queue sends its dead letters to one that does not exist, or to itself.
    #[error("queue {queue} sends its dead letters to {target}, which is not another queue")]
    Redrive {
        /// The queue.
        queue: String,
        /// Where its dead letters go.
        target: String,
    },
    /// FIFO queues are not supported.
    #[error("queue {queue} is a FIFO queue; the local cloud supports standard queues only")]
    Fifo {
        /// The queue.
        queue: String,
    },
}

/// A message to store.
#[derive(Debug)]
pub(super) struct NewMessage<'a> {
    pub(super) id: &'a str,
    pub(super) body: &'a str,
    /// Its attributes as JSON.
    pub(super) attributes: &'a str,
    pub(super) trace_header: Option<&'a str>,
    pub(super) visible_at: i64,
}

/// A received message.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) message_id: String,
    pub(super) body: String,
    pub(super) attributes: String,
    pub(super) sent_at: i64,
    pub(super) first_received_at: i64,
    pub(super) receive_count: u32,
    pub(super) receipt: String,
    pub(super) dead_letter_source: Option<String>,
    pub(super) trace_header: Option<String>,
}

/// The number of messages in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received and not deleted.
    pub in_flight: u64,
    /// Not yet ready.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// The result of an operation by receipt handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByReceipt {
    /// The handle was the message's current receipt.
    Done,
    /// The handle is an earlier receipt, or the message is gone.
    Stale,
}

/// The messages of all queues.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    _lock: Option<File>,
}

impl Store {
    pub(super) fn memory() -> Result<Self, QueueError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, _lock: None })
    }

    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let lock = File::create(path.with_extension("lock"))?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                TryLockError::WouldBlock => QueueError::InUse { path: path.display().to_string() },
                TryLockError::Error(error) => error.into(),
            });
        }
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        connection.execute_batch(SCHEMA)?;
        if !connection.query_row(HAS_TRACE_HEADERS, [], |row| row.get::<_, bool>(0))? {
            connection.execute_batch(ADD_TRACE_HEADERS)?;
        }
        Ok(Self { connection, _lock: Some(lock) })
    }

    /// Stores all messages or none.
    pub(super) fn send(&mut self, queue: &str, now: i64, messages: &[NewMessage<'_>]) -> Result<(), QueueError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO messages (queue, message_id, body, attributes, sent_at, visible_at, trace_header)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for message in messages {
                let NewMessage { id, body, attributes, trace_header, visible_at } = message;
                insert.execute((queue, id, body, attributes, now, visible_at, trace_header))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Receives up to `limit` messages. Messages received too often become dead letters instead, and expired messages are
    /// deleted. Returns the number of new dead letters too.
    pub(super) fn receive(
        &mut self,
        queue: &QueueConfig,
        now: i64,
        limit: usize,
        hidden_for: i64,
        mut receipt: impl FnMut() -> String,
    ) -> Result<(Vec<Stored>, usize), QueueError> {
        let transaction = self.connection.transaction()?;
        delete_expired(&transaction, queue, now)?;
        let mut dead = 0;
        if let Some(redrive) = &queue.redrive {
            dead = transaction
                .prepare_cached(
                    "UPDATE messages SET queue = ?1, dead_letter_source = ?2, receive_count = 0, receipt = NULL,
                                         first_received_at = NULL
                     WHERE queue = ?3 AND visible_at <= ?4 AND receive_count >= ?5",
                )?
                .execute((&redrive.dead_letter_queue, queue.arn(), &queue.name, now, redrive.max_receive_count))?;
        }
        let mut received = Vec::new();
        {
            let mut select = transaction.prepare_cached(
                "SELECT id FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let ids = select.query_map((&queue.name, now, limit), |row| row.get(0))?;
            let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
            let mut update = transaction.prepare_cached(
                "UPDATE messages SET visible_at = ?1, receive_count = receive_count + 1, receipt = ?2,
                                     first_received_at = COALESCE(first_received_at, ?3)
                 WHERE id = ?4 RETURNING *",
            )?;
            for id in ids {
                received.push(update.query_row((now + hidden_for, receipt(), now, id), stored)?);
            }
        }
        transaction.commit()?;
        Ok((received, dead))
    }

    /// Moves visible messages in order, each to the `target` of its source queue, as new messages. Stops before the first
    /// without a target. Returns how many were moved, and of how many.
    pub(super) fn move_ready<'a>(
        &mut self,
        queue: &QueueConfig,
        now: i64,
        target: impl Fn(Option<&str>) -> Option<&'a QueueConfig>,
        mut id: impl FnMut() -> String,
    ) -> Result<(usize, usize), QueueError> {
        let transaction = self.connection.transaction()?;
        delete_expired(&transaction, queue, now)?;
        let (mut moved, ready);
        {
            let mut select = transaction.prepare_cached(
                "SELECT id, dead_letter_source FROM messages WHERE queue = ?1 AND visible_at <= ?2
                 ORDER BY visible_at, id",
            )?;
            let rows = select.query_map((&queue.name, now), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let messages: Vec<(i64, Option<String>)> = rows.collect::<Result<_, _>>()?;
            let mut update = transaction.prepare_cached(
                "UPDATE messages SET queue = ?1, message_id = ?2, sent_at = ?3, visible_at = ?4, receive_count = 0,
                                     receipt = NULL, first_received_at = NULL, dead_letter_source = NULL
                 WHERE id = ?5",
            )?;
            (moved, ready) = (0, messages.len());
            for (message, source) in messages {
                let Some(target) = target(source.as_deref()) else { break };
                let delay = i64::try_from(target.delay.as_millis()).unwrap_or(i64::MAX);
                update.execute((&target.name, id(), now, now.saturating_add(delay), message))?;
                moved += 1;
            }
        }
        transaction.commit()?;
        Ok((moved, ready))
    }

    /// Deletes a message by its last receipt.
    pub(super) fn delete(&self, queue: &str, receipt: &str) -> Result<ByReceipt, QueueError> {
        let mut delete = self.connection.prepare_cached("DELETE FROM messages WHERE receipt = ?1 AND queue = ?2")?;
        Ok(by_receipt(delete.execute((receipt, queue))?))
    }

    /// Sets the time at which a received message becomes visible again.
    pub(super) fn set_visible_at(&self, queue: &str, receipt: &str, at: i64) -> Result<ByReceipt, QueueError> {
        let mut update =
            self.connection.prepare_cached("UPDATE messages SET visible_at = ?3 WHERE receipt = ?1 AND queue = ?2")?;
        Ok(by_receipt(update.execute((receipt, queue, at))?))
    }

    /// The time at which the next message becomes visible after `now`.
    pub(super) fn next_visible_at(&self, queue: &str, now: i64) -> Result<Option<i64>, QueueError> {
        let mut select = self.connection.prepare_cached(
            "SELECT visible_at FROM messages WHERE queue = ?1 AND visible_at > ?2 ORDER BY visible_at LIMIT 1",
        )?;
        Ok(select.query_row((queue, now), |row| row.get(0)).optional()?)
    }

    /// Moves all messages of a queue to its new name, and the dead letters that came from it. Arguments are names and ARNs.
    pub(super) fn rename(&mut self, old: (&str, &str), new: (&str, &str)) -> Result<(), QueueError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("UPDATE messages SET queue = ?2 WHERE queue = ?1", (old.0, new.0))?;
        transaction
            .execute("UPDATE messages SET dead_letter_source = ?2 WHERE dead_letter_source = ?1", (old.1, new.1))?;
        Ok(transaction.commit()?)
    }

    pub(super) fn purge(&self, queue: &str) -> Result<usize, QueueError> {
        Ok(self.connection.prepare_cached("DELETE FROM messages WHERE queue = ?1")?.execute([queue])?)
    }

    pub(super) fn depth(&self, queue: &str, now: i64) -> Result<Depth, QueueError> {
        let mut select = self.connection.prepare_cached(
            "SELECT COUNT(*) FILTER (WHERE visible_at <= ?2),
                    COUNT(*) FILTER (WHERE visible_at > ?2 AND receipt IS NOT NULL),
                    COUNT(*) FILTER (WHERE visible_at > ?2 AND receipt IS NULL)
             FROM messages WHERE queue = ?1",
        )?;
        let count = |row: &Row<'_>, index| row.get::<_, i64>(index).map(i64::unsigned_abs);
        Ok(select.query_row((queue, now), |row| {
            Ok(Depth { visible: count(row, 0)?, in_flight: count(row, 1)?, delayed: count(row, 2)? })
        })?)
    }
}

/// Deletes expired messages.
fn delete_expired(transaction: &Transaction<'_>, queue: &QueueConfig, now: i64) -> Result<(), QueueError> {
    let retention = i64::try_from(queue.message_retention.as_millis()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND visible_at <= ?2 AND sent_at <= ?3")?
        .execute((&queue.name, now, now.saturating_sub(retention)))?;
    Ok(())
}

fn by_receipt(changed: usize) -> ByReceipt {
    if changed == 0 { ByReceipt::Stale } else { ByReceipt::Done }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        message_id: row.get("message_id")?,
        body: row.get("body")?,
        attributes: row.get("attributes")?,
        sent_at: row.get("sent_at")?,
        first_received_at: row.get("first_received_at")?,
        receive_count: row.get("receive_count")?,
        receipt: row.get("receipt")?,
        dead_letter_source: row.get("dead_letter_source")?,
        trace_header: row.get("trace_header")?,
    })
}
