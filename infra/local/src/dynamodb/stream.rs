//! Streams: what changed, in order.

use std::fmt::Write as _;

use rusqlite::types::Type;
use serde_json::{Value, json};

use super::store::{Database, DatabaseError};
use super::{StreamView, TableConfig};
use crate::wire::REGION;

/// The least of all public sequence numbers; with it they have 21 digits, as DynamoDB's have at least.
const SEQUENCE_BASE: u128 = 100_000_000_000_000_000_000;

/// The one shard of a table's stream.
#[must_use]
pub fn shard_id(table: &str) -> String {
    dynoxide::streams::shard_id(table)
}

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Insert,
    /// It was there and is different now.
    Modify,
    /// It is gone.
    Remove,
}

impl Change {
    /// The change as stream records name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
        }
    }
}

/// One record of a stream. Keys and images are kept as the JSON that they are stored in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its place in the stream; greater is later.
    pub sequence: i64,
    /// The id that no other record has.
    pub event_id: String,
    /// What happened.
    pub change: Change,
    /// The item's key.
    pub keys: String,
    /// The item afterwards.
    pub new_image: Option<String>,
    /// The item before.
    pub old_image: Option<String>,
    /// When, in seconds since 1970.
    pub created_at: i64,
    /// Whether the item was deleted because it expired.
    pub expired: bool,
}

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    /// The records in order, without those that changed nothing.
    pub records: Vec<StreamRecord>,
    /// Where to read on: the sequence of the last record that was read.
    pub last: i64,
    /// Whether there was more to read.
    pub is_full: bool,
}

impl StreamRecord {
    /// The sequence number as readers see it.
    #[must_use]
    pub fn sequence_number(&self) -> String {
        (SEQUENCE_BASE + u128::try_from(self.sequence).unwrap_or_default()).to_string()
    }

    /// Whether the write changed nothing. DynamoDB leaves these out of its streams.
    fn changes_nothing(&self) -> bool {
        match (&self.old_image, &self.new_image) {
            // Equal items have equal lengths, whatever the order of their attributes.
            (Some(old), Some(new)) => old.len() == new.len() && (old == new || same_item(old, new)),
            _ => false,
        }
    }

    /// The size of the record by DynamoDB's rules, in bytes.
    fn size_bytes(&self, view: StreamView) -> usize {
        let images = [(view.shows_new(), &self.new_image), (view.shows_old(), &self.old_image)];
        let shown = images.iter().filter(|(shown, _)| *shown).filter_map(|(_, image)| image.as_ref());
        self.keys.len() + shown.map(String::len).sum::<usize>()
    }

    /// The record as filters look at it; images are left out unless they are looked at, for they are costly.
    #[must_use]
    pub fn to_value(&self, table: &TableConfig, with_images: bool) -> Value {
        let view = table.stream_view.unwrap_or(StreamView::NewAndOldImages);
        let parse = |json: &String| serde_json::from_str::<Value>(json).unwrap_or_default();
        let mut dynamodb = json!({
            "ApproximateCreationDateTime": self.created_at,
            "Keys": parse(&self.keys),
            "SequenceNumber": self.sequence_number(),
            "StreamViewType": view.as_str(),
        });
        for (name, shown, image) in
            [("NewImage", view.shows_new(), &self.new_image), ("OldImage", view.shows_old(), &self.old_image)]
        {
            if let (true, true, Some(image), Some(fields)) = (with_images, shown, image, dynamodb.as_object_mut()) {
                fields.insert(name.to_owned(), parse(image));
            }
        }
        let mut record = json!({
            "eventID": self.event_id,
            "eventName": self.change.as_str(),
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": dynamodb,
        });
        if let (true, Some(fields)) = (self.expired, record.as_object_mut()) {
            let identity = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
            fields.insert("userIdentity".to_owned(), identity);
        }
        record
    }

