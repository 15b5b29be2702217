//! Settling rollups: what they are made of, read anew, and written with all that depends on it in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::activity::{Activity, GRACE};
use super::holding::{Before, Holder, Holding, Stamps};
use super::restore::is_whole;
use super::stored::{StoredRollup, Total};
use super::worker::Closing;
use super::worklist::minutes;
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{Item, VERSION, from_item, text, to_item};
use crate::keys::{self, Key};
use crate::retention::{ROLLUPS_LIVE, minutes_may_be_gone, sources_may_be_gone};
use crate::table::{Consistency, KeyRange};
use crate::transaction::{Condition, Transaction};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::distinct::Distinct;
use domain::entity::Entity;
use domain::fold::Fold;
use domain::id::{TrackId, UserId};
use domain::rollup::{Rollup, Scope};
use domain::time::Time;
use system::backoff::Backoff;

/// How many tracks are read at once.
const AT_ONCE: usize = 8;

/// So many tracks an artist's rollup lists with what each brought. At 64 bytes an id that is 107 kB; an item may have 400.
pub(super) const MOST_LISTED: usize = 1_000;

/// Hour items live so long after they were last written.
const HOURS_KEPT: TimeDelta = TimeDelta::days(90);

/// Where the new value of a rollup comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// What it is made of.
    Below,
    /// What it is made of, but an hour that was closed before stays as it is: what has landed since is marked, and only
    /// whoever closes all that stands above the hour with it may bring it in.
    BelowOnce,
    /// What it was: only whose it is changes.
    Itself,
}

/// What is to be closed together: all of it, or nothing.
pub(super) struct Chunk<'a> {
    pub(super) tracks: &'a BTreeSet<TrackId>,
    /// The shortest first.
    pub(super) periods: &'a [Period],
    /// The hour whose marks this removes.
    pub(super) changed: Option<Period>,
    pub(super) from: From,
}

/// A rollup as it was read and as it becomes.
struct Change {
    held: Option<StoredRollup>,
    new: StoredRollup,
}

impl Change {
    /// Whether it brings something else to its track and to the platform.
    fn turns(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.value != self.new.value)
    }

    /// Whether it brings something else to its artist.
    fn turns_for_artist(&self) -> bool {
        self.turns() || self.held.as_ref().is_none_or(|held| held.artist != self.new.artist)
    }
}

type Changes = BTreeMap<(Period, TrackId), Change>;

/// How often rollups of artists and of the platform have changed by now.
type Parents = BTreeMap<(Scope, Period), u64>;

/// How often the totals of tracks have changed by now.
type Totals = BTreeMap<TrackId, u64>;

/// Whose a track is, by its document of this version.
#[derive(Debug, Clone, Deserialize)]
struct Owner {
    version: String,
    artist: UserId,
}

impl Closing {
    pub(super) async fn settle(&self, chunk: &Chunk<'_>, deadline: Instant) -> Result<(), StoreError> {
        let mut backoff = Backoff::until(deadline);
        loop {
            let error = match timeout_at(deadline, self.settle_once(chunk, deadline)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
            };
            if !error.is_transient() || !backoff.wait().await {
                return Err(error);
            }
        }
    }

    /// Reads versions, then what rollups are made of, and writes all in one transaction, if no track has changed hands since it
    /// was read whose it is.
    ///
    /// Marks are removed after it, if no later fold has renewed them: where there is none, whoever reads strongly finds what
    /// the transaction has written.
    async fn settle_once(&self, chunk: &Chunk<'_>, deadline: Instant) -> Result<(), StoreError> {
        let stats = &self.activity.lists.stats;
        let owners = self.owners(chunk.tracks, deadline).await?;
        let held = stats.get_all(chunk.keys(), Consistency::Strong, deadline).await?;
        let now = self.activity.now();

        let of_tracks: Vec<_> = chunk
            .tracks
            .iter()
            .map(|track| {
                let artist = owners.get(track).map(|owner| owner.artist.clone());
                self.changes(track.clone(), artist, chunk, &held, now)
            })
            .collect();
        let of_tracks: Vec<_> = stream::iter(of_tracks).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut changes: Changes = of_tracks.into_iter().flatten().collect();
        count_changes(chunk, &mut changes);

        let mut writes = Transaction::new(stats.client.clone());
        let parents = self.add_parents(chunk, &changes, now, &mut writes, deadline).await?;
        let totals = add_totals(chunk, &changes, &held, &self.activity, now, &mut writes)?;
        stamp(&mut changes, &parents, &totals);
        for ((period, track), change) in changes {
            let version = change.held.map(|held| held.version);
            let item = to_item(&keys::rollup(&Scope::Track(track), &period), change.new)?;
            writes.put(&stats.name, item, Some(Condition::unchanged(version)))?;
        }
        for track in chunk.tracks {
            let condition = Condition::unchanged(owners.get(track).map(|owner| owner.version.clone()));
            writes.check(&self.state.name, &keys::document(&Entity::Track(track.clone())), condition)?;
        }
        writes.commit().await?;
        self.unmark(chunk, &held).await
    }

