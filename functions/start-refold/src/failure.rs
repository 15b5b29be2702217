//! Reading the messages of the updaters' queues of failures.

use runtime::batch::EventRecord;
use runtime::stream::key_of;
use serde::Deserialize;
use serde_json::Value;
use store::{RefoldChunk, StreamRange};

/// What a message of a queue of failures is about.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// Records with these keys.
    Records(Vec<(String, String)>),
    /// Records of a stream that the mapping gave up.
    Range(StreamRange),
}

/// A record that an updater set aside, with its reason.
#[derive(Deserialize)]
struct SetAside {
    record: EventRecord,
}

/// What Lambda says of a batch that it gave up.
#[derive(Deserialize)]
struct GivenUp {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: StreamRange,
}

impl Failure {
    /// Reads a message: a record that was set aside, one that was deferred, a chunk of a refold, or a batch that was given
    /// up.
    pub(crate) fn of(message: &Value) -> Option<Self> {
        if let Ok(GivenUp { batch }) = GivenUp::deserialize(message) {
            return Some(Self::Range(batch));
        }
        if let Ok(chunk) = RefoldChunk::deserialize(message) {
            return Some(Self::Records(chunk.keys));
        }
        let record = SetAside::deserialize(message).map(|set_aside| set_aside.record);
        let record = record.or_else(|_| EventRecord::deserialize(message)).ok()?;
        Some(Self::Records(vec![key_of(&record)?]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_message_of_an_updater_is_understood() {
        let record = json!({
            "awsRegion": "r", "eventID": "e", "eventName": "INSERT",
            "dynamodb": {"Keys": {"pk": {"S": "a"}, "sk": {"S": "b"}}, "SequenceNumber": "1", "SizeBytes": 1},
        });
        let keys = vec![("a".to_owned(), "b".to_owned())];
        let chunk = RefoldChunk::new("r".parse().unwrap(), keys.clone());
        let messages = [record.clone(), json!({"function": "f", "reason": "corrupt", "record": record}), json!(chunk)];
        for message in messages {
            assert_eq!(Failure::of(&message), Some(Failure::Records(keys.clone())), "{message}");
        }
        let given_up = json!({"requestContext": {}, "DDBStreamBatchInfo": {
            "shardId": "s", "startSequenceNumber": "1", "endSequenceNumber": "2", "batchSize": 2, "streamArn": "arn",
        }});
        assert!(
            matches!(Failure::of(&given_up), Some(Failure::Range(StreamRange { shard_id, .. })) if shard_id == "s")
        );
        for foreign in [json!({}), json!({"refresh": "x", "lane": 1}), json!({"record": {}})] {
            assert_eq!(Failure::of(&foreign), None, "{foreign}");
        }
    }
}
