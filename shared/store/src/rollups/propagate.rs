//! Propagates changes of tracks' rollups to artists, the platform and totals, and stamps them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;

use super::batch::{ParentChanges, RecomputeBatch, RollupChange, RollupChanges, TotalChanges, new_rollup};
use super::stamps::{ChangeCounter, ChangeStamps, PreviousValue, RollupKind};
use super::stored::{StoredRollup, StoredTotal};
use super::worklist::Worklist;
use crate::error::StoreError;
use crate::items::{Item, from_item, text, to_item};
use crate::keys::{self, Key};
use crate::table::{Consistency, KeyRange, Table};
use crate::transaction::{Condition, Transaction};
use domain::calendar::{Level, Period};
use domain::distinct::Distinct;
use domain::fold::Fold;
use domain::id::{TrackId, UserId};
use domain::rollup::{Rollup, Scope};
use domain::time::Time;

/// How many tracks an artist's rollup lists with their shares. At 64 bytes an id that is 107 kB; an item may have 400 KB.
pub(super) const MAX_SHARES: usize = 1_000;

/// Applies the changes of tracks' rollups to those of their artists and of the platform.
pub(super) async fn add_parents(
    worklist: &Worklist,
    state: &Table,
    (batch, changes): (&RecomputeBatch<'_>, &RollupChanges),
    now: Time,
    writes: &mut Transaction,
    deadline: Instant,
) -> Result<ParentChanges, StoreError> {
    let mut numbers = ParentChanges::new();
    let (late, late_of_artists) =
        (batch.late(changes, RollupChange::changes_value), batch.late(changes, RollupChange::changes_artist));
    let mut parents: BTreeSet<(Scope, Period)> = BTreeSet::new();
    for ((period, _), change) in changes {
        parents.insert((Scope::Platform, *period));
        let artists =
            change.new.artist.iter().chain(change.current.iter().filter_map(|current| current.artist.as_ref()));
        parents.extend(artists.map(|artist| (Scope::Artist(artist.clone()), *period)));
    }
    let keys = parents.iter().map(|(scope, period)| keys::rollup(scope, period)).collect();
    let mut items = worklist.reader.stats.get_all(keys, Consistency::Strong, deadline).await?;
    for (scope, period) in parents {
        let key = keys::rollup(&scope, &period);
        let current: Option<StoredRollup> = items.remove(&key).map(from_item).transpose()?;
        let mut value = current.as_ref().map(|current| current.value.clone()).unwrap_or_default();
        let mut ttl = current.as_ref().and_then(|current| current.ttl);
        let mut change_counter = current.as_ref().map(ChangeCounter::from).unwrap_or_default();
        let (mut left, mut forgotten) = (false, false);
        for ((_, track), change) in changes.iter().filter(|((of, _), _)| *of == period) {
            let (before, after) = match &scope {
                Scope::Artist(artist) => (
                    change.current.as_ref().filter(|current| current.artist.as_ref() == Some(artist)),
                    Some(&change.new).filter(|new| new.artist.as_ref() == Some(artist)),
                ),
                _ => (change.current.as_ref(), Some(&change.new)),
            };
            let listed = matches!(scope, Scope::Artist(_)).then_some(track);
            if let Some(after) = after {
                value.add(listed, &after.value.counters);
                ttl = ttl.max(after.ttl);
            }
            if before.is_some() != after.is_some() {
                forgotten |= change_counter.forget(track);
            }
            if let Some(before) = before {
                let among = value.take_away(listed, &before.value.counters);
                among.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                left |= after.is_none();
            }
        }
        if matches!(scope, Scope::Artist(_)) {
            value.list_at_most(MAX_SHARES);
        }
        if let (true, Scope::Artist(artist)) = (left, &scope) {
            let (mut sessions, mut listeners) =
                remaining_sketches(worklist, state, (artist, &change_counter), (&period, batch.tracks), deadline)
                    .await?;
            let stay = changes.iter().filter(|((of, _), _)| *of == period).map(|(_, change)| &change.new);
            for new in stay.filter(|new| new.artist.as_ref() == Some(artist)) {
                sessions.merge(&new.value.counters.sessions);
                listeners.merge(&new.value.counters.listeners);
            }
            (value.counters.sessions, value.counters.listeners) = (sessions, listeners);
        }
        let unchanged = current.as_ref().map_or_else(|| value == Rollup::default(), |current| current.value == value);
        if !unchanged || forgotten {
            let belongs = |track: &TrackId| match &scope {
                Scope::Artist(artist) => {
                    let change = changes.get(&(period, track.clone()));
                    change.is_some_and(|change| change.new.artist.as_ref() == Some(artist))
                }
                _ => true,
            };
            let late = if matches!(scope, Scope::Artist(_)) { &late_of_artists } else { &late };
            let parts = late.iter().filter(|(hour, track)| period.contains(hour.start()) && belongs(track));
            change_counter = change_counter.count(parts.map(|(hour, track)| (track, hour)));
            let new = StoredRollup {
                ttl,
                changes: change_counter.changes,
                named: change_counter.named.clone(),
                ..new_rollup(worklist.ids.fresh(), &period, now, (None, None), value)
            };
            let condition = Condition::unchanged(current.map(|current| current.version));
            writes.put(&worklist.reader.stats.name, to_item(&key, new)?, Some(condition))?;
        }
        numbers.insert((scope, period), change_counter.changes);
    }
    Ok(numbers)
}

/// The sketches of an artist's other tracks: nothing can be subtracted from a sketch.
async fn remaining_sketches(
    worklist: &Worklist,
    state: &Table,
    (artist, change_counter): (&UserId, &ChangeCounter),
    (period, but): (&Period, &BTreeSet<TrackId>),
    deadline: Instant,
) -> Result<(Distinct, Distinct), StoreError> {
    let all = KeyRange::with_prefix(keys::user(artist), keys::TRACKS_OF);
    let mut keys = BTreeMap::new();
    for item in state.query(&all, Consistency::Strong).await? {
        let track = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::TRACKS_OF)).unwrap_or_default();
        let track: TrackId = track.parse().map_err(|error| StoreError::corrupt(track, error))?;
        if !but.contains(&track) {
            keys.insert(keys::rollup(&Scope::Track(track.clone()), period), track);
        }
    }
    let (mut sessions, mut listeners) = (Distinct::default(), Distinct::default());
    let all = keys.keys().cloned().collect();
    let mut items = worklist.reader.stats.get_all(all, Consistency::Strong, deadline).await?;
    for (key, track) in keys {
        let changes = change_counter.stamped(&track, &worklist.reader.calendar);
        let last = changes.into_iter().map(|(change, _)| change).max().unwrap_or(0);
        let Some(rollup) = items.remove(&key).map(from_item::<StoredRollup>).transpose()? else {
            // Each hour expires on its own.
            if last > 0 && period.level() > Level::Hour {
                return Err(StoreError::Conflict);
            }
            continue;
        };
        if rollup.artist.as_ref() == Some(artist) {
            // A read of several items may see a part of a transaction: this rollup is older than the artist's.
            if rollup.stamps.of(RollupKind::Artist(period.level())) < last {
                return Err(StoreError::Conflict);
            }
            sessions.merge(&rollup.value.counters.sessions);
            listeners.merge(&rollup.value.counters.listeners);
        }
    }
    Ok((sessions, listeners))
}

