//! Totals of quizzes, of items' sales and of products: the sum of what their minutes contribute, each of which is the fold of
//! its facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::marker::PhantomData;

use futures::future::{BoxFuture, try_join_all};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::folds::{Budget, Folds, Live, live};
use crate::items::{self, from_item, to_item};
use crate::keys::{self, Key};
use crate::refresh::{Attempt, Change, Projection, Refresher};
use crate::retention;
use crate::sums::Summed;
use crate::table::Consistency;
use domain::calendar::{Calendar, Level};
use domain::entity::{Bucket, Entity};
use domain::id::{QuizId, UserId};
use domain::product::ProductFigures;
use domain::purchase::Item;
use domain::quiz::QuizFigures;
use domain::sale::SalesFigures;
use domain::time::Minute;

/// How many entities are folded at once.
const CONCURRENCY: usize = 8;

/// How many minutes of an entity one transaction writes.
const CHUNK: usize = 25;

impl Folds {
    /// Refolds minutes of quizzes into the quizzes' totals, retrying until the deadline. Returns the buckets that could not
    /// be folded, each with the reason.
    pub fn refold_quizzes(
        &self,
        minutes: BTreeMap<QuizId, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        let minutes = minutes.into_iter().map(|(quiz, minutes)| (Entity::Quiz(quiz), minutes));
        Box::pin(self.refold_totals::<QuizFigures>(minutes.collect(), budget, deadline))
    }

    /// Refolds minutes of items' sales into the items' revenue of the day, of the month and in all, retrying until the
    /// deadline. Returns the buckets that could not be folded, each with the reason.
    pub fn refold_sales(
        &self,
        minutes: BTreeMap<Item, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        let minutes = minutes.into_iter().map(|(item, minutes)| (Entity::PurchasedItem(item), minutes));
        Box::pin(self.refold_totals::<SalesFigures>(minutes.collect(), budget, deadline))
    }

    /// Refolds minutes of products' sales and views into the totals of the products and their sellers, retrying until the
    /// deadline. Returns the buckets that could not be folded, each with the reason.
    pub fn refold_products(
        &self,
        minutes: BTreeMap<Entity, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        Box::pin(self.refold_totals::<ProductFigures>(minutes.into_iter().collect(), budget, deadline))
    }

    /// The owners of the products of these minutes, where the minute has been folded.
    ///
    /// # Errors
    /// If not all could be read.
    pub fn owners<'a>(
        &'a self,
        buckets: &'a BTreeSet<Bucket>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BTreeMap<Bucket, UserId>, StoreError>> {
        Box::pin(async move {
            let stats = self.stats();
            let keys = buckets.iter().map(keys::bucket).collect();
            let mut stored = stats.get_all(keys, Consistency::Strong, deadline).await?;
            let mut owners = BTreeMap::new();
            for bucket in buckets {
                let Some(item) = stored.remove(&keys::bucket(bucket)) else { continue };
                // A corrupt bucket was not folded either, and must not keep the others from being refreshed.
                let Ok(live) = from_item::<Live<ProductFigures>>(item) else { continue };
                owners.extend(live.value.owner().map(|owner| (bucket.clone(), owner.clone())));
            }
            Ok(owners)
        })
    }

    async fn refold_totals<F: Summed>(
        &self,
        entities: Vec<(Entity, BTreeSet<Minute>)>,
        budget: Budget,
        deadline: Instant,
    ) -> Vec<(Bucket, StoreError)> {
        stream::iter(entities)
            .map(|(entity, minutes)| async move {
                let bucket = |minute| Bucket { entity: entity.clone(), minute };
                let buckets: Vec<Bucket> = minutes.into_iter().map(bucket).collect();
                self.refold_buckets::<F>(&buckets, budget, deadline).await
            })
            .buffer_unordered(CONCURRENCY)
            .concat()
            .await
    }

    async fn refold_buckets<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Vec<(Bucket, StoreError)> {
        let mut failed = Vec::new();
        for chunk in buckets.chunks(CHUNK) {
            let together = self.refold_chunk::<F>(chunk, budget, deadline).await;
            // A minute that can never be folded or takes too long must not keep the others from being counted.
            let is_split = together
                .as_ref()
                .is_err_and(|error| error.is_lasting() || matches!(error, StoreError::OverBudget { .. }));
            let parts = if is_split { chunk.chunks(1).collect() } else { vec![] };
            for part in parts {
                let alone = self.refold_chunk::<F>(part, budget, deadline).await;
                failed.extend(alone.err().into_iter().zip(part).map(|(error, bucket)| (bucket.clone(), error)));
            }
            if let (Err(error), false) = (together, is_split) {
                let reason = error.to_string();
                let same = || StoreError::Unavailable { source: reason.clone().into() };
                failed.extend(chunk.iter().map(|bucket| (bucket.clone(), same())));
            }
        }
        failed
    }

    async fn refold_chunk<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        budget.spend(deadline, || Box::pin(self.refold_chunk_once::<F>(buckets, budget, deadline))).await
    }

    async fn refold_chunk_once<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let stats = self.stats();
        let refresher = Refresher { stats: &stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() };
        let minutes = Minutes { folds: self, budget, figures: PhantomData::<fn() -> F> };
        refresher.refresh_once(&minutes, buckets, deadline).await.map(drop)
    }
}

