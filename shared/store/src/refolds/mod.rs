//! Refolds: units folded from their facts again, as a job with progress.
//!
//! A refold finds keys, puts them into chunks, and sends each chunk to the updater of its system, which folds it like the
//! records of its stream. A chunk is recorded before it is sent and again when it is folded, under a name that follows from
//! its units: it counts once, however often it is found, sent and folded. A refold is done when every recorded unit is
//! folded.

mod scan;
mod streamed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::error::StoreError;
use super::items::Item;
use super::jobs::{JobProgress, TaskOutcome};
use super::keys::{self, Key};
use super::refresh::Refresher;
use super::sums::Sums;
use crate::setup::{Setup, StatsTable};
use domain::id::RefoldId;
use domain::refold::{System, Unit};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use scan::{FactScan, ScanPart};
pub use streamed::{StreamRange, StreamedRecords};

/// How many units a chunk has at most.
const CHUNK: usize = 25;

/// How many chunks one transaction records, with the progress that they add to.
const RECORD_CHUNK: usize = 90;

/// How long the progress of a refold is kept.
const RETENTION: TimeDelta = TimeDelta::days(30);

const FOUND: &str = "found";
const FOLDED: &str = "folded";
const FAILED: &str = "failed";
const PARTS: &str = "parts";
const PARTS_ENDED: &str = "ended";

/// Units that an updater folds together, as a message of its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefoldChunk {
    /// The refold.
    pub refold: RefoldId,
    /// The name of the chunk, unique in the refold.
    pub chunk: String,
    /// The keys of records of its units.
    pub keys: Vec<(String, String)>,
}

impl RefoldChunk {
    /// A chunk of units with these keys.
    #[must_use]
    pub fn new(refold: RefoldId, keys: Vec<(String, String)>) -> Self {
        let mut digest = Sha256::new();
        for part in keys.iter().flat_map(|(pk, sk)| [pk, sk]) {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let chunk = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { refold, chunk, keys }
    }

    fn key(&self) -> Key {
        keys::refold_chunk(&self.refold, &self.chunk)
    }

    fn units(&self) -> i64 {
        i64::try_from(self.keys.len()).unwrap_or(i64::MAX)
    }
}

/// The keys of the records that are to be folded again, each unit once, by system.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ToRefold(BTreeMap<System, BTreeSet<Key>>);

impl ToRefold {
    /// The records of these units.
    #[must_use]
    pub fn of(units: &[Unit]) -> Self {
        let mut all = Self::default();
        for Key { pk, sk } in units.iter().map(keys::record_of) {
            all.add(&pk, &sk);
        }
        all
    }

    /// Adds a record; `false` if no updater folds its subject.
    pub fn add(&mut self, pk: &str, sk: &str) -> bool {
        let Ok(system) = keys::system_of(pk) else { return false };
        // A key that no updater can parse goes to one as well, which reports the failure.
        let key = keys::parse_unit(pk, sk).map(|unit| keys::record_of(&unit));
        let key = key.unwrap_or_else(|_| Key { pk: pk.to_owned(), sk: sk.to_owned() });
        self.0.entry(system).or_default().insert(key);
        true
    }

    /// Whether there is nothing to fold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys in chunks, each for the updater of a system.
    #[must_use]
    pub fn chunks(&self, refold: &RefoldId) -> Vec<(System, RefoldChunk)> {
        let mut chunks = Vec::new();
        for (system, keys) in &self.0 {
            let keys: Vec<(String, String)> = keys.iter().map(|key| (key.pk.clone(), key.sk.clone())).collect();
            let of_system = keys.chunks(CHUNK).map(|keys| (*system, RefoldChunk::new(refold.clone(), keys.to_vec())));
            chunks.extend(of_system);
        }
        chunks
    }
}

/// The progress of a refold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefoldProgress {
    /// When the refold started.
    pub started_at: Time,
    /// When the progress last changed.
    pub as_of: Time,
    /// How many units have been found.
    pub found: i64,
    /// How many of them are folded.
    pub folded: i64,
    /// How many of them cannot be folded; the updaters' logs have the reasons.
    pub failed: i64,
    /// How many parts the scan has.
    pub parts: i64,
    /// How many of them have been read to their end.
    pub parts_ended: i64,
}

impl RefoldProgress {
    /// Whether the scan has ended and every unit is folded or has failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.parts_ended == self.parts && self.folded + self.failed == self.found
    }
}

/// Starts refolds and records their progress.
#[derive(Clone)]
pub struct Refolds {
    stats: StatsTable,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Refolds {
    /// Opens the refolds.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table(), clock: setup.clock(), ids: setup.ids() }
    }

