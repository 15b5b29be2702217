//! The worklist: pages of active tracks, marks of late hours, and the watermark.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::pages::{Page, WorklistReader};
use super::watermark::{StoredWatermark, Watermark};
use crate::error::StoreError;
use crate::items::{VERSION, to_item, to_key};
use crate::keys::{self, Key};
use crate::setup::Setup;
use crate::table::Write;
use crate::transaction::Condition;
use domain::calendar::{Level, Period};
use domain::entity::{Bucket, Entity};
use domain::id::TrackId;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// The earliest time after its end at which an hour is closed. Folds that land after half of it are late.
pub const GRACE: TimeDelta = TimeDelta::minutes(4);

/// How many tracks a page lists: the size of a task, and about one write unit.
pub(super) const PAGE: usize = 25;

/// How long a page is kept after it is done, to show what was active.
const PAGE_RETENTION: TimeDelta = TimeDelta::days(90);

/// How long a mark lives that is not removed because its page was never written: longer than rollups may lag behind,
/// shorter than the minutes live that the hour is compared with.
pub(super) const MARK_RETENTION: TimeDelta = TimeDelta::days(26);

const DONE: &str = "done";
const SENT: &str = "sent";
const FIRST_SENT: &str = "firstSent";
const ASIDE: &str = "aside";
const TTL: &str = crate::items::TTL;

/// The lists of active tracks and of late hours.
#[derive(Clone)]
pub struct Worklist {
    pub(super) reader: WorklistReader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    /// What this sandbox has listed already, by hour, and whether it has ensured that there is a watermark.
    listed: Arc<Mutex<ListedTracks>>,
}

#[derive(Default)]
struct ListedTracks {
    tracks: HashSet<(Period, TrackId)>,
    begun: bool,
}

