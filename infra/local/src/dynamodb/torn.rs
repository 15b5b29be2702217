//! Torn reads: while a transaction is being carried out, a read of several items may see only a part of it.
//!
//! `Query`, `Scan` and `BatchGetItem` are
//! [read-committed](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation)
//! against transactions. So until the caller of a transaction has its answer, each item that the transaction wrote may still
//! show itself there as it was. `GetItem` and `TransactGetItems` are serializable and never do so. Once a reader has
//! seen an item as the transaction left it, or its stream has delivered it, all readers see it.
//!
//! Indexes are not torn: they are eventually consistent anyway.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dynoxide::storage::Storage;
use dynoxide::types::AttributeValue;
use dynoxide::{DynoxideError, Item, Result};
use rusqlite::{Connection, OptionalExtension};

use super::Database;
use super::request::Request;

/// The table and the stored key of an item.
type Place = (String, String, String);

/// An item as it was before a transaction; nothing if it was not there.
type Row = Option<(String, i64, String)>;

/// An item that a transaction wrote and that does not show it yet.
#[derive(Debug)]
struct Hidden {
    transaction: u64,
    place: Place,
    before: Row,
}

/// What readers may see only in part; nothing unless it is switched on.
#[derive(Debug, Default)]
pub(super) struct Torn(Mutex<Option<State>>);

#[derive(Debug)]
struct State {
    seed: u64,
    /// The sort key, as it is stored, of the only items that are hidden, until their transaction is answered.
    only: Option<String>,
    count: u64,
    /// The last transaction, until it is known whether a caller waits for its answer.
    fresh: Option<u64>,
    hidden: Vec<Hidden>,
}

impl State {
    /// Whether something happens; the same every time from the same seed.
    fn is_so(&mut self) -> bool {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 63 == 0
    }

    fn show(&mut self, places: &HashSet<Place>) {
        self.hidden.retain(|hidden| !places.contains(&hidden.place));
    }

    fn answered(&mut self, transaction: u64) {
        self.hidden.retain(|hidden| hidden.transaction != transaction);
    }
}

/// A transaction whose caller has no answer yet. When this is dropped, all readers see all of it.
#[derive(Debug)]
pub(crate) struct UnderWay {
    database: Database,
    transaction: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(state) = &mut *self.database.torn().lock() {
            state.answered(self.transaction);
        }
    }
}

impl Torn {
    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    /// From here on, reads of several items by callers with faults may see parts of transactions; which, follows from the
    /// seed.
    pub fn tear(&self, seed: u64) {
        *self.torn().lock() = Some(State { seed, only: None, count: 0, fresh: None, hidden: Vec::new() });
    }

    /// The same, but of each transaction exactly the items with this sort key show themselves last: with its answer.
    pub fn tear_only(&self, sk: &str) {
        let only = AttributeValue::S(sk.to_owned()).to_key_string();
        *self.torn().lock() = Some(State { seed: 0, only, count: 0, fresh: None, hidden: Vec::new() });
    }

    /// Marks an item as delivered by its stream: from now on all readers see its current state.
    pub fn mark_delivered(&self, table: &str, record: &super::StreamRecord) {
        let Some(state) = &mut *self.torn().lock() else { return };
        let keys: Item = serde_json::from_str(&record.keys).unwrap_or_default();
        let places = self.place(table, &keys).into_iter().collect();
        state.show(&places);
    }

    /// The transaction that was carried out right before, for as long as its caller has no answer.
    pub(crate) fn under_way(&self) -> Option<UnderWay> {
        let transaction = self.torn().lock().as_mut()?.fresh.take()?;
        Some(UnderWay { database: self.clone(), transaction })
    }

    fn place(&self, table: &str, item: &Item) -> Option<Place> {
        let schema = self.table(table)?.key_schema;
        let stored = |name: &String| item.get(name).and_then(AttributeValue::to_key_string);
        let sk = match &schema.range {
            Some(range) => stored(range)?,
            None => String::new(),
        };
        Some((table.to_owned(), stored(&schema.hash)?, sk))
    }