    /// The record as a function gets it.
    #[must_use]
    pub fn to_json(&self, table: &TableConfig) -> String {
        let view = table.stream_view.unwrap_or(StreamView::NewAndOldImages);
        let Self { event_id, created_at, keys, .. } = self;
        let mut json = String::with_capacity(512 + self.size_bytes(view));
        let change = self.change.as_str();
        push(
            &mut json,
            format_args!(
                r#"{{"eventID":"{event_id}","eventName":"{change}","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"{REGION}","dynamodb":{{"ApproximateCreationDateTime":{created_at},"Keys":{keys}"#
            ),
        );
        if let (true, Some(image)) = (view.shows_new(), &self.new_image) {
            push(&mut json, format_args!(r#","NewImage":{image}"#));
        }
        if let (true, Some(image)) = (view.shows_old(), &self.old_image) {
            push(&mut json, format_args!(r#","OldImage":{image}"#));
        }
        push(
            &mut json,
            format_args!(
                r#","SequenceNumber":"{}","SizeBytes":{},"StreamViewType":"{}"}},"eventSourceARN":"{}""#,
                self.sequence_number(),
                self.size_bytes(view),
                view.as_str(),
                table.stream_arn(),
            ),
        );
        if self.expired {
            json.push_str(r#","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#);
        }
        json.push('}');
        json
    }
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    if text.write_fmt(more).is_err() {
        tracing::error!("a record could not be written to memory");
    }
}

impl Database {
    /// The records of a table's stream after a place in it, at most `limit` of them read.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn stream_page(&self, table: &str, after: i64, limit: usize) -> Result<StreamPage, DatabaseError> {
        let mut records = Vec::new();
        {
            let storage = self.lock();
            let mut statement = storage.conn().prepare_cached(
                "SELECT CAST(sequence_number AS INTEGER), event_id, event_name, keys_json, new_image, old_image,
                        created_at, user_identity IS NOT NULL
                 FROM _stream_records
                 WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) > ?2
                 ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3",
            )?;
            let rows = statement.query_map((table, after, i64::try_from(limit).unwrap_or(i64::MAX)), |row| {
                Ok(StreamRecord {
                    sequence: row.get(0)?,
                    event_id: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                    change: match row.get_ref(2)?.as_str()? {
                        "INSERT" => Change::Insert,
                        "MODIFY" => Change::Modify,
                        "REMOVE" => Change::Remove,
                        _ => return Err(rusqlite::Error::InvalidColumnType(2, "event_name".to_owned(), Type::Text)),
                    },
                    keys: row.get(3)?,
                    new_image: row.get(4)?,
                    old_image: row.get(5)?,
                    created_at: row.get(6)?,
                    expired: row.get(7)?,
                })
            })?;
            for row in rows {
                records.push(row?);
            }
        }
        let last = records.last().map_or(after, |record| record.sequence);
        let is_full = records.len() >= limit;
        records.retain(|record| !record.changes_nothing());
        Ok(StreamPage { records, last, is_full })
    }

    /// All records of a table's stream after a place in it.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn records_after(&self, table: &str, after: i64) -> Result<Vec<StreamRecord>, DatabaseError> {
        Ok(self.stream_page(table, after, usize::MAX)?.records)
    }

    /// The place of the last record of a table's stream; 0 if it is empty.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn last_sequence(&self, table: &str) -> Result<i64, DatabaseError> {
        let storage = self.lock();
        let mut statement = storage.conn().prepare_cached(
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) FROM _stream_records WHERE table_name = ?1",
        )?;
        Ok(statement.query_row([table], |row| row.get(0))?)
    }

    /// Removes the records up to a place in a table's stream. The last record of all stays, for the next
    /// sequence number is counted from it.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn prune(&self, table: &str, through: i64) -> Result<usize, DatabaseError> {
        let storage = self.lock();
        let mut statement = storage.conn().prepare_cached(
            "DELETE FROM _stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2
             AND CAST(sequence_number AS INTEGER) <
                 (SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1)",
        )?;
        Ok(statement.execute((table, through))?)
    }

    /// The view that a table's stream declares.
    pub(super) fn view(&self, table: &str) -> Option<StreamView> {
        self.table(table)?.stream_view
    }
}

pub(super) fn same_item(old: &str, new: &str) -> bool {
    let parse = |json: &str| serde_json::from_str::<Value>(json);
    match (parse(old), parse(new)) {
        (Ok(Value::Object(old)), Ok(Value::Object(new))) => same_attributes(&old, &new),
        _ => false,
    }
}

fn same_attributes(old: &serde_json::Map<String, Value>, new: &serde_json::Map<String, Value>) -> bool {
    old.len() == new.len()
        && old.iter().all(|(name, value)| new.get(name).is_some_and(|other| same_value(value, other)))
}

/// Whether two values of DynamoDB are equal. The order of a set does not matter.
fn same_value(old: &Value, new: &Value) -> bool {
    let tagged = |value: &Value| {
        let (tag, value) = value.as_object()?.iter().next()?;
        Some((tag.clone(), value.clone()))
    };
    match (tagged(old), tagged(new)) {
        (Some((tag, old)), Some((other, new))) if tag == other => match (tag.as_str(), &old, &new) {
            ("SS" | "NS" | "BS", Value::Array(old), Value::Array(new)) => {
                old.len() == new.len() && old.iter().all(|member| new.contains(member))
            }
            ("L", Value::Array(old), Value::Array(new)) => {
                old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_value(old, new))
            }
            ("M", Value::Object(old), Value::Object(new)) => same_attributes(old, new),
            _ => old == new,
        },
        _ => false,
    }
}
