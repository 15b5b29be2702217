//! Events per second through the API, and how long its answers take.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use replay::api::{Api, EVENTS, Receipt};
use serde_json::Value;

use crate::events::{self, Tracks};
use crate::table::percentile;

/// The load to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The prefix of its track ids, different for every load.
    pub name: String,
    /// Events in all.
    pub events: usize,
    /// Events of one request.
    pub batch: usize,
    /// Requests at the same time.
    pub connections: usize,
    /// Tracks that the events are of.
    pub tracks: Tracks,
}

/// The result of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// Events per second that the API took.
    pub per_second: f64,
    /// Time from request to answer that half of the requests did not exceed.
    pub p50: Duration,
    /// The same of 99 in 100 requests.
    pub p99: Duration,
    /// Time from the last answer until every event was counted; nothing if that took too long.
    pub caught_up: Option<Duration>,
}

impl Load {
    /// Sends the events as fast as the API takes them, and waits at most `patience` until it has
    /// counted them all.
    ///
    /// # Errors
    /// An event was not accepted at once, or counted twice.
    pub async fn run(&self, api: &Api, now: DateTime<Utc>, patience: Duration) -> anyhow::Result<Ingested> {
        let (bodies, plays) = self.prepare(now);
        let latencies = Mutex::new(Vec::with_capacity(bodies.len()));
        let start = Instant::now();
        let accepted: u64 = stream::iter(bodies)
            .map(|body| async {
                let sent = Instant::now();
                let answer = api.send(Method::POST, EVENTS, body).await?;
                let took = sent.elapsed();
                let receipt: Receipt = serde_json::from_slice(&answer.body)
                    .with_context(|| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))?;
                ensure!(receipt.rejected.is_empty(), "rejected: {:?}", receipt.rejected.first());
                latencies.lock().map_err(|_| anyhow::anyhow!("a request panicked"))?.push(took);
                Ok(receipt.accepted)
            })
            .buffer_unordered(self.connections)
            .try_fold(0, |sum, accepted| async move { Ok(sum + accepted) })
            .await?;
        let took = start.elapsed();
        ensure!(accepted == self.events as u64, "{accepted} of {} events accepted", self.events);
        let caught_up = counted(api, &plays, patience).await?;
        let mut latencies = latencies.into_inner()?;
        latencies.sort_unstable();
        Ok(Ingested {
            per_second: self.events as f64 / took.as_secs_f64(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            caught_up,
        })
    }

    /// The requests, and how often they play each track. All that can be done beforehand is, for the
    /// generator takes its time from the same processors.
    fn prepare(&self, now: DateTime<Utc>) -> (Vec<Bytes>, BTreeMap<String, u64>) {
        let mut plays = BTreeMap::<String, u64>::new();
        let events: Vec<Value> = self
            .tracks
            .draw()
            .take(self.events)
            .enumerate()
            .map(|(number, track)| {
                let track = format!("{}-{track}", self.name);
                // All within the second before now, as live events are.
                let at = now - TimeDelta::milliseconds((number % 1_000) as i64);
                let event = events::play(&format!("{}-{number}", self.name), &track, number % 500, at);
                *plays.entry(track).or_default() += 1;
                event
            })
            .collect();
        (events.chunks(self.batch).map(events::body).collect(), plays)
    }
}

/// Waits until each track's plays are counted, and returns how long that took.
async fn counted(api: &Api, plays: &BTreeMap<String, u64>, patience: Duration) -> anyhow::Result<Option<Duration>> {
    let start = Instant::now();
    for (track, &expected) in plays {
        loop {
            let counted = api.track(track).await?.map_or(0, |track| track.counters.total_plays);
            ensure!(counted <= expected, "{counted} plays of {track} counted, {expected} sent");
            if counted == expected {
                break;
            }
            if start.elapsed() > patience {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(Some(start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_prepared_once() {
        let load = Load { name: "t".to_owned(), events: 101, batch: 50, connections: 1, tracks: Tracks::Zipf(10) };
        let (bodies, plays) = load.prepare(DateTime::UNIX_EPOCH);
        let sizes: Vec<usize> = bodies
            .iter()
            .map(|body| serde_json::from_slice::<serde_json::Value>(body).unwrap()["events"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [50, 50, 1]);
        assert_eq!(plays.values().sum::<u64>(), 101);
    }
}
