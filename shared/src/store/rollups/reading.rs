//! Reading numbers of any span: from closed periods where they fit, from live minutes elsewhere, put right by marks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::closing::minutes;
use super::lists::{Frontier, Lists};
use super::rolled::{self, Rolled};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::domain::calendar::{Calendar, Level, Period};
use crate::domain::counters::TrackCounters;
use crate::domain::fold::Fold;
use crate::domain::id::{TrackId, UserId};
use crate::domain::rollup::{Rollup, Scope};
use crate::domain::span::Span;
use crate::domain::time::{Minute, Time};
use crate::store::error::StoreError;
use crate::store::folds::Live;
use crate::store::items::{Item, from_item, text};
use crate::store::keys::{self, SK};
use crate::store::table::{Consistency, LAST, Stretch, Table};

/// How many queries are under way at once.
const AT_ONCE: usize = 64;

/// Where numbers were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadFrom {
    /// In live minutes.
    Live,
    /// In closed periods.
    Closed(Level),
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Closed(level) => level.fmt(f),
        }
    }
}

/// A live minute of a track that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMinute {
    /// The track.
    pub track: TrackId,
    /// The minute.
    pub minute: Minute,
    /// How many plays it holds.
    pub plays: u64,
    /// How many likes it holds, those taken back too.
    pub likes: u64,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The numbers of each cell.
    pub cells: Vec<Rollup>,
    /// Where they were read.
    pub from: BTreeSet<ReadFrom>,
    /// What had been counted by this time is in them.
    pub as_of: Time,
    /// The live minutes that were read.
    pub open: Vec<OpenMinute>,
}

/// The tables of documents and of numbers, for reading.
#[derive(Clone)]
pub struct Reading {
    pub(super) lists: Lists,
    pub(super) state: Table,
    clock: Arc<dyn Clock>,
}

/// A part of a cell that is read from one level; from minutes where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    level: Option<Level>,
    span: Span,
    cell: usize,
}

/// A closed period: its level, when it begins, and what it holds.
type Closed = (Level, Time, Rolled);

/// Live minutes of tracks, and what they hold.
type Minutes = Vec<(TrackId, Minute, TrackCounters)>;

/// Numbers that are being summed up.
struct Sum {
    read: Read,
    cells: Vec<Span>,
    /// Whether it is kept what each track brings.
    by_track: bool,
}

impl Sum {
    /// The cell that a time falls into.
    fn cell(&mut self, at: Time) -> Option<&mut Rollup> {
        let after = self.cells.partition_point(|cell| cell.from <= at);
        let index = after.checked_sub(1)?;
        self.cells.get(index).filter(|cell| at < cell.to)?;
        self.read.cells.get_mut(index)
    }

    fn add(&mut self, at: Time, track: &TrackId, counters: &TrackCounters) {
        let listed = self.by_track.then_some(track);
        if let Some(cell) = self.cell(at) {
            cell.add(listed, counters);
        }
    }

    fn take_away(&mut self, at: Time, track: &TrackId, counters: &TrackCounters) -> Result<(), StoreError> {
        let listed = self.by_track.then_some(track);
        // What is not there has been closed again since its mark was read: all of it is to be read anew.
        self.cell(at).map_or(Ok(()), |cell| cell.take_away(listed, counters)).map_err(|_| StoreError::Conflict)
    }
}

impl Reading {
    /// Reads from these tables, by this calendar.
    #[must_use]
    pub fn new(client: Client, state: String, stats: String, calendar: Calendar, clock: Arc<dyn Clock>) -> Self {
        let lists = Lists { stats: Table::new(client.clone(), stats), calendar };
        Self { lists, state: Table::new(client, state), clock }
    }

