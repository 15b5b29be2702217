//! Closing periods.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::activity::{Activity, GRACE, Word};
use super::dispatch::Work;
use super::rolled::{Rolled, Total};
use crate::backoff::Backoff;
use crate::domain::calendar::{Level, Period};
use crate::domain::counters::TrackCounters;
use crate::domain::distinct::Distinct;
use crate::domain::entity::Entity;
use crate::domain::fold::Fold;
use crate::domain::id::{TrackId, UserId};
use crate::domain::rollup::{Rollup, Scope};
use crate::domain::span::Span;
use crate::domain::time::Time;
use crate::domain::track::Track;
use crate::store::error::{self, StoreError};
use crate::store::folds::Live;
use crate::store::items::{Item, VERSION, from_item, text, to_item, to_key};
use crate::store::keys::{self, Key};
use crate::store::retention::{ROLLUPS_LIVE, sources_may_be_gone};
use crate::store::table::{Consistency, Stretch, Table, Write};
use crate::store::toggles::Condition;

/// How many tracks are closed together in all periods of an hour. A transaction takes 100 items: seven of each track, five of
/// each artist, five of the platform
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
const TOGETHER: usize = 7;

/// How many periods of a track move in one transaction: three items each.
const MOVED_AT_ONCE: usize = 20;

/// Hour items live so long after they were last written.
const HOURS_KEPT: TimeDelta = TimeDelta::days(90);

/// Closes periods of tracks, and of their artists and the platform with them.
#[derive(Clone)]
pub struct Closing {
    activity: Activity,
    state: Table,
}

/// Where the new value of a rollup comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// What it is made of.
    Below,
    /// What it is made of, but an hour that was closed before stays as it is: what has landed since is marked, and only
    /// whoever closes all that stands above the hour with it may bring it in.
    BelowOnce,
    /// What it was: only whose it is changes.
    Itself,
}

/// What is to be closed together: all of it, or nothing.
struct Chunk<'a> {
    tracks: &'a BTreeSet<TrackId>,
    /// The shortest first.
    periods: &'a [Period],
    /// The hour whose marks this removes.
    changed: Option<Period>,
    from: From,
}

/// A rollup as it was read and as it becomes.
struct Change {
    held: Option<Rolled>,
    new: Rolled,
}

impl Closing {
    /// Stands on the lists of what was active, and on the table of documents.
    #[must_use]
    pub fn new(activity: Activity, client: Client, state: String) -> Self {
        Self { activity, state: Table::new(client, state) }
    }

