//! Recomputes rollups from their parts, and writes them with all that depends on them in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::time::Instant;

use super::batch::{RecomputeBatch, RecomputeSource, RollupChange, RollupChanges, new_rollup};
use super::pages::minutes;
use super::propagate::{add_parents, add_totals, count_changes, stamp_changes};
use super::restore::has_all_minutes;
use super::stamps::{ChangeCounter, RollupKind};
use super::stored::StoredRollup;
use super::worklist::{GRACE, Worklist};
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{Item, VERSION, from_item, text, to_item};
use crate::keys::{self, Key};
use crate::retention::{minutes_may_be_gone, sources_may_be_gone};
use crate::retry;
use crate::setup::StateTable;
use crate::table::{Consistency, KeyRange};
use crate::transaction::{Condition, Transaction};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::entity::Entity;
use domain::fold::Fold;
use domain::id::{TrackId, UserId};
use domain::rollup::{Rollup, Scope};
use domain::time::Time;

/// How many tracks are read at once.
const CONCURRENCY: usize = 8;

/// The artist of a track, by the version of its document that was read.
#[derive(Debug, Clone, Deserialize)]
struct Owner {
    version: String,
    artist: UserId,
}

/// Recomputes rollups of tracks, with all that depends on them.
#[derive(Clone)]
pub(super) struct Recomputer {
    pub(super) worklist: Worklist,
    pub(super) state: StateTable,
}