    /// Takes the marks away that were there when it was read what the hours are.
    async fn unmark(&self, chunk: &Chunk<'_>, held: &HashMap<Key, Item>) -> Result<(), StoreError> {
        let Some(hour) = &chunk.changed else { return Ok(()) };
        let marks = chunk.tracks.iter().filter_map(|track| {
            let key = keys::changed(track, hour);
            let version = held.get(&key).and_then(|mark| text(mark, VERSION))?.to_owned();
            Some(self.unmark_one(key, version))
        });
        let marks: Vec<_> = marks.collect();
        stream::iter(marks).buffer_unordered(AT_ONCE).try_collect().await
    }

    fn unmark_one(&self, key: Key, version: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.activity.lists.stats.delete(&key, Condition::unchanged(Some(version))).await {
                // A later fold has renewed it: its own page has the hour closed again.
                Ok(()) | Err(StoreError::Conflict) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    /// What changes in the rollups of one track.
    fn changes<'a>(
        &'a self,
        track: TrackId,
        artist: Option<UserId>,
        chunk: &'a Chunk<'a>,
        held: &'a HashMap<Key, Item>,
        now: Time,
    ) -> BoxFuture<'a, Result<Changes, StoreError>> {
        Box::pin(async move {
            let mut changes = Changes::new();
            let mark = chunk.changed.and_then(|hour| held.get(&keys::changed(&track, &hour)));
            let is_whole = is_whole(mark, now);
            for period in chunk.periods {
                let rolled = held.get(&keys::rollup(&Scope::Track(track.clone()), period));
                let rolled: Option<StoredRollup> = rolled.cloned().map(from_item).transpose()?;
                let new =
                    self.new_value(&track, period, rolled.as_ref(), (chunk.from, is_whole), &changes, now).await?;
                if let Some((value, expires, as_of)) = new {
                    let new = StoredRollup { as_of, ..self.rolled(period, now, artist.clone(), expires, value) };
                    changes.insert((*period, track.clone()), Change { held: rolled, new });
                }
            }
            Ok(changes)
        })
    }

    fn rolled(
        &self,
        period: &Period,
        now: Time,
        artist: Option<UserId>,
        expires: Option<i64>,
        value: Rollup,
    ) -> StoredRollup {
        let ttl = (period.level() == Level::Hour).then(|| {
            let kept = now.plus(HOURS_KEPT).seconds();
            expires.map_or(kept, |expires| kept.max(expires + ROLLUPS_LIVE.num_seconds()))
        });
        StoredRollup {
            version: self.activity.ids.fresh(),
            as_of: now,
            artist,
            expires,
            ttl,
            changes: 0,
            named: Vec::new(),
            stamps: Stamps::default(),
            before: None,
            value,
        }
    }

    /// Whose the tracks are, where that is known.
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

