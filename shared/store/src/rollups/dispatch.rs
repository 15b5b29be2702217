//! Finds the tasks that are due, and advances the watermark.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::pages::{LatePage, Page};
use super::watermark::Watermark;
use super::worklist::{GRACE, PAGE, PageMark, Worklist};
use crate::error::StoreError;
use crate::items::key_of;
use crate::keys::{self, Key};
use crate::setup::{Setup, StateTable};
use crate::table::{Consistency, KeyRange, LAST};
use domain::calendar::{Level, Period};
use domain::id::TrackId;
use domain::time::Time;
use domain::time_span::TimeSpan;

/// How long it may take to mark the hours of a few pages.
const MARK_TIME: Duration = Duration::from_secs(10);

/// After this time, a page that was sent and is not done is sent again.
const RESEND_AFTER: TimeDelta = TimeDelta::minutes(30);

/// After this time, a page that was first sent and is not done no longer holds back the watermark.
const SET_ASIDE_AFTER: TimeDelta = TimeDelta::hours(2);

/// How many stuck pages of a period may be set aside. If there are more, it is not some tracks that cannot be closed,
/// but all of them.
const MAX_STUCK_PAGES: usize = 40;

/// How many pages one task finishes at most.
const PAGES: usize = 100;

/// How many late pages, and how many notes of moved tracks, one run reads at most, the oldest first. The others have
/// their turn when these are done.
const MAX_READ: usize = 10_000;

/// How many periods of a recompute are looked up at once.
const CONCURRENCY: usize = 16;

/// Once this many tasks of a recompute are found, no further period is looked up.
const MAX_TASKS: usize = 1_000;

/// A task for one worker, as a message between the dispatcher and the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "camelCase")]
pub enum RollupTask {
    /// Close a period that is over.
    Close {
        /// The length of the period.
        level: Level,
        /// The name of the period.
        period: String,
        /// The tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that the task finishes.
        pages: Vec<String>,
    },
    /// Close an hour that has changed since it may have been closed.
    #[serde(rename = "late")]
    CloseLate {
        /// The name of the hour.
        hour: String,
        /// The tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that the task finishes.
        pages: Vec<String>,
    },
    /// Close a period that was set aside, with all periods above it.
    #[serde(rename = "aside")]
    CloseSetAside {
        /// The length of the period.
        level: Level,
        /// The name of the period.
        period: String,
        /// The tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that the task finishes.
        pages: Vec<String>,
    },
    /// Move the closed periods of a track to its new artist.
    #[serde(rename = "move")]
    MoveTrack {
        /// The track.
        track: TrackId,
        /// The note that the task finishes.
        page: String,
    },
    /// Recompute a closed period on request.
    #[serde(rename = "again")]
    Recompute {
        /// The length of the period.
        level: Level,
        /// The name of the period.
        period: String,
        /// The tracks.
        tracks: BTreeSet<TrackId>,
    },
}

impl RollupTask {
    /// The number of tracks of the task.
    #[must_use]
    pub fn tracks(&self) -> usize {
        match self {
            Self::Close { tracks, .. }
            | Self::CloseLate { tracks, .. }
            | Self::CloseSetAside { tracks, .. }
            | Self::Recompute { tracks, .. } => tracks.len(),
            Self::MoveTrack { .. } => 1,
        }
    }
}

/// The tasks of a requested recompute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecomputePlan {
    /// The tasks to send now.
    pub tasks: Vec<RollupTask>,
    /// When the first period begins that these tasks leave out; `None` if they cover all.
    pub resume_at: Option<Time>,
}

/// A period and its pages by name.
type PeriodPages = (Period, Vec<(String, Page)>);

/// Finds the tasks that are due, and advances the watermark.
#[derive(Clone)]
pub struct Dispatcher {
    worklist: Worklist,
    state: StateTable,
}

