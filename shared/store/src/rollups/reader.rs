//! Reads values of any span: from closed periods where they fit, from live minutes elsewhere, corrected for late hours.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::artist_tracks::Membership;
use super::late_hours::{Correction, LateHour, LateHours};
use super::pages::{WorklistReader, minutes};
use super::plan::{Segment, closed_runs, live_runs, plan};
use super::stamps::{ChangeCounter, RollupKind};
use super::stored::StoredRollup;
use super::watermark::Watermark;
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{Item, from_item, text};
use crate::keys::{self, SK};
use crate::retry;
use crate::setup::{Setup, StateTable};
use crate::table::{Consistency, KeyRange};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::id::TrackId;
use domain::rollup::{Rollup, Scope};
use domain::time::{Minute, Time};
use domain::time_span::{HOURS_KEPT_FOR, TimeSpan};
use system::clock::Clock;

/// How many queries run at once.
pub(super) const CONCURRENCY: usize = 64;

/// For how many tracks of an artist or the platform the open hours are read. If more were active, the response ends
/// with the last closed hour and says so, because reading them would take too long.
pub(super) const MOST_LIVE: usize = 1_000;

/// How many tracks of an artist are read at once where each is read by itself.
pub(super) const TRACKS_AT_ONCE: usize = 16;

/// Where values were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueSource {
    /// Live minutes.
    Live,
    /// Closed periods.
    Closed(Level),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Closed(level) => level.fmt(f),
        }
    }
}

/// A live minute of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMinute {
    /// The track.
    pub track: TrackId,
    /// The minute.
    pub minute: Minute,
    /// The number of plays.
    pub plays: u64,
    /// The number of likes, including those taken back.
    pub likes: u64,
}

/// The values that were read.
#[derive(Debug, Clone)]
pub struct RollupValues {
    /// The values of each cell.
    pub cells: Vec<Rollup>,
    /// Where they were read.
    pub from: BTreeSet<ValueSource>,
    /// The time up to which facts are counted in the values.
    pub as_of: Time,
    /// The live minutes that were read.
    pub open: Vec<LiveMinute>,
    pub(super) known: ReadContext,
}

/// What was known of an artist's tracks when they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadContext {
    pub(super) watermark: Option<Watermark>,
    pub(super) members: BTreeSet<TrackId>,
    /// Hours whose facts the rollups may not include, in order: late hours, and hours of tracks that have come to the
    /// artist.
    pub(super) late: Vec<(Period, TrackId)>,
}

/// Reads rollups and live minutes.
#[derive(Clone)]
pub struct RollupReader {
    pub(super) reader: WorklistReader,
    pub(super) state: StateTable,
    pub(super) clock: Arc<dyn Clock>,
}

/// A closed period: its level, its start and its rollup.
type ClosedPeriod = (Level, Time, StoredRollup);

/// Live minutes of tracks and their counters.
pub(super) type MinuteCounters = Vec<(TrackId, Minute, TrackCounters)>;

/// The values of cells while they are summed up.
struct CellSums {
    read: RollupValues,
    cells: Vec<TimeSpan>,
    /// Whether the shares of tracks are kept.
    by_track: bool,
}

impl CellSums {
    /// The cell that contains a time.
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

impl RollupReader {
    /// Opens the reader.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let reader = WorklistReader { stats: setup.stats_table(), calendar: setup.calendar() };
        Self { reader, state: setup.state_table(), clock: setup.clock() }
    }