/// Numbers the changes of tracks' rollups.
pub(super) fn count_changes(batch: &RecomputeBatch<'_>, changes: &mut RollupChanges) {
    let late = batch.late(changes, RollupChange::changes_value);
    for ((period, track), change) in changes {
        let parts = late.iter().filter(|(hour, of)| of == track && period.contains(hour.start()));
        let change_counter = change.current.as_ref().map(ChangeCounter::from).unwrap_or_default();
        let change_counter = change_counter.count(parts.map(|(hour, track)| (track, hour)));
        (change.new.changes, change.new.named) = (change_counter.changes, change_counter.named);
    }
}

/// Stamps hours and days with the numbers of the changes of the rollups that they are part of.
pub(super) fn stamp_changes(changes: &mut RollupChanges, parents: &ParentChanges, totals: &TotalChanges) {
    let counted: BTreeMap<(Period, TrackId), u64> =
        changes.iter().map(|(key, change)| (key.clone(), change.new.changes)).collect();
    for ((part, track), change) in changes.iter_mut() {
        let mut stamps = ChangeStamps::default();
        // By these a reader of a longer rollup recognises parts that are older than it.
        let mut shown = ChangeStamps::default();
        for ((period, _), number) in counted.iter().filter(|((period, of), _)| {
            of == track && part.level() > Level::Hour && period.level() > part.level() && period.contains(part.start())
        }) {
            shown.set(RollupKind::Track(period.level()), *number);
        }
        let of_artist = change.new.artist.clone().map(Scope::Artist).filter(|_| part.level() > Level::Hour);
        if let Some(number) = of_artist.and_then(|scope| parents.get(&(scope, *part))) {
            shown.set(RollupKind::Artist(part.level()), *number);
        }
        let above = counted.iter().filter(|((period, of), _)| of == track && period.contains(part.start()));
        for ((period, _), number) in above.filter(|_| part.level() == Level::Hour) {
            stamps.set(RollupKind::Track(period.level()), *number);
            let of_artist = change.new.artist.clone().map(Scope::Artist);
            for scope in of_artist.into_iter().chain([Scope::Platform]) {
                if let Some(number) = parents.get(&(scope.clone(), *period)) {
                    stamps.set(RollupKind::of(&scope, period.level()), *number);
                }
            }
        }
        if let Some(number) = totals.get(track).filter(|_| part.level() <= Level::Day).filter(|_| {
            counted
                .keys()
                .any(|(period, of)| of == track && period.level() == Level::Day && period.contains(part.start()))
        }) {
            stamps.set(RollupKind::Total, *number);
        }
        let RollupChange { current, new } = change;
        let Some(current) = current else {
            new.stamps = stamps.with(shown);
            continue;
        };
        let is_another_s = current.artist != new.artist;
        if current.value == new.value {
            // The rollups of another artist get the hour as a whole.
            let kept = current.stamps.clone();
            let moved = || kept.clone().of_artists(false).with(stamps.of_artists(true));
            new.stamps = if is_another_s { moved() } else { kept };
            new.before.clone_from(&current.before);
        } else {
            let kept = if is_another_s { current.stamps.clone().of_artists(false) } else { current.stamps.clone() };
            new.stamps = kept.with(stamps);
            new.before = (part.level() == Level::Hour).then(|| PreviousValue {
                artist: current.artist.clone(),
                stamps: current.stamps.clone(),
                value: current.value.counters.clone(),
            });
        }
        new.stamps = std::mem::take(&mut new.stamps).with(shown);
    }
}

