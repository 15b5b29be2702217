//! Folds: live buckets are made from facts, and from nothing else.
//!
//! A delivery names only *which* bucket changed. The fold reads the bucket's version first and its facts after it,
//! strongly consistent; it is written on the condition that the version is unchanged, with a version that was never
//! used before. So with repeated, late, reordered or concurrent deliveries, the last write was folded from facts that
//! were read after the write before it.
//!
//! Two things are deliberately not done. A write is never skipped because it would change nothing: facts may go (an
//! erasure) and come back, and then a writer that read in between is still in flight, which only a new version stops.
//! And an empty bucket is never deleted: that it is not there would be a version, and one that comes back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::compact::expand;
use super::error::StoreError;
use super::items::{Item, TTL, VERSION, from_item, key_of, number, text, to_item, to_key};
use super::keys::{self, Key, PK, SK};
use super::retention;
use super::retry;
use super::table::{Consistency, Table};
use super::transaction::Condition;
use crate::setup::{FactsTable, Setup, StatsTable};
use domain::calendar::{Calendar, Level};
use domain::entity::{Bucket, Entity};
use domain::fold::{Fold, Recorded};
use domain::rollup::Scope;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// The most buckets that are folded concurrently.
const AT_ONCE: usize = 16;

/// The most keys of one `BatchGetItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const BATCH: usize = 100;

/// The number of facts of a bucket.
const FACTS: &str = "facts";

/// When the bucket's first fact expires, in seconds since 1970.
pub(super) const EXPIRES: &str = "expires";

/// The budget of one fold. A bucket that exceeds it is deferred to a fold without a budget, so that it does not delay
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most facts that it may read.
    pub facts: usize,
    /// The most time that it may take.
    pub time: Duration,
}

impl Budget {
    /// No bounds but the deadline.
    pub const WHOLE: Self = Self { facts: usize::MAX, time: Duration::MAX };

    /// This many facts within five seconds.
    #[must_use]
    pub fn of_facts(facts: usize) -> Self {
        Self { facts, time: Duration::from_secs(5) }
    }

    /// Until when a fold that begins now may go on, where `deadline` is the end of all.
    fn until(self, deadline: Instant) -> Instant {
        Instant::now().checked_add(self.time).map_or(deadline, |until| until.min(deadline))
    }

    pub(super) fn exceeded(self) -> StoreError {
        StoreError::OverBudget { facts: self.facts, time: self.time }
    }

    /// Fails if a bucket is known to have more facts than the budget allows.
    pub(super) fn check(self, facts: Option<u64>) -> Result<(), StoreError> {
        match facts.and_then(|facts| usize::try_from(facts).ok()) {
            Some(facts) if facts > self.facts => Err(self.exceeded()),
            _ => Ok(()),
        }
    }

    /// Repeats an attempt until it succeeds or the time of the budget or the deadline is over.
    pub(super) async fn spend<'a, T>(
        self,
        deadline: Instant,
        attempt: impl FnMut() -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let until = self.until(deadline);
        match retry::until(until, attempt).await {
            Err(error) if error.is_transient() && until < deadline => {
                tracing::warn!(error = %error, "a bucket took its whole time: {error}");
                Err(self.exceeded())
            }
            result => result,
        }
    }
}

/// The outcome of the fold of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldOutcome {
    /// The bucket was written from facts that were read after the call began.
    Written,
    /// The bucket's facts have expired or are about to: it stays as it is.
    Sealed,
}

/// A live bucket as an item.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live<V> {
    pub(super) version: String,
    pub(super) as_of: Time,
    pub(super) facts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
    pub(super) value: V,
}

/// The attributes of a bucket that are read before its facts.
#[derive(Debug, Clone, Default)]
struct Slot {
    version: Option<String>,
    expires: Option<i64>,
    facts: Option<u64>,
}

impl Slot {
    fn of(item: &Item) -> Self {
        let version = text(item, VERSION).map(str::to_owned);
        Self { version, expires: number(item, EXPIRES), facts: number(item, FACTS) }
    }
}

/// Makes the new item of a bucket from its facts; the one place where the kind of fold matters.
type MakeItem = fn(&Bucket, String, Time, Vec<Item>) -> Result<Item, StoreError>;

/// The tables of facts and of stats.
#[derive(Clone)]
pub struct Folds {
    facts: FactsTable,
    stats: StatsTable,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
}

