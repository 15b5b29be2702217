//! What happened last to an artist's tracks.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::reading::{Known, OpenMinute, Read, Reading, newest_first};
use super::stored::StoredRollup;
use super::worklist::Watermark;
use crate::compact::expand;
use crate::error::StoreError;
use crate::items::{Item, from_item, key_of, text};
use crate::keys::{self, Key};
use crate::setup::{EventsTable, Setup};
use crate::table::{Consistency, KeyRange};
use domain::calendar::{Level, Period};
use domain::caller::Actor;
use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::event::Engagement;
use domain::fact::TrackFact;
use domain::id::{EventId, TrackId, UserId};
use domain::merge::{MergedFacts, MergedPlay, PlayKey};
use domain::rollup::{Scope, Share, Shares};
use domain::time::{Minute, Time};
use domain::time_span::MINUTES_KEPT_FOR;

/// How many queries are under way at once.
const AT_ONCE: usize = 32;

/// How many days back something is looked for: facts are not kept for ever.
const DAYS: i32 = 90;

/// What happened last, the newest first.
#[derive(Debug, Clone, Default)]
pub struct RecentActivity {
    /// Plays, each as all facts of it tell.
    pub plays: Vec<Happened<MergedPlay>>,
    /// Likes that were given.
    pub likes: Vec<Happened<()>>,
}

/// Something that happened to a track.
#[derive(Debug, Clone)]
pub struct Happened<T> {
    /// The track.
    pub track: TrackId,
    /// When.
    pub at: Time,
    /// What.
    pub what: T,
    /// The event that told it, and who caused that: one after the other where several happened at once.
    told_by: (EventId, Actor),
}

/// A fact of a track, and its key.
struct Fact {
    track: TrackId,
    at: Time,
    event: EventId,
    key: Key,
    fact: TrackFact,
}

fn newest<T>(list: &mut Vec<Happened<T>>, most: usize) {
    list.sort_by(|a, b| (b.at, &b.track, &b.told_by).cmp(&(a.at, &a.track, &a.told_by)));
    list.truncate(most);
}

/// What is looked for, and what was found.
struct Search {
    plays: usize,
    likes: usize,
    recent: RecentActivity,
    seen: HashSet<Key>,
}

impl Search {
    /// Whether something that holds plays or likes is worth a look.
    fn wants(&self, plays: bool, likes: bool) -> bool {
        (plays && self.recent.plays.len() < self.plays) || (likes && self.recent.likes.len() < self.likes)
    }

    fn goes_on(&self) -> bool {
        self.wants(true, true)
    }
}

/// The tables of facts and of numbers, for finding what happened last.
#[derive(Clone)]
pub struct Recent {
    events: EventsTable,
    reading: Reading,
}