/// Applies the changes of a track's days to its total.
pub(super) fn add_totals(
    batch: &RecomputeBatch<'_>,
    changes: &RollupChanges,
    current: &HashMap<Key, Item>,
    worklist: &Worklist,
    now: Time,
    writes: &mut Transaction,
) -> Result<TotalChanges, StoreError> {
    let mut numbers = TotalChanges::new();
    if !batch.closes_days() {
        return Ok(numbers);
    }
    for track in batch.tracks {
        let key = keys::total(track);
        let total: Option<StoredTotal> = current.get(&key).cloned().map(from_item).transpose()?;
        let mut value = total.as_ref().map(|total| total.value.clone()).unwrap_or_default();
        let days = changes.iter().filter(|((period, of), _)| of == track && period.level() == Level::Day);
        let mut any = false;
        for (_, change) in days {
            any = true;
            value.merge(&change.new.value.counters);
            if let Some(before) = &change.current {
                let among = value.take_away(&before.value.counters);
                among.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
            }
        }
        if any {
            value.sessions = Distinct::default();
            value.listeners = Distinct::default();
            let parts = changes
                .iter()
                .filter(|((part, of), change)| of == track && part.level() <= Level::Day && change.changes_value());
            let change_counter = total.as_ref().map(ChangeCounter::from).unwrap_or_default();
            let ChangeCounter { changes, named } = change_counter.count(parts.map(|((part, track), _)| (track, part)));
            numbers.insert(track.clone(), changes);
            let new = StoredTotal { version: worklist.ids.fresh(), as_of: now, changes, named, value };
            let condition = Condition::unchanged(total.map(|total| total.version));
            writes.put(&worklist.reader.stats.name, to_item(&key, new)?, Some(condition))?;
        }
    }
    Ok(numbers)
}