    /// What a rollup is to hold, when the first of its facts expires, and when its fold began; nothing where there is
    /// nothing.
    async fn new_value(
        &self,
        track: &TrackId,
        period: &Period,
        held: Option<&StoredRollup>,
        (from, is_whole): (From, bool),
        changes: &Changes,
        now: Time,
    ) -> Result<Option<(Rollup, Option<i64>, Time)>, StoreError> {
        let same = held.map(|held| (held.value.clone(), held.expires, held.as_of));
        // Whatever has landed in time is in an hour that was closed then.
        let is_closed = held.is_some_and(|held| held.as_of >= period.end().plus(GRACE));
        let stays = from == From::Itself || (from == From::BelowOnce && period.level() == Level::Hour && is_closed);
        let sealed = held.and_then(|held| held.expires).is_some_and(|expires| sources_may_be_gone(expires, now));
        // A closed hour outlives its minutes. They are back where a mark says that the hour has changed.
        let outlives = period.level() == Level::Hour && !is_whole && minutes_may_be_gone(period.start(), now);
        let outlives = outlives && held.is_some();
        if stays || outlives || (sealed && period.level() <= Level::Day) {
            return Ok(same);
        }
        let mut value = TrackCounters::default();
        let mut expires: Option<i64> = None;
        let mut is_something = false;
        let earliest = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        if let Some(level) = period.level().below() {
            let calendar = &self.activity.lists.calendar;
            let prefix = keys::rollups_of(level);
            let first = calendar.period(level, period.start());
            let last = calendar.period(level, period.end().plus(-TimeDelta::milliseconds(1)));
            let pk = keys::rollups(&Scope::Track(track.clone()));
            let parts = KeyRange { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            let mut found: BTreeMap<String, StoredRollup> = BTreeMap::new();
            for item in self.activity.lists.stats.query(&parts, Consistency::Strong).await? {
                let name = text(&item, keys::SK).unwrap_or_default().to_owned();
                found.insert(name, from_item(item)?);
            }
            // A query may see a part of a transaction. Parts that show less than what is made of them are of another moment.
            let holder = Holder::Track(period.level());
            for (change, hour) in held.iter().flat_map(|held| Holding::from(*held).stamped(track, calendar)) {
                let part = calendar.period(level, hour.start());
                let is_replaced = changes.contains_key(&(part, track.clone()));
                let shown = found.get(&format!("{prefix}{part}")).map_or(0, |part| part.stamps.of(holder));
                if period.contains(part.start()) && !is_replaced && shown < change {
                    return Err(StoreError::Conflict);
                }
            }
            // What this transaction writes takes the place of what is read.
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
            for item in self.activity.lists.stats.query(&minutes(track, period.span()), Consistency::Strong).await? {
                let minute: Live<TrackCounters> = from_item(item)?;
                is_something = true;
                value.merge(&minute.value);
                expires = earliest(expires, minute.expires);
            }
        }
        let value = Rollup { counters: value, ..Rollup::default() };
        Ok(if is_something { Some((value, expires, now)) } else { same.map(|_| (Rollup::default(), None, now)) })
    }

    /// What changes in the rollups of tracks changes in those of their artists and of the platform.
    async fn add_parents(
        &self,
        chunk: &Chunk<'_>,
        changes: &Changes,
        now: Time,
        writes: &mut Transaction,
        deadline: Instant,
    ) -> Result<Parents, StoreError> {
        let mut numbers = Parents::new();
        let (late, late_of_artists) =
            (chunk.late(changes, Change::turns), chunk.late(changes, Change::turns_for_artist));
        let mut parents: BTreeSet<(Scope, Period)> = BTreeSet::new();
        for ((period, _), change) in changes {
            parents.insert((Scope::Platform, *period));
            let artists = change.new.artist.iter().chain(change.held.iter().filter_map(|held| held.artist.as_ref()));
            parents.extend(artists.map(|artist| (Scope::Artist(artist.clone()), *period)));
        }
        let keys = parents.iter().map(|(scope, period)| keys::rollup(scope, period)).collect();
        let mut items = self.activity.lists.stats.get_all(keys, Consistency::Strong, deadline).await?;
        for (scope, period) in parents {
            let key = keys::rollup(&scope, &period);
            let held: Option<StoredRollup> = items.remove(&key).map(from_item).transpose()?;
            let mut value = held.as_ref().map(|held| held.value.clone()).unwrap_or_default();
            let mut ttl = held.as_ref().and_then(|held| held.ttl);
            let mut holding = held.as_ref().map(Holding::from).unwrap_or_default();
            let (mut left, mut forgotten) = (false, false);
            for ((_, track), change) in changes.iter().filter(|((of, _), _)| *of == period) {
                let (was, is) = match &scope {
                    Scope::Artist(artist) => (
                        change.held.as_ref().filter(|held| held.artist.as_ref() == Some(artist)),
                        Some(&change.new).filter(|new| new.artist.as_ref() == Some(artist)),
                    ),
                    _ => (change.held.as_ref(), Some(&change.new)),
                };
                let listed = matches!(scope, Scope::Artist(_)).then_some(track);
                if let Some(is) = is {
                    value.add(listed, &is.value.counters);
                    ttl = ttl.max(is.ttl);
                }
                if was.is_some() != is.is_some() {
                    forgotten |= holding.forget(track);
                }
                if let Some(was) = was {
                    let among = value.take_away(listed, &was.value.counters);
                    among.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                    left |= is.is_none();
                }
            }
            if matches!(scope, Scope::Artist(_)) {
                value.list_at_most(MOST_LISTED);
            }
            if let (true, Scope::Artist(artist)) = (left, &scope) {
                let (mut sessions, mut listeners) =
                    self.who_is_left((artist, &holding), &period, chunk.tracks, deadline).await?;
                let stay = changes.iter().filter(|((of, _), _)| *of == period).map(|(_, change)| &change.new);
                for new in stay.filter(|new| new.artist.as_ref() == Some(artist)) {
                    sessions.merge(&new.value.counters.sessions);
                    listeners.merge(&new.value.counters.listeners);
                }
                (value.counters.sessions, value.counters.listeners) = (sessions, listeners);
            }
            let unchanged = held.as_ref().map_or_else(|| value == Rollup::default(), |held| held.value == value);
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
                holding = holding.next(parts.map(|(hour, track)| (track, hour)));
                let new = StoredRollup {
                    ttl,
                    changes: holding.changes,
                    named: holding.named.clone(),
                    ..self.rolled(&period, now, None, None, value)
                };
                let condition = Condition::unchanged(held.map(|held| held.version));
                writes.put(&self.activity.lists.stats.name, to_item(&key, new)?, Some(condition))?;
            }
            numbers.insert((scope, period), holding.changes);
        }
        Ok(numbers)
    }