    /// The numbers of each cell; cells are in their order, do not overlap, and are resolved.
    ///
    /// Eventually consistent: numbers follow the facts within about a second.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn read<'a>(
        &'a self,
        scope: &'a Scope,
        cells: &'a [Span],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Read, StoreError>> {
        Box::pin(async move {
            let mut backoff = Backoff::until(deadline);
            loop {
                let error = match timeout_at(deadline, self.read_once(scope, cells, deadline)).await {
                    Ok(Ok(read)) => return Ok(read),
                    Ok(Err(error)) => error,
                    Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
                };
                if !error.may_pass() || !backoff.wait().await {
                    return Err(error);
                }
            }
        })
    }

    async fn read_once(&self, scope: &Scope, cells: &[Span], deadline: Instant) -> Result<Read, StoreError> {
        let as_of = Time::from(self.clock.now());
        let (frontier, late) = futures::try_join!(self.frontier(), self.late(scope))?;
        let segments = plan(&self.lists.calendar, frontier.as_ref(), cells);
        let read =
            Read { cells: vec![Rollup::default(); cells.len()], from: BTreeSet::new(), as_of, open: Vec::new() };
        let mut sum = Sum { read, cells: cells.to_vec(), by_track: matches!(scope, Scope::Artist(_)) };
        let (closed, (live, late)) = futures::try_join!(self.closed(scope, &segments), async {
            let members = self.members(scope).await?;
            let late: Vec<(Period, TrackId)> =
                late.into_iter().filter(|(_, track)| members.as_ref().is_none_or(|all| all.contains(track))).collect();
            let changed: Vec<&(Period, TrackId)> =
                late.iter().filter(|(hour, _)| segments.iter().any(|segment| segment.holds(hour))).collect();
            let spans = self.spans(scope, &segments, &late, members.as_ref()).await?;
            futures::try_join!(self.live(spans), self.changed(changed, deadline))
        })?;
        for (level, start, rolled) in closed {
            sum.read.from.insert(ReadFrom::Closed(level));
            if let Some(cell) = sum.cell(start) {
                cell.merge(&rolled.value);
            }
        }
        for (track, minute, counters) in live {
            sum.read.from.insert(ReadFrom::Live);
            sum.add(minute.start(), &track, &counters);
            sum.read.open.push(OpenMinute { track, minute, plays: counters.plays, likes: counters.likes });
        }
        for (hour, track, is, was) in late {
            sum.read.from.insert(ReadFrom::Live);
            sum.add(hour.start(), &track, &is);
            sum.take_away(hour.start(), &track, &was)?;
        }
        Ok(sum.read)
    }

    pub(super) async fn frontier(&self) -> Result<Option<Frontier>, StoreError> {
        Ok(self.lists.frontier(Consistency::Eventual).await?.map(|(frontier, _)| frontier))
    }

    /// The tracks of an artist; nothing where all tracks belong, or the one.
    async fn members(&self, scope: &Scope) -> Result<Option<BTreeSet<TrackId>>, StoreError> {
        let Scope::Artist(artist) = scope else { return Ok(None) };
        self.tracks_of(artist).await.map(Some)
    }

    pub(super) async fn tracks_of(&self, artist: &UserId) -> Result<BTreeSet<TrackId>, StoreError> {
        let all = Stretch::beginning(keys::user(artist), keys::TRACKS_OF);
        let items = self.state.query(&all, Consistency::Eventual).await?;
        items.iter().map(|item| after(item, keys::TRACKS_OF)).collect()
    }

    /// The hours that have changed since they were closed, or may have, in their order.
    pub(super) async fn late(&self, scope: &Scope) -> Result<Vec<(Period, TrackId)>, StoreError> {
        if let Scope::Track(track) = scope {
            let marks = Stretch::beginning(keys::rollups(scope), keys::CHANGED);
            let marks = self.lists.stats.query(&marks, Consistency::Eventual).await?;
            return marks.iter().map(|mark| Ok((self.hour(mark, keys::CHANGED)?, track.clone()))).collect();
        }
        let pages = self.lists.late(Consistency::Eventual).await?;
        let late = pages.into_iter().flat_map(|(_, hour, page)| page.tracks.into_iter().map(move |track| (hour, track)));
        Ok(late.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn hour(&self, item: &Item, prefix: &str) -> Result<Period, StoreError> {
        let name: String = after(item, prefix)?;
        self.lists.calendar.parse(Level::Hour, &name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The closed periods of the segments, with their beginnings.
    async fn closed(
        &self,
        scope: &Scope,
        segments: &[Segment],
    ) -> Result<Vec<Closed>, StoreError> {
        let pk = keys::rollups(scope);
        let runs: Vec<_> =
            runs(segments).into_iter().map(|(level, span)| self.run(pk.clone(), level, span)).collect();
        let runs: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(runs.into_iter().flatten().collect())
    }

    /// The closed periods of one level that follow each other.
    fn run(&self, pk: String, level: Level, span: Span) -> BoxFuture<'_, Result<Vec<Closed>, StoreError>> {
        Box::pin(async move {
            let calendar = &self.lists.calendar;
            let prefix = keys::rollups_of(level);
            let first = calendar.period(level, span.from);
            let last = calendar.period(level, span.to.plus(-TimeDelta::milliseconds(1)));
            let stretch = Stretch { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            let mut closed = Vec::new();
            for item in self.lists.stats.query(&stretch, Consistency::Eventual).await? {
                let name: String = after(&item, prefix)?;
                let period = calendar.parse(level, &name).map_err(|error| StoreError::corrupt(name, error))?;
                closed.push((level, period.start(), from_item(item)?));
            }
            Ok(closed)
        })
    }

    /// Which minutes are to be read of which tracks.
    async fn spans(
        &self,
        scope: &Scope,
        segments: &[Segment],
        late: &[(Period, TrackId)],
        members: Option<&BTreeSet<TrackId>>,
    ) -> Result<Vec<(TrackId, Span)>, StoreError> {
        let mut spans = Vec::new();
        for span in live_runs(segments) {
            if let Scope::Track(track) = scope {
                spans.push((track.clone(), span));
                continue;
            }
            let overlaps = |hour: &Period| hour.start() < span.to && span.from < hour.end();
            let mut tracks: BTreeSet<TrackId> =
                late.iter().filter(|(hour, _)| overlaps(hour)).map(|(_, track)| track.clone()).collect();
            let hours: Vec<_> = self.listed_hours(span).await?.into_iter().map(|hour| self.active_in(hour)).collect();
            let active: Vec<_> = stream::iter(hours).buffer_unordered(AT_ONCE).try_collect().await?;
            let active = active.into_iter().flatten();
            tracks.extend(active.filter(|track| members.is_none_or(|all| all.contains(track))));
            spans.extend(tracks.into_iter().map(|track| (track, span)));
        }
        Ok(spans)
    }

    pub(super) fn active_in(&self, hour: Period) -> BoxFuture<'_, Result<BTreeSet<TrackId>, StoreError>> {
        Box::pin(async move {
            let pages = self.lists.active(&hour, Consistency::Eventual).await?;
            Ok(pages.into_iter().flat_map(|(_, page)| page.tracks).collect())
        })
    }

    /// The hours of a span that may have pages: none before anything was listed.
    async fn listed_hours(&self, span: Span) -> Result<Vec<Period>, StoreError> {
        let Some(_) = self.frontier().await? else { return Ok(Vec::new()) };
        let calendar = &self.lists.calendar;
        let end = span.to.min(Time::from(self.clock.now()).plus(crate::domain::limits::MAX_AHEAD));
        let mut hours = Vec::new();
        let mut hour = calendar.period(Level::Hour, span.from);
        while hour.start() <= end {
            hours.push(hour);
            hour = calendar.next(&hour);
        }
        Ok(hours)
    }

    /// The live minutes of tracks.
    async fn live(
        &self,
        spans: Vec<(TrackId, Span)>,
    ) -> Result<Minutes, StoreError> {
        let read: Vec<_> = spans.into_iter().map(|(track, span)| self.minutes_of(track, span)).collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// The live minutes of a track.
    pub(super) fn minutes_of(
        &self,
        track: TrackId,
        span: Span,
    ) -> BoxFuture<'_, Result<Minutes, StoreError>> {
        Box::pin(async move {
            let mut read = Vec::new();
            for item in self.lists.stats.query(&minutes(&track, span), Consistency::Eventual).await? {
                let name: String = after(&item, keys::LIVE_BUCKETS)?;
                let at: Time = format!("{name}:00Z").parse().map_err(|error| StoreError::corrupt(name, error))?;
                let live: Live<TrackCounters> = from_item(item)?;
                read.push((track.clone(), at.minute(), live.value));
            }
            Ok(read)
        })
    }

    /// Hours that have changed since they were closed: what they are, and what they were.
    async fn changed(
        &self,
        changed: Vec<&(Period, TrackId)>,
        deadline: Instant,
    ) -> Result<Vec<(Period, TrackId, TrackCounters, TrackCounters)>, StoreError> {
        let key = |hour: &Period, track: &TrackId| keys::rollup(&Scope::Track(track.clone()), hour);
        let closed = changed.iter().map(|(hour, track)| key(hour, track)).collect();
        let mut closed = self.lists.stats.get_all(closed, Consistency::Eventual, deadline).await?;
        let mut read = Vec::with_capacity(changed.len());
        let hours: Vec<_> = changed
            .into_iter()
            .map(|(hour, track)| {
                let minutes = self.minutes_of(track.clone(), hour.span());
                let (hour, track) = (*hour, track.clone());
                async move {
                    let mut is = TrackCounters::default();
                    minutes.await?.iter().for_each(|(_, _, minute)| is.merge(minute));
                    Ok::<_, StoreError>((hour, track, is))
                }
            })
            .collect();
        let live: Vec<_> = stream::iter(hours).buffer_unordered(AT_ONCE).try_collect().await?;
        for (hour, track, is) in live {
            let was: Option<Rolled> = closed.remove(&key(&hour, &track)).map(from_item).transpose()?;
            read.push((hour, track, is, was.map(|was| was.value.counters).unwrap_or_default()));
        }
        Ok(read)
    }

    /// All that ever happened to a track, without its sketches, and when the newest of the folds began; nothing where
    /// nothing did.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn total<'a>(
        &'a self,
        track: &'a TrackId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<(TrackCounters, Time)>, StoreError>> {
        Box::pin(async move {
            let mut backoff = Backoff::until(deadline);
            loop {
                let error = match timeout_at(deadline, self.total_once(track, deadline)).await {
                    Ok(Ok(total)) => return Ok(total),
                    Ok(Err(error)) => error,
                    Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
                };
                if !error.may_pass() || !backoff.wait().await {
                    return Err(error);
                }
            }
        })
    }

    async fn total_once(
        &self,
        track: &TrackId,
        deadline: Instant,
    ) -> Result<Option<(TrackCounters, Time)>, StoreError> {
        let scope = Scope::Track(track.clone());
        let pk = keys::rollups(&scope);
        let (calendar, stats) = (&self.lists.calendar, &self.lists.stats);
        let began = Time::from(self.clock.now());
        let frontier = self.frontier().await?;
        let query = |prefix: &str, from: String| Stretch {
            pk: pk.clone(),
            from: format!("{prefix}{from}"),
            to: format!("{prefix}{LAST}"),
        };
        // Behind the frontier of days nothing is surely in the total, so what is in it of those days is taken out again.
        let (live, days, hours) = match &frontier {
            Some(frontier) => {
                let next_day = calendar.next(&frontier.of(Level::Day));
                let next_hour = calendar.next(&frontier.of(Level::Hour));
                let prefix = keys::rollups_of(Level::Hour);
                let mut hours = query(prefix, calendar.period(Level::Hour, next_day.start()).to_string());
                hours.to = format!("{prefix}{}", frontier.of(Level::Hour));
                let live = query(keys::LIVE_BUCKETS, next_hour.start().minute().to_string());
                (live, Some(query(keys::rollups_of(Level::Day), next_day.to_string())), Some(hours).filter(|hours| hours.from <= hours.to))
            }
            None => (query(keys::LIVE_BUCKETS, String::new()), None, None),
        };
        let key = keys::total(track);
        let (total, live, days, hours, late) = futures::try_join!(
            async { if frontier.is_some() { stats.get(&key, Consistency::Eventual).await } else { Ok(None) } },
            stats.query(&live, Consistency::Eventual),
            self.query(days),
            self.query(hours),
            self.late(&scope),
        )?;
        let total: Option<rolled::Total> = total.map(from_item).transpose()?;
        let mut as_of = total.as_ref().map(|total| total.as_of);
        let mut value = total.map(|total| total.value).unwrap_or_default();
        for item in hours {
            let hour: Rolled = from_item(item)?;
            as_of = as_of.max(Some(hour.as_of));
            value.merge(&hour.value.counters);
        }
        for item in live {
            let minute: Live<TrackCounters> = from_item(item)?;
            as_of = as_of.max(Some(minute.as_of));
            value.merge(&minute.value);
        }
        if let Some(frontier) = frontier {
            let late: Vec<_> = late.into_iter().filter(|(hour, _)| frontier.covers(hour)).collect();
            for (_, _, is, was) in self.changed(late.iter().collect(), deadline).await? {
                as_of = as_of.max(Some(began));
                value.merge(&is);
                value.take_away(&was).map_err(|_| StoreError::Conflict)?;
            }
        }
        for item in days {
            let day: Rolled = from_item(item)?;
            value.take_away(&day.value.counters).map_err(|_| StoreError::Conflict)?;
        }
        (value.sessions, value.listeners) = Default::default();
        Ok(as_of.filter(|_| value != TrackCounters::default()).map(|as_of| (value, as_of)))
    }

    async fn query(&self, stretch: Option<Stretch>) -> Result<Vec<Item>, StoreError> {
        match stretch {
            Some(stretch) => self.lists.stats.query(&stretch, Consistency::Eventual).await,
            None => Ok(Vec::new()),
        }
    }

    /// When the first thing known of it happened, cut to the day, hour or minute; nothing if nothing ever did.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn earliest<'a>(
        &'a self,
        scope: &'a Scope,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Time>, StoreError>> {
        Box::pin(async move {
            let earliest = timeout_at(deadline, self.earliest_once(scope)).await;
            earliest.unwrap_or_else(|elapsed| Err(StoreError::Unavailable { source: elapsed.into() }))
        })
    }

    /// What the first sort key with a prefix says behind it.
    async fn first(&self, pk: &str, prefix: &str) -> Result<Option<String>, StoreError> {
        let found = self.lists.stats.some(&Stretch::beginning(pk.to_owned(), prefix), 1, false).await?;
        found.first().map(|item| after(item, prefix)).transpose()
    }

    async fn earliest_once(&self, scope: &Scope) -> Result<Option<Time>, StoreError> {
        let pk = keys::rollups(scope);
        let calendar = &self.lists.calendar;
        let (day, hour, minute, late) = futures::try_join!(
            self.first(&pk, keys::rollups_of(Level::Day)),
            self.first(&pk, keys::rollups_of(Level::Hour)),
            self.first(&pk, keys::LIVE_BUCKETS),
            self.late(scope)
        )?;
        let mut candidates: Vec<Time> = Vec::new();
        for (level, name) in [(Level::Day, day), (Level::Hour, hour)] {
            if let Some(name) = name {
                let period = calendar.parse(level, &name).map_err(|error| StoreError::corrupt(name, error))?;
                candidates.push(period.start());
            }
        }
        if let Some(minute) = minute {
            candidates.push(format!("{minute}:00Z").parse().map_err(|error| StoreError::corrupt(minute, error))?);
        }
        let members = self.members(scope).await?;
        let belongs = |track: &TrackId| members.as_ref().is_none_or(|all| all.contains(track));
        candidates.extend(late.iter().filter(|(_, track)| belongs(track)).map(|(hour, _)| hour.start()));
        if !matches!(scope, Scope::Track(_))
            && let Some(frontier) = self.frontier().await?
        {
            // An hour that came late may be closed before an open one that lies before it.
            let ahead = Time::from(self.clock.now()).plus(crate::domain::limits::MAX_AHEAD);
            let to = candidates.iter().copied().min().unwrap_or(ahead);
            let open = Span { from: frontier.of(Level::Hour).end(), to };
            for hour in self.listed_hours(open).await? {
                let pages = self.lists.active(&hour, Consistency::Eventual).await?;
                if pages.iter().any(|(_, page)| page.tracks.iter().any(belongs)) {
                    candidates.push(hour.start());
                    break;
                }
            }
        }
        Ok(candidates.into_iter().min())
    }
}

