//! Closes periods.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::time::Instant;

use super::batch::{RecomputeBatch, RecomputeSource};
use super::dispatch::RollupTask;
use super::recompute::Recomputer;
use super::worklist::{PageMark, Worklist};
use crate::error::StoreError;
use crate::items::{from_item, text};
use crate::keys::{self, Key};
use crate::setup::Setup;
use crate::table::{Consistency, KeyRange, Write};
use domain::calendar::{Level, Period};
use domain::id::{TrackId, UserId};
use domain::rollup::Scope;
use domain::time::Time;

/// How many tracks are closed together in one period. Each has its period, its artist's, its total and its document;
/// the platform has one period.
const CLOSE_CHUNK: usize = 24;

/// How many tracks are closed together in all periods of an hour. A transaction takes 100 items: seven of each track,
/// five of each artist, five of the platform
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
const RECLOSE_CHUNK: usize = 7;

/// How many periods of a track one transaction moves: three items each.
const MOVE_CHUNK: usize = 20;

/// A note that a track has moved to another artist.
#[derive(Default, Deserialize)]
struct MoveNote {
    /// The artist that it left, and the one it came to.
    #[serde(default)]
    artists: BTreeSet<UserId>,
}

/// Closes periods of tracks, and with them those of their artists and of the platform.
#[derive(Clone)]
pub struct PeriodCloser {
    recomputer: Recomputer,
}