    /// The sketches of an artist's tracks but some: what was counted cannot be taken out of a sketch.
    async fn who_is_left(
        &self,
        (artist, holding): (&UserId, &Holding),
        period: &Period,
        but: &BTreeSet<TrackId>,
        deadline: Instant,
    ) -> Result<(Distinct, Distinct), StoreError> {
        let all = KeyRange::with_prefix(keys::user(artist), keys::TRACKS_OF);
        let mut keys = BTreeMap::new();
        for item in self.state.query(&all, Consistency::Strong).await? {
            let track = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::TRACKS_OF)).unwrap_or_default();
            let track: TrackId = track.parse().map_err(|error| StoreError::corrupt(track, error))?;
            if !but.contains(&track) {
                keys.insert(keys::rollup(&Scope::Track(track.clone()), period), track);
            }
        }
        let (mut sessions, mut listeners) = (Distinct::default(), Distinct::default());
        let asked = keys.keys().cloned().collect();
        let mut items = self.activity.lists.stats.get_all(asked, Consistency::Strong, deadline).await?;
        for (key, track) in keys {
            let changes = holding.stamped(&track, &self.activity.lists.calendar);
            let last = changes.into_iter().map(|(change, _)| change).max().unwrap_or(0);
            let Some(rolled) = items.remove(&key).map(from_item::<StoredRollup>).transpose()? else {
                // Hours expire, each by itself.
                if last > 0 && period.level() > Level::Hour {
                    return Err(StoreError::Conflict);
                }
                continue;
            };
            if rolled.artist.as_ref() == Some(artist) {
                // A read of several items may see a part of a transaction: this one shows less than the artist's.
                if rolled.stamps.of(Holder::Artist(period.level())) < last {
                    return Err(StoreError::Conflict);
                }
                sessions.merge(&rolled.value.counters.sessions);
                listeners.merge(&rolled.value.counters.listeners);
            }
        }
        Ok((sessions, listeners))
    }
}

impl Chunk<'_> {
    /// All items of the tracks that this reads for their versions.
    fn keys(&self) -> BTreeSet<Key> {
        let mut all = BTreeSet::new();
        for track in self.tracks {
            let scope = Scope::Track(track.clone());
            all.extend(self.periods.iter().map(|period| keys::rollup(&scope, period)));
            all.extend(self.changed.iter().map(|hour| keys::changed(track, hour)));
            if self.closes_days() {
                all.insert(keys::total(track));
            }
        }
        all
    }

    /// The hours that may have been closed before and that change so.
    fn late(&self, changes: &Changes, how: fn(&Change) -> bool) -> Vec<(Period, TrackId)> {
        let hours = changes.iter().filter(|((period, _), change)| period.level() == Level::Hour && how(change));
        hours.filter(|_| self.from == From::Below).map(|(key, _)| key.clone()).collect()
    }

    fn closes_days(&self) -> bool {
        self.from != From::Itself && self.periods.iter().any(|period| period.level() == Level::Day)
    }
}

/// Counts what changes in the rollups of tracks.
fn count_changes(chunk: &Chunk<'_>, changes: &mut Changes) {
    let late = chunk.late(changes, Change::turns);
    for ((period, track), change) in changes {
        let parts = late.iter().filter(|(hour, of)| of == track && period.contains(hour.start()));
        let holding = change.held.as_ref().map(Holding::from).unwrap_or_default();
        let holding = holding.next(parts.map(|(hour, track)| (track, hour)));
        (change.new.changes, change.new.named) = (holding.changes, holding.named);
    }
}

