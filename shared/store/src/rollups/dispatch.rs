//! Finding out what is to be closed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::activity::{Activity, GRACE, PAGE, Word};
use super::worklist::{LatePage, Page, Watermark};
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
const TO_MARK: Duration = Duration::from_secs(10);

/// After so long a page that a worker was given and has not finished is handed over again.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(30);

/// A page that was first handed over so long ago and is not finished no longer holds up the frontier.
const ASIDE_AFTER: TimeDelta = TimeDelta::hours(2);

/// So many pages of a period no longer hold up the frontier. Where there are more, it is not some tracks that cannot be closed,
/// but nothing is.
const MOST_ASIDE: usize = 40;

/// How many pages one piece of work finishes at most.
const PAGES: usize = 100;

/// So many pages of late hours, and so many notes of tracks that have come to an artist, are looked at in one run, the oldest
/// first: what is behind them has its turn when they are done.
const AT_A_TIME: usize = 10_000;

/// How many periods are looked up at once that somebody wants closed again.
const AT_ONCE: usize = 16;

/// Once so many pieces of that work are found, no further period is looked up.
const HANDED_OVER: usize = 1_000;

/// A piece of work, for one worker: the message between the dispatcher and the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "camelCase")]
pub enum Work {
    /// A period that is over is to be closed.
    Close {
        /// The length of the period.
        level: Level,
        /// Its name.
        period: String,
        /// For which tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that this finishes.
        pages: Vec<String>,
    },
    /// An hour that may have been closed has changed.
    Late {
        /// Its name.
        hour: String,
        /// For which tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that this finishes.
        pages: Vec<String>,
    },
    /// A period that was set aside is to be closed, with all above it.
    Aside {
        /// The length of the period.
        level: Level,
        /// Its name.
        period: String,
        /// For which tracks.
        tracks: BTreeSet<TrackId>,
        /// The pages that this finishes.
        pages: Vec<String>,
    },
    /// A track has come to an artist, with all its closed periods.
    Move {
        /// The track.
        track: TrackId,
        /// The note that this finishes.
        page: String,
    },
    /// Somebody wants a period closed again.
    #[serde(rename = "again")]
    Recompute {
        /// The length of the period.
        level: Level,
        /// Its name.
        period: String,
        /// For which tracks.
        tracks: BTreeSet<TrackId>,
    },
}

impl Work {
    /// How many tracks it is for.
    #[must_use]
    pub fn tracks(&self) -> usize {
        match self {
            Self::Close { tracks, .. }
            | Self::Late { tracks, .. }
            | Self::Aside { tracks, .. }
            | Self::Recompute { tracks, .. } => tracks.len(),
            Self::Move { .. } => 1,
        }
    }
}

/// What somebody wants closed again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecomputePlan {
    /// The work that is handed over.
    pub due: Vec<Work>,
    /// When the first period begins that is not; nothing if all are.
    pub resume_at: Option<Time>,
}

/// The pages of a period, each with its name.
type PagesOf = (Period, Vec<(String, Page)>);

/// Tells what is to be closed, and moves the frontier behind what is.
#[derive(Clone)]
pub struct Dispatcher {
    activity: Activity,
    state: StateTable,
}

