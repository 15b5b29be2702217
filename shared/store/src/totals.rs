//! The numbers of a quiz, of the sales of an item, and of a product are the sum of what their minutes contribute, and a minute's are the
//! fold of its facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::{BoxFuture, try_join_all};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::contributions::Contributions;
use crate::error::StoreError;
use crate::folds::{Budget, Folds, Live, live};
use crate::items::{self, from_item, to_item};
use crate::keys::{self, Key};
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
use domain::time::{Minute, Time};

/// How many quizzes are folded at once.
const AT_ONCE: usize = 8;

/// How many minutes of a quiz are written in one transaction, and read at once.
const TOGETHER: usize = 25;

impl Folds {
    /// Folds minutes of quizzes anew, and brings what has changed into the quizzes' numbers, trying again until the
    /// deadline; tells what could not be folded, and why.
    pub fn refold_quizzes(
        &self,
        minutes: BTreeMap<QuizId, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        let minutes = minutes.into_iter().map(|(quiz, minutes)| (Entity::Quiz(quiz), minutes));
        Box::pin(self.refold_totals::<QuizFigures>(minutes.collect(), budget, deadline))
    }

    /// Folds minutes of items' sales anew, and brings what has changed into what the items' purchases brought in, in all
    /// and in that day and month, trying again until the deadline; tells what could not be folded, and why.
    pub fn refold_sales(
        &self,
        minutes: BTreeMap<Item, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        let minutes = minutes.into_iter().map(|(item, minutes)| (Entity::Sales(item), minutes));
        Box::pin(self.refold_totals::<SalesFigures>(minutes.collect(), budget, deadline))
    }

    /// Folds minutes of products' sales and views anew, and brings what has changed into the products' and their sellers'
    /// numbers, trying again until the deadline; tells what could not be folded, and why.
    pub fn refold_products(
        &self,
        minutes: BTreeMap<Entity, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'_, Vec<(Bucket, StoreError)>> {
        Box::pin(self.refold_totals::<ProductFigures>(minutes.into_iter().collect(), budget, deadline))
    }

    /// Whose the products of these minutes are, of those minutes that were folded.
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
            let asked = buckets.iter().map(keys::bucket).collect();
            let mut held = stats.get_all(asked, Consistency::Strong, deadline).await?;
            let mut owners = BTreeMap::new();
            for bucket in buckets {
                let Some(item) = held.remove(&keys::bucket(bucket)) else { continue };
                // What cannot be read was not folded either, and must not keep the others from being followed.
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
                self.refold_into::<F>(&buckets, budget, deadline).await
            })
            .buffer_unordered(AT_ONCE)
            .concat()
            .await
    }

    async fn refold_into<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Vec<(Bucket, StoreError)> {
        let mut failed = Vec::new();
        for chunk in buckets.chunks(TOGETHER) {
            let together = self.refold_within::<F>(chunk, budget, deadline).await;
            // A minute that can never be folded, or takes too long, must not keep the others from being counted.
            let is_apart = together
                .as_ref()
                .is_err_and(|error| error.is_lasting() || matches!(error, StoreError::OverBudget { .. }));
            let parts = if is_apart { chunk.chunks(1).collect() } else { vec![] };
            for part in parts {
                let alone = self.refold_within::<F>(part, budget, deadline).await;
                failed.extend(alone.err().into_iter().zip(part).map(|(error, bucket)| (bucket.clone(), error)));
            }
            if let (Err(error), false) = (together, is_apart) {
                let reason = error.to_string();
                let again = || StoreError::Unavailable { source: reason.clone().into() };
                failed.extend(chunk.iter().map(|bucket| (bucket.clone(), again())));
            }
        }
        failed
    }

    async fn refold_within<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        budget.spend(deadline, || Box::pin(self.refold_together::<F>(buckets, budget, deadline))).await
    }

    /// Reads versions, then facts, and writes the buckets with the difference that they make.
    async fn refold_together<F: Summed>(
        &self,
        buckets: &[Bucket],
        budget: Budget,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let stats = self.stats();
        let asked = buckets.iter().map(keys::bucket).collect();
        let held: HashMap<Key, items::Item> = stats.get_all(asked, Consistency::Strong, deadline).await?;
        let began = Time::from(self.clock.now());
        let mut open = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let held: Option<Live<F>> = held.get(&keys::bucket(bucket)).cloned().map(from_item).transpose()?;
            let expires = held.as_ref().and_then(|held| held.expires);
            // Its facts are about to expire or have: it stays as it is.
            if !expires.is_some_and(|expires| retention::closed_to_folds(expires, began)) {
                budget.check(held.as_ref().map(|held| held.facts))?;
                open.push((bucket, held));
            }
        }
        let facts = try_join_all(open.iter().map(|(bucket, _)| self.facts_of(bucket, budget))).await?;
        let mut contributions = Contributions::new(&stats);
        for ((bucket, held), facts) in open.into_iter().zip(facts) {
            let live = live::<F>(self.ids.fresh(), began, facts)?;
            let was = held.as_ref().map(|held| held.value.sums()).unwrap_or_default();
            let becomes = live.value.sums();
            // Where no fact is left, it is still theirs what is taken away.
            let owner = live.value.owner().or(held.as_ref().and_then(|held| held.value.owner())).cloned();
            let item = to_item(&keys::bucket(bucket), live)?;
            contributions.child(item, held.map(|held| held.version));
            for parent in parents(bucket, owner.as_ref()) {
                contributions.changes(parent, &was, &becomes);
            }
        }
        contributions.commit(self.ids.fresh(), began).await
    }
}

/// What a minute of an entity contributes to; `owner` is whose it is.
fn parents(bucket: &Bucket, owner: Option<&UserId>) -> Vec<Key> {
    let period = |level| Calendar::default().period(level, bucket.minute.start());
    match &bucket.entity {
        Entity::Quiz(quiz) => vec![keys::quiz_total(quiz)],
        Entity::Sales(item) => {
            let in_period = |level| keys::sales_in(item, &period(level));
            vec![keys::sales_total(item), in_period(Level::Day), in_period(Level::Month)]
        }
        Entity::Product(product) | Entity::Views(product) => {
            let month = period(Level::Month);
            let of_seller = owner.map(|seller| [keys::seller_total(seller), keys::seller_in(seller, &month)]);
            let of_product = [keys::product_total(product), keys::product_in(product, &month)];
            of_product.into_iter().chain(of_seller.into_iter().flatten()).collect()
        }
        // Its total is made of the days that rollups close.
        Entity::Track(_) => Vec::new(),
    }
}
