//! Sends events in batches over several connections, until each is answered for.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::api::{Api, ApiError, Rejection};
use crate::play::Play;

/// The reason of a rejection after which the event may be sent again.
const RETRY: &str = "retry";

/// The options of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests at the same time, at least 1.
    pub connections: usize,
    /// Events of one request, 1 to 1,000.
    pub batch: usize,
}

/// Batches of 50 over 8 connections.
impl Default for Pace {
    fn default() -> Self {
        Self { connections: 8, batch: 50 }
    }
}

/// The outcomes of the events. The numbers add up to the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Events that are recorded.
    pub accepted: u64,
    /// Events that the API dropped as a crawler's.
    pub dropped: u64,
    /// Events that the API will not have, in the order of their lines.
    pub refused: Vec<Refused>,
    /// Events that were sent again because the API requested it.
    pub sent_again: u64,
}

/// An event that the API will not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The line of the log that it comes from.
    pub line: usize,
    /// Its id.
    pub id: String,
    /// The API's reason.
    pub reason: String,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// Sends the events; `progress` hears of each number of them that has been answered for.
///
/// # Errors
/// The first request that failed in spite of all patience. What was sent until then stays
/// recorded, and to send it again changes nothing.
pub async fn replay(api: &Api, plays: &[Play], pace: Pace, progress: impl Fn(u64)) -> Result<Loaded, ApiError> {
    let progress = &progress;
    let mut loaded = stream::iter(plays.chunks(pace.batch.max(1)))
        .map(|batch| send(api, batch, progress))
        .buffer_unordered(pace.connections.max(1))
        .try_fold(Loaded::default(), |sum, batch| async { Ok(sum.and(batch)) })
        .await?;
    loaded.refused.sort();
    Ok(loaded)
}

/// Sends one batch, then what is left of it, until nothing is or patience ends.
async fn send(api: &Api, batch: &[Play], progress: &impl Fn(u64)) -> Result<Loaded, ApiError> {
    #[derive(Serialize)]
    struct Batch<'a> {
        events: &'a [&'a Play],
    }
    let mut loaded = Loaded::default();
    let mut left: Vec<&Play> = batch.iter().collect();
    let mut round = 0;
    loop {
        round += 1;
        let body = serde_json::to_vec(&Batch { events: &left }).map_err(|error| ApiError::Setup(error.to_string()))?;
        let receipt = api.post_events(body.into()).await?;
        if receipt.accepted + receipt.dropped + receipt.rejected.len() as u64 != left.len() as u64 {
            return Err(ApiError::Malformed(format!("{} events sent, but answered for: {receipt:?}", left.len())));
        }
        loaded.accepted += receipt.accepted;
        loaded.dropped += receipt.dropped;
        let last = round >= api.patience().tries;
        let mut again = Vec::new();
        for Rejection { index, reason, field } in receipt.rejected {
            let Some(&play) = left.get(index) else {
                return Err(ApiError::Malformed(format!("event {index} of {} rejected", left.len())));
            };
            if reason == RETRY && !last {
                again.push(play);
            } else {
                loaded.refused.push(Refused { line: play.line, id: play.id.clone(), reason, field });
            }
        }
        progress((left.len() - again.len()) as u64);
        if again.is_empty() {
            return Ok(loaded);
        }
        loaded.sent_again += again.len() as u64;
        left = again;
        api.patience().rest(round, None).await;
    }
}

impl Loaded {
    fn and(mut self, other: Self) -> Self {
        self.accepted += other.accepted;
        self.dropped += other.dropped;
        self.refused.extend(other.refused);
        self.sent_again += other.sent_again;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::play::Source;
    use crate::stub::Stub;

    fn plays(count: usize) -> Vec<Play> {
        let play = |line| Play {
            line,
            id: format!("id-{line}"),
            r#type: "play",
            track_id: "log:a".to_owned(),
            session_id: "session".to_owned(),
            timestamp: "2015-05-17T10:05:03.000Z".to_owned(),
            source: Source::Direct,
            duration: None,
        };
        (1..=count).map(play).collect()
    }

    /// The ids of a request's events.
    fn ids(body: &str) -> Vec<String> {
        let body: Value = serde_json::from_str(body).unwrap();
        body["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    fn receipt(accepted: usize, rejected: Value) -> String {
        json!({ "accepted": accepted, "rejected": rejected, "dropped": 0, "serverTime": "-" }).to_string()
    }

    #[tokio::test]
    async fn every_event_arrives_though_some_are_put_off() {
        let taken = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        let seen = Arc::clone(&taken);
        let stub = Stub::start(move |number, request| {
            if number % 3 == 2 {
                return Some((503, String::new()));
            }
            let ids = ids(&request.body);
            // Each batch loses its last event once; one event is never taken.
            let mut seen = seen.lock().unwrap();
            let mut rejected = Vec::new();
            for (index, id) in ids.iter().enumerate() {
                let times = seen.entry(id.clone()).or_default();
                *times += 1;
                if id == "id-7" {
                    rejected.push(json!({ "index": index, "id": id, "reason": "unknown source", "field": "source" }));
                } else if index == 9 && *times == 1 {
                    rejected.push(json!({ "index": index, "id": id, "reason": "retry" }));
                }
            }
            Some((if rejected.is_empty() { 200 } else { 207 }, receipt(ids.len() - rejected.len(), rejected.into())))
        })
        .await;

        let done = AtomicU64::new(0);
        let pace = Pace { connections: 3, batch: 10 };
        let progress = |count| {
            done.fetch_add(count, Ordering::Relaxed);
        };
        let loaded = replay(&stub.api(), &plays(35), pace, progress).await.unwrap();
        assert_eq!(done.into_inner(), 35);
        assert_eq!((loaded.accepted, loaded.dropped, loaded.sent_again), (34, 0, 3));
        let refused = Refused {
            line: 7,
            id: "id-7".to_owned(),
            reason: "unknown source".to_owned(),
            field: Some("source".to_owned()),
        };
        assert_eq!(loaded.refused, [refused]);
        assert_eq!(taken.lock().unwrap().len(), 35);
    }

    #[tokio::test]
    async fn what_is_put_off_for_ever_is_refused_in_the_end() {
        let stub =
            Stub::start(|_, _| Some((207, receipt(0, json!([{ "index": 0, "id": "id-1", "reason": "retry" }]))))).await;
        let loaded = replay(&stub.api(), &plays(1), Pace::default(), |_| ()).await.unwrap();
        assert_eq!((loaded.accepted, loaded.refused.len()), (0, 1));
        assert_eq!(stub.requests().len(), 5);
    }

    #[tokio::test]
    async fn an_answer_that_leaves_events_out_is_an_error() {
        let stub = Stub::start(|_, _| Some((200, receipt(1, json!([]))))).await;
        let error = replay(&stub.api(), &plays(2), Pace::default(), |_| ()).await.unwrap_err();
        assert!(matches!(error, ApiError::Malformed(_)), "{error}");
    }
}
