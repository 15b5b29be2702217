//! Reading numbers of any span: from closed periods where they fit, from live minutes elsewhere, put right by marks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::holding::{Holder, Holding};
use super::plan::{Segment, live_runs, plan, runs};
use super::stored::StoredRollup;
use super::worklist::{LatePage, Lists, Watermark, minutes};
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{Item, VERSION, from_item, text};
use crate::keys::{self, SK};
use crate::setup::{Setup, StateTable};
use crate::table::{Consistency, KeyRange};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::fold::Fold;
use domain::id::{TrackId, UserId};
use domain::rollup::{Rollup, Scope};
use domain::time::{Minute, Time};
use domain::time_span::{HOURS_KEPT_FOR, TimeSpan};
use system::backoff::Backoff;
use system::clock::Clock;

/// How many queries are under way at once.
const AT_ONCE: usize = 64;

/// Of so many tracks the open hours are read for an artist or the platform. Where more were active, the answer ends with the
/// last closed hour, and says so: it must not take longer than anybody waits.
const MOST_LIVE: usize = 1_000;

/// So many late hours of tracks are put right, those that have waited longest. Where there are more, the answer says since when
/// others have changed: they are in it when they are closed.
pub(super) const MOST_LATE: usize = 1_000;

/// So many tracks of an artist are read at once, one by one.
pub(super) const TRACKS_AT_ONCE: usize = 16;

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
    pub(super) frontier: Option<Watermark>,
    pub(super) members: BTreeSet<TrackId>,
    /// Hours whose facts the rollups do not tell of: those that have changed since they were closed, or may have, and those
    /// of tracks that have come to an artist; in their order.
    pub(super) late: Vec<(Period, TrackId)>,
}

/// The tracks of an artist, each with the version of its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    tracks: BTreeMap<TrackId, Option<String>>,
    /// Those that come or go, and whose closed periods may not have followed yet.
    moving: BTreeSet<TrackId>,
}

impl Membership {
    pub(super) fn tracks(&self) -> BTreeSet<TrackId> {
        self.tracks.keys().cloned().collect()
    }

    /// Whether the artist's rollups may hold other tracks.
    pub(super) fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }
}

/// Hours that have changed since they were closed, or may have.
#[derive(Debug, Clone, Default)]
pub(super) struct LateHours {
    /// The hours, in their order.
    pub(super) hours: Vec<(Period, TrackId)>,
    /// Where not all are known, since when others have changed.
    pub(super) but_since: Option<Time>,
}

/// Hours of tracks that are marked, and whether there are more.
type Marked = (Vec<(Period, TrackId)>, bool);

/// A late hour, and where that stands which it is part of.
pub(super) struct Late<'a> {
    pub(super) hour: Period,
    pub(super) track: TrackId,
    pub(super) holder: Holder,
    pub(super) holding: &'a Holding,
}

/// What a late hour is, and what it was when that was read which it is part of.
pub(super) struct Corrected {
    pub(super) hour: Period,
    pub(super) track: TrackId,
    pub(super) is: TrackCounters,
    pub(super) was: TrackCounters,
}

/// The tables of documents and of numbers, for reading.
#[derive(Clone)]
pub struct Reading {
    pub(super) lists: Lists,
    pub(super) state: StateTable,
    pub(super) clock: Arc<dyn Clock>,
}

/// A closed period: its level, when it begins, and what it holds.
type Closed = (Level, Time, StoredRollup);

/// Live minutes of tracks, and what they hold.
type Minutes = Vec<(TrackId, Minute, TrackCounters)>;

/// Numbers that are being summed up.
struct Sum {
    read: Read,
    cells: Vec<TimeSpan>,
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
        self.cell(at).map_or(Ok(()), |cell| cell.take_away(listed, counters)).map_err(|_| StoreError::Conflict)
    }
}

