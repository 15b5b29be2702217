//! Checkpoints of stream readers, stored with the streams.

use rusqlite::OptionalExtension;

use super::store::{Database, DatabaseError};

impl Database {
    /// The sequence number of the last record that a reader has acknowledged; `None` if it has never read.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn checkpoint(&self, reader: &str) -> Result<Option<i64>, DatabaseError> {
        let storage = self.lock();
        let mut statement =
            storage.conn().prepare_cached("SELECT sequence FROM _local_checkpoints WHERE reader = ?1")?;
        Ok(statement.query_row([reader], |row| row.get(0)).optional()?)
    }

    /// Stores the checkpoint of a reader.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn set_checkpoint(&self, reader: &str, sequence: i64) -> Result<(), DatabaseError> {
        let storage = self.lock();
        let mut statement = storage.conn().prepare_cached(
            "INSERT INTO _local_checkpoints (reader, sequence) VALUES (?1, ?2)
             ON CONFLICT (reader) DO UPDATE SET sequence = excluded.sequence",
        )?;
        statement.execute((reader, sequence))?;
        Ok(())
    }

    /// Deletes the checkpoints of other readers, so that no stream waits for them.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn retain_checkpoints(&self, readers: &[String]) -> Result<(), DatabaseError> {
        let storage = self.lock();
        let mut known = storage.conn().prepare("SELECT reader FROM _local_checkpoints")?;
        let known: Vec<String> = known.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for gone in known.iter().filter(|reader| !readers.contains(reader)) {
            storage.conn().execute("DELETE FROM _local_checkpoints WHERE reader = ?1", [gone])?;
        }
        Ok(())
    }
    /// Keeps the checkpoints of a function's readers under the function's new name. Readers are named `function/table`.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn rename_reader(&self, old: &str, new: &str) -> Result<(), DatabaseError> {
        let storage = self.lock();
        storage.conn().execute(
            "UPDATE OR REPLACE _local_checkpoints SET reader = ?2 || substr(reader, length(?1) + 1)
             WHERE substr(reader, 1, length(?1) + 1) = ?1 || '/'",
            (old, new),
        )?;
        Ok(())
    }
}