impl Folds {
    /// Folds of the facts of tracks.
    pub fn of_events(setup: &mut Setup<'_>) -> Self {
        let facts = FactsTable::Events(setup.events_table());
        Self::of_facts(facts, setup)
    }

    /// Folds of the facts of quizzes and products.
    pub fn of_interactions(setup: &mut Setup<'_>) -> Self {
        let facts = FactsTable::Interactions(setup.interactions_table());
        Self::of_facts(facts, setup)
    }

    /// Folds of the facts of what is sold.
    pub fn of_purchases(setup: &mut Setup<'_>) -> Self {
        let facts = FactsTable::Purchases(setup.purchases_table());
        Self::of_facts(facts, setup)
    }

    fn of_facts(facts: FactsTable, setup: &mut Setup<'_>) -> Self {
        Self { facts, stats: setup.stats_table(), clock: setup.clock(), ids: setup.ids() }
    }

    /// Folds buckets again, retrying until the deadline, and returns the outcome of each. A bucket that exceeds the
    /// budget fails with [`StoreError::OverBudget`].
    pub fn refold<F: Fold>(
        &self,
        buckets: Vec<Bucket>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, Result<FoldOutcome, StoreError>)>> {
        self.refold_all(buckets, make_item::<F>, budget, deadline)
    }