impl Dispatcher {
    /// Opens the dispatcher.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { worklist: Worklist::open(setup), state: setup.state_table() }
    }

    /// All tasks that are due and were not sent lately.
    ///
    /// # Errors
    /// If the worklist could not be read.
    pub fn due_tasks(&self) -> BoxFuture<'_, Result<Vec<RollupTask>, StoreError>> {
        Box::pin(async move {
            let mut due = self.move_tasks().await?;
            due.extend(self.late_tasks().await?);
            let Some((stored, version)) = self.worklist.reader.watermark(Consistency::Strong).await? else {
                return Ok(due);
            };
            let mut watermark = stored.clone();
            due.extend(self.set_aside_tasks(&mut watermark).await?);
            for level in Level::ALL {
                due.extend(self.close_tasks(level, &mut watermark).await?);
            }
            if watermark != stored {
                match self.worklist.put_watermark(&watermark, Some(version)).await {
                    // Another dispatcher has advanced it, and will again.
                    Ok(()) | Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(due)
        })
    }

    /// How long ago the last closed hour ended, zero where nothing was ever listed, and how many periods are set aside.
    ///
    /// # Errors
    /// If the watermark could not be read.
    pub fn watermark(&self) -> BoxFuture<'_, Result<(TimeDelta, usize), StoreError>> {
        Box::pin(async move {
            let stored = self.worklist.reader.watermark(Consistency::Strong).await?;
            let Some((watermark, _)) = stored else { return Ok((TimeDelta::zero(), 0)) };
            let age = self.worklist.now().since(watermark.last_closed(Level::Hour).end());
            Ok((age.max(TimeDelta::zero()), watermark.set_aside().count()))
        })
    }

    /// The tasks of periods that are set aside. Periods that have been closed since are removed from the watermark.
    async fn set_aside_tasks(&self, watermark: &mut Watermark) -> Result<Vec<RollupTask>, StoreError> {
        let now = self.worklist.now();
        let mut due = Vec::new();
        let aside: Vec<Period> = watermark.set_aside().copied().collect();
        for period in aside {
            let mut pages = self.worklist.reader.active(&period, Consistency::Strong).await?;
            pages.retain(|(_, page)| !page.done);
            if pages.is_empty() {
                watermark.remove_set_aside(&period);
            }
            for (tracks, pages) in pack(pages.into_iter().filter(|(_, page)| is_due(page, now))) {
                due.push(RollupTask::CloseSetAside {
                    level: period.level(),
                    period: period.to_string(),
                    tracks,
                    pages,
                });
            }
        }
        Ok(due)
    }

    /// Lets the watermark pass a period of which some pages wait too long or cannot be finished. The tracks of an hour
    /// are marked as late; a longer period is set aside. Returns the pages that still hold back the watermark.
    async fn set_stuck_aside(
        &self,
        period: Period,
        open: Vec<(String, Page)>,
        watermark: &mut Watermark,
    ) -> Result<Vec<(String, Page)>, StoreError> {
        let now = self.worklist.now();
        let stuck = |page: &Page| page.aside || page.first_sent.is_some_and(|first| now.since(first) > SET_ASIDE_AFTER);
        let (stuck, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, page)| stuck(page));
        if stuck.is_empty() || stuck.len() > MAX_STUCK_PAGES {
            return Ok(stuck.into_iter().chain(open).collect());
        }
        let tracks = stuck.iter().flat_map(|(_, page)| &page.tracks);
        tracing::error!(%period, pages = stuck.len(), "set aside, for it could not be closed: {period}");
        if period.level() == Level::Hour {
            let until = Instant::now() + MARK_TIME;
            let marked = tracks.map(|track| (period, track.clone())).collect();
            self.worklist.record_late(marked, period.start(), until).await?;
            for above in self.worklist.directly_above(&period) {
                let tracks = stuck.iter().flat_map(|(_, page)| page.tracks.iter().cloned()).collect();
                self.worklist.list_tracks(&above, &tracks, false, until).await?;
            }
            for (page, _) in &stuck {
                self.worklist.mark_page(Key { pk: keys::active(&period), sk: page.clone() }, PageMark::Done).await?;
            }
            return Ok(open);
        }
        // A longer period is set aside as a whole, and only if nothing else holds it back.
        if open.is_empty() && watermark.add_set_aside(period) {
            Ok(open)
        } else {
            Ok(stuck.into_iter().chain(open).collect())
        }
    }

    /// The tasks of the periods of a level that are over; advances the watermark past those that are closed.
    async fn close_tasks(&self, level: Level, watermark: &mut Watermark) -> Result<Vec<RollupTask>, StoreError> {
        let now = self.worklist.now();
        let mut due = Vec::new();
        let mut period = self.worklist.reader.calendar.next(&watermark.last_closed(level));
        let mut all_done = true;
        while period.end() <= closed_below(level, watermark, now) {
            let pages = self.worklist.reader.active(&period, Consistency::Strong).await?;
            let mut open: Vec<(String, Page)> = pages.into_iter().filter(|(_, page)| !page.done).collect();
            if all_done && !open.is_empty() {
                open = self.set_stuck_aside(period, open, watermark).await?;
            }
            all_done &= open.is_empty();
            if all_done {
                watermark.advance_to(period);
            }
            for (tracks, pages) in pack(open.into_iter().filter(|(_, page)| is_due(page, now))) {
                due.push(RollupTask::Close { level, period: period.to_string(), tracks, pages });
            }
            period = self.worklist.reader.calendar.next(&period);
        }
        Ok(due)
    }

    async fn late_tasks(&self) -> Result<Vec<RollupTask>, StoreError> {
        let now = self.worklist.now();
        let mut hours: BTreeMap<Period, Vec<(String, Page)>> = BTreeMap::new();
        let (pages, _) = self.worklist.reader.late(MAX_READ, Consistency::Strong).await?;
        for LatePage { name, hour, page, .. } in pages {
            if is_due(&page, now) {
                hours.entry(hour).or_default().push((name, page));
            }
        }
        let mut due = Vec::new();
        for (hour, pages) in hours {
            for (tracks, pages) in pack(pages) {
                due.push(RollupTask::CloseLate { hour: hour.to_string(), tracks, pages });
            }
        }
        Ok(due)
    }

    async fn move_tasks(&self) -> Result<Vec<RollupTask>, StoreError> {
        let all = KeyRange { pk: keys::MOVED.to_owned(), from: " ".to_owned(), to: LAST.to_string() };
        let (notes, _) = self.state.query_up_to(&all, MAX_READ, Consistency::Strong).await?;
        let mut due = Vec::with_capacity(notes.len());
        for note in notes {
            let page = key_of(&note).ok_or_else(|| StoreError::corrupt("note", "no key"))?.sk;
            let track = page.split('#').next().unwrap_or_default();
            let track = track.parse().map_err(|error| StoreError::corrupt(&page, error))?;
            due.push(RollupTask::MoveTrack { track, page });
        }
        Ok(due)
    }

    /// Records that a task was sent, so that it is not sent again for a while.
    ///
    /// # Errors
    /// If not all of its pages were marked. Then some are sent twice, which changes nothing.
    pub fn record_sent<'a>(&'a self, work: &'a RollupTask) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (pk, pages) = match work {
                RollupTask::Close { level, period, pages, .. }
                | RollupTask::CloseSetAside { level, period, pages, .. } => {
                    (keys::active(&self.period(*level, period)?), pages.as_slice())
                }
                RollupTask::CloseLate { pages, .. } => (keys::LATE.to_owned(), pages.as_slice()),
                RollupTask::MoveTrack { .. } | RollupTask::Recompute { .. } => return Ok(()),
            };
            for page in pages {
                self.worklist.mark_page(Key { pk: pk.clone(), sk: page.clone() }, PageMark::Sent).await?;
            }
            Ok(())
        })
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.worklist.reader.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The tasks of closing all periods of a level in a span again, for every track that was active in them in the last
    /// 90 days, up to the number that is sent at once.
    ///
    /// # Errors
    /// If the worklist could not be read.
    pub fn plan_recompute(&self, level: Level, span: TimeSpan) -> BoxFuture<'_, Result<RecomputePlan, StoreError>> {
        Box::pin(async move {
            let mut due = Vec::new();
            let watermark = self.worklist.reader.watermark(Consistency::Strong).await?;
            let Some((watermark, _)) = watermark else { return Ok(RecomputePlan::default()) };
            let periods = self.worklist.reader.calendar.periods(level, span);
            let periods = periods.take_while(|period| watermark.covers(period)).map(|period| self.pages_of(period));
            let periods: Vec<_> = periods.collect();
            let mut read = stream::iter(periods).buffered(CONCURRENCY);
            while let Some((period, pages)) = read.try_next().await? {
                if due.len() >= MAX_TASKS {
                    return Ok(RecomputePlan { tasks: due, resume_at: Some(period.start()) });
                }
                for (tracks, _) in pack(pages) {
                    due.push(RollupTask::Recompute { level, period: period.to_string(), tracks });
                }
            }
            Ok(RecomputePlan { tasks: due, resume_at: None })
        })
    }

    fn pages_of(&self, period: Period) -> BoxFuture<'_, Result<PeriodPages, StoreError>> {
        Box::pin(async move { Ok((period, self.worklist.reader.active(&period, Consistency::Strong).await?)) })
    }
}