    /// Does a piece of work, trying again until the deadline. Doing it twice, or at the same time as others, is doing it
    /// once.
    ///
    /// # Errors
    /// What stood in the way; the work is then to be done again. Where single tracks are corrupt, the others are done.
    pub fn work<'a>(&'a self, work: &'a Work, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match work {
                Work::Close { level, period, tracks, pages } => {
                    let period = self.period(*level, period)?;
                    self.close(period, tracks, pages, deadline).await
                }
                Work::Late { hour, tracks, pages } => {
                    let hour = self.period(Level::Hour, hour)?;
                    self.close_again(hour, tracks, Some(hour), deadline).await?;
                    let finished = pages.iter().map(|page| {
                        Write::Delete(Key { pk: keys::LATE.to_owned(), sk: page.clone() })
                    });
                    self.activity.lists.stats.write_all(finished.collect(), deadline).await
                }
                Work::Again { level, period, tracks } => {
                    let period = self.period(*level, period)?;
                    self.close_again(period, tracks, None, deadline).await
                }
                Work::Move { track, page } => self.follow(track, page, deadline).await,
            }
        })
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.activity.lists.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// Closes a period that is over, lists its tracks under the periods above it, and finishes its pages, in this order.
    async fn close(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        pages: &[String],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let corrupt = self.settle_all(tracks, &[period], None, From::BelowOnce, deadline).await?;
        // One that is corrupt must not hold up the frontier: it is marked as still to be closed.
        let hour = self.activity.lists.calendar.period(Level::Hour, period.start());
        let marked = corrupt.iter().map(|(track, _)| (hour, track.clone())).collect();
        self.activity.note_late(marked, deadline).await?;
        for above in self.directly_above(&period) {
            self.activity.enlist(&above, tracks, false, deadline).await?;
        }
        for page in pages {
            self.activity.say(Key { pk: keys::active(&period), sk: page.clone() }, Word::Done).await?;
        }
        corrupt.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Closes a period that may have been closed before, and all above it that are over; the others will be closed anyway,
    /// for the tracks are listed under them first.
    async fn close_again(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        changed: Option<Period>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let above = self.above(&period);
        self.activity.enlist(&period, tracks, true, deadline).await?;
        for period in &above {
            self.activity.enlist(period, tracks, false, deadline).await?;
        }
        let now = self.activity.now();
        let mut periods = vec![period];
        periods.extend(above.into_iter().filter(|above| above.end() <= now));
        let tracks: Vec<&TrackId> = tracks.iter().collect();
        let mut corrupt = None;
        for together in tracks.chunks(TOGETHER) {
            let together = together.iter().copied().cloned().collect();
            let left = self.settle_all(&together, &periods, changed, From::Below, deadline).await?;
            corrupt = corrupt.or(left.into_iter().next());
        }
        corrupt.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Closes tracks together, or one by one where some are corrupt: those are left, and told.
    async fn settle_all(
        &self,
        tracks: &BTreeSet<TrackId>,
        periods: &[Period],
        changed: Option<Period>,
        from: From,
        deadline: Instant,
    ) -> Result<Vec<(TrackId, StoreError)>, StoreError> {
        match self.settle(&Chunk { tracks, periods, changed, from }, deadline).await {
            Err(StoreError::Corrupt { .. }) => {}
            result => return result.map(|()| Vec::new()),
        }
        let mut corrupt = Vec::new();
        for track in tracks {
            let alone = BTreeSet::from([track.clone()]);
            match self.settle(&Chunk { tracks: &alone, periods, changed, from }, deadline).await {
                Ok(()) => {}
                Err(error @ StoreError::Corrupt { .. }) => corrupt.push((track.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(corrupt)
    }

    /// Moves all closed periods of a track to the artist it has come to.
    async fn follow(&self, track: &TrackId, page: &str, deadline: Instant) -> Result<(), StoreError> {
        let tracks = BTreeSet::from([track.clone()]);
        let pk = keys::rollups(&Scope::Track(track.clone()));
        for level in Level::ALL {
            let all = Stretch::beginning(pk.clone(), keys::rollups_of(level));
            let mut periods = Vec::new();
            for item in self.activity.lists.stats.query(&all, Consistency::Strong).await? {
                let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::rollups_of(level)));
                periods.push(self.period(level, name.unwrap_or_default())?);
            }
            for periods in periods.chunks(MOVED_AT_ONCE) {
                let chunk = Chunk { tracks: &tracks, periods, changed: None, from: From::Itself };
                self.settle(&chunk, deadline).await?;
            }
        }
        let done = Write::Delete(Key { pk: keys::MOVED.to_owned(), sk: page.to_owned() });
        self.state.write_all(vec![done], deadline).await
    }

    /// The periods directly above one.
    fn directly_above(&self, period: &Period) -> Vec<Period> {
        let levels: &[Level] = match period.level() {
            Level::Hour => &[Level::Day],
            Level::Day => &[Level::Week, Level::Month],
            Level::Month => &[Level::Year],
            Level::Week | Level::Year => &[],
        };
        levels.iter().map(|level| self.activity.lists.calendar.period(*level, period.start())).collect()
    }

    /// All periods above one, the shortest first.
    fn above(&self, period: &Period) -> Vec<Period> {
        let mut all: Vec<Period> = Vec::new();
        let mut next = self.directly_above(period);
        while let Some(above) = next.pop() {
            next.extend(self.directly_above(&above));
            all.push(above);
        }
        all.sort_by_key(Period::level);
        all
    }

    async fn settle(&self, chunk: &Chunk<'_>, deadline: Instant) -> Result<(), StoreError> {
        let mut backoff = Backoff::until(deadline);
        loop {
            let error = match timeout_at(deadline, self.settle_once(chunk, deadline)).await {
                Ok(Ok(true)) => return Ok(()),
                // A track changed hands meanwhile.
                Ok(Ok(false)) => StoreError::Conflict,
                Ok(Err(error)) => error,
                Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
            };
            if !error.may_pass() || !backoff.wait().await {
                return Err(error);
            }
        }
    }

    /// Reads versions, then what rollups are made of, and writes all in one transaction; `false` if a track has changed
    /// hands since it was read whose it is.
    async fn settle_once(&self, chunk: &Chunk<'_>, deadline: Instant) -> Result<bool, StoreError> {
        let stats = &self.activity.lists.stats;
        let artists = self.artists(chunk.tracks, deadline).await?;
        let held = stats.get_all(chunk.keys(), Consistency::Strong, deadline).await?;
        let now = self.activity.now();

        let mut changes: BTreeMap<(Period, TrackId), Change> = BTreeMap::new();
        for track in chunk.tracks {
            for period in chunk.periods {
                let rolled = held.get(&keys::rollup(&Scope::Track(track.clone()), period));
                let rolled: Option<Rolled> = rolled.cloned().map(from_item).transpose()?;
                let new = self.new_value(track, period, rolled.as_ref(), chunk.from, &changes, now).await?;
                if let Some((value, expires, as_of)) = new {
                    let artist = artists.get(track).cloned();
                    let new = Rolled { as_of, ..self.rolled(period, now, artist, expires, value) };
                    changes.insert((*period, track.clone()), Change { held: rolled, new });
                }
            }
        }

        let mut writes = Writes { table: stats, items: Vec::new() };
        self.add_parents(chunk, &changes, now, &mut writes, deadline).await?;
        add_totals(chunk, &changes, &held, &self.activity, now, &mut writes)?;
        for ((period, track), change) in changes {
            let version = change.held.map(|held| held.version);
            writes.put(to_item(&keys::rollup(&Scope::Track(track), &period), change.new)?, version)?;
        }
        if let Some(hour) = &chunk.changed {
            for track in chunk.tracks {
                let key = keys::changed(track, hour);
                if let Some(version) = held.get(&key).and_then(|mark| text(mark, VERSION)) {
                    writes.delete(&key, version.to_owned())?;
                }
            }
        }
        writes.commit().await?;
        Ok(self.artists(chunk.tracks, deadline).await? == artists)
    }

    fn rolled(
        &self,
        period: &Period,
        now: Time,
        artist: Option<UserId>,
        expires: Option<i64>,
        value: Rollup,
    ) -> Rolled {
        let ttl = (period.level() == Level::Hour).then(|| {
            let kept = now.plus(HOURS_KEPT).seconds();
            expires.map_or(kept, |expires| kept.max(expires + ROLLUPS_LIVE.num_seconds()))
        });
        Rolled { version: self.activity.ids.fresh(), as_of: now, artist, expires, ttl, value }
    }

    /// Whose the tracks are, where that is known.
    async fn artists(
        &self,
        tracks: &BTreeSet<TrackId>,
        deadline: Instant,
    ) -> Result<HashMap<TrackId, UserId>, StoreError> {
        let keys = tracks.iter().map(|track| keys::document(&Entity::Track(track.clone()))).collect();
        let mut documents = self.state.get_all(keys, Consistency::Strong, deadline).await?;
        let mut artists = HashMap::new();
        for track in tracks {
            if let Some(item) = documents.remove(&keys::document(&Entity::Track(track.clone()))) {
                artists.insert(track.clone(), from_item::<Track>(item)?.artist);
            }
        }
        Ok(artists)
    }

    /// What a rollup is to hold, when the first of its facts expires, and when its fold began; nothing where there is
    /// nothing.
    async fn new_value(
        &self,
        track: &TrackId,
        period: &Period,
        held: Option<&Rolled>,
        from: From,
        changes: &BTreeMap<(Period, TrackId), Change>,
        now: Time,
    ) -> Result<Option<(Rollup, Option<i64>, Time)>, StoreError> {
        let same = held.map(|held| (held.value.clone(), held.expires, held.as_of));
        // Whatever has landed in time is in an hour that was closed then.
        let is_closed = held.is_some_and(|held| held.as_of >= period.end().plus(GRACE));
        let stays = from == From::Itself || (from == From::BelowOnce && period.level() == Level::Hour && is_closed);
        let sealed = held.and_then(|held| held.expires).is_some_and(|expires| sources_may_be_gone(expires, now));
        if stays || (sealed && period.level() <= Level::Day) {
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
            let parts = Stretch { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            // What this transaction writes takes the place of what is read.
            let mut found: BTreeMap<String, Rolled> = BTreeMap::new();
            for item in self.activity.lists.stats.query(&parts, Consistency::Strong).await? {
                let name = text(&item, keys::SK).unwrap_or_default().to_owned();
                found.insert(name, from_item(item)?);
            }
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
        changes: &BTreeMap<(Period, TrackId), Change>,
        now: Time,
        writes: &mut Writes<'_>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
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
            let held: Option<Rolled> = items.remove(&key).map(from_item).transpose()?;
            let mut value = held.as_ref().map(|held| held.value.clone()).unwrap_or_default();
            let mut ttl = held.as_ref().and_then(|held| held.ttl);
            let mut left = false;
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
                if let Some(was) = was {
                    let among = value.take_away(listed, &was.value.counters);
                    among.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                    left |= is.is_none();
                }
            }
            if let (true, Scope::Artist(artist)) = (left, &scope) {
                let (mut sessions, mut listeners) = self.who_is_left(artist, &period, chunk.tracks, deadline).await?;
                let stay = changes.iter().filter(|((of, _), _)| *of == period).map(|(_, change)| &change.new);
                for new in stay.filter(|new| new.artist.as_ref() == Some(artist)) {
                    sessions.merge(&new.value.counters.sessions);
                    listeners.merge(&new.value.counters.listeners);
                }
                (value.counters.sessions, value.counters.listeners) = (sessions, listeners);
            }
            let unchanged = held.as_ref().map_or_else(|| value == Rollup::default(), |held| held.value == value);
            if !unchanged {
                let new = Rolled { ttl, ..self.rolled(&period, now, None, None, value) };
                writes.put(to_item(&key, new)?, held.map(|held| held.version))?;
            }
        }
        Ok(())
    }

    /// The sketches of an artist's tracks but some: what was counted cannot be taken out of a sketch.
    async fn who_is_left(
        &self,
        artist: &UserId,
        period: &Period,
        but: &BTreeSet<TrackId>,
        deadline: Instant,
    ) -> Result<(Distinct, Distinct), StoreError> {
        let all = Stretch::beginning(keys::user(artist), keys::TRACKS_OF);
        let mut keys = BTreeSet::new();
        for item in self.state.query(&all, Consistency::Strong).await? {
            let track = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::TRACKS_OF)).unwrap_or_default();
            let track: TrackId = track.parse().map_err(|error| StoreError::corrupt(track, error))?;
            if !but.contains(&track) {
                keys.insert(keys::rollup(&Scope::Track(track), period));
            }
        }
        let (mut sessions, mut listeners) = (Distinct::default(), Distinct::default());
        for item in self.activity.lists.stats.get_all(keys, Consistency::Strong, deadline).await?.into_values() {
            let rolled: Rolled = from_item(item)?;
            if rolled.artist.as_ref() == Some(artist) {
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

    fn closes_days(&self) -> bool {
        self.from != From::Itself && self.periods.iter().any(|period| period.level() == Level::Day)
    }
}

/// What changes in the days of a track changes in its total.
fn add_totals(
    chunk: &Chunk<'_>,
    changes: &BTreeMap<(Period, TrackId), Change>,
    held: &HashMap<Key, Item>,
    activity: &Activity,
    now: Time,
    writes: &mut Writes<'_>,
) -> Result<(), StoreError> {
    if !chunk.closes_days() {
        return Ok(());
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
            let new = Total { version: activity.ids.fresh(), as_of: now, value };
            writes.put(to_item(&key, new)?, total.map(|total| total.version))?;
        }
    }
    Ok(())
}

/// The live buckets of a span.
pub(super) fn minutes(track: &TrackId, span: Span) -> Stretch {
    let last = span.to.plus(-TimeDelta::milliseconds(1)).minute();
    Stretch {
        pk: keys::rollups(&Scope::Track(track.clone())),
        from: format!("{}{}", keys::LIVE_BUCKETS, span.from.minute()),
        to: format!("{}{last}", keys::LIVE_BUCKETS),
    }
}

/// The writes of one transaction.
struct Writes<'a> {
    table: &'a Table,
    items: Vec<TransactWriteItem>,
}

impl Writes<'_> {
    fn put(&mut self, item: Item, held: Option<String>) -> Result<(), StoreError> {
        let condition = Condition::still(held);
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values)
            .build()
            .map_err(|error| StoreError::corrupt("rollup", error))?;
        self.items.push(TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    fn delete(&mut self, key: &Key, held: String) -> Result<(), StoreError> {
        let condition = Condition::still(Some(held));
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(to_key(key)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values)
            .build()
            .map_err(|error| StoreError::corrupt("mark", error))?;
        self.items.push(TransactWriteItem::builder().delete(delete).build());
        Ok(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let transaction = self.table.client.transact_write_items().set_transact_items(Some(self.items));
        transaction.send().await.map_err(error::of_transaction)?;
        Ok(())
    }
}