/// What an item's sort key says behind its prefix.
fn after<T: std::str::FromStr<Err: ToString>>(item: &Item, prefix: &str) -> Result<T, StoreError> {
    let sk = text(item, SK).unwrap_or_default();
    let rest = sk.strip_prefix(prefix).unwrap_or_default();
    rest.parse().map_err(|error: T::Err| StoreError::corrupt(sk, error))
}

impl Segment {
    /// Whether an hour was read as part of a closed period.
    fn holds(&self, hour: &Period) -> bool {
        self.level.is_some() && self.span.from <= hour.start() && hour.end() <= self.span.to
    }
}

/// Cuts cells into the largest closed periods that fit, and minutes elsewhere.
fn plan(calendar: &Calendar, frontier: Option<&Frontier>, cells: &[Span]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let open_from = frontier.map(|frontier| frontier.of(Level::Hour).end());
    for (cell, span) in cells.iter().enumerate() {
        let mut from = span.from;
        while from < span.to {
            let Some((frontier, open_from)) = frontier.zip(open_from).filter(|(_, open_from)| from < *open_from) else {
                segments.push(Segment { level: None, span: Span { from, to: span.to }, cell });
                break;
            };
            let closed = Level::ALL.into_iter().rev().find_map(|level| {
                let period = calendar.period(level, from);
                let fits = period.start() == from && period.end() <= span.to && frontier.covers(&period);
                fits.then_some((level, period.end()))
            });
            let (level, to) = match closed {
                Some((level, to)) => (Some(level), to),
                None => (None, calendar.period(Level::Hour, from).end().min(span.to).min(open_from)),
            };
            segments.push(Segment { level, span: Span { from, to }, cell });
            from = to;
        }
    }
    segments
}

