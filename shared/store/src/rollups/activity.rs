//! What is to be closed: pages of active tracks, marks of changed hours, and the frontier of what is closed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::worklist::{Lists, Page, Stored, Watermark};
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

/// How long after its end an hour is closed at the earliest. Folds that land later than half of it are late ones.
pub const GRACE: TimeDelta = TimeDelta::minutes(4);

/// How many tracks a page lists: one unit of work, and about one write unit.
pub(super) const PAGE: usize = 25;

/// How long a page is kept after it is done, to tell what was active then.
const KEPT: TimeDelta = TimeDelta::days(90);

/// How long a mark lives that nobody takes away, for one whose page was never written: longer than rollups may lag behind,
/// shorter than the minutes are there that are compared with the hour.
pub(super) const MARKED: TimeDelta = TimeDelta::days(26);

const DONE: &str = "done";
const SENT: &str = "sent";
const FIRST_SENT: &str = "firstSent";
const ASIDE: &str = "aside";
const TTL: &str = crate::items::TTL;

/// The lists of what was active, and of what is to be closed.
#[derive(Clone)]
pub struct Activity {
    pub(super) lists: Lists,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    /// What this sandbox has listed already, by the end of its hour; and whether it has made sure of a frontier.
    listed: Arc<Mutex<Listed>>,
}

#[derive(Default)]
struct Listed {
    tracks: HashSet<(Period, TrackId)>,
    begun: bool,
}

