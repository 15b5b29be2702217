//! Removes from streams what every reader is done with.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::dynamodb::{Database, DatabaseError};

/// Records that may be done with before they are removed: removing in bulk is cheaper.
const SLACK: usize = 4;

/// How far the readers of each table are.
#[derive(Debug, Default)]
pub(super) struct Readers {
    tables: Mutex<HashMap<String, Table>>,
}

#[derive(Debug, Default)]
struct Table {
    done: Vec<i64>,
    /// Acknowledgements since records were last removed.
    since: usize,
    /// The first record that was given up: from here on all are kept, so that they can be read by their numbers.
    given_up: Option<i64>,
}

impl Readers {
    /// Adds a reader at this position. Returns its index among the readers of the table.
    pub(super) fn add(&self, table: &str, done: i64) -> usize {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let readers = &mut tables.entry(table.to_owned()).or_default().done;
        readers.push(done);
        readers.len() - 1
    }

    /// Takes note that a record was given up.
    pub(super) fn give_up(&self, table: &str, record: i64) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let first = &mut tables.entry(table.to_owned()).or_default().given_up;
        *first = Some(first.map_or(record, |first| first.min(record)));
    }

    /// Takes note of how far a reader has come, and now and then removes what all are done with.
    pub(super) fn acknowledge(
        &self,
        database: &Database,
        table: &str,
        reader: usize,
        done: i64,
    ) -> Result<(), DatabaseError> {
        let all_done = {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(readers) = tables.get_mut(table) else { return Ok(()) };
            if let Some(own) = readers.done.get_mut(reader) {
                *own = done;
            }
            readers.since += 1;
            if readers.since < SLACK {
                return Ok(());
            }
            readers.since = 0;
            let all_done = readers.done.iter().copied().min().unwrap_or_default();
            readers.given_up.map_or(all_done, |given_up| all_done.min(given_up - 1))
        };
        database.prune(table, all_done)?;
        Ok(())
    }

    /// Whether every reader of every table has come to the end of its stream.
    pub(super) fn are_done(&self, database: &Database) -> Result<bool, DatabaseError> {
        let tables: Vec<(String, i64)> = {
            let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let slowest = |(name, table): (&String, &Table)| Some((name.clone(), table.done.iter().copied().min()?));
            tables.iter().filter_map(slowest).collect()
        };
        for (table, done) in tables {
            if done < database.last_sequence(&table)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