    /// Reads the values of cells, which are ordered, disjoint and resolved.
    ///
    /// The values include all facts that were counted when the read began, and perhaps newer ones, whatever is closed
    /// meanwhile. Live minutes are read eventually consistent: values are about a second behind the facts. Closed
    /// periods are read strongly consistent, and after the lists of late hours, so that nothing is missed that has left
    /// these lists.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn read<'a>(
        &'a self,
        scope: &'a Scope,
        cells: &'a [TimeSpan],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<RollupValues, StoreError>> {
        Box::pin(async move { retry::until(deadline, || Box::pin(self.read_once(scope, cells, deadline))).await })
    }

    async fn read_once(
        &self,
        scope: &Scope,
        cells: &[TimeSpan],
        deadline: Instant,
    ) -> Result<RollupValues, StoreError> {
        let Scope::Artist(artist) = scope else {
            let watermark = self.watermark().await?;
            return self.read_rollups(scope, None, watermark, cells, deadline).await;
        };
        let (watermark, membership) = futures::try_join!(self.watermark(), self.membership(artist))?;
        if membership.is_moving() {
            return self.read_tracks(&membership, watermark, cells, deadline).await;
        }
        let read = self.read_rollups(scope, Some(membership.tracks()), watermark, cells, deadline).await?;
        // Some periods of a track that has changed artists meanwhile may have moved already.
        if self.membership(artist).await?.tracks == membership.tracks { Ok(read) } else { Err(StoreError::Conflict) }
    }

    /// The values of an artist while tracks change artists: the sum of the tracks' own values.
    async fn read_tracks(
        &self,
        membership: &Membership,
        watermark: Option<Watermark>,
        cells: &[TimeSpan],
        deadline: Instant,
    ) -> Result<RollupValues, StoreError> {
        let as_of = Time::from(self.clock.now());
        let mut all = RollupValues {
            cells: vec![Rollup::default(); cells.len()],
            from: BTreeSet::new(),
            as_of,
            open: Vec::new(),
            known: ReadContext { watermark: watermark.clone(), members: membership.tracks(), late: Vec::new() },
        };
        let tracks: Vec<_> = membership
            .tracks
            .keys()
            .map(|track| self.read_track(track.clone(), watermark.clone(), cells, deadline))
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
        watermark: Option<Watermark>,
        cells: &'a [TimeSpan],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(TrackId, RollupValues), StoreError>> {
        Box::pin(async move {
            let scope = Scope::Track(track.clone());
            Ok((track, self.read_rollups(&scope, None, watermark, cells, deadline).await?))
        })
    }

    /// The closed hours of a track that are not expired.
    async fn closed_hours(&self, track: &TrackId) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let prefix = keys::rollups_of(Level::Hour);
        let mut hours = KeyRange::with_prefix(keys::rollups(&Scope::Track(track.clone())), prefix);
        hours.from = format!("{prefix}{}", Time::from(self.clock.now()).plus(-HOURS_KEPT_FOR).minute());
        let hours = self.reader.stats.query(&hours, Consistency::Eventual).await?;
        hours.iter().map(|hour| Ok((self.hour(hour, prefix)?, track.clone()))).collect()
    }

    /// Reads the values of cells from the rollups of a scope, corrected for late hours.
    async fn read_rollups(
        &self,
        scope: &Scope,
        members: Option<BTreeSet<TrackId>>,
        watermark: Option<Watermark>,
        cells: &[TimeSpan],
        deadline: Instant,
    ) -> Result<RollupValues, StoreError> {
        let as_of = Time::from(self.clock.now());
        // An hour that has left this list is included in the rollups, which are read after it.
        let LateHours { hours: late, incomplete_since } = self.late_hours(scope, members.as_ref()).await?;
        let segments = plan(&self.reader.calendar, watermark.as_ref(), cells);
        let ((closed, changed), (live, up_to)) = futures::try_join!(
            async {
                let closed = self.closed_periods(scope, &segments).await?;
                let changed = self.corrections_in(scope, &segments, &closed, &late, deadline).await?;
                Ok::<_, StoreError>((closed, changed))
            },
            async {
                let (live_spans, up_to) =
                    self.live_spans(scope, &segments, &late, members.as_ref(), watermark.as_ref()).await?;
                Ok((self.live_minutes(live_spans).await?, up_to))
            },
        )?;
        let read = RollupValues {
            cells: vec![Rollup::default(); cells.len()],
            from: BTreeSet::new(),
            as_of: [up_to, incomplete_since].into_iter().flatten().fold(as_of, Time::min),
            open: Vec::new(),
            known: ReadContext { watermark, members: members.unwrap_or_default(), late: Vec::new() },
        };
        let mut sum = CellSums { read, cells: cells.to_vec(), by_track: matches!(scope, Scope::Artist(_)) };
        for (level, start, rollup) in closed {
            sum.read.from.insert(ValueSource::Closed(level));
            if let Some(cell) = sum.cell(start) {
                cell.merge(&rollup.value);
            }
        }
        for (track, minute, counters) in live {
            sum.read.from.insert(ValueSource::Live);
            sum.add(minute.start(), &track, &counters);
            sum.read.open.push(LiveMinute { track, minute, plays: counters.plays, likes: counters.likes });
        }
        for Correction { hour, track, after, before } in changed {
            sum.read.from.insert(ValueSource::Live);
            sum.add(hour.start(), &track, &after);
            sum.take_away(hour.start(), &track, &before)?;
        }
        sum.read.known.late = late;
        Ok(sum.read)
    }

    /// The corrections for the closed periods of segments.
    async fn corrections_in(
        &self,
        scope: &Scope,
        segments: &[Segment],
        closed: &[ClosedPeriod],
        late: &[(Period, TrackId)],
        deadline: Instant,
    ) -> Result<Vec<Correction>, StoreError> {
        let change_counters: HashMap<(Level, Time), ChangeCounter> =
            closed.iter().map(|(level, start, rollup)| ((*level, *start), ChangeCounter::from(rollup))).collect();
        let nothing = ChangeCounter::default();
        let late = late.iter().filter_map(|(hour, track)| {
            let level = segments.iter().find(|segment| segment.contains(hour))?.level?;
            let period = self.reader.calendar.period(level, hour.start());
            let change_counter = change_counters.get(&(level, period.start())).unwrap_or(&nothing);
            Some(LateHour { hour: *hour, track: track.clone(), kind: RollupKind::of(scope, level), change_counter })
        });
        self.corrections(scope, late.collect(), deadline).await
    }

    pub(super) async fn watermark(&self) -> Result<Option<Watermark>, StoreError> {
        Ok(self.reader.watermark(Consistency::Eventual).await?.map(|(watermark, _)| watermark))
    }

    pub(super) fn hour(&self, item: &Item, prefix: &str) -> Result<Period, StoreError> {
        let name: String = parse_suffix(item, prefix)?;
        self.reader.calendar.parse(Level::Hour, &name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The closed periods of segments.
    async fn closed_periods(&self, scope: &Scope, segments: &[Segment]) -> Result<Vec<ClosedPeriod>, StoreError> {
        let pk = keys::rollups(scope);
        let closed_runs: Vec<_> =
            closed_runs(segments).into_iter().map(|(level, span)| self.closed_run(pk.clone(), level, span)).collect();
        let closed_runs: Vec<_> = stream::iter(closed_runs).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(closed_runs.into_iter().flatten().collect())
    }

    /// The closed periods of one run.
    fn closed_run(
        &self,
        pk: String,
        level: Level,
        span: TimeSpan,
    ) -> BoxFuture<'_, Result<Vec<ClosedPeriod>, StoreError>> {
        Box::pin(async move {
            let calendar = &self.reader.calendar;
            let prefix = keys::rollups_of(level);
            let first = calendar.period(level, span.from);
            let last = calendar.period(level, span.to.plus(-TimeDelta::milliseconds(1)));
            let range = KeyRange { pk, from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
            let mut closed = Vec::new();
            for item in self.reader.stats.query(&range, Consistency::Strong).await? {
                let name: String = parse_suffix(&item, prefix)?;
                let period = calendar.parse(level, &name).map_err(|error| StoreError::corrupt(name, error))?;
                closed.push((level, period.start(), from_item(item)?));
            }
            Ok(closed)
        })
    }

    /// The minutes to read, by track; and where the response ends if there are too many tracks in the open hours.
    async fn live_spans(
        &self,
        scope: &Scope,
        segments: &[Segment],
        late: &[(Period, TrackId)],
        members: Option<&BTreeSet<TrackId>>,
        watermark: Option<&Watermark>,
    ) -> Result<(Vec<(TrackId, TimeSpan)>, Option<Time>), StoreError> {
        let (mut live_spans, mut up_to) = (Vec::new(), None);
        let open_from = watermark.map(|watermark| watermark.last_closed(Level::Hour).end());
        for span in live_runs(segments) {
            if let Scope::Track(track) = scope {
                live_spans.push((track.clone(), span));
                continue;
            }
            let overlaps = |hour: &Period| hour.start() < span.to && span.from < hour.end();
            let mut tracks: BTreeSet<TrackId> =
                late.iter().filter(|(hour, _)| overlaps(hour)).map(|(_, track)| track.clone()).collect();
            let hours: Vec<_> =
                self.listed_hours(span, watermark).into_iter().map(|hour| self.active_tracks(hour)).collect();
            let active: Vec<_> = stream::iter(hours).buffer_unordered(CONCURRENCY).try_collect().await?;
            let active = active.into_iter().flatten();
            tracks.extend(active.filter(|track| members.is_none_or(|all| all.contains(track))));
            if tracks.len() > MOST_LIVE && open_from.is_some_and(|open_from| span.from >= open_from) {
                up_to = Some(span.from);
                continue;
            }
            live_spans.extend(tracks.into_iter().map(|track| (track, span)));
        }
        Ok((live_spans, up_to))
    }

    pub(super) fn active_tracks(&self, hour: Period) -> BoxFuture<'_, Result<BTreeSet<TrackId>, StoreError>> {
        Box::pin(async move {
            // A track that has left the late list is on this one, which is read after it.
            let pages = self.reader.active(&hour, Consistency::Strong).await?;
            Ok(pages.into_iter().flat_map(|(_, page)| page.tracks).collect())
        })
    }

    /// The hours of a span that may have pages: none before anything was listed.
    pub(super) fn listed_hours(&self, span: TimeSpan, watermark: Option<&Watermark>) -> Vec<Period> {
        let calendar = &self.reader.calendar;
        let end = span.to.min(Time::from(self.clock.now()).plus(domain::event_time::MAX_AHEAD));
        let mut hours = Vec::new();
        let mut hour = calendar.period(Level::Hour, span.from);
        while watermark.is_some() && hour.start() <= end {
            hours.push(hour);
            hour = calendar.next(&hour);
        }
        hours
    }

    /// The live minutes of tracks.
    async fn live_minutes(&self, live_spans: Vec<(TrackId, TimeSpan)>) -> Result<MinuteCounters, StoreError> {
        let read: Vec<_> =
            live_spans.into_iter().map(|(track, span)| self.minutes_of(track, span, Consistency::Eventual)).collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// The live minutes of a track.
    pub(super) fn minutes_of(
        &self,
        track: TrackId,
        span: TimeSpan,
        how: Consistency,
    ) -> BoxFuture<'_, Result<MinuteCounters, StoreError>> {
        Box::pin(async move {
            let mut read = Vec::new();
            for item in self.reader.stats.query(&minutes(&track, span), how).await? {
                let name: String = parse_suffix(&item, keys::LIVE_BUCKETS)?;
                let at: Time = format!("{name}:00Z").parse().map_err(|error| StoreError::corrupt(name, error))?;
                let live: Live<TrackCounters> = from_item(item)?;
                read.push((track.clone(), at.minute(), live.value));
            }
            Ok(read)
        })
    }
}

/// Parses the sort key of an item after its prefix.
pub(super) fn parse_suffix<T: std::str::FromStr<Err: ToString>>(item: &Item, prefix: &str) -> Result<T, StoreError> {
    let sk = text(item, SK).unwrap_or_default();
    let rest = sk.strip_prefix(prefix).unwrap_or_default();
    rest.parse().map_err(|error: T::Err| StoreError::corrupt(sk, error))
}

/// The minutes, the newest first, each track's minute once.
pub(super) fn newest_first(mut minutes: Vec<LiveMinute>) -> Vec<LiveMinute> {
    let by_key: BTreeMap<(Minute, TrackId), LiveMinute> =
        minutes.drain(..).map(|minute| ((minute.minute, minute.track.clone()), minute)).collect();
    by_key.into_values().rev().collect()
}
