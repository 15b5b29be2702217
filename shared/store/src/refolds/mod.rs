//! Refolds: units folded from their facts again, with the progress to ask for.
//!
//! A refold finds keys, puts them together in chunks, and sends each chunk to the updater of its system, which folds it as
//! it folds what its stream brings. A chunk is noted before it is sent and again when it is folded, under a name that
//! follows from its units: however often it is found, sent and folded, it counts once. So a refold is done when every
//! unit that was noted is folded.

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

use super::contributions::{AS_OF, Contributions};
use super::error::StoreError;
use super::items::{TTL, VERSION, text, to_key};
use super::keys::{self, Key};
use super::quizzes::as_of;
use super::retry;
use super::sums::Sums;
use super::table::Consistency;
use super::transaction::Condition;
use crate::setup::{Setup, StatsTable};
use domain::id::RefoldId;
use domain::refold::{System, Unit};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use scan::{FactScan, ScanPart};
pub use streamed::{StreamRange, StreamedRecords};

/// How many units a chunk has.
const CHUNK: usize = 25;

/// How many chunks are noted in one transaction, with the one item that they add to.
const TOGETHER: usize = 90;

/// How long the progress of a refold can be asked for.
const KEPT: TimeDelta = TimeDelta::days(30);

/// When a refold began.
const STARTED: &str = "startedAt";

/// Of how many parts its scan is.
const PARTS: &str = "parts";

/// Units that an updater folds together, as a queue's message says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefoldChunk {
    /// Which refold.
    pub refold: RefoldId,
    /// The chunk's name in it.
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

/// The keys of records that are to be folded again, each unit once, by the system whose updater folds them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ToRefold(BTreeMap<System, BTreeSet<Key>>);

impl ToRefold {
    /// These units.
    #[must_use]
    pub fn of(units: &[Unit]) -> Self {
        let mut all = Self::default();
        for Key { pk, sk } in units.iter().map(keys::record_of) {
            all.add(&pk, &sk);
        }
        all
    }

    /// One more record; `false` if no updater folds what it is about.
    pub fn add(&mut self, pk: &str, sk: &str) -> bool {
        let Ok(system) = keys::system_of(pk) else { return false };
        // What no updater understands goes to one all the same: it is told that it failed.
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

    /// They, in chunks.
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

/// How far a refold has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefoldProgress {
    /// When it began.
    pub started_at: Time,
    /// When it last came on.
    pub as_of: Time,
    /// How many units it has found.
    pub found: i64,
    /// How many of them are folded.
    pub folded: i64,
    /// How many of them cannot be folded; the updaters' logs say why.
    pub failed: i64,
    /// Of how many parts its scan is.
    pub parts: i64,
    /// How many of them have come to their end.
    pub parts_ended: i64,
}

impl RefoldProgress {
    /// Whether all is found and folded, or cannot be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.parts_ended == self.parts && self.folded + self.failed == self.found
    }
}