impl Recomputer {
    /// Recomputes a batch, retrying until the deadline.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub(super) async fn recompute(&self, batch: &RecomputeBatch<'_>, deadline: Instant) -> Result<(), StoreError> {
        retry::until(deadline, || Box::pin(self.recompute_once(batch, deadline))).await
    }

    /// Reads versions first and the parts of rollups after them. Writes everything in one transaction, if no track has
    /// changed artists since its document was read.
    ///
    /// Marks are removed after the transaction, unless a later fold has renewed them. A strongly consistent reader that
    /// finds no mark finds what the transaction has written.
    async fn recompute_once(&self, batch: &RecomputeBatch<'_>, deadline: Instant) -> Result<(), StoreError> {
        let stats = &self.worklist.reader.stats;
        let owners = self.owners(batch.tracks, deadline).await?;
        let current = stats.get_all(batch.keys(), Consistency::Strong, deadline).await?;
        let now = self.worklist.now();

        let of_tracks: Vec<_> = batch
            .tracks
            .iter()
            .map(|track| {
                let artist = owners.get(track).map(|owner| owner.artist.clone());
                self.changes(track.clone(), artist, batch, &current, now)
            })
            .collect();
        let of_tracks: Vec<_> = stream::iter(of_tracks).buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut changes: RollupChanges = of_tracks.into_iter().flatten().collect();
        count_changes(batch, &mut changes);

        let mut writes = Transaction::new(stats.client.clone());
        let parents = add_parents(&self.worklist, &self.state, (batch, &changes), now, &mut writes, deadline).await?;
        let totals = add_totals(batch, &changes, &current, &self.worklist, now, &mut writes)?;
        stamp_changes(&mut changes, &parents, &totals);
        for ((period, track), change) in changes {
            let version = change.current.map(|current| current.version);
            let item = to_item(&keys::rollup(&Scope::Track(track), &period), change.new)?;
            writes.put(&stats.name, item, Some(Condition::unchanged(version)))?;
        }
        for track in batch.tracks {
            let condition = Condition::unchanged(owners.get(track).map(|owner| owner.version.clone()));
            writes.check(&self.state.name, &keys::document(&Entity::Track(track.clone())), condition)?;
        }
        writes.commit().await?;
        self.remove_marks(batch, &current).await
    }

    /// Removes the marks that were there when the hours were read.
    async fn remove_marks(&self, batch: &RecomputeBatch<'_>, current: &HashMap<Key, Item>) -> Result<(), StoreError> {
        let Some(hour) = &batch.changed else { return Ok(()) };
        let marks = batch.tracks.iter().filter_map(|track| {
            let key = keys::changed(track, hour);
            let version = current.get(&key).and_then(|mark| text(mark, VERSION))?.to_owned();
            Some(self.remove_mark(key, version))
        });
        let marks: Vec<_> = marks.collect();
        stream::iter(marks).buffer_unordered(CONCURRENCY).try_collect().await
    }

    fn remove_mark(&self, key: Key, version: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.worklist.reader.stats.delete(&key, Condition::unchanged(Some(version))).await {
                // A later fold has renewed the mark: its own page closes the hour again.
                Ok(()) | Err(StoreError::Conflict) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    /// The changes of the rollups of one track.
    fn changes<'a>(
        &'a self,
        track: TrackId,
        artist: Option<UserId>,
        batch: &'a RecomputeBatch<'a>,
        current: &'a HashMap<Key, Item>,
        now: Time,
    ) -> BoxFuture<'a, Result<RollupChanges, StoreError>> {
        Box::pin(async move {
            let mut changes = RollupChanges::new();
            let mark = batch.changed.and_then(|hour| current.get(&keys::changed(&track, &hour)));
            let has_all_minutes = has_all_minutes(mark, now);
            for period in batch.periods {
                let rollup = current.get(&keys::rollup(&Scope::Track(track.clone()), period));
                let rollup: Option<StoredRollup> = rollup.cloned().map(from_item).transpose()?;
                let new = self
                    .new_value(&track, period, rollup.as_ref(), (batch.from, has_all_minutes), &changes, now)
                    .await?;
                if let Some((value, expires, as_of)) = new {
                    let new = StoredRollup {
                        as_of,
                        ..new_rollup(self.worklist.ids.fresh(), period, now, (artist.clone(), expires), value)
                    };
                    changes.insert((*period, track.clone()), RollupChange { current: rollup, new });
                }
            }
            Ok(changes)
        })
    }

    /// The artists of the tracks, where they are known.
    async fn owners(
        &self,
        tracks: &BTreeSet<TrackId>,
        deadline: Instant,
    ) -> Result<HashMap<TrackId, Owner>, StoreError> {
        let keys = tracks.iter().map(|track| keys::document(&Entity::Track(track.clone()))).collect();
        let mut documents = self.state.get_all(keys, Consistency::Strong, deadline).await?;
        let mut owners = HashMap::new();
        for track in tracks {
            if let Some(item) = documents.remove(&keys::document(&Entity::Track(track.clone()))) {
                owners.insert(track.clone(), from_item::<Owner>(item)?);
            }
        }
        Ok(owners)
    }

    /// The new value of a rollup, when the first of its facts expires and when it was computed; `None` if it has no
    /// facts.
    async fn new_value(
        &self,
        track: &TrackId,
        period: &Period,
        current: Option<&StoredRollup>,
        (from, has_all_minutes): (RecomputeSource, bool),
        changes: &RollupChanges,
        now: Time,
    ) -> Result<Option<(Rollup, Option<i64>, Time)>, StoreError> {
        let same = current.map(|current| (current.value.clone(), current.expires, current.as_of));
        // An hour that was closed after its grace includes all facts that landed in time.
        let is_closed = current.is_some_and(|current| current.as_of >= period.end().plus(GRACE));
        let stays = from == RecomputeSource::Unchanged
            || (from == RecomputeSource::PartsUnlessClosed && period.level() == Level::Hour && is_closed);
        let sealed =
            current.and_then(|current| current.expires).is_some_and(|expires| sources_may_be_gone(expires, now));
        // A closed hour outlives its minutes. They have been restored if the hour is marked.
        let outlives = period.level() == Level::Hour && !has_all_minutes && minutes_may_be_gone(period.start(), now);
        let outlives = outlives && current.is_some();
        if stays || outlives || (sealed && period.level() <= Level::Day) {
            return Ok(same);
        }
        let mut value = TrackCounters::default();
        let mut expires: Option<i64> = None;
        let mut is_something = false;
        let earliest = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        if let Some(level) = period.level().below() {
            let calendar = &self.worklist.reader.calendar;
            let prefix = keys::rollups_of(level);
            let first = calendar.period(level, period.start());
            let last = calendar.period(level, period.end().plus(-TimeDelta::milliseconds(1)));
            let pk = keys::rollups(&Scope::Track(track.clone()));
            let parts = KeyRange { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            let mut found: BTreeMap<String, StoredRollup> = BTreeMap::new();
            for item in self.worklist.reader.stats.query(&parts, Consistency::Strong).await? {
                let name = text(&item, keys::SK).unwrap_or_default().to_owned();
                found.insert(name, from_item(item)?);
            }
            // A query may see a part of a transaction. Parts that are older than the rollup that was read are of
            // another moment.
            let kind = RollupKind::Track(period.level());
            for (change, hour) in
                current.iter().flat_map(|current| ChangeCounter::from(*current).stamped(track, calendar))
            {
                let part = calendar.period(level, hour.start());
                let is_replaced = changes.contains_key(&(part, track.clone()));
                let shown = found.get(&format!("{prefix}{part}")).map_or(0, |part| part.stamps.of(kind));
                if period.contains(part.start()) && !is_replaced && shown < change {
                    return Err(StoreError::Conflict);
                }
            }
            // The parts that this transaction writes replace those that were read.
            for ((part, of), change) in changes {
                if of == track && part.level() == level && period.contains(part.start()) {
                    found.insert(format!("{prefix}{part}"), change.new.clone());
                }
            }
            for part in found.into_values() {
                is_something = true;
                value.merge(&part.value.counters);
                expires = earliest(expires, part.expires);
            }
        } else {
            for item in self.worklist.reader.stats.query(&minutes(track, period.span()), Consistency::Strong).await? {
                let minute: Live<TrackCounters> = from_item(item)?;
                is_something = true;
                value.merge(&minute.value);
                expires = earliest(expires, minute.expires);
            }
        }
        let value = Rollup { counters: value, ..Rollup::default() };
        Ok(if is_something { Some((value, expires, now)) } else { same.map(|_| (Rollup::default(), None, now)) })
    }
}
