//! Stream records, as typed changes.

use std::collections::HashMap;

use aws_lambda_events::dynamodb::{EventRecord, StreamRecord};
use serde_dynamo::AttributeValue;

use domain::calendar::Period;
use domain::date_range;
use domain::entity::{Bucket, Entity};
use domain::live::Channel;
use domain::purchase::{Buyer, Item};
use domain::time::Minute;
use store::{self, MembershipChange, keys};

/// Why a record cannot be read as a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableRecord(pub String);

/// The bucket whose facts a record of the facts' stream says have changed.
///
/// # Errors
/// If the record is not about a fact.
pub fn touched_bucket(record: &EventRecord) -> Result<Bucket, UnreadableRecord> {
    let (pk, sk) = (key(record, keys::PK)?, key(record, keys::SK)?);
    let (bucket, _, _) = keys::parse_fact(pk, sk).map_err(|error| UnreadableRecord(format!("{pk}/{sk}: {error}")))?;
    Ok(bucket)
}

fn key<'a>(record: &'a EventRecord, name: &str) -> Result<&'a str, UnreadableRecord> {
    match record.change.keys.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.as_str()),
        _ => Err(UnreadableRecord(format!("a record without {name}"))),
    }
}

/// The channel that a record of the outbox's stream says has events; none where one was sent, or expired: a removal adds none.
///
/// # Errors
/// If the record is not about an event.
pub fn channel(record: &EventRecord) -> Result<Option<Channel>, UnreadableRecord> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    let pk = key(record, keys::PK)?;
    keys::parse_outbox(pk).map(Some).map_err(|error| UnreadableRecord(format!("{pk}: {error}")))
}

/// What a record of the stream of purchases says has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sold {
    /// Sales or refunds of an item in a minute.
    Item(Item, Minute),
    /// Purchases of a buyer that were made on a day of UTC.
    Buyer(Buyer, Period),
}

/// What a record of the stream of purchases says has changed.
///
/// # Errors
/// If it is about neither.
pub fn sold(record: &EventRecord) -> Result<Sold, UnreadableRecord> {
    let (pk, sk) = (key(record, keys::PK)?, key(record, keys::SK)?);
    if pk.starts_with(keys::BUYERS) {
        let (buyer, at) =
            keys::parse_purchase_of(pk, sk).map_err(|_| UnreadableRecord(format!("{pk}/{sk}: not a purchase")))?;
        return Ok(Sold::Buyer(buyer, date_range::day_of(at)));
    }
    match touched_bucket(record)? {
        Bucket { entity: Entity::PurchasedItem(item), minute } => Ok(Sold::Item(item, minute)),
        Bucket { .. } => Err(UnreadableRecord(format!("{pk}/{sk}: a fact of no item that is sold"))),
    }
}

/// What a record says has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The facts of a bucket.
    Facts(Bucket),
    /// A package, which may hold other quizzes now.
    Package(MembershipChange),
}

/// What a record of the stream of facts or of documents says has changed.
///
/// # Errors
/// If the record is about neither.
pub fn change(record: &EventRecord) -> Result<Change, UnreadableRecord> {
    let StreamRecord { keys, old_image, new_image, .. } = &record.change;
    match store::membership_change(keys, old_image, new_image).map_err(|error| UnreadableRecord(error.to_string()))? {
        Some(change) => Ok(Change::Package(change)),
        None => touched_bucket(record).map(Change::Facts),
    }
}

/// The name of the event of a record that an operator has folded again: no stream gives it.
const REFOLD: &str = "REFOLD";

/// A record that refolds what its key names, whether or not the item still exists.
#[must_use]
pub fn refold_record((pk, sk): &(String, String)) -> EventRecord {
    let mut record = EventRecord::default();
    record.event_name = REFOLD.to_owned();
    let key = [(keys::PK, pk), (keys::SK, sk)];
    let key = key.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.clone())));
    record.change.keys = HashMap::from(key).into();
    record
}

/// The key of what a record is about.
#[must_use]
pub fn key_of(record: &EventRecord) -> Option<(String, String)> {
    let (pk, sk) = (key(record, keys::PK).ok()?, key(record, keys::SK).ok()?);
    Some((pk.to_owned(), sk.to_owned()))
}

/// Whether a record is one of [`refold_record`].
#[must_use]
pub fn is_refold(record: &EventRecord) -> bool {
    record.event_name == REFOLD
}

/// Whether a record is about an item that expired: retention removes facts, never numbers. No filter of an event source
/// mapping can tell it ([decision 41](../../../docs/decisions/0041-filters-look-at-keys.md);
/// [time to live and streams](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html)).
#[must_use]
pub fn is_expiry(record: &EventRecord) -> bool {
    record
        .user_identity
        .as_ref()
        .is_some_and(|identity| identity.type_ == "Service" && identity.principal_id == "dynamodb.amazonaws.com")
}