    fn refold_all(
        &self,
        buckets: Vec<Bucket>,
        make: MakeItem,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, Result<FoldOutcome, StoreError>)>> {
        Box::pin(async move {
            let known = timeout_at(deadline, self.stored(&buckets)).await.ok().and_then(Result::ok).unwrap_or_default();
            stream::iter(buckets)
                .map(|bucket| {
                    let known = known.get(&keys::bucket(&bucket)).cloned();
                    async move {
                        let result = self.refold_one(&bucket, known, make, budget, deadline).await;
                        (bucket, result)
                    }
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await
        })
    }

    async fn refold_one(
        &self,
        bucket: &Bucket,
        mut known: Option<Slot>,
        make: MakeItem,
        budget: Budget,
        deadline: Instant,
    ) -> Result<FoldOutcome, StoreError> {
        budget.spend(deadline, || Box::pin(self.refold_once(bucket, known.take(), make, budget))).await
    }

    async fn refold_once(
        &self,
        bucket: &Bucket,
        known: Option<Slot>,
        make: MakeItem,
        budget: Budget,
    ) -> Result<FoldOutcome, StoreError> {
        let key = keys::bucket(bucket);
        let stored = match known {
            Some(stored) => stored,
            None => self.held_one(&key).await?,
        };
        let began = Time::from(self.clock.now());
        if stored.expires.is_some_and(|expires| retention::closed_to_folds(expires, began)) {
            return Ok(FoldOutcome::Sealed);
        }
        budget.check(stored.facts)?;
        let facts = self.facts_of(bucket, budget).await?;
        let item = make(bucket, self.ids.fresh(), began, facts)?;
        let condition = Condition::unchanged(stored.version);
        self.stats().put(item, condition).await?;
        Ok(FoldOutcome::Written)
    }

    /// The table of facts.
    pub(super) fn facts_table(&self) -> Table {
        Table::clone(&self.facts)
    }

    /// The table of stats.
    pub(super) fn stats(&self) -> Table {
        Table::clone(&self.stats)
    }

    /// The facts of a bucket, strongly consistent; it stops reading where they are more than the budget has.
    pub(super) async fn facts_of(&self, bucket: &Bucket, budget: Budget) -> Result<Vec<Item>, StoreError> {
        let mut pages = self
            .facts
            .client
            .query()
            .table_name(&self.facts.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :hour AND begins_with(#sk, :minute)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(
                ":hour",
                AttributeValue::S(keys::facts_of_hour(&bucket.entity, bucket.minute.hour())),
            )
            .expression_attribute_values(":minute", AttributeValue::S(keys::facts_of_minute(bucket)))
            .into_paginator()
            .send();
        let mut facts = Vec::new();
        while let Some(page) = pages.next().await {
            facts.extend(page?.items.unwrap_or_default());
            if facts.len() > budget.facts {
                return Err(budget.exceeded());
            }
        }
        Ok(facts)
    }

    async fn held_one(&self, key: &Key) -> Result<Slot, StoreError> {
        let read =
            self.stats.client.get_item().table_name(&self.stats.name).consistent_read(true).set_key(Some(to_key(key)));
        let read = read.projection_expression("#version, #expires, #facts");
        let read = read.expression_attribute_names("#version", VERSION).expression_attribute_names("#expires", EXPIRES);
        let read = read.expression_attribute_names("#facts", FACTS);
        Ok(read.send().await?.item.as_ref().map(Slot::of).unwrap_or_default())
    }

    /// The stored state of many buckets. A bucket that was not answered is absent; a bucket that does not exist is
    /// present with its default.
    ///
    /// Eventually consistent, at half the price: an older version than the last is one that was read before the facts, too.
    /// Its write fails, and the next try reads strongly consistent.
    async fn stored(&self, buckets: &[Bucket]) -> Result<HashMap<Key, Slot>, StoreError> {
        let mut stored = HashMap::new();
        for chunk in buckets.chunks(BATCH) {
            let mut asked: HashMap<Key, Slot> =
                chunk.iter().map(|bucket| (keys::bucket(bucket), Slot::default())).collect();
            let request = KeysAndAttributes::builder()
                .consistent_read(false)
                .set_keys(Some(asked.keys().map(to_key).collect()))
                .projection_expression("#pk, #sk, #version, #expires, #facts")
                .expression_attribute_names("#facts", FACTS)
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_names("#expires", EXPIRES)
                .build()
                .map_err(|error| StoreError::corrupt("buckets", error))?;
            let answer = self.stats.client.batch_get_item().request_items(&self.stats.name, request).send().await?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                if let Some(key) = key_of(&item) {
                    asked.insert(key, Slot::of(&item));
                }
            }
            for unanswered in answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys) {
                if let Some(key) = key_of(&unanswered) {
                    asked.remove(&key);
                }
            }
            stored.extend(asked);
        }
        Ok(stored)
    }

    /// The buckets that are closed to facts, because the first facts of their days are about to expire or have.
    ///
    /// Days are closed to facts as a whole: once a fact of a day has expired, its minutes and hours may expire, and the
    /// day could not be folded from them again.
    ///
    /// # Errors
    /// If not all could be read.
    pub fn closed_to_facts<'a>(
        &'a self,
        buckets: &'a [Bucket],
        calendar: &'a Calendar,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<&'a Bucket>, StoreError>> {
        Box::pin(async move {
            let day = |bucket: &Bucket| match &bucket.entity {
                Entity::Track(track) => {
                    let day = calendar.period(Level::Day, bucket.minute.start());
                    keys::rollup(&Scope::Track(track.clone()), &day)
                }
                // Has no rollups: nothing is made of its minutes but its total.
                Entity::Quiz(_) | Entity::PurchasedItem(_) | Entity::Product(_) | Entity::ProductViews(_) => {
                    keys::bucket(bucket)
                }
            };
            let table = self.stats();
            let asked = buckets.iter().flat_map(|bucket| [keys::bucket(bucket), day(bucket)]).collect();
            let stored = table.get_all(asked, Consistency::Strong, deadline).await?;
            let now = Time::from(self.clock.now());
            let is_closed = |key: &Key| {
                let expires = stored.get(key).and_then(|item| number(item, EXPIRES));
                expires.is_some_and(|expires| retention::closed_to_facts(expires, now))
            };
            Ok(buckets.iter().filter(|bucket| is_closed(&keys::bucket(bucket)) || is_closed(&day(bucket))).collect())
        })
    }
}

fn make_item<F: Fold>(bucket: &Bucket, version: String, as_of: Time, items: Vec<Item>) -> Result<Item, StoreError> {
    let ttl = as_of.plus(retention::MINUTES_LIVE).seconds();
    let live = Live { ttl: Some(ttl), ..live::<F>(version, as_of, items)? };
    to_item(&keys::bucket(bucket), live)
}

/// The bucket that facts make.
pub(super) fn live<F: Fold>(version: String, as_of: Time, items: Vec<Item>) -> Result<Live<F>, StoreError> {
    let expires = items.iter().filter_map(|item| number::<i64>(item, TTL)).min();
    let mut facts = Vec::with_capacity(items.len());
    for item in items {
        let key = key_of(&item).ok_or_else(|| StoreError::corrupt("fact", "no key"))?;
        let (_, at, id) = keys::parse_fact(&key.pk, &key.sk)
            .map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
        facts.push(Recorded { at, id, fact: from_item::<F::Fact>(expand(item))? });
    }
    let count = u64::try_from(facts.len()).unwrap_or(u64::MAX);
    let ttl = expires.map(|expires| expires + retention::ROLLUPS_LIVE.num_seconds());
    Ok(Live { version, as_of, facts: count, expires, ttl, value: F::fold(facts) })
}
