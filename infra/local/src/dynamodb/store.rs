//! The database: one SQLite connection behind a lock.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use dynoxide::DynoxideError;
use dynoxide::storage::Storage;
use tokio::sync::watch;

use super::TableConfig;
use super::execute::Tokens;
use super::request::Request;
use super::torn::Torn;
use crate::capacity::{Metered, Usage};
use crate::iam;
use crate::wire::{Answer, ClientOptions, Service, Services};

/// What SQLite needs on top of the library's own settings and tables.
///
/// Every streamed write looks up the greatest sequence number of its table: without an index that is a
/// scan of the stream.
const TUNING: &str = "
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -65536;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 8192;
    CREATE INDEX IF NOT EXISTS _local_stream_order
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE TABLE IF NOT EXISTS _local_tables (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS _local_checkpoints (reader TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
";

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite failed.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// DynamoDB's own error.
    #[error("DynamoDB: {0}")]
    DynamoDb(#[from] DynoxideError),
    /// The database's folder cannot be used.
    #[error("the database's folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The stored table is not the one that the template declares.
    #[error(
        "table {table} is stored as {stored} but declared as {declared}: start with --fresh to begin with empty tables"
    )]
    TableDiffers {
        /// The table's name.
        table: String,
        /// What is stored.
        stored: String,
        /// The definition in the template.
        declared: String,
    },
    /// The folder is used by another local cloud.
    #[error("{path} is in use by another local cloud")]
    InUse {
        /// The database's file.
        path: String,
    },
}

/// DynamoDB with its streams, embedded. Clones share one database.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Mutex<Storage>,
    tokens: Mutex<Tokens>,
    tables: RwLock<HashMap<String, TableConfig>>,
    writes: watch::Sender<u64>,
    torn: Torn,
    /// Held as long as the database is open.
    _lock: Option<File>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// A database in memory. It ends with its last clone.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn memory() -> Result<Self, DatabaseError> {
        Self::from_storage(Storage::memory()?, None)
    }

    /// A database in a file. It survives restarts and crashes.
    ///
    /// # Errors
    /// SQLite fails, or another process uses the file.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let lock = File::create(path.with_extension("lock"))?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                TryLockError::WouldBlock => DatabaseError::InUse { path: path.display().to_string() },
                TryLockError::Error(error) => error.into(),
            });
        }
        let storage = Storage::new(&path.to_string_lossy())?;
        // No other process uses this file, so SQLite locks it once.
        storage.conn().execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        Self::from_storage(storage, Some(lock))
    }

    fn from_storage(storage: Storage, lock: Option<File>) -> Result<Self, DatabaseError> {
        storage.conn().execute_batch(TUNING)?;
        let inner = Inner {
            storage: Mutex::new(storage),
            tokens: Mutex::default(),
            tables: RwLock::default(),
            writes: watch::Sender::new(0),
            torn: Torn::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Locks the database.
    pub(super) fn lock(&self) -> MutexGuard<'_, Storage> {
        self.inner.storage.lock().unwrap_or_else(|poisoned| {
            let storage = poisoned.into_inner();
            // The panicked thread may have left a transaction or the trigger of expiry.
            let undo = if storage.conn().is_autocommit() { "" } else { "ROLLBACK;" };
            let undo = format!("{undo} DROP TRIGGER IF EXISTS temp.{};", super::ttl::MARKING);
            if let Err(error) = storage.conn().execute_batch(&undo) {
                tracing::error!(%error, "what a panic left behind could not be undone");
            }
            self.inner.storage.clear_poison();
            storage
        })
    }

    pub(super) fn configs(&self) -> &RwLock<HashMap<String, TableConfig>> {
        &self.inner.tables
    }

    /// What the template declared of a table.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<TableConfig> {
        self.inner.tables.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Notifies of every write: the number changes with each.
    #[must_use]
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.inner.writes.subscribe()
    }

    pub(super) fn torn(&self) -> &Torn {
        &self.inner.torn
    }

    pub(super) fn wrote(&self) {
        self.inner.writes.send_modify(|count| *count += 1);
    }

    /// An HTTP client for the SDK that calls this database in process.
    #[must_use]
    pub fn http_client(&self, options: ClientOptions) -> SharedHttpClient {
        self.services().http_client(options)
    }

    /// What AWS clients are made of that call this database in process.
    #[must_use]
    pub fn sdk_config(&self, options: ClientOptions) -> aws_config::SdkConfig {
        self.services().sdk_config(options)
    }

    fn services(&self) -> Services {
        Services { dynamodb: Some(self.clone()), ..Services::default() }
    }

    /// Carries out one operation for a caller and answers it.
    #[must_use]
    pub fn call(&self, operation: &str, body: &str, caller: &ClientOptions) -> Answer {
        let mut request = match Request::parse(operation, body) {
            Ok(Some(request)) => request,
            Ok(None) => return Answer::unknown_operation(),
            Err(error) => return refuse(operation, error),
        };
        if let Some(policy) = &caller.policy
            && let Some(denied) = policy.first_denied(&request.accesses(policy.depends_on_keys().then_some(self)))
        {
            let message = iam::denial(&caller.function, denied);
            tracing::warn!(function = caller.function, action = denied.action, resource = denied.resource, "{message}");
            return Answer::denied(Service::DynamoDb, &message);
        }
        let metered = caller.meter.as_ref().map(|meter| (meter, request.tables()));
        let only_metered = metered.is_some() && request.meter();
        let is_write = request.is_write();
        let touched = self.touched(&request);
        let before = match self.before_transaction(&request) {
            Ok(before) => before,
            Err(error) => return refuse(operation, error),
        };
        let outcome = request.execute(self, &self.inner.tokens, only_metered, caller.faults.is_some());
        if outcome.is_ok() {
            self.carried_out(&touched, before);
        }
        if is_write && outcome.is_ok() {
            self.wrote();
        }
        if let Some((meter, tables)) = metered {
            let metered =
                |table: String| Metered { function: caller.function.clone(), operation: operation.to_owned(), table };
            match &outcome {
                Ok(done) => done.used.iter().for_each(|(table, usage)| meter.add(metered(table.clone()), *usage)),
                Err(error) => {
                    let write_units = failed_write_units(operation, error);
                    for table in tables {
                        let usage = Usage { calls: 1, failures: 1, read_units: 0.0, write_units };
                        meter.add(metered(table), usage);
                    }
                }
            }
        }
        match outcome {
            Ok(done) => Answer::ok(done.body),
            Err(error) => refuse(operation, error),
        }
    }
}

/// A failed condition costs the write that it prevented; the item's size is not known here, so it counts
/// as one of up to 1 KB.
fn failed_write_units(operation: &str, error: &DynoxideError) -> f64 {
    match error {
        DynoxideError::ConditionalCheckFailedException(..) => 1.0,
        DynoxideError::TransactionCanceledException(_, reasons) if operation == "TransactWriteItems" => {
            reasons.iter().map(|_| 2.0).sum()
        }
        _ => 0.0,
    }
}

fn refuse(operation: &str, error: DynoxideError) -> Answer {
    let error = match error {
        DynoxideError::EnvelopedValidation(message) => {
            let message = match operation {
                "PutItem" | "UpdateItem" | "DeleteItem" => format!("1 validation error detected: {message}"),
                _ => message,
            };
            DynoxideError::ValidationException(message)
        }
        error => error,
    };
    let status = error.status_code();
    if status >= 500 {
        tracing::error!(operation, %error, "the database failed");
    }
    Answer { status, body: error.to_json(), query_error: None }
}