impl Dispatcher {
    /// Opens the dispatcher.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { activity: Activity::open(setup), state: setup.state_table() }
    }

    /// All work that is due now and that no worker was given lately.
    ///
    /// # Errors
    /// If the lists could not be read.
    pub fn due(&self) -> BoxFuture<'_, Result<Vec<Work>, StoreError>> {
        Box::pin(async move {
            let mut due = self.moved().await?;
            due.extend(self.late().await?);
            let Some((held, version)) = self.activity.lists.frontier(Consistency::Strong).await? else {
                return Ok(due);
            };
            let mut frontier = held.clone();
            due.extend(self.aside(&mut frontier).await?);
            for level in Level::ALL {
                due.extend(self.over(level, &mut frontier).await?);
            }
            if frontier != held {
                match self.activity.put_frontier(&frontier, Some(version)).await {
                    // Another dispatcher has been at it, and will be again.
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
            let held = self.activity.lists.frontier(Consistency::Strong).await?;
            let Some((frontier, _)) = held else { return Ok((TimeDelta::zero(), 0)) };
            let age = self.activity.now().since(frontier.of(Level::Hour).end());
            Ok((age.max(TimeDelta::zero()), frontier.aside().count()))
        })
    }

    /// The work of periods that are set aside; those that are closed by now are no longer.
    async fn aside(&self, frontier: &mut Watermark) -> Result<Vec<Work>, StoreError> {
        let now = self.activity.now();
        let mut due = Vec::new();
        let aside: Vec<Period> = frontier.aside().copied().collect();
        for period in aside {
            let mut pages = self.activity.lists.active(&period, Consistency::Strong).await?;
            pages.retain(|(_, page)| !page.done);
            if pages.is_empty() {
                frontier.take_back(&period);
            }
            for (tracks, pages) in pack(pages.into_iter().filter(|(_, page)| is_due(page, now))) {
                due.push(Work::Aside { level: period.level(), period: period.to_string(), tracks, pages });
            }
        }
        Ok(due)
    }

    /// What of a period holds up the frontier, where some of its pages have waited for too long or cannot be finished. Hours are
    /// marked as still to be closed, longer periods are set aside.
    async fn give_way(
        &self,
        period: Period,
        open: Vec<(String, Page)>,
        frontier: &mut Watermark,
    ) -> Result<Vec<(String, Page)>, StoreError> {
        let now = self.activity.now();
        let stuck = |page: &Page| page.aside || page.first_sent.is_some_and(|first| now.since(first) > ASIDE_AFTER);
        let (stuck, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, page)| stuck(page));
        if stuck.is_empty() || stuck.len() > MOST_ASIDE {
            return Ok(stuck.into_iter().chain(open).collect());
        }
        let tracks = stuck.iter().flat_map(|(_, page)| &page.tracks);
        tracing::error!(%period, pages = stuck.len(), "set aside, for it could not be closed: {period}");
        if period.level() == Level::Hour {
            let until = Instant::now() + TO_MARK;
            let marked = tracks.map(|track| (period, track.clone())).collect();
            self.activity.note_late(marked, period.start(), until).await?;
            for above in self.activity.directly_above(&period) {
                let tracks = stuck.iter().flat_map(|(_, page)| page.tracks.iter().cloned()).collect();
                self.activity.enlist(&above, &tracks, false, until).await?;
            }
            for (page, _) in &stuck {
                self.activity.say(Key { pk: keys::active(&period), sk: page.clone() }, Word::Done).await?;
            }
            return Ok(open);
        }
        // Only as a whole, and only if nothing else holds it up.
        if open.is_empty() && frontier.set_aside(period) {
            Ok(open)
        } else {
            Ok(stuck.into_iter().chain(open).collect())
        }
    }

    /// The periods of a level that are over and not all closed; moves the frontier behind those that are.
    async fn over(&self, level: Level, frontier: &mut Watermark) -> Result<Vec<Work>, StoreError> {
        let now = self.activity.now();
        let mut due = Vec::new();
        let mut period = self.activity.lists.calendar.next(&frontier.of(level));
        let mut all_done = true;
        while period.end() <= closed_below(level, frontier, now) {
            let pages = self.activity.lists.active(&period, Consistency::Strong).await?;
            let mut open: Vec<(String, Page)> = pages.into_iter().filter(|(_, page)| !page.done).collect();
            if all_done && !open.is_empty() {
                open = self.give_way(period, open, frontier).await?;
            }
            all_done &= open.is_empty();
            if all_done {
                frontier.set(period);
            }
            for (tracks, pages) in pack(open.into_iter().filter(|(_, page)| is_due(page, now))) {
                due.push(Work::Close { level, period: period.to_string(), tracks, pages });
            }
            period = self.activity.lists.calendar.next(&period);
        }
        Ok(due)
    }

    async fn late(&self) -> Result<Vec<Work>, StoreError> {
        let now = self.activity.now();
        let mut hours: BTreeMap<Period, Vec<(String, Page)>> = BTreeMap::new();
        let (pages, _) = self.activity.lists.late(AT_A_TIME, Consistency::Strong).await?;
        for LatePage { name, hour, page, .. } in pages {
            if is_due(&page, now) {
                hours.entry(hour).or_default().push((name, page));
            }
        }
        let mut due = Vec::new();
        for (hour, pages) in hours {
            for (tracks, pages) in pack(pages) {
                due.push(Work::Late { hour: hour.to_string(), tracks, pages });
            }
        }
        Ok(due)
    }

    async fn moved(&self) -> Result<Vec<Work>, StoreError> {
        let all = KeyRange { pk: keys::MOVED.to_owned(), from: " ".to_owned(), to: LAST.to_string() };
        let (notes, _) = self.state.query_up_to(&all, AT_A_TIME, Consistency::Strong).await?;
        let mut due = Vec::with_capacity(notes.len());
        for note in notes {
            let page = key_of(&note).ok_or_else(|| StoreError::corrupt("note", "no key"))?.sk;
            let track = page.split('#').next().unwrap_or_default();
            let track = track.parse().map_err(|error| StoreError::corrupt(&page, error))?;
            due.push(Work::Move { track, page });
        }
        Ok(due)
    }

    /// Says that workers have been given this, so that it is not handed over again for a while.
    ///
    /// # Errors
    /// If not all of it could be said; then workers will be given some of it twice, which changes nothing.
    pub fn handed_over<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (pk, pages) = match work {
                Work::Close { level, period, pages, .. } | Work::Aside { level, period, pages, .. } => {
                    (keys::active(&self.period(*level, period)?), pages.as_slice())
                }
                Work::Late { pages, .. } => (keys::LATE.to_owned(), pages.as_slice()),
                Work::Move { .. } | Work::Recompute { .. } => return Ok(()),
            };
            for page in pages {
                self.activity.say(Key { pk: pk.clone(), sk: page.clone() }, Word::Sent).await?;
            }
            Ok(())
        })
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.activity.lists.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The work of closing all periods of a level that lie in a span once more, for every track that was active in them in
    /// the last 90 days; and where the rest begins, if that is more than is handed over at once.
    ///
    /// # Errors
    /// If the lists could not be read.
    pub fn again(&self, level: Level, span: TimeSpan) -> BoxFuture<'_, Result<RecomputePlan, StoreError>> {
        Box::pin(async move {
            let mut due = Vec::new();
            let frontier = self.activity.lists.frontier(Consistency::Strong).await?;
            let Some((frontier, _)) = frontier else { return Ok(RecomputePlan::default()) };
            let periods = self.activity.lists.calendar.periods(level, span);
            let periods = periods.take_while(|period| frontier.covers(period)).map(|period| self.pages_of(period));
            let periods: Vec<_> = periods.collect();
            let mut read = stream::iter(periods).buffered(AT_ONCE);
            while let Some((period, pages)) = read.try_next().await? {
                if due.len() >= HANDED_OVER {
                    return Ok(RecomputePlan { due, resume_at: Some(period.start()) });
                }
                for (tracks, _) in pack(pages) {
                    due.push(Work::Recompute { level, period: period.to_string(), tracks });
                }
            }
            Ok(RecomputePlan { due, resume_at: None })
        })
    }

    fn pages_of(&self, period: Period) -> BoxFuture<'_, Result<PagesOf, StoreError>> {
        Box::pin(async move { Ok((period, self.activity.lists.active(&period, Consistency::Strong).await?)) })
    }
}