/// Writes into hours and days which changes of what they are part of this is.
fn stamp(changes: &mut Changes, parents: &Parents, totals: &Totals) {
    let counted: BTreeMap<(Period, TrackId), u64> =
        changes.iter().map(|(key, change)| (key.clone(), change.new.changes)).collect();
    for ((part, track), change) in changes.iter_mut() {
        let mut stamps = Stamps::default();
        // Whoever reads what this is part of knows by these whether it shows all that it is to show.
        let mut shown = Stamps::default();
        for ((period, _), number) in counted.iter().filter(|((period, of), _)| {
            of == track && part.level() > Level::Hour && period.level() > part.level() && period.contains(part.start())
        }) {
            shown.set(Holder::Track(period.level()), *number);
        }
        let of_artist = change.new.artist.clone().map(Scope::Artist).filter(|_| part.level() > Level::Hour);
        if let Some(number) = of_artist.and_then(|scope| parents.get(&(scope, *part))) {
            shown.set(Holder::Artist(part.level()), *number);
        }
        let above = counted.iter().filter(|((period, of), _)| of == track && period.contains(part.start()));
        for ((period, _), number) in above.filter(|_| part.level() == Level::Hour) {
            stamps.set(Holder::Track(period.level()), *number);
            let of_artist = change.new.artist.clone().map(Scope::Artist);
            for scope in of_artist.into_iter().chain([Scope::Platform]) {
                if let Some(number) = parents.get(&(scope.clone(), *period)) {
                    stamps.set(Holder::of(&scope, period.level()), *number);
                }
            }
        }
        if let Some(number) = totals.get(track).filter(|_| part.level() <= Level::Day).filter(|_| {
            counted
                .keys()
                .any(|(period, of)| of == track && period.level() == Level::Day && period.contains(part.start()))
        }) {
            stamps.set(Holder::Total, *number);
        }
        let Change { held, new } = change;
        let Some(held) = held else {
            new.stamps = stamps.with(shown);
            continue;
        };
        let is_another_s = held.artist != new.artist;
        if held.value == new.value {
            // Another artist's rollups get the hour as a whole.
            let kept = held.stamps.clone();
            let moved = || kept.clone().of_artists(false).with(stamps.of_artists(true));
            new.stamps = if is_another_s { moved() } else { kept };
            new.before.clone_from(&held.before);
        } else {
            let kept = if is_another_s { held.stamps.clone().of_artists(false) } else { held.stamps.clone() };
            new.stamps = kept.with(stamps);
            new.before = (part.level() == Level::Hour).then(|| Before {
                artist: held.artist.clone(),
                stamps: held.stamps.clone(),
                value: held.value.counters.clone(),
            });
        }
        new.stamps = std::mem::take(&mut new.stamps).with(shown);
    }
}

/// What changes in the days of a track changes in its total.
fn add_totals(
    chunk: &Chunk<'_>,
    changes: &Changes,
    held: &HashMap<Key, Item>,
    activity: &Activity,
    now: Time,
    writes: &mut Transaction,
) -> Result<Totals, StoreError> {
    let mut numbers = Totals::new();
    if !chunk.closes_days() {
        return Ok(numbers);
    }
    for track in chunk.tracks {
        let key = keys::total(track);
        let total: Option<Total> = held.get(&key).cloned().map(from_item).transpose()?;
        let mut value = total.as_ref().map(|total| total.value.clone()).unwrap_or_default();
        let days = changes.iter().filter(|((period, of), _)| of == track && period.level() == Level::Day);
        let mut any = false;
        for (_, change) in days {
            any = true;
            value.merge(&change.new.value.counters);
            if let Some(was) = &change.held {
                let among = value.take_away(&was.value.counters);
                among.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
            }
        }
        if any {
            value.sessions = Distinct::default();
            value.listeners = Distinct::default();
            let parts = changes
                .iter()
                .filter(|((part, of), change)| of == track && part.level() <= Level::Day && change.turns());
            let holding = total.as_ref().map(Holding::from).unwrap_or_default();
            let Holding { changes, named } = holding.next(parts.map(|((part, track), _)| (track, part)));
            numbers.insert(track.clone(), changes);
            let new = Total { version: activity.ids.fresh(), as_of: now, changes, named, value };
            let condition = Condition::unchanged(total.map(|total| total.version));
            writes.put(&activity.lists.stats.name, to_item(&key, new)?, Some(condition))?;
        }
    }
    Ok(numbers)
}