impl Worklist {
    /// Opens the worklist.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let reader = WorklistReader { stats: setup.stats_table(), calendar: setup.calendar() };
        Self { reader, clock: setup.clock(), ids: setup.ids(), listed: Arc::default() }
    }

    /// The current time, to be taken before a fold that is recorded afterwards.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Whether a fold that has landed by now is certain to be in time for its hour.
    fn is_in_time(&self, hour: &Period, now: Time) -> bool {
        now < hour.end().plus(GRACE / 2)
    }

    /// Records that buckets of tracks were folded, so that their hours are closed, or closed again if they are late.
    /// Call it after every fold, with the time at which the fold began. Once it has succeeded, the folds are certain to
    /// reach the rollups.
    ///
    /// # Errors
    /// If not all could be recorded. Then the buckets must be folded and recorded again.
    pub fn record_folds<'a>(
        &'a self,
        folded: &'a [Bucket],
        since: Time,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let active: BTreeSet<(Period, TrackId)> = folded
                .iter()
                .filter_map(|Bucket { entity, minute }| match entity {
                    Entity::Track(track) => {
                        Some((self.reader.calendar.period(Level::Hour, minute.start()), track.clone()))
                    }
                    Entity::Quiz(_) | Entity::PurchasedItem(_) | Entity::Product(_) | Entity::ProductViews(_) => None,
                })
                .collect();
            let now = self.now();
            let (is_in_time, mut late): (Vec<_>, Vec<_>) =
                active.into_iter().partition(|(hour, _)| self.is_in_time(hour, now));
            let fresh: Vec<(Period, TrackId)> = {
                let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
                is_in_time.into_iter().filter(|one| !listed.tracks.contains(one)).collect()
            };
            if !fresh.is_empty() || !late.is_empty() {
                self.ensure_watermark(now).await?;
            }
            if !fresh.is_empty() {
                let by_hour = by_period(fresh.iter().cloned());
                let pages = by_hour.into_iter().flat_map(|(hour, tracks)| self.pages(hour, tracks, false));
                let pages = pages.collect::<Result<_, _>>()?;
                self.reader.stats.write_all(pages, deadline).await?;
                // A page that was slow to write may have come after its hour was closed.
                let now = self.now();
                let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
                listed.tracks.retain(|(hour, _)| self.is_in_time(hour, now));
                for one in fresh {
                    if self.is_in_time(&one.0, now) {
                        listed.tracks.insert(one);
                    } else {
                        late.push(one);
                    }
                }
            }
            self.record_late(late, since, deadline).await
        })
    }

    /// Marks hours of tracks as late, and lists them to be closed again. `since` is when the folds that changed them
    /// began.
    pub(super) async fn record_late(
        &self,
        late: Vec<(Period, TrackId)>,
        since: Time,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        if late.is_empty() {
            return Ok(());
        }
        let until = self.now().plus(MARK_RETENTION).seconds().to_string();
        let marks = late.iter().map(|(hour, track)| {
            let version = (VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            let ttl = (TTL.to_owned(), AttributeValue::N(until.clone()));
            Write::Put(to_key(&keys::changed(track, hour)).into_iter().chain([version, ttl]).collect())
        });
        // The pages are written last: a reader of a page finds the marks.
        self.reader.stats.write_all(marks.collect(), deadline).await?;
        let mut pages = Vec::new();
        for (hour, tracks) in by_period(late) {
            for chunk in chunks(tracks) {
                pages.push(Write::Put(to_item(&keys::late(since, &hour, &self.ids.fresh()), page(chunk, None))?));
            }
        }
        self.reader.stats.write_all(pages, deadline).await
    }

    /// The periods directly above one.
    pub(super) fn directly_above(&self, period: &Period) -> Vec<Period> {
        let levels: &[Level] = match period.level() {
            Level::Hour => &[Level::Day],
            Level::Day => &[Level::Week, Level::Month],
            Level::Month => &[Level::Year],
            Level::Week | Level::Year => &[],
        };
        levels.iter().map(|level| self.reader.calendar.period(*level, period.start())).collect()
    }

    /// Lists tracks as active in a period.
    pub(super) async fn list_tracks(
        &self,
        period: &Period,
        tracks: &BTreeSet<TrackId>,
        done: bool,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let pages: Result<Vec<Write>, StoreError> = self.pages(*period, tracks.clone(), done).collect();
        self.reader.stats.write_all(pages?, deadline).await
    }

    fn pages(
        &self,
        period: Period,
        tracks: BTreeSet<TrackId>,
        done: bool,
    ) -> impl Iterator<Item = Result<Write, StoreError>> {
        let pk = keys::active(&period);
        let ttl = done.then(|| self.now().plus(PAGE_RETENTION).seconds());
        chunks(tracks).map(move |chunk| {
            let key = Key { pk: pk.clone(), sk: self.ids.fresh() };
            Ok(Write::Put(to_item(&key, page(chunk, ttl))?))
        })
    }

    /// Ensures that there is a watermark before the first page is written, and that it is earlier than the page.
    async fn ensure_watermark(&self, now: Time) -> Result<(), StoreError> {
        if self.listed.lock().unwrap_or_else(PoisonError::into_inner).begun {
            return Ok(());
        }
        let watermark = Watermark::through_hour_of(&self.reader.calendar, now.plus(-TimeDelta::hours(2)));
        match self.put_watermark(&watermark, None).await {
            Ok(()) | Err(StoreError::Conflict) => {
                self.listed.lock().unwrap_or_else(PoisonError::into_inner).begun = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_watermark(&self, watermark: &Watermark, version: Option<String>) -> Result<(), StoreError> {
        let stored = StoredWatermark::new(watermark, self.ids.fresh());
        let condition = Condition::unchanged(version);
        self.reader.stats.put(to_item(&keys::frontier(), stored)?, condition).await
    }

    /// Marks a page as sent, as set aside or as done.
    pub(super) async fn mark_page(&self, key: Key, word: PageMark) -> Result<(), StoreError> {
        let update =
            self.reader.stats.client.update_item().table_name(&self.reader.stats.name).set_key(Some(to_key(&key)));
        let update = match word {
            PageMark::Sent => update
                .update_expression("SET #sent = :now, #first = if_not_exists(#first, :now)")
                .expression_attribute_names("#sent", SENT)
                .expression_attribute_names("#first", FIRST_SENT)
                .expression_attribute_values(":now", AttributeValue::S(self.now().to_string())),
            PageMark::Aside => update
                .update_expression("SET #aside = :true")
                .expression_attribute_names("#aside", ASIDE)
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
            PageMark::Done => update
                .update_expression("SET #done = :true, #ttl = :ttl")
                .expression_attribute_names("#done", DONE)
                .expression_attribute_names("#ttl", TTL)
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(
                    ":ttl",
                    AttributeValue::N(self.now().plus(PAGE_RETENTION).seconds().to_string()),
                ),
        };
        // A page that another worker has finished and removed is not written again.
        let update = update.condition_expression("attribute_exists(#pk)").expression_attribute_names("#pk", keys::PK);
        match update.send().await.map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A mark of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageMark {
    Sent,
    Done,
    Aside,
}

fn page(tracks: BTreeSet<TrackId>, done_until: Option<i64>) -> Page {
    Page { tracks, done: done_until.is_some(), aside: false, first_sent: None, sent: None, ttl: done_until }
}

fn chunks(tracks: BTreeSet<TrackId>) -> impl Iterator<Item = BTreeSet<TrackId>> {
    let mut tracks = tracks.into_iter();
    std::iter::from_fn(move || {
        let chunk: BTreeSet<TrackId> = tracks.by_ref().take(PAGE).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn by_period(active: impl IntoIterator<Item = (Period, TrackId)>) -> BTreeMap<Period, BTreeSet<TrackId>> {
    let mut by_period: BTreeMap<Period, BTreeSet<TrackId>> = BTreeMap::new();
    for (period, track) in active {
        by_period.entry(period).or_default().insert(track);
    }
    by_period
}