/// The progress of refolds, in the table of numbers.
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

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Begins a refold whose scan has so many parts; tells its id.
    ///
    /// # Errors
    /// If it could not be noted.
    pub fn begin(&self, parts: usize) -> BoxFuture<'_, Result<RefoldId, StoreError>> {
        Box::pin(async move {
            let fresh = self.ids.fresh();
            let refold: RefoldId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            let now = self.now();
            let mut item = to_key(&keys::refold(&refold));
            for (name, value) in [(STARTED, now.to_string()), (AS_OF, now.to_string())] {
                item.insert(name.to_owned(), AttributeValue::S(value));
            }
            item.insert(PARTS.to_owned(), AttributeValue::N(parts.to_string()));
            item.insert(TTL.to_owned(), expiry(now));
            // The id is fresh: what lies there already is this item, whose answer was lost.
            self.stats.put(item, Condition::default()).await?;
            Ok(refold)
        })
    }

    /// How far a refold has come; `None` if there is none of this id, or it was long ago.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn progress<'a>(&'a self, refold: &'a RefoldId) -> BoxFuture<'a, Result<Option<RefoldProgress>, StoreError>> {
        Box::pin(async move {
            let key = keys::refold(refold);
            let Some(item) = self.stats.get(&key, Consistency::Strong).await? else { return Ok(None) };
            // What is noted of a refold after it has expired is no refold.
            let Some(started_at) = text(&item, STARTED) else { return Ok(None) };
            let sums = Sums::of(&item);
            Ok(Some(RefoldProgress {
                started_at: started_at.parse().map_err(|error| StoreError::corrupt(&key.pk, error))?,
                as_of: as_of(&item, &key)?,
                found: sums.get("found"),
                folded: sums.get("folded"),
                failed: sums.get("failed"),
                parts: sums.get(PARTS),
                parts_ended: sums.get("ended"),
            }))
        })
    }

    /// Notes chunks that are to be sent, those that are not noted yet.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn found<'a>(
        &'a self,
        chunks: &'a [&'a RefoldChunk],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            for chunks in chunks.chunks(TOGETHER) {
                let Some(first) = chunks.first() else { continue };
                let found = chunks.iter().map(|chunk| (chunk.key(), Note::Found(chunk.units())));
                let notes: BTreeMap<Key, Note> = found.collect();
                retry::until(deadline, || Box::pin(self.note(&first.refold, &notes, deadline))).await?;
            }
            Ok(())
        })
    }

    /// Notes of a chunk how many of its units are folded and how many cannot be; the rest are in chunks of their own.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn folded<'a>(
        &'a self,
        chunk: &'a RefoldChunk,
        (folded, failed): (usize, usize),
        apart: &'a [RefoldChunk],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            let apart = apart.iter().map(|chunk| (chunk.key(), Note::Found(chunk.units())));
            let mut notes: BTreeMap<Key, Note> = apart.collect();
            notes.insert(chunk.key(), Note::Folded(count(folded), count(failed)));
            retry::until(deadline, || Box::pin(self.note(&chunk.refold, &notes, deadline))).await
        })
    }

    /// Notes that a part of a scan has come to its end.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn ended<'a>(
        &'a self,
        refold: &'a RefoldId,
        part: i32,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let notes = BTreeMap::from([(keys::refold_part(refold, part), Note::Ended)]);
            retry::until(deadline, || Box::pin(self.note(refold, &notes, deadline))).await
        })
    }

    async fn note(&self, refold: &RefoldId, notes: &BTreeMap<Key, Note>, deadline: Instant) -> Result<(), StoreError> {
        let held = self.stats.get_all(notes.keys().cloned().collect(), Consistency::Strong, deadline).await?;
        let now = self.now();
        let mut contributions = Contributions::new(&self.stats);
        for (key, note) in notes {
            let held = held.get(key);
            let was = held.map(Sums::of).unwrap_or_default();
            let becomes = match note {
                // It is noted already, and perhaps folded.
                Note::Found(_) if held.is_some() => continue,
                Note::Found(units) => Sums::from_iter([("found", *units)]),
                Note::Folded(folded, failed) => {
                    Sums::from_iter([("found", folded + failed), ("folded", *folded), ("failed", *failed)])
                }
                Note::Ended => Sums::from_iter([("ended", 1)]),
            };
            let mut item = to_key(key);
            becomes.write(&mut item);
            item.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            item.insert(TTL.to_owned(), expiry(now));
            let version = held.and_then(|held| text(held, VERSION)).map(str::to_owned);
            contributions.child(item, version);
            contributions.changes(keys::refold(refold), &was, &becomes);
        }
        if contributions.is_empty() {
            return Ok(());
        }
        contributions.commit(self.ids.fresh(), now).await
    }
}

/// What is noted of a chunk or a part.
enum Note {
    /// So many units are to be folded.
    Found(i64),
    /// So many are folded, and so many cannot be.
    Folded(i64, i64),
    /// The part has come to its end.
    Ended,
}

fn expiry(now: Time) -> AttributeValue {
    AttributeValue::N(now.plus(KEPT).seconds().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_named_by_its_units_and_a_unit_is_in_one_chunk() {
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
