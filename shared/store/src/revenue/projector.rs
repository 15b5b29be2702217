//! Refreshes what items contribute to the revenue of a day or month, and counts its buyers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::{BuyersIn, RevenueProjector};
use crate::contributions::{Contribution, stored_version};
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{self, from_item, to_item, to_key};
use crate::keys::{self, Key};
use crate::refresh::{Attempt, Change, Projection, read_items};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, Table};
use crate::transaction::Condition;
use domain::calendar::{Calendar, Level, Period};
use domain::distinct::Buyers;
use domain::entity::{Bucket, Entity};
use domain::purchase::Item;
use domain::revenue_totals::{Ranking, TotalsByKey};
use domain::sale::SalesFigures;
use domain::time::Minute;

/// How many periods are refreshed at once.
const CONCURRENCY: usize = 4;

/// How many items are read at once.
const CHUNK: usize = 50;

/// What items contribute to the revenue of one period.
#[derive(Clone, Copy)]
struct PeriodContributions<'a> {
    period: &'a Period,
    stats: &'a Table,
}

impl Projection for PeriodContributions<'_> {
    type Child = Item;
    type Source = Option<items::Item>;

    /// One more contribution with its places fits into what is left of the 100 items of a transaction.
    const SPLIT_ABOVE: usize = 60;

    fn key(&self, item: &Item) -> Key {
        keys::revenue_of(self.period, item)
    }

    fn read_sources<'a>(
        &'a self,
        items: &'a [Item],
        _stored: &'a HashMap<Key, items::Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Option<items::Item>>, StoreError>> {
        let keys = items.iter().map(|item| keys::sales_in(item, self.period)).collect();
        Box::pin(read_items(self.stats, keys, attempt.deadline))
    }

    fn change(
        &mut self,
        item: &Item,
        stored: Option<&items::Item>,
        source: Option<items::Item>,
        _attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let current = Contribution::read(stored);
        let sums = source.as_ref().map(Sums::of).unwrap_or_default().without_zeros();
        let source_version = source.as_ref().and_then(stored_version);
        if current.is_made_of(source_version.as_deref(), &sums) {
            return Ok(None);
        }
        let mut change = Change::new(Contribution::item(&self.key(item), source_version.as_deref(), &sums));
        change.add_to(keys::revenue(self.period, item.kind), &current.sums, &sums);
        let (before, after) = (places(self.period, item, &current.sums)?, places(self.period, item, &sums)?);
        before.difference(&after).for_each(|place| change.delete(place.clone()));
        after.difference(&before).for_each(|place| change.put(to_key(place)));
        Ok(Some(change))
    }
}

impl RevenueProjector {
    /// Refreshes the revenue of the days and months of these minutes, retrying until the deadline. Call it after the minutes
    /// were folded. Returns the items that could not be refreshed, each set with the reason.
    pub fn refresh<'a>(
        &'a self,
        minutes: &'a BTreeMap<Item, BTreeSet<Minute>>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(BTreeSet<Item>, StoreError)>> {
        Box::pin(async move {
            let mut periods: BTreeMap<Period, BTreeMap<Item, BTreeSet<Minute>>> = BTreeMap::new();
            for (item, minute) in minutes.iter().flat_map(|(item, minutes)| minutes.iter().map(move |at| (item, at))) {
                for level in [Level::Day, Level::Month] {
                    let period = Calendar::default().period(level, minute.start());
                    periods.entry(period).or_default().entry(item.clone()).or_default().insert(*minute);
                }
            }
            let refreshed = stream::iter(periods).map(|(period, minutes)| async move {
                let mut failed = Vec::new();
                let items: Vec<Item> = minutes.keys().cloned().collect();
                for items in items.chunks(CHUNK) {
                    let refreshed = self.refresh_period(&period, items, deadline).await;
                    failed.extend(refreshed.err().map(|error| (items.iter().cloned().collect(), error)));
                }
                let counted = retry::until(deadline, || Box::pin(self.count_buyers(&period, &minutes, deadline))).await;
                failed.extend(counted.err().map(|error| (items.into_iter().collect(), error)));
                failed
            });
            refreshed.buffer_unordered(CONCURRENCY).concat().await
        })
    }

    /// Refreshes what items contribute to a day or month, retrying until the deadline.
    pub(crate) async fn refresh_period(
        &self,
        period: &Period,
        items: &[Item],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        retry::until(deadline, || Box::pin(self.refresh_period_once(period, items, deadline))).await
    }

    /// Refreshes what items contribute to a day or month, in one attempt.
    pub(crate) async fn refresh_period_once(
        &self,
        period: &Period,
        items: &[Item],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let projection = PeriodContributions { period, stats: &self.stats };
        self.refresher().refresh_once(&projection, items, deadline).await.map(drop)
    }

    /// Adds the buyers of these minutes to those of the period. Returns whether any was missing.
    pub(crate) async fn count_buyers(
        &self,
        period: &Period,
        minutes: &BTreeMap<Item, BTreeSet<Minute>>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let bucket =
            |item: &Item, minute| keys::bucket(&Bucket { entity: Entity::PurchasedItem(item.clone()), minute });
        let keys = minutes.iter().flat_map(|(item, minutes)| minutes.iter().map(move |minute| bucket(item, *minute)));
        let folded = self.stats.get_all(keys.collect(), Consistency::Strong, deadline).await?;
        let mut buyers = Buyers::default();
        for item in folded.into_values() {
            let live: Live<SalesFigures> = from_item(item)?;
            buyers.merge(&live.value.buyers);
        }
        self.add_buyers(period, &buyers).await
    }

    /// The buyers of a period only ever grow: where all of them are counted already, nothing is written.
    async fn add_buyers(&self, period: &Period, buyers: &Buyers) -> Result<bool, StoreError> {
        let key = keys::buyers_in(period);
        let stored: Option<BuyersIn> = self.stats.get(&key, Consistency::Strong).await?.map(from_item).transpose()?;
        let version = stored.as_ref().map(|stored| stored.version.clone());
        let known = stored.map(|stored| stored.buyers).unwrap_or_default();
        let mut all = known.clone();
        all.merge(buyers);
        if all == known {
            return Ok(false);
        }
        let item = to_item(&key, BuyersIn { version: self.ids.fresh(), buyers: all })?;
        self.stats.put(item, Condition::unchanged(version)).await?;
        Ok(true)
    }
}

/// The keys of an item's places in the rankings of a period, from its sums.
pub(crate) fn places(period: &Period, item: &Item, sums: &Sums) -> Result<BTreeSet<Key>, StoreError> {
    let totals = TotalsByKey::try_from(sums).map_err(|error| StoreError::corrupt("revenue", error))?;
    let ranks = totals.ranks().into_iter();
    Ok(ranks.map(|(by, value): (Ranking, i64)| keys::ranked(period, by, value, item)).collect())
}