    /// What a transaction is about to write, as it is.
    pub(super) fn before_transaction(&self, request: &Request) -> Result<Vec<(Place, Row)>> {
        if self.torn().lock().is_none() || !matches!(request, Request::TransactWriteItems(_)) {
            return Ok(Vec::new());
        }
        let storage = self.lock();
        let places = request.written().into_iter().filter_map(|(table, item)| self.place(table, item));
        places.map(|place| Ok((place.clone(), row(storage.conn(), &place)?))).collect()
    }

    /// That a request was carried out.
    pub(super) fn carried_out(&self, touched: &HashSet<Place>, before: Vec<(Place, Row)>) {
        let Some(state) = &mut *self.torn().lock() else { return };
        state.show(touched);
        state.count += 1;
        let transaction = state.count;
        state.fresh = (!before.is_empty()).then_some(transaction);
        let only = state.only.clone();
        let before = before.into_iter().filter(|((_, _, sk), _)| only.as_ref().is_none_or(|only| sk == only));
        let hidden = before.map(|(place, before)| Hidden { transaction, place, before });
        state.hidden.extend(hidden);
    }

    /// The places that a request reads or writes item by item; none where reads are not torn.
    pub(super) fn touched(&self, request: &Request) -> HashSet<Place> {
        let mut torn = self.torn().lock();
        let Some(state) = &mut *torn else { return HashSet::new() };
        // No caller waits for the answer of a transaction that has not been claimed by now.
        if let Some(fresh) = state.fresh.take() {
            state.answered(fresh);
        }
        drop(torn);
        let items = request.written().into_iter().chain(request.got());
        items.filter_map(|(table, item)| self.place(table, item)).collect()
    }

    /// Reads several items, some of them as they were before the transactions that are under way.
    pub(super) fn read_torn<T>(&self, torn: bool, read: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let mut state = self.torn().lock();
        let storage = self.lock();
        let Some(state) = state.as_mut().filter(|state| torn && !state.hidden.is_empty()) else {
            return read(&storage);
        };
        // Each of them shows itself at last with even odds.
        let mut hidden = std::mem::take(&mut state.hidden);
        hidden.retain(|_| state.only.is_some() || state.is_so());
        state.hidden = hidden;
        let connection = storage.conn();
        connection.execute_batch("SAVEPOINT torn")?;
        // Where two transactions wrote one item, the later one found what the earlier one had left.
        let restored: Result<()> = state.hidden.iter().rev().try_for_each(|hidden| restore(connection, hidden));
        let answer = restored.and_then(|()| read(&storage));
        connection.execute_batch("ROLLBACK TO torn; RELEASE torn")?;
        answer
    }
}

fn quoted(table: &str) -> String {
    table.replace('"', "\"\"")
}

fn row(connection: &Connection, (table, pk, sk): &Place) -> Result<Row> {
    let select =
        format!("SELECT item_json, item_size, hash_prefix FROM \"{}\" WHERE pk = ?1 AND sk = ?2", quoted(table));
    let mut select = connection.prepare_cached(&select)?;
    let row = select.query_row((pk, sk), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional();
    row.map_err(DynoxideError::from)
}

fn restore(connection: &Connection, hidden: &Hidden) -> Result<()> {
    let (table, pk, sk) = &hidden.place;
    let table = quoted(table);
    match &hidden.before {
        Some((item, size, hash)) => connection.execute(
            &format!(
                "INSERT OR REPLACE INTO \"{table}\" (pk, sk, item_json, item_size, hash_prefix)
                 VALUES (?1, ?2, ?3, ?4, ?5)"
            ),
            (pk, sk, item, size, hash),
        )?,
        None => connection.execute(&format!("DELETE FROM \"{table}\" WHERE pk = ?1 AND sk = ?2"), (pk, sk))?,
    };
    Ok(())
}