impl Recent {
    /// Opens the tables for reading.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { events: setup.events_table(), reading: Reading::open(setup) }
    }

    /// The last plays and likes of an artist's tracks. `read` is what was read of the artist, up to now and since
    /// `open_since` without a gap.
    ///
    /// Facts are read only of the minutes that hold what is looked for.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn of_artist<'a>(
        &'a self,
        artist: &'a UserId,
        (read, open_since): (&'a Read, Time),
        plays: usize,
        likes: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<RecentActivity, StoreError>> {
        Box::pin(async move {
            let found = timeout_at(deadline, self.find(artist, read, open_since, plays, likes)).await;
            found.unwrap_or_else(|elapsed| Err(StoreError::Unavailable { source: elapsed.into() }))
        })
    }

    async fn find(
        &self,
        artist: &UserId,
        read: &Read,
        open_since: Time,
        plays: usize,
        likes: usize,
    ) -> Result<RecentActivity, StoreError> {
        let scope = Scope::Artist(artist.clone());
        let Known { frontier, members, late } = &read.known;
        let mut search = Search { plays, likes, recent: RecentActivity::default(), seen: HashSet::new() };
        // What is live is the newest; what else was read at the ends of a span lies somewhere further back.
        let since = frontier.as_ref().map(|frontier| frontier.of(Level::Hour).end());
        let is_live = |open: &&OpenMinute| {
            let at = open.minute.start();
            at >= open_since && since.is_none_or(|since| at >= since)
        };
        let live = read.open.iter().filter(is_live).cloned();
        self.look(&newest_first(live.collect()), &mut search).await?;

        // Further back, hour by hour: those that are closed, and those that are yet to be.
        let mut late = late.clone();
        late.extend(self.unread(since, open_since, members).await?);
        let pk = keys::rollups(&scope);
        if let Some(frontier) = frontier {
            let oldest = frontier.of(Level::Day).end().plus(-TimeDelta::days(DAYS.into()));
            late.extend(self.aside(&pk, frontier, members, oldest).await?);
        }
        late.sort();
        late.dedup();
        let stats = &self.reading.lists.stats;
        if let Some(frontier) = frontier.as_ref().filter(|_| search.goes_on()) {
            let after = frontier.of(Level::Day).end();
            let mut today = KeyRange::with_prefix(pk.clone(), keys::rollups_of(Level::Hour));
            today.from = format!("{}{}", keys::rollups_of(Level::Hour), after.minute());
            let hours = stats.query(&today, Consistency::Eventual).await?;
            self.look_at_hours(hours, members, &mut late, &mut search).await?;
            // Days only of months that hold what is looked for; the running month is not closed.
            let calendar = &self.reading.lists.calendar;
            let mut to = after;
            let oldest = after.plus(-TimeDelta::days(DAYS.into()));
            while search.goes_on() && to > oldest {
                let month = calendar.period(Level::Month, to.plus(-TimeDelta::milliseconds(1)));
                if frontier.holds(&month) {
                    let closed = stats.get(&keys::rollup(&scope, &month), Consistency::Eventual).await?;
                    let closed: Option<StoredRollup> = closed.map(from_item).transpose()?;
                    let holds = closed.map(|closed| closed.value.counters).unwrap_or_default();
                    if !search.wants(holds.plays > 0, holds.likes > 0) {
                        to = month.start();
                        continue;
                    }
                }
                let prefix = keys::rollups_of(Level::Day);
                let first = calendar.period(Level::Day, month.start());
                let last = calendar.period(Level::Day, to.plus(-TimeDelta::milliseconds(1)));
                let days = KeyRange { pk: pk.clone(), from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
                for item in stats.query(&days, Consistency::Eventual).await?.into_iter().rev() {
                    let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(prefix));
                    let day = self.period(Level::Day, name.unwrap_or_default())?;
                    let rolled: StoredRollup = from_item(item)?;
                    if search.wants(rolled.value.counters.plays > 0, rolled.value.counters.likes > 0) {
                        let prefix = keys::rollups_of(Level::Hour);
                        let last = day.end().plus(-TimeDelta::milliseconds(1)).minute();
                        let from = format!("{prefix}{}", day.start().minute());
                        let hours = KeyRange { pk: pk.clone(), from, to: format!("{prefix}{last}") };
                        let hours = stats.query(&hours, Consistency::Eventual).await?;
                        self.look_at_hours(hours, members, &mut late, &mut search).await?;
                    }
                }
                to = month.start();
            }
        }
        self.look_at_late(&mut late, None, &mut search).await?;
        Ok(search.recent)
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.reading.lists.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// What was active since the last closed hour, but before what was read: there is something if rollups have not run.
    async fn unread(
        &self,
        since: Option<Time>,
        open_since: Time,
        members: &BTreeSet<TrackId>,
    ) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let mut unread = Vec::new();
        let Some(since) = since else { return Ok(unread) };
        let mut hour = self.reading.lists.calendar.period(Level::Hour, since);
        while hour.start() < open_since {
            let active = self.reading.active_in(hour).await?;
            unread.extend(active.into_iter().filter(|track| members.contains(track)).map(|track| (hour, track)));
            hour = self.reading.lists.calendar.next(&hour);
        }
        Ok(unread)
    }

    /// Looks at closed hours, the newest first, and at those between them that are yet to be closed again.
    async fn look_at_hours(
        &self,
        hours: Vec<Item>,
        members: &BTreeSet<TrackId>,
        late: &mut Vec<(Period, TrackId)>,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        for item in hours.into_iter().rev() {
            if !search.goes_on() {
                return Ok(());
            }
            let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::rollups_of(Level::Hour)));
            let hour = self.period(Level::Hour, name.unwrap_or_default())?;
            self.look_at_late(late, Some(hour), search).await?;
            let rolled: StoredRollup = from_item(item)?;
            let mut tracks: BTreeSet<TrackId> =
                late.extract_if(.., |(late, _)| *late == hour).map(|(_, track)| track).collect();
            tracks.extend(
                self.active(hour, rolled.value.tracks, members, |share| search.wants(share.plays > 0, share.likes > 0))
                    .await?,
            );
            let minutes = self.minutes(hour, tracks).await?;
            self.look(&newest_first(minutes), search).await?;
        }
        Ok(())
    }

    /// The tracks of an artist that brought something in a closed hour.
    async fn active(
        &self,
        hour: Period,
        shares: Shares,
        members: &BTreeSet<TrackId>,
        wants: impl Fn(&Share) -> bool,
    ) -> Result<BTreeSet<TrackId>, StoreError> {
        Ok(match shares {
            Shares::Each(tracks) => {
                let wanted = tracks.into_iter().filter(|(track, share)| members.contains(track) && wants(share));
                wanted.map(|(track, _)| track).collect()
            }
            Shares::TooMany => {
                self.reading.active_in(hour).await?.into_iter().filter(|track| members.contains(track)).collect()
            }
        })
    }

    /// The hours of days that are set aside, as if they were yet to be closed: those days may not hold all of them.
    async fn aside(
        &self,
        pk: &str,
        frontier: &Watermark,
        members: &BTreeSet<TrackId>,
        since: Time,
    ) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let mut aside = Vec::new();
        let prefix = keys::rollups_of(Level::Hour);
        for day in frontier.aside().filter(|day| day.level() == Level::Day && day.end() > since) {
            let last = day.end().plus(-TimeDelta::milliseconds(1)).minute();
            let (from, to) = (format!("{prefix}{}", day.start().minute()), format!("{prefix}{last}"));
            let hours = KeyRange { pk: pk.to_owned(), from, to };
            for item in self.reading.lists.stats.query(&hours, Consistency::Eventual).await? {
                let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(prefix));
                let hour = self.period(Level::Hour, name.unwrap_or_default())?;
                let rolled: StoredRollup = from_item(item)?;
                let tracks = self.active(hour, rolled.value.tracks, members, |_| true).await?;
                aside.extend(tracks.into_iter().map(|track| (hour, track)));
            }
        }
        Ok(aside)
    }

    /// Looks at hours that are yet to be closed again, the newest first, before a closed one.
    async fn look_at_late(
        &self,
        late: &mut Vec<(Period, TrackId)>,
        before: Option<Period>,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        while search.goes_on()
            && let Some(hour) =
                late.last().map(|(hour, _)| *hour).filter(|hour| before.is_none_or(|closed| *hour > closed))
        {
            let same = late.iter().rposition(|(other, _)| *other != hour).map_or(0, |before| before + 1);
            let tracks = late.drain(same..).map(|(_, track)| track).collect();
            let minutes = self.minutes(hour, tracks).await?;
            self.look(&newest_first(minutes), search).await?;
        }
        Ok(())
    }

    /// The minutes of tracks in a closed hour. Those that may have expired are told by the keys of their facts.
    async fn minutes(&self, hour: Period, tracks: BTreeSet<TrackId>) -> Result<Vec<OpenMinute>, StoreError> {
        if Time::from(self.reading.clock.now()).since(hour.start()) > MINUTES_KEPT_FOR {
            let read: Vec<_> = tracks.into_iter().map(|track| self.minutes_by_facts(hour, track)).collect();
            let read: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
            return Ok(read.into_iter().flatten().collect());
        }
        let read: Vec<_> = tracks
            .into_iter()
            .map(|track| self.reading.minutes_of(track, hour.span(), Consistency::Eventual))
            .collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        let open = |(track, minute, counters): (TrackId, Minute, TrackCounters)| OpenMinute {
            track,
            minute,
            plays: counters.plays,
            likes: counters.likes,
        };
        Ok(read.into_iter().flatten().map(open).collect())
    }

    /// The minutes of a track that have facts in an hour, each with at most one play and one like: no more than there are.
    fn minutes_by_facts(&self, hour: Period, track: TrackId) -> BoxFuture<'_, Result<Vec<OpenMinute>, StoreError>> {
        Box::pin(async move {
            let of = Entity::Track(track.clone());
            let last = hour.end().plus(-TimeDelta::milliseconds(1));
            let mut minutes: BTreeMap<Minute, OpenMinute> = BTreeMap::new();
            // An hour of a time zone may lie in two of UTC, which facts are filed under.
            for utc in BTreeSet::from([hour.start().hour(), last.hour()]) {
                let facts = KeyRange::with_prefix(keys::facts_of_hour(&of, utc), "");
                for fact in self.events.query(&facts, Consistency::Eventual).await? {
                    let key = key_of(&fact).ok_or_else(|| StoreError::corrupt("fact", "no key"))?;
                    let (_, at, _) = keys::parse_fact(&key.pk, &key.sk)
                        .map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                    if hour.contains(at) {
                        let none = || OpenMinute { track: track.clone(), minute: at.minute(), plays: 0, likes: 0 };
                        let minute = minutes.entry(at.minute()).or_insert_with(none);
                        let fact: TrackFact = from_item(expand(fact))?;
                        match fact.what {
                            Engagement::Play(_) => minute.plays = 1,
                            Engagement::Like { .. } => minute.likes = 1,
                            Engagement::Save { .. } | Engagement::Share { .. } | Engagement::Download { .. } => {}
                        }
                    }
                }
            }
            Ok(minutes.into_values().collect())
        })
    }

    /// Adds what the facts of minutes tell, the newest minute first, until there is enough.
    async fn look(&self, minutes: &[OpenMinute], search: &mut Search) -> Result<(), StoreError> {
        let Search { plays, likes, recent, seen } = search;
        let (plays, likes) = (*plays, *likes);
        // Minutes of several tracks may be the same one: all of a minute is read before any of it is left out.
        let (mut plays_ahead, mut likes_ahead) = (recent.plays.len(), recent.likes.len());
        let (mut last_play, mut last_like) = (None, None);
        let mut wanted: Vec<&OpenMinute> = Vec::new();
        for minute in minutes {
            let want_play = minute.plays > 0 && (plays_ahead < plays || last_play == Some(minute.minute));
            let want_like = minute.likes > 0 && (likes_ahead < likes || last_like == Some(minute.minute));
            if want_play {
                plays_ahead += usize::try_from(minute.plays).unwrap_or(usize::MAX);
                last_play = Some(minute.minute);
            }
            if want_like {
                likes_ahead += usize::try_from(minute.likes).unwrap_or(usize::MAX);
                last_like = Some(minute.minute);
            }
            if want_play || want_like {
                wanted.push(minute);
            }
        }
        let facts: Vec<_> = wanted.into_iter().map(|minute| self.facts(minute.clone())).collect();
        let facts: Vec<_> = stream::iter(facts).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut merged: MergedFacts<(TrackId, PlayKey), MergedPlay> = MergedFacts::default();
        for Fact { track, at, event, key, fact } in facts.into_iter().flatten() {
            if !seen.insert(key) {
                continue;
            }
            match &fact.what {
                Engagement::Play(play) => {
                    let (key, play) = MergedPlay::of(at, event, &fact, play);
                    merged.add((track, key), fact.user, play);
                }
                Engagement::Like { on: true, .. } => {
                    let told_by = (event, fact.actor());
                    recent.likes.push(Happened { track, at, what: (), told_by });
                }
                _ => {}
            }
        }
        recent.plays.extend(merged.merged().map(|((track, (at, ..)), play)| {
            let told_by = (play.first_event.clone(), play.actor.clone());
            Happened { track, at, what: play, told_by }
        }));
        newest(&mut recent.plays, plays);
        newest(&mut recent.likes, likes);
        Ok(())
    }

    fn facts(&self, of: OpenMinute) -> BoxFuture<'_, Result<Vec<Fact>, StoreError>> {
        Box::pin(async move {
            let bucket = Bucket { entity: Entity::Track(of.track.clone()), minute: of.minute };
            let pk = keys::facts_of_hour(&bucket.entity, bucket.minute.hour());
            let range = KeyRange::with_prefix(pk, &keys::facts_of_minute(&bucket));
            let items = self.events.query(&range, Consistency::Eventual).await?;
            let mut facts = Vec::with_capacity(items.len());
            for item in items {
                let key = key_of(&item).ok_or_else(|| StoreError::corrupt("fact", "no key"))?;
                let (_, at, event) = keys::parse_fact(&key.pk, &key.sk)
                    .map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                facts.push(Fact { track: of.track.clone(), at, event, key, fact: from_item(expand(item))? });
            }
            Ok(facts)
        })
    }
}