impl Reading {
    /// Opens the rollups for reading.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let lists = Lists { stats: setup.stats_table(), calendar: setup.calendar() };
        Self { lists, state: setup.state_table(), clock: setup.clock() }
    }

    /// The numbers of each cell; cells are in their order, do not overlap, and are resolved.
    ///
    /// Whatever is closed meanwhile, they are those of the facts that had been counted when this began, and perhaps of newer
    /// ones. What is live is read eventually consistent: numbers follow the facts within about a second. What is closed is
    /// read strongly consistent, after the lists of what is late, so that nothing is missed that has left them.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn read<'a>(
        &'a self,
        scope: &'a Scope,
        cells: &'a [TimeSpan],
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
                if !error.is_transient() || !backoff.wait().await {
                    return Err(error);
                }
            }
        })
    }

    async fn read_once(&self, scope: &Scope, cells: &[TimeSpan], deadline: Instant) -> Result<Read, StoreError> {
        let Scope::Artist(artist) = scope else {
            let frontier = self.frontier().await?;
            return self.read_rollups(scope, None, frontier, cells, deadline).await;
        };
        let (frontier, membership) = futures::try_join!(self.frontier(), self.membership(artist))?;
        if membership.is_moving() {
            return self.read_tracks(&membership, frontier, cells, deadline).await;
        }
        let read = self.read_rollups(scope, Some(membership.tracks()), frontier, cells, deadline).await?;
        // A track that has come or gone meanwhile may have been followed by some of its periods.
        if self.membership(artist).await?.tracks == membership.tracks { Ok(read) } else { Err(StoreError::Conflict) }
    }

    /// The numbers of an artist whose tracks come and go: the sum of the tracks', wherever their closed periods lie.
    async fn read_tracks(
        &self,
        membership: &Membership,
        frontier: Option<Watermark>,
        cells: &[TimeSpan],
        deadline: Instant,
    ) -> Result<Read, StoreError> {
        let as_of = Time::from(self.clock.now());
        let mut all = Read {
            cells: vec![Rollup::default(); cells.len()],
            from: BTreeSet::new(),
            as_of,
            open: Vec::new(),
            known: Known { frontier: frontier.clone(), members: membership.tracks(), late: Vec::new() },
        };
        let tracks: Vec<_> = membership
            .tracks
            .keys()
            .map(|track| self.read_track(track.clone(), frontier.clone(), cells, deadline))
            .collect();
        let mut tracks = stream::iter(tracks).buffer_unordered(TRACKS_AT_ONCE);
        while let Some((track, read)) = tracks.try_next().await? {
            for (cell, of_track) in all.cells.iter_mut().zip(&read.cells) {
                if of_track.counters != TrackCounters::default() {
                    cell.add(Some(&track), &of_track.counters);
                }
            }
            all.from.extend(read.from);
            all.as_of = all.as_of.min(read.as_of);
            all.open.extend(read.open);
            all.known.late.extend(read.known.late);
        }
        for track in membership.moving.iter().filter(|track| membership.tracks.contains_key(track)) {
            all.known.late.extend(self.closed_hours(track).await?);
        }
        all.known.late.sort();
        all.known.late.dedup();
        Ok(all)
    }

    fn read_track<'a>(
        &'a self,
        track: TrackId,
        frontier: Option<Watermark>,
        cells: &'a [TimeSpan],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(TrackId, Read), StoreError>> {
        Box::pin(async move {
            let scope = Scope::Track(track.clone());
            Ok((track, self.read_rollups(&scope, None, frontier, cells, deadline).await?))
        })
    }

    /// The hours of a track that are closed and still there.
    async fn closed_hours(&self, track: &TrackId) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let prefix = keys::rollups_of(Level::Hour);
        let mut hours = KeyRange::with_prefix(keys::rollups(&Scope::Track(track.clone())), prefix);
        hours.from = format!("{prefix}{}", Time::from(self.clock.now()).plus(-HOURS_KEPT_FOR).minute());
        let hours = self.lists.stats.query(&hours, Consistency::Eventual).await?;
        hours.iter().map(|hour| Ok((self.hour(hour, prefix)?, track.clone()))).collect()
    }

    /// The numbers of each cell by the rollups of the scope, put right by what is late.
    async fn read_rollups(
        &self,
        scope: &Scope,
        members: Option<BTreeSet<TrackId>>,
        frontier: Option<Watermark>,
        cells: &[TimeSpan],
        deadline: Instant,
    ) -> Result<Read, StoreError> {
        let as_of = Time::from(self.clock.now());
        // What has left this list when it is read is found in the rollups, which are read after it.
        let LateHours { hours: late, but_since } = self.late(scope, members.as_ref()).await?;
        let segments = plan(&self.lists.calendar, frontier.as_ref(), cells);
        let ((closed, changed), (live, up_to)) = futures::try_join!(
            async {
                let closed = self.closed(scope, &segments).await?;
                let changed = self.changed_in(scope, &segments, &closed, &late, deadline).await?;
                Ok::<_, StoreError>((closed, changed))
            },
            async {
                let (spans, up_to) = self.spans(scope, &segments, &late, members.as_ref(), frontier.as_ref()).await?;
                Ok((self.live(spans).await?, up_to))
            },
        )?;
        let read = Read {
            cells: vec![Rollup::default(); cells.len()],
            from: BTreeSet::new(),
            as_of: [up_to, but_since].into_iter().flatten().fold(as_of, Time::min),
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
        for Corrected { hour, track, is, was } in changed {
            sum.read.from.insert(ReadFrom::Live);
            sum.add(hour.start(), &track, &is);
            sum.take_away(hour.start(), &track, &was)?;
        }
        sum.read.known.late = late;
        Ok(sum.read)
    }

    /// What puts the closed periods of segments right.
    async fn changed_in(
        &self,
        scope: &Scope,
        segments: &[Segment],
        closed: &[Closed],
        late: &[(Period, TrackId)],
        deadline: Instant,
    ) -> Result<Vec<Corrected>, StoreError> {
        let holdings: HashMap<(Level, Time), Holding> =
            closed.iter().map(|(level, start, rolled)| ((*level, *start), Holding::from(rolled))).collect();
        let nothing = Holding::default();
        let late = late.iter().filter_map(|(hour, track)| {
            let level = segments.iter().find(|segment| segment.holds(hour))?.level?;
            let period = self.lists.calendar.period(level, hour.start());
            let holding = holdings.get(&(level, period.start())).unwrap_or(&nothing);
            Some(Late { hour: *hour, track: track.clone(), holder: Holder::of(scope, level), holding })
        });
        self.changed(scope, late.collect(), deadline).await
    }

    pub(super) async fn frontier(&self) -> Result<Option<Watermark>, StoreError> {
        Ok(self.lists.frontier(Consistency::Eventual).await?.map(|(frontier, _)| frontier))
    }

    /// The tracks of an artist, and those that come or go. The notes of these are read after the tracks: which track has come
    /// or gone before either has a note, or has been followed by all of its periods.
    pub(super) async fn membership(&self, artist: &UserId) -> Result<Membership, StoreError> {
        let mut all = KeyRange::with_prefix(keys::user(artist), keys::MOVING);
        keys::TRACKS_OF.clone_into(&mut all.from);
        let mut membership = Membership::default();
        for item in self.state.query(&all, Consistency::Strong).await? {
            if text(&item, SK).is_some_and(|sk| sk.starts_with(keys::MOVING)) {
                let name: String = after(&item, keys::MOVING)?;
                let track = name.split('#').next().unwrap_or_default();
                membership.moving.insert(track.parse().map_err(|error| StoreError::corrupt(track, error))?);
            } else {
                let version = text(&item, VERSION).map(str::to_owned);
                membership.tracks.insert(after(&item, keys::TRACKS_OF)?, version);
            }
        }
        Ok(membership)
    }

    /// The hours that have changed since they were closed, or may have.
    pub(super) async fn late(
        &self,
        scope: &Scope,
        members: Option<&BTreeSet<TrackId>>,
    ) -> Result<LateHours, StoreError> {
        if let Scope::Track(track) = scope {
            let (hours, more) = self.marked(track.clone()).await?;
            let but_since = if more { self.late_since().await? } else { None };
            return Ok(LateHours { hours, but_since });
        }
        let (pages, more) = self.lists.late(MOST_LATE, Consistency::Eventual).await?;
        let mut but_since = None;
        let mut hours = BTreeSet::new();
        for LatePage { hour, page, since, .. } in pages {
            hours.extend(page.tracks.into_iter().map(|track| (hour, track)));
            if more || hours.len() > MOST_LATE {
                but_since = Some(since);
            }
            if hours.len() > MOST_LATE {
                break;
            }
        }
        let Some(members) = members else { return Ok(LateHours { hours: hours.into_iter().collect(), but_since }) };
        if but_since.is_none() || members.len() > MOST_LIVE {
            hours.retain(|(_, track)| members.contains(track));
            return Ok(LateHours { hours: hours.into_iter().collect(), but_since });
        }
        // Somebody else's hours may take all the places: the tracks' own marks tell which are theirs.
        let marked: Vec<_> = members.iter().map(|track| self.marked(track.clone())).collect();
        let marked: Vec<_> = stream::iter(marked).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut more = marked.iter().any(|(_, more)| *more);
        let mut hours: Vec<(Period, TrackId)> = marked.into_iter().flat_map(|(hours, _)| hours).collect();
        more |= hours.len() > MOST_LATE;
        hours.sort();
        hours.truncate(MOST_LATE);
        let but_since = if more { self.late_since().await? } else { None };
        Ok(LateHours { hours, but_since })
    }

    /// The hours of a track that are marked, at most so many, and whether there are more.
    fn marked(&self, track: TrackId) -> BoxFuture<'_, Result<Marked, StoreError>> {
        Box::pin(async move {
            let marks = KeyRange::with_prefix(keys::rollups(&Scope::Track(track.clone())), keys::CHANGED);
            let (marks, more) = self.lists.stats.query_up_to(&marks, MOST_LATE, Consistency::Eventual).await?;
            let hours = marks.iter().map(|mark| Ok((self.hour(mark, keys::CHANGED)?, track.clone())));
            Ok((hours.collect::<Result<_, StoreError>>()?, more))
        })
    }

    /// Since when any hour has waited to be closed again.
    pub(super) async fn late_since(&self) -> Result<Option<Time>, StoreError> {
        let (pages, _) = self.lists.late(1, Consistency::Eventual).await?;
        Ok(pages.first().map(|page| page.since))
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
    fn run(&self, pk: String, level: Level, span: TimeSpan) -> BoxFuture<'_, Result<Vec<Closed>, StoreError>> {
        Box::pin(async move {
            let calendar = &self.lists.calendar;
            let prefix = keys::rollups_of(level);
            let first = calendar.period(level, span.from);
            let last = calendar.period(level, span.to.plus(-TimeDelta::milliseconds(1)));
            let range = KeyRange { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            let mut closed = Vec::new();
            for item in self.lists.stats.query(&range, Consistency::Strong).await? {
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
        frontier: Option<&Watermark>,
    ) -> Result<(Vec<(TrackId, TimeSpan)>, Option<Time>), StoreError> {
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
            // A track that has left the list of what is late has come to this one before.
            let pages = self.lists.active(&hour, Consistency::Strong).await?;
            Ok(pages.into_iter().flat_map(|(_, page)| page.tracks).collect())
        })
    }

    /// The hours of a span that may have pages: none before anything was listed.
    pub(super) fn listed_hours(&self, span: TimeSpan, frontier: Option<&Watermark>) -> Vec<Period> {
        let calendar = &self.lists.calendar;
        let end = span.to.min(Time::from(self.clock.now()).plus(domain::event_time::MAX_AHEAD));
        let mut hours = Vec::new();
        let mut hour = calendar.period(Level::Hour, span.from);
        while frontier.is_some() && hour.start() <= end {
            hours.push(hour);
            hour = calendar.next(&hour);
        }
        hours
    }

    /// The live minutes of tracks.
    async fn live(&self, spans: Vec<(TrackId, TimeSpan)>) -> Result<Minutes, StoreError> {
        let read: Vec<_> =
            spans.into_iter().map(|(track, span)| self.minutes_of(track, span, Consistency::Eventual)).collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// The live minutes of a track.
    pub(super) fn minutes_of(
        &self,
        track: TrackId,
        span: TimeSpan,
        how: Consistency,
    ) -> BoxFuture<'_, Result<Minutes, StoreError>> {
        Box::pin(async move {
            let mut read = Vec::new();
            for item in self.lists.stats.query(&minutes(&track, span), how).await? {
                let name: String = after(&item, keys::LIVE_BUCKETS)?;
                let at: Time = format!("{name}:00Z").parse().map_err(|error| StoreError::corrupt(name, error))?;
                let live: Live<TrackCounters> = from_item(item)?;
                read.push((track.clone(), at.minute(), live.value));
            }
            Ok(read)
        })
    }

    /// What late hours are, and what they were. Strongly consistent, and read after that which they are part of.
    pub(super) async fn changed(
        &self,
        scope: &Scope,
        late: Vec<Late<'_>>,
        deadline: Instant,
    ) -> Result<Vec<Corrected>, StoreError> {
        let key = |late: &Late<'_>| keys::rollup(&Scope::Track(late.track.clone()), &late.hour);
        let closed = self.lists.stats.get_all(late.iter().map(key).collect(), Consistency::Strong, deadline).await?;
        let minutes: Vec<_> = late
            .iter()
            .map(|late| self.minutes_of(late.track.clone(), late.hour.span(), Consistency::Strong))
            .collect();
        let minutes: Vec<Minutes> = stream::iter(minutes).buffered(AT_ONCE).try_collect().await?;
        let mut corrected = Vec::with_capacity(late.len());
        for (late, minutes) in late.into_iter().zip(minutes) {
            let read: Option<StoredRollup> = closed.get(&key(&late)).cloned().map(from_item).transpose()?;
            let part = late.holding.part(late.holder, (&late.track, &late.hour), read.as_ref())?;
            let was = part.filter(|(of, _)| match scope {
                Scope::Artist(artist) => *of == Some(artist),
                Scope::Track(_) | Scope::Platform => true,
            });
            let was = was.map(|(_, counters)| counters.clone()).unwrap_or_default();
            let mut is = TrackCounters::default();
            minutes.iter().for_each(|(_, _, minute)| is.merge(minute));
            corrected.push(Corrected { hour: late.hour, track: late.track, is, was });
        }
        Ok(corrected)
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