/// What minutes contribute to totals: the fold of their facts.
struct Minutes<'a, F> {
    folds: &'a Folds,
    budget: Budget,
    figures: PhantomData<fn() -> F>,
}

impl<F> Clone for Minutes<'_, F> {
    fn clone(&self) -> Self {
        Self { folds: self.folds, budget: self.budget, figures: PhantomData }
    }
}

impl<F: Summed> Projection for Minutes<'_, F> {
    type Child = Bucket;
    /// The facts of the minute; `None` if they are about to expire or have, so that it stays as it is.
    type Source = Option<Vec<items::Item>>;

    fn key(&self, bucket: &Bucket) -> Key {
        keys::bucket(bucket)
    }

    fn read_sources<'a>(
        &'a self,
        buckets: &'a [Bucket],
        stored: &'a HashMap<Key, items::Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Self::Source>, StoreError>> {
        Box::pin(async move {
            let mut is_open = Vec::with_capacity(buckets.len());
            for bucket in buckets {
                let live: Option<Live<F>> = stored.get(&keys::bucket(bucket)).cloned().map(from_item).transpose()?;
                let expires = live.as_ref().and_then(|live| live.expires);
                let is_sealed = expires.is_some_and(|expires| retention::closed_to_folds(expires, attempt.began));
                if !is_sealed {
                    self.budget.check(live.map(|live| live.facts))?;
                }
                is_open.push(!is_sealed);
            }
            let facts = buckets.iter().zip(is_open).map(|(bucket, is_open)| async move {
                if is_open { self.folds.facts_of(bucket, self.budget).await.map(Some) } else { Ok(None) }
            });
            try_join_all(facts).await
        })
    }

    fn change(
        &mut self,
        bucket: &Bucket,
        stored: Option<&items::Item>,
        facts: Self::Source,
        attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let Some(facts) = facts else { return Ok(None) };
        let current: Option<Live<F>> = stored.cloned().map(from_item).transpose()?;
        // The version is set when it is written.
        let live = live::<F>(String::new(), attempt.began, facts)?;
        let before = current.as_ref().map(|current| current.value.sums()).unwrap_or_default();
        let after = live.value.sums();
        // Where no fact is left, what it contributed is subtracted from the owner it had.
        let owner = live.value.owner().or(current.as_ref().and_then(|current| current.value.owner())).cloned();
        let mut change = Change::new(to_item(&keys::bucket(bucket), live)?);
        for parent in parents(bucket, owner.as_ref()) {
            change.add_to(parent, &before, &after);
        }
        Ok(Some(change))
    }
}

/// The totals that a minute of an entity contributes to.
fn parents(bucket: &Bucket, owner: Option<&UserId>) -> Vec<Key> {
    let period = |level| Calendar::default().period(level, bucket.minute.start());
    match &bucket.entity {
        Entity::Quiz(quiz) => vec![keys::quiz_total(quiz)],
        Entity::PurchasedItem(item) => {
            let in_period = |level| keys::sales_in(item, &period(level));
            vec![keys::sales_total(item), in_period(Level::Day), in_period(Level::Month)]
        }
        Entity::Product(product) | Entity::ProductViews(product) => {
            let month = period(Level::Month);
            let of_seller = owner.map(|seller| [keys::seller_total(seller), keys::seller_in(seller, &month)]);
            let of_product = [keys::product_total(product), keys::product_in(product, &month)];
            of_product.into_iter().chain(of_seller.into_iter().flatten()).collect()
        }
        // The total of a track is made of its closed days.
        Entity::Track(_) => Vec::new(),
    }
}