impl PeriodCloser {
    /// Opens the worker.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { recomputer: Recomputer { worklist: Worklist::open(setup), state: setup.state_table() } }
    }

    /// Runs a task, retrying until the deadline. A task that runs twice, or at the same time as others, has the same
    /// result.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed: then the task is to run again. Where single tracks are corrupt,
    /// the others are done.
    pub fn run<'a>(&'a self, task: &'a RollupTask, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match task {
                RollupTask::Close { level, period, tracks, pages } => {
                    let period = self.period(*level, period)?;
                    self.close(period, tracks, pages, deadline).await
                }
                RollupTask::CloseLate { hour, tracks, pages } => {
                    let hour = self.period(Level::Hour, hour)?;
                    self.reclose(hour, tracks, Some(hour), deadline).await?;
                    let finished =
                        pages.iter().map(|page| Write::Delete(Key { pk: keys::LATE.to_owned(), sk: page.clone() }));
                    self.recomputer.worklist.reader.stats.write_all(finished.collect(), deadline).await
                }
                RollupTask::Recompute { level, period, tracks } => {
                    let period = self.period(*level, period)?;
                    self.reclose(period, tracks, None, deadline).await
                }
                RollupTask::CloseSetAside { level, period, tracks, pages } => {
                    let period = self.period(*level, period)?;
                    self.reclose(period, tracks, None, deadline).await?;
                    self.mark_pages(&period, pages, PageMark::Done).await
                }
                RollupTask::MoveTrack { track, page } => self.move_track(track, page, deadline).await,
            }
        })
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.recomputer.worklist.reader.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// Closes a period that is over, lists its tracks under the periods above it, and then finishes its pages.
    async fn close(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        pages: &[String],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let all: Vec<&TrackId> = tracks.iter().collect();
        let mut left = Vec::new();
        for together in all.chunks(CLOSE_CHUNK) {
            let together = together.iter().copied().cloned().collect();
            left.extend(
                self.recompute_all(&together, &[period], None, RecomputeSource::PartsUnlessClosed, deadline).await?,
            );
        }
        // A track that cannot be closed must not hold back the watermark. Its hour is marked as late, so that readers
        // correct it. A longer period is set aside with its page, so that readers use its parts instead.
        let is_hour = period.level() == Level::Hour;
        let marked = left.iter().filter(|_| is_hour).map(|(track, _)| (period, track.clone())).collect();
        self.recomputer.worklist.record_late(marked, period.start(), deadline).await?;
        for above in self.recomputer.worklist.directly_above(&period) {
            self.recomputer.worklist.list_tracks(&above, tracks, false, deadline).await?;
        }
        let word = if is_hour || left.is_empty() { PageMark::Done } else { PageMark::Aside };
        self.mark_pages(&period, pages, word).await?;
        left.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    async fn mark_pages(&self, period: &Period, pages: &[String], word: PageMark) -> Result<(), StoreError> {
        for page in pages {
            self.recomputer.worklist.mark_page(Key { pk: keys::active(period), sk: page.clone() }, word).await?;
        }
        Ok(())
    }

    /// Closes a period again, with all periods above it that are over. The tracks are listed under the others first, so
    /// that these are closed later.
    async fn reclose(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        changed: Option<Period>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let above = self.above(&period);
        let over = |now: Time| above.iter().copied().filter(move |above| above.end() <= now);
        let mut now = self.recomputer.worklist.now();
        self.recomputer.worklist.list_tracks(&period, tracks, true, deadline).await?;
        for above in &above {
            self.recomputer.worklist.list_tracks(above, tracks, above.end() <= now, deadline).await?;
        }
        let all: Vec<&TrackId> = tracks.iter().collect();
        loop {
            let periods: Vec<Period> = std::iter::once(period).chain(over(now)).collect();
            let mut corrupt = None;
            for together in all.chunks(RECLOSE_CHUNK) {
                let together = together.iter().copied().cloned().collect();
                let left = self.recompute_all(&together, &periods, changed, RecomputeSource::Parts, deadline).await?;
                corrupt = corrupt.or(left.into_iter().next());
            }
            // A period that has ended meanwhile may have been closed without these changes.
            now = self.recomputer.worklist.now();
            if over(now).count() + 1 == periods.len() {
                return corrupt.map_or(Ok(()), |(_, error)| Err(error));
            }
        }
    }

    /// Recomputes tracks together, or each by itself if some fail for good; these are returned. Each by itself also
    /// where the transaction is too large, because many tracks have changed artists.
    async fn recompute_all(
        &self,
        tracks: &BTreeSet<TrackId>,
        periods: &[Period],
        changed: Option<Period>,
        from: RecomputeSource,
        deadline: Instant,
    ) -> Result<Vec<(TrackId, StoreError)>, StoreError> {
        match self.recomputer.recompute(&RecomputeBatch { tracks, periods, changed, from }, deadline).await {
            Err(error) if !error.is_transient() => {}
            result => return result.map(|()| Vec::new()),
        }
        let mut left = Vec::new();
        for track in tracks {
            let alone = BTreeSet::from([track.clone()]);
            match self.recomputer.recompute(&RecomputeBatch { tracks: &alone, periods, changed, from }, deadline).await
            {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => left.push((track.clone(), error)),
            }
        }
        Ok(left)
    }

    /// Moves all closed periods of a track to its new artist.
    async fn move_track(&self, track: &TrackId, page: &str, deadline: Instant) -> Result<(), StoreError> {
        let tracks = BTreeSet::from([track.clone()]);
        let pk = keys::rollups(&Scope::Track(track.clone()));
        for level in Level::ALL {
            let all = KeyRange::with_prefix(pk.clone(), keys::rollups_of(level));
            let mut periods = Vec::new();
            for item in self.recomputer.worklist.reader.stats.query(&all, Consistency::Strong).await? {
                let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::rollups_of(level)));
                periods.push(self.period(level, name.unwrap_or_default())?);
            }
            for periods in periods.chunks(MOVE_CHUNK) {
                let batch =
                    RecomputeBatch { tracks: &tracks, periods, changed: None, from: RecomputeSource::Unchanged };
                self.recomputer.recompute(&batch, deadline).await?;
            }
        }
        // The artists' notes are removed first, since they are found by way of this one.
        let note = Key { pk: keys::MOVED.to_owned(), sk: page.to_owned() };
        let moved =
            self.recomputer.state.get_all(BTreeSet::from([note.clone()]), Consistency::Strong, deadline).await?;
        let moved: MoveNote = moved.into_values().next().map(from_item).transpose()?.unwrap_or_default();
        let id = page.rsplit('#').next().unwrap_or_default();
        let notes = moved.artists.iter().map(|artist| Write::Delete(keys::moving(artist, track, id)));
        self.recomputer.state.write_all(notes.collect(), deadline).await?;
        self.recomputer.state.write_all(vec![Write::Delete(note)], deadline).await
    }

    /// All periods above one, the shortest first.
    fn above(&self, period: &Period) -> Vec<Period> {
        let mut all: Vec<Period> = Vec::new();
        let mut next = self.recomputer.worklist.directly_above(period);
        while let Some(above) = next.pop() {
            next.extend(self.recomputer.worklist.directly_above(&above));
            all.push(above);
        }
        all.sort_by_key(Period::level);
        all
    }
}
