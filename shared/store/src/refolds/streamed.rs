//! Reads records of a stream again: a failure message of an event source mapping names them by sequence number only.

use std::collections::HashMap;

use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::ToRefold;
use crate::error::StoreError;
use crate::keys::{self, PK, SK};

/// How many reads of 1 MB or 1,000 records are made at most: a batch has at most 10,000 records and 6 MB.
const READS: usize = 100;

/// A range of failed records of a stream, as in Lambda's failure message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRange {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard_id: String,
    /// The sequence number of the first record.
    pub start_sequence_number: String,
    /// The sequence number of the last record.
    pub end_sequence_number: String,
}

/// Reads the streams of tables.
#[derive(Debug, Clone)]
pub struct StreamedRecords {
    client: aws_sdk_dynamodbstreams::Client,
}

/// Sequence numbers have up to 40 digits, more than any integer. They are compared by length first.
fn order(number: &str) -> (usize, &str) {
    let number = number.trim_start_matches('0');
    (number.len(), number)
}

impl StreamedRecords {
    /// Reads streams with this client.
    #[must_use]
    pub fn new(client: aws_sdk_dynamodbstreams::Client) -> Self {
        Self { client }
    }

    /// The units of the records of a range; `None` if the stream no longer has all of them.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn read<'a>(
        &'a self,
        range: &'a StreamRange,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<ToRefold>, StoreError>> {
        Box::pin(async move {
            let iterator = self
                .client
                .get_shard_iterator()
                .stream_arn(&range.stream_arn)
                .shard_id(&range.shard_id)
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .sequence_number(&range.start_sequence_number);
            let mut iterator = match timeout_at(deadline, iterator.send()).await? {
                Ok(answer) => answer.shard_iterator,
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let (mut found, mut has_begun) = (ToRefold::default(), false);
            for _ in 0..READS {
                let Some(at) = iterator else { return Ok(None) };
                let page = match timeout_at(deadline, self.client.get_records().shard_iterator(at).send()).await? {
                    Ok(page) => page,
                    Err(error) if is_gone(&error) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                for record in page.records() {
                    let number = record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or_default();
                    if !has_begun && order(number) != order(&range.start_sequence_number) {
                        return Ok(None);
                    }
                    has_begun = true;
                    // A mapping delivers only what its filter passes. Other records in the range have nothing to fold.
                    if let Some((pk, sk)) = key(record).filter(|(pk, sk)| keys::parse_unit(pk, sk).is_ok()) {
                        found.add(pk, sk);
                    }
                    if order(number) >= order(&range.end_sequence_number) {
                        return Ok(Some(found));
                    }
                }
                iterator = page.next_shard_iterator;
            }
            Ok(None)
        })
    }
}

fn key(record: &Record) -> Option<(&str, &str)> {
    let keys: &HashMap<String, AttributeValue> = record.dynamodb()?.keys()?;
    let text = |name: &str| keys.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    Some((text(PK)?, text(SK)?))
}

/// Whether the stream no longer has such a record, shard or stream.
fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let codes = ["TrimmedDataAccessException", "ResourceNotFoundException", "ValidationException"];
    error.code().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_ordered_by_their_values() {
        assert!(order("99") < order("100"));
        assert!(order("0100") == order("100") && order("101") > order("100"));
    }
}
