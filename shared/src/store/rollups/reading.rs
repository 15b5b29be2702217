//! Reading numbers of any span: from closed periods where they fit, from live minutes elsewhere, put right by marks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::lists::{Frontier, Lists, minutes};
use super::plan::{Segment, live_runs, plan, runs};
use super::rolled::Rolled;
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
use crate::store::table::{Consistency, Stretch, Table};

/// How many queries are under way at once.
const AT_ONCE: usize = 64;

/// Of so many tracks the open hours are read for an artist or the platform. Where more were active, the answer ends with the
/// last closed hour, and says so: it must not take longer than anybody waits.
const MOST_LIVE: usize = 1_000;

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
    /// What had happened and was counted by this time is in them.
    pub as_of: Time,
    /// The live minutes that were read.
    pub open: Vec<OpenMinute>,
    pub(super) known: Known,
}

/// What was known of an artist's tracks when they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) frontier: Option<Frontier>,
    pub(super) members: BTreeSet<TrackId>,
    /// The hours that have changed since they were closed, or may have, in their order.
    pub(super) late: Vec<(Period, TrackId)>,
}

/// The tables of documents and of numbers, for reading.
#[derive(Clone)]
pub struct Reading {
    pub(super) lists: Lists,
    pub(super) state: Table,
    pub(super) clock: Arc<dyn Clock>,
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
        let (frontier, late, members) = futures::try_join!(self.frontier(), self.late(scope), self.members(scope))?;
        let late: Vec<(Period, TrackId)> =
            late.into_iter().filter(|(_, track)| members.as_ref().is_none_or(|all| all.contains(track))).collect();
        let segments = plan(&self.lists.calendar, frontier.as_ref(), cells);
        let (closed, (live, up_to), changed) = futures::try_join!(
            self.closed(scope, &segments),
            async {
                let (spans, up_to) = self.spans(scope, &segments, &late, members.as_ref(), frontier.as_ref()).await?;
                Ok((self.live(spans).await?, up_to))
            },
            async {
                let is_closed = |hour: &Period| segments.iter().any(|segment| segment.holds(hour));
                let changed = late.iter().filter(|(hour, _)| is_closed(hour)).collect();
                self.changed(scope, changed, deadline).await
            }
        )?;
        let read = Read {
            cells: vec![Rollup::default(); cells.len()],
            from: BTreeSet::new(),
            as_of: up_to.unwrap_or(as_of),
            open: Vec::new(),
            known: Known { frontier, members: members.unwrap_or_default(), late: Vec::new() },
        };
        let mut sum = Sum { read, cells: cells.to_vec(), by_track: matches!(scope, Scope::Artist(_)) };
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
        for (hour, track, is, was) in changed {
            sum.read.from.insert(ReadFrom::Live);
            sum.add(hour.start(), &track, &is);
            sum.take_away(hour.start(), &track, &was)?;
        }
        sum.read.known.late = late;
        Ok(sum.read)
    }

    pub(super) async fn frontier(&self) -> Result<Option<Frontier>, StoreError> {
        Ok(self.lists.frontier(Consistency::Eventual).await?.map(|(frontier, _)| frontier))
    }

    /// The tracks of an artist; nothing where all tracks belong, or the one.
    pub(super) async fn members(&self, scope: &Scope) -> Result<Option<BTreeSet<TrackId>>, StoreError> {
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
        let late =
            pages.into_iter().flat_map(|(_, hour, page)| page.tracks.into_iter().map(move |track| (hour, track)));
        Ok(late.collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub(super) fn hour(&self, item: &Item, prefix: &str) -> Result<Period, StoreError> {
        let name: String = after(item, prefix)?;
        self.lists.calendar.parse(Level::Hour, &name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The closed periods of the segments, with their beginnings.
    async fn closed(&self, scope: &Scope, segments: &[Segment]) -> Result<Vec<Closed>, StoreError> {
        let pk = keys::rollups(scope);
        let runs: Vec<_> = runs(segments).into_iter().map(|(level, span)| self.run(pk.clone(), level, span)).collect();
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

    /// Which minutes are to be read of which tracks; and where the answer ends, if those of the open hours are too many.
    async fn spans(
        &self,
        scope: &Scope,
        segments: &[Segment],
        late: &[(Period, TrackId)],
        members: Option<&BTreeSet<TrackId>>,
        frontier: Option<&Frontier>,
    ) -> Result<(Vec<(TrackId, Span)>, Option<Time>), StoreError> {
        let (mut spans, mut up_to) = (Vec::new(), None);
        let open_from = frontier.map(|frontier| frontier.of(Level::Hour).end());
        for span in live_runs(segments) {
            if let Scope::Track(track) = scope {
                spans.push((track.clone(), span));
                continue;
            }
            let overlaps = |hour: &Period| hour.start() < span.to && span.from < hour.end();
            let mut tracks: BTreeSet<TrackId> =
                late.iter().filter(|(hour, _)| overlaps(hour)).map(|(_, track)| track.clone()).collect();
            let hours: Vec<_> =
                self.listed_hours(span, frontier).into_iter().map(|hour| self.active_in(hour)).collect();
            let active: Vec<_> = stream::iter(hours).buffer_unordered(AT_ONCE).try_collect().await?;
            let active = active.into_iter().flatten();
            tracks.extend(active.filter(|track| members.is_none_or(|all| all.contains(track))));
            if tracks.len() > MOST_LIVE && open_from.is_some_and(|open_from| span.from >= open_from) {
                up_to = Some(span.from);
                continue;
            }
            spans.extend(tracks.into_iter().map(|track| (track, span)));
        }
        Ok((spans, up_to))
    }

    pub(super) fn active_in(&self, hour: Period) -> BoxFuture<'_, Result<BTreeSet<TrackId>, StoreError>> {
        Box::pin(async move {
            let pages = self.lists.active(&hour, Consistency::Eventual).await?;
            Ok(pages.into_iter().flat_map(|(_, page)| page.tracks).collect())
        })
    }

    /// The hours of a span that may have pages: none before anything was listed.
    pub(super) fn listed_hours(&self, span: Span, frontier: Option<&Frontier>) -> Vec<Period> {
        let calendar = &self.lists.calendar;
        let end = span.to.min(Time::from(self.clock.now()).plus(crate::domain::limits::MAX_AHEAD));
        let mut hours = Vec::new();
        let mut hour = calendar.period(Level::Hour, span.from);
        while frontier.is_some() && hour.start() <= end {
            hours.push(hour);
            hour = calendar.next(&hour);
        }
        hours
    }

    /// The live minutes of tracks.
    async fn live(&self, spans: Vec<(TrackId, Span)>) -> Result<Minutes, StoreError> {
        let read: Vec<_> = spans.into_iter().map(|(track, span)| self.minutes_of(track, span)).collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// The live minutes of a track.
    pub(super) fn minutes_of(&self, track: TrackId, span: Span) -> BoxFuture<'_, Result<Minutes, StoreError>> {
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

    /// Hours that have changed since they were closed: what they are, and what they were. Left out are those of an artist
    /// that a track has brought along and that are still counted elsewhere.
    pub(super) async fn changed(
        &self,
        scope: &Scope,
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
            if let (Scope::Artist(artist), Some(was)) = (scope, &was)
                && was.artist.as_ref() != Some(artist)
            {
                continue;
            }
            read.push((hour, track, is, was.map(|was| was.value.counters).unwrap_or_default()));
        }
        Ok(read)
    }
}

/// What an item's sort key says behind its prefix.
pub(super) fn after<T: std::str::FromStr<Err: ToString>>(item: &Item, prefix: &str) -> Result<T, StoreError> {
    let sk = text(item, SK).unwrap_or_default();
    let rest = sk.strip_prefix(prefix).unwrap_or_default();
    rest.parse().map_err(|error: T::Err| StoreError::corrupt(sk, error))
}

/// What minutes were read, by track; the newest first.
pub(super) fn newest_first(mut minutes: Vec<OpenMinute>) -> Vec<OpenMinute> {
    let by_key: BTreeMap<(Minute, TrackId), OpenMinute> =
        minutes.drain(..).map(|minute| ((minute.minute, minute.track.clone()), minute)).collect();
    by_key.into_values().rev().collect()
}
