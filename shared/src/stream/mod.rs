//! Stream records, as typed changes.

use aws_lambda_events::dynamodb::EventRecord;
use serde_dynamo::AttributeValue;

use crate::domain::entity::Bucket;
use crate::store::keys;

/// A record that says nothing this program understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Foreign(String);

/// The bucket whose facts a record of the facts' stream says have changed.
///
/// # Errors
/// If the record is not about a fact.
pub fn touched_bucket(record: &EventRecord) -> Result<Bucket, Foreign> {
    let key = |name| match record.change.keys.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.as_str()),
        _ => Err(Foreign(format!("a record without {name}"))),
    };
    let (pk, sk) = (key(keys::PK)?, key(keys::SK)?);
    let (bucket, _, _) = keys::parse_fact(pk, sk).map_err(|error| Foreign(format!("{pk}/{sk}: {error}")))?;
    Ok(bucket)
}

/// Whether a record tells of an item that expired: retention removes facts, never numbers
/// ([time to live and streams](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html)).
#[must_use]
pub fn is_expiry(record: &EventRecord) -> bool {
    record
        .user_identity
        .as_ref()
        .is_some_and(|identity| identity.type_ == "Service" && identity.principal_id == "dynamodb.amazonaws.com")
}