    fn progress_of(&self, refold: &RefoldId) -> JobProgress<'_> {
        let refresher = Refresher { stats: &self.stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() };
        JobProgress { refresher, key: keys::refold(refold), retention: RETENTION }
    }

    /// Starts a refold whose scan has so many parts. Returns its id.
    ///
    /// # Errors
    /// If its progress could not be stored.
    pub fn start(&self, parts: usize) -> BoxFuture<'_, Result<RefoldId, StoreError>> {
        Box::pin(async move {
            let fresh = self.ids.fresh();
            let refold: RefoldId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            let parts = Item::from([(PARTS.to_owned(), AttributeValue::N(parts.to_string()))]);
            self.progress_of(&refold).start(Time::from(self.clock.now()), parts).await?;
            Ok(refold)
        })
    }

    /// The progress of a refold; `None` if there is no such refold or it has expired.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn progress<'a>(&'a self, refold: &'a RefoldId) -> BoxFuture<'a, Result<Option<RefoldProgress>, StoreError>> {
        Box::pin(async move {
            let stored = self.progress_of(refold).read().await?;
            Ok(stored.map(|stored| RefoldProgress {
                started_at: stored.started_at,
                as_of: stored.as_of,
                found: stored.sums.get(FOUND),
                folded: stored.sums.get(FOLDED),
                failed: stored.sums.get(FAILED),
                parts: stored.sums.get(PARTS),
                parts_ended: stored.sums.get(PARTS_ENDED),
            }))
        })
    }

    /// Records chunks before they are sent. A chunk that is recorded already stays as it is.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn record_found<'a>(
        &'a self,
        chunks: &'a [&'a RefoldChunk],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            for chunks in chunks.chunks(RECORD_CHUNK) {
                let Some(first) = chunks.first() else { continue };
                let found: BTreeMap<Key, TaskOutcome> = chunks.iter().map(|chunk| found(chunk)).collect();
                let outcomes: Vec<TaskOutcome> = found.into_values().collect();
                self.progress_of(&first.refold).record(&outcomes, deadline).await?;
            }
            Ok(())
        })
    }

    /// Records how many units of a chunk are folded and how many cannot be. The other units are in `split`, as chunks of
    /// their own.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn record_folded<'a>(
        &'a self,
        chunk: &'a RefoldChunk,
        (folded, failed): (usize, usize),
        split: &'a [RefoldChunk],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            let (folded, failed) = (count(folded), count(failed));
            let sums = Sums::from_iter([(FOUND, folded + failed), (FOLDED, folded), (FAILED, failed)]);
            let mut outcomes: BTreeMap<Key, TaskOutcome> = split.iter().map(found).collect();
            outcomes.insert(chunk.key(), TaskOutcome { key: chunk.key(), sums, merge: replace });
            let outcomes: Vec<TaskOutcome> = outcomes.into_values().collect();
            self.progress_of(&chunk.refold).record(&outcomes, deadline).await
        })
    }

    /// Records that a part of a scan has been read to its end.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn record_part_end<'a>(
        &'a self,
        refold: &'a RefoldId,
        part: i32,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (key, sums) = (keys::refold_part(refold, part), Sums::from_iter([(PARTS_ENDED, 1)]));
            self.progress_of(refold).record(&[TaskOutcome { key, sums, merge: replace }], deadline).await
        })
    }
}

/// The units of a chunk are to be folded, unless the chunk is recorded already and perhaps folded.
fn found(chunk: &RefoldChunk) -> (Key, TaskOutcome) {
    let merge = |stored: Option<&Sums>, new: &Sums| if stored.is_some() { None } else { Some(new.clone()) };
    let outcome = TaskOutcome { key: chunk.key(), sums: Sums::from_iter([(FOUND, chunk.units())]), merge };
    (chunk.key(), outcome)
}

fn replace(_stored: Option<&Sums>, new: &Sums) -> Option<Sums> {
    Some(new.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_is_named_by_its_units_and_unit_is_in_one_chunk() {
        let refold: RefoldId = "r".parse().unwrap();
        let hour = "TRACK#song#2026-01-31T12";
        let (mut all, mut same) = (ToRefold::default(), ToRefold::default());
        for second in 0..60 {
            assert!(all.add(hour, &format!("34:{second:02}.000#play#e{second}#s:s")));
        }
        assert!(same.add(hour, "34:59.999#like#x#u:sam") && all.add("BUYER#u:sam", "2026-01-31T12:00:00.000Z#p"));
        assert!(!all.add("CHANNEL#x", "y"));
        let chunks = all.chunks(&refold);
        assert_eq!(
            chunks.iter().map(|(system, chunk)| (*system, chunk.keys.len())).collect::<Vec<_>>(),
            [(System::Tracks, 1), (System::Sales, 1)]
        );
        assert_eq!(chunks[0].1, same.chunks(&refold)[0].1);
        assert_ne!(chunks[0].1.chunk, chunks[1].1.chunk);
        let mut many = ToRefold::default();
        (0..60).for_each(|minute| assert!(many.add(hour, &format!("{minute:02}:00.000#play#e#s:s"))));
        let lengths: Vec<usize> = many.chunks(&refold).iter().map(|(_, chunk)| chunk.keys.len()).collect();
        assert_eq!(lengths, [25, 25, 10]);
    }
}