/// The time up to which all parts of a level's periods are closed.
fn closed_below(level: Level, watermark: &Watermark, now: Time) -> Time {
    match level.below() {
        None => now.plus(-GRACE),
        Some(below) => watermark.last_closed(below).end(),
    }
}

fn is_due(page: &Page, now: Time) -> bool {
    !page.done && page.sent.is_none_or(|sent| now.since(sent) > RESEND_AFTER)
}

/// Packs pages into tasks, each track into one of them. A page is finished by the task that takes the last of its
/// tracks. Those of its tracks that an earlier task took are on a page of that task too.
fn pack(pages: impl IntoIterator<Item = (String, Page)>) -> Vec<(BTreeSet<TrackId>, Vec<String>)> {
    let mut packed: Vec<(BTreeSet<TrackId>, Vec<String>)> = Vec::new();
    let mut taken: BTreeSet<TrackId> = BTreeSet::new();
    for (name, page) in pages {
        let fresh: BTreeSet<TrackId> = page.tracks.into_iter().filter(|track| !taken.contains(track)).collect();
        taken.extend(fresh.iter().cloned());
        match packed.last_mut() {
            Some((tracks, pages)) if tracks.len() + fresh.len() <= PAGE && pages.len() < PAGES => {
                tracks.extend(fresh);
                pages.push(name);
            }
            _ => packed.push((fresh, vec![name])),
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_fits_into_message() {
        let long = |number: usize| format!("{number:064}");
        let page = |number: usize| format!("2026-01-31T09:30:00.000Z#2026-01-31T09:00#{number:036}");
        let tracks = (0..PAGE).map(|track| long(track).parse().unwrap()).collect();
        let work = RollupTask::CloseLate {
            hour: "2026-01-31T09:00".to_owned(),
            tracks,
            pages: (0..PAGES).map(page).collect(),
        };
        let bytes = serde_json::to_string(&work).unwrap().len();
        assert!((7_000..256 * 1024).contains(&bytes), "{bytes}");
    }

    #[test]
    fn each_track_is_packed_once_and_each_page_is_finished() {
        let page = |tracks: std::ops::Range<usize>| {
            let tracks: BTreeSet<String> = tracks.map(|track| format!("t{track}")).collect();
            serde_json::from_value::<Page>(serde_json::json!({"tracks": tracks})).unwrap()
        };
        let pages = [page(0..25), page(5..20), page(20..30), page(30..31), page(0..25), page(31..56)];
        let pages: Vec<_> = pages.into_iter().enumerate().map(|(at, page)| (at.to_string(), page)).collect();
        let packed = pack(pages.clone());
        let sizes: Vec<_> = packed.iter().map(|(tracks, pages)| (tracks.len(), pages.len())).collect();
        assert_eq!(sizes, [(25, 2), (6, 3), (25, 1)]);
        // If any task fails, each of its tracks is still on a page that is not finished.
        for (tracks, finished) in &packed {
            for track in tracks {
                assert!(finished.iter().any(|name| pages[name.parse::<usize>().unwrap()].1.tracks.contains(track)));
            }
        }
    }
}