/// Until when everything that periods of a level are made of is closed.
fn closed_below(level: Level, frontier: &Watermark, now: Time) -> Time {
    match level.below() {
        None => now.plus(-GRACE),
        Some(below) => frontier.of(below).end(),
    }
}

fn is_due(page: &Page, now: Time) -> bool {
    !page.done && page.sent.is_none_or(|sent| now.since(sent) > AGAIN_AFTER)
}

/// Pages packed into pieces of work, each track into one of them. A page is finished by the piece that took the last of its
/// tracks; those of them that an earlier piece took are listed on a page of that one too.
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
    fn a_piece_of_work_fits_into_a_message() {
        let long = |number: usize| format!("{number:064}");
        let page = |number: usize| format!("2026-01-31T09:30:00.000Z#2026-01-31T09:00#{number:036}");
        let tracks = (0..PAGE).map(|track| long(track).parse().unwrap()).collect();
        let work = Work::Late { hour: "2026-01-31T09:00".to_owned(), tracks, pages: (0..PAGES).map(page).collect() };
        let bytes = serde_json::to_string(&work).unwrap().len();
        assert!((7_000..256 * 1024).contains(&bytes), "{bytes}");
    }

    #[test]
    fn every_track_is_packed_once_and_every_page_is_finished() {
        let page = |tracks: std::ops::Range<usize>| {
            let tracks: BTreeSet<String> = tracks.map(|track| format!("t{track}")).collect();
            serde_json::from_value::<Page>(serde_json::json!({"tracks": tracks})).unwrap()
        };
        let pages = [page(0..25), page(5..20), page(20..30), page(30..31), page(0..25), page(31..56)];
        let pages: Vec<_> = pages.into_iter().enumerate().map(|(at, page)| (at.to_string(), page)).collect();
        let packed = pack(pages.clone());
        let sizes: Vec<_> = packed.iter().map(|(tracks, pages)| (tracks.len(), pages.len())).collect();
        assert_eq!(sizes, [(25, 2), (6, 3), (25, 1)]);
        // Whatever pieces fail, a track that was not closed is on a page that is not finished.
        for (tracks, finished) in &packed {
            for track in tracks {
                assert!(finished.iter().any(|name| pages[name.parse::<usize>().unwrap()].1.tracks.contains(track)));
            }
        }
    }
}
