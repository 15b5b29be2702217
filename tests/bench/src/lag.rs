//! The time from an accepted event to the counters of its track.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::{self, Either};
use futures::stream::{self, StreamExt, TryStreamExt};
use replay::api::Api;
use system::clock::Clock;

use crate::events::{self, Tracks};
use crate::table::percentile;

/// The polling interval of a counter, which is the precision of the lag.
const INTERVAL: Duration = Duration::from_millis(2);

/// The options of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// The prefix of its track ids, different for every load.
    pub name: String,
    /// Events whose lag is measured.
    pub probes: usize,
    /// Whether each of them is the first of its track, or one more of the same.
    pub fresh: bool,
    /// Events per second of other tracks meanwhile, in requests of ten.
    pub background: u32,
    /// The longest lag that is waited for.
    pub patience: Duration,
}

/// Lags, from the answer to the first read that shows the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The median.
    pub p50: Duration,
    /// The same of 99 in 100.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Probing {
    /// Sends the probes, one after the other, under the load of other events.
    ///
    /// # Errors
    /// A request failed, or an event did not show in time.
    pub async fn run(&self, api: &Api, clock: &dyn Clock) -> anyhow::Result<Lag> {
        let probes = std::pin::pin!(self.probe_all(api, clock));
        let background = std::pin::pin!(self.disturb(api, clock));
        match future::select(probes, background).await {
            Either::Left((lags, _)) => lags,
            Either::Right((failure, _)) => Err(failure),
        }
    }

    async fn probe_all(&self, api: &Api, clock: &dyn Clock) -> anyhow::Result<Lag> {
        let mut lags: Vec<Duration> = stream::iter(0..self.probes)
            .then(|number| async move {
                let lag = self.probe(api, clock, number).await;
                // Random pauses, so that probes do not synchronize with periodic work.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
                lag
            })
            .try_collect()
            .await?;
        lags.sort_unstable();
        Ok(Lag { p50: percentile(&lags, 50), p99: percentile(&lags, 99), longest: percentile(&lags, 100) })
    }

    async fn probe(&self, api: &Api, clock: &dyn Clock, number: usize) -> anyhow::Result<Duration> {
        let (track, expected) =
            if self.fresh { (format!("{}-{number}", self.name), 1) } else { (self.name.clone(), number as u64 + 1) };
        let event = events::play(&format!("{}-{number}", self.name), &track, number, clock.now());
        let receipt = api.post_events(events::body(&[event])).await?;
        let answered = Instant::now();
        ensure!(receipt.accepted == 1, "not accepted: {receipt:?}");
        loop {
            let found = api.track(&track).await?.map_or(0, |track| track.counters.total_plays);
            ensure!(found <= expected, "{found} plays of {track} counted, {expected} sent");
            if found == expected {
                return Ok(answered.elapsed());
            }
            ensure!(answered.elapsed() < self.patience, "event {number} did not show within {:?}", self.patience);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Sends events of other tracks until it is dropped; returns only if that fails.
    async fn disturb(&self, api: &Api, clock: &dyn Clock) -> anyhow::Error {
        const BATCH: u32 = 10;
        if self.background == 0 {
            return future::pending().await;
        }
        let mut tracks = Tracks::Zipf(1_000).draw();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) * BATCH / self.background);
        for request in 0_u64.. {
            ticks.tick().await;
            let event = |(track, number): (usize, u32)| {
                let id = format!("{}-other-{request}-{number}", self.name);
                events::play(&id, &format!("{}-other-{track}", self.name), 0, clock.now())
            };
            let body = events::body(&tracks.by_ref().zip(0..BATCH).map(event).collect::<Vec<_>>());
            if let Err(error) = api.post_events(body).await {
                return error.into();
            }
        }
        future::pending().await
    }
}