impl Activity {
    /// Opens the activity.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let lists = Lists { stats: setup.stats_table(), calendar: setup.calendar() };
        Self { lists, clock: setup.clock(), ids: setup.ids(), listed: Arc::default() }
    }

    /// The time, to be asked for before a fold that is listed afterwards.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Whether a fold that has landed by now has surely landed before its hour is closed.
    fn in_time(&self, hour: &Period, now: Time) -> bool {
        now < hour.end().plus(GRACE / 2)
    }

    /// Lists buckets of tracks that have just been folded, so that their hours are closed, again if need be. To be called after every
    /// fold, with when it was begun; when it is `Ok`, the folds are as good as in the rollups.
    ///
    /// # Errors
    /// If not all could be listed; then the buckets must be folded and listed again.
    pub fn note<'a>(
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
                        Some((self.lists.calendar.period(Level::Hour, minute.start()), track.clone()))
                    }
                    Entity::Quiz(_) | Entity::PurchasedItem(_) | Entity::Product(_) | Entity::ProductViews(_) => None,
                })
                .collect();
            let now = self.now();
            let (in_time, mut late): (Vec<_>, Vec<_>) =
                active.into_iter().partition(|(hour, _)| self.in_time(hour, now));
            let fresh: Vec<(Period, TrackId)> = {
                let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
                in_time.into_iter().filter(|one| !listed.tracks.contains(one)).collect()
            };
            if !fresh.is_empty() || !late.is_empty() {
                self.begin(now).await?;
            }
            if !fresh.is_empty() {
                let by_hour = by_period(fresh.iter().cloned());
                let pages = by_hour.into_iter().flat_map(|(hour, tracks)| self.pages(hour, tracks, false));
                let pages = pages.collect::<Result<_, _>>()?;
                self.lists.stats.write_all(pages, deadline).await?;
                // A page that took too long may have come after its hour was closed.
                let now = self.now();
                let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
                listed.tracks.retain(|(hour, _)| self.in_time(hour, now));
                for one in fresh {
                    if self.in_time(&one.0, now) {
                        listed.tracks.insert(one);
                    } else {
                        late.push(one);
                    }
                }
            }
            self.note_late(late, since, deadline).await
        })
    }

    /// Marks hours of tracks as changed, and lists them to be closed again. `since` is when it was begun to fold what has
    /// changed them.
    pub(super) async fn note_late(
        &self,
        late: Vec<(Period, TrackId)>,
        since: Time,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        if late.is_empty() {
            return Ok(());
        }
        let until = self.now().plus(MARKED).seconds().to_string();
        let marks = late.iter().map(|(hour, track)| {
            let version = (VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            let ttl = (TTL.to_owned(), AttributeValue::N(until.clone()));
            Write::Put(to_key(&keys::changed(track, hour)).into_iter().chain([version, ttl]).collect())
        });
        // The page is last: whoever finds it finds the marks.
        self.lists.stats.write_all(marks.collect(), deadline).await?;
        let mut pages = Vec::new();
        for (hour, tracks) in by_period(late) {
            for chunk in chunks(tracks) {
                pages.push(Write::Put(to_item(&keys::late(since, &hour, &self.ids.fresh()), page(chunk, None))?));
            }
        }
        self.lists.stats.write_all(pages, deadline).await
    }

    /// The periods directly above one.
    pub(super) fn directly_above(&self, period: &Period) -> Vec<Period> {
        let levels: &[Level] = match period.level() {
            Level::Hour => &[Level::Day],
            Level::Day => &[Level::Week, Level::Month],
            Level::Month => &[Level::Year],
            Level::Week | Level::Year => &[],
        };
        levels.iter().map(|level| self.lists.calendar.period(*level, period.start())).collect()
    }

    /// Lists tracks as active in a period.
    pub(super) async fn enlist(
        &self,
        period: &Period,
        tracks: &BTreeSet<TrackId>,
        done: bool,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let pages: Result<Vec<Write>, StoreError> = self.pages(*period, tracks.clone(), done).collect();
        self.lists.stats.write_all(pages?, deadline).await
    }

    fn pages(
        &self,
        period: Period,
        tracks: BTreeSet<TrackId>,
        done: bool,
    ) -> impl Iterator<Item = Result<Write, StoreError>> {
        let pk = keys::active(&period);
        let ttl = done.then(|| self.now().plus(KEPT).seconds());
        chunks(tracks).map(move |chunk| {
            let key = Key { pk: pk.clone(), sk: self.ids.fresh() };
            Ok(Write::Put(to_item(&key, page(chunk, ttl))?))
        })
    }

    /// Makes sure that there is a frontier before the first page is written, and that it lies before it.
    async fn begin(&self, now: Time) -> Result<(), StoreError> {
        if self.listed.lock().unwrap_or_else(PoisonError::into_inner).begun {
            return Ok(());
        }
        let frontier = Watermark::at(&self.lists.calendar, now.plus(-TimeDelta::hours(2)));
        match self.put_frontier(&frontier, None).await {
            Ok(()) | Err(StoreError::Conflict) => {
                self.listed.lock().unwrap_or_else(PoisonError::into_inner).begun = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_frontier(&self, frontier: &Watermark, held: Option<String>) -> Result<(), StoreError> {
        let name = |level| frontier.of(level).to_string();
        let stored = Stored {
            version: self.ids.fresh(),
            hour: name(Level::Hour),
            day: name(Level::Day),
            week: name(Level::Week),
            month: name(Level::Month),
            year: name(Level::Year),
            aside: frontier.aside().map(|period| format!("{}{period}", keys::rollups_of(period.level()))).collect(),
        };
        let condition = Condition::unchanged(held);
        self.lists.stats.put(to_item(&keys::frontier(), stored)?, condition).await
    }

    /// Says of a page that a worker has it, that some of it cannot be done, or that all is.
    pub(super) async fn say(&self, key: Key, word: Word) -> Result<(), StoreError> {
        let update =
            self.lists.stats.client.update_item().table_name(&self.lists.stats.name).set_key(Some(to_key(&key)));
        let update = match word {
            Word::Sent => update
                .update_expression("SET #sent = :now, #first = if_not_exists(#first, :now)")
                .expression_attribute_names("#sent", SENT)
                .expression_attribute_names("#first", FIRST_SENT)
                .expression_attribute_values(":now", AttributeValue::S(self.now().to_string())),
            Word::Aside => update
                .update_expression("SET #aside = :true")
                .expression_attribute_names("#aside", ASIDE)
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
            Word::Done => update
                .update_expression("SET #done = :true, #ttl = :ttl")
                .expression_attribute_names("#done", DONE)
                .expression_attribute_names("#ttl", TTL)
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(":ttl", AttributeValue::N(self.now().plus(KEPT).seconds().to_string())),
        };
        // A page that somebody else has finished and removed stays away.
        let update = update.condition_expression("attribute_exists(#pk)").expression_attribute_names("#pk", keys::PK);
        match update.send().await.map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What is said of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
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