/// Closed segments of one level that follow each other: each is one query.
fn runs(segments: &[Segment]) -> Vec<(Level, Span)> {
    let mut runs: Vec<(Level, Span)> = Vec::new();
    for segment in segments {
        let Some(level) = segment.level else { continue };
        match runs.last_mut() {
            Some((last, span)) if *last == level && span.to == segment.span.from => span.to = segment.span.to,
            _ => runs.push((level, segment.span)),
        }
    }
    runs
}

/// Live segments that follow each other.
fn live_runs(segments: &[Segment]) -> Vec<Span> {
    let mut runs: Vec<Span> = Vec::new();
    for segment in segments.iter().filter(|segment| segment.level.is_none()) {
        match runs.last_mut() {
            Some(span) if span.to == segment.span.from => span.to = segment.span.to,
            _ => runs.push(segment.span),
        }
    }
    runs
}

/// What minutes were read, by track; the newest first.
pub(super) fn newest_first(mut minutes: Vec<OpenMinute>) -> Vec<OpenMinute> {
    let by_key: BTreeMap<(Minute, TrackId), OpenMinute> =
        minutes.drain(..).map(|minute| ((minute.minute, minute.track.clone()), minute)).collect();
    by_key.into_values().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn planned(frontier: Option<&str>, from: &str, to: &str) -> Vec<String> {
        let calendar = Calendar::default();
        let mut reached = frontier.map(|hour| Frontier::at(&calendar, time(hour)));
        if let Some(frontier) = &mut reached {
            // Everything below the day of the hour is closed.
            for level in [Level::Day, Level::Week, Level::Month, Level::Year] {
                let before = calendar.previous(&calendar.period(level, frontier.of(Level::Hour).start()));
                frontier.set(before);
            }
        }
        let cells = [Span { from: time(from), to: time(to) }];
        let segments = plan(&calendar, reached.as_ref(), &cells);
        assert_eq!((segments[0].span.from, segments.last().unwrap().span.to), (cells[0].from, cells[0].to));
        assert!(segments.windows(2).all(|pair| pair[0].span.to == pair[1].span.from));
        let name = |level: Option<Level>| level.map_or("live", Level::name);
        let mut names: Vec<String> = Vec::new();
        for segment in segments {
            names.push(format!("{} {}", name(segment.level), &segment.span.from.to_string()[..16]));
        }
        names
    }

    #[test]
    fn takes_the_largest_closed_periods_that_fit() {
        let plan = planned(Some("2026-11-20T13:00:00Z"), "2024-11-30T22:30:00Z", "2026-11-20T14:37:00Z");
        assert_eq!(plan[..5], [
            "live 2024-11-30T22:30",
            "hour 2024-11-30T23:00",
            "month 2024-12-01T00:00",
            "year 2025-01-01T00:00",
            "month 2026-01-01T00:00"
        ]);
        let days = ["week 2026-11-02T00:00", "week 2026-11-09T00:00", "day 2026-11-16T00:00"];
        assert_eq!(plan[14..18], [["day 2026-11-01T00:00"].as_slice(), &days].concat());
        assert_eq!(plan[plan.len() - 2..], ["hour 2026-11-20T13:00", "live 2026-11-20T14:00"]);
        assert!(plan.len() < 40, "{plan:?}");
    }

    #[test]
    fn reads_minutes_where_nothing_is_closed() {
        assert_eq!(planned(None, "2020-01-01T00:00:00Z", "2026-11-20T14:37:00Z"), ["live 2020-01-01T00:00"]);
        let plan = planned(Some("2026-11-20T10:00:00Z"), "2026-11-20T10:20:00Z", "2026-11-20T10:40:00Z");
        assert_eq!(plan, ["live 2026-11-20T10:20"]);
    }
}
