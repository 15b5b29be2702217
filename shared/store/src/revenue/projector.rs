//! What happens to an item's sales is followed in what all items brought in.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::{BuyersIn, RevenueProjector};
use crate::contributions::{Contribution, Contributions};
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{VERSION, from_item, text, to_item, to_key};
use crate::keys::{self, Key};
use crate::retry;
use crate::sums::Sums;
use crate::table::Consistency;
use crate::transaction::Condition;
use domain::calendar::{Calendar, Level, Period};
use domain::distinct::Buyers;
use domain::entity::{Bucket, Entity};
use domain::purchase::Item;
use domain::revenue_totals::{Ranking, TotalsByKey};
use domain::sale::SalesFigures;
use domain::time::Minute;

/// How many periods are brought up to date at once.
const AT_ONCE: usize = 4;

/// How many items are read at once.
const TOGETHER: usize = 50;

/// A transaction is committed rather than grow beyond so many items; one more contribution is below the rest of the 100 that
/// one takes.
const WRITTEN_TOGETHER: usize = 60;

impl RevenueProjector {
    /// Brings what sales of these items in these minutes brought in into what all items did, trying again until the deadline;
    /// tells for which items that was not done, and why. To be called after the minutes were folded.
    pub fn follow<'a>(
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
            let followed = stream::iter(periods).map(|(period, minutes)| async move {
                let mut failed = Vec::new();
                let items: Vec<Item> = minutes.keys().cloned().collect();
                for items in items.chunks(TOGETHER) {
                    let done = retry::until(deadline, || Box::pin(self.follow_in(&period, items, deadline))).await;
                    failed.extend(done.err().map(|error| (items.iter().cloned().collect(), error)));
                }
                let counted = retry::until(deadline, || Box::pin(self.count_buyers(&period, &minutes, deadline))).await;
                failed.extend(counted.err().map(|error| (items.into_iter().collect(), error)));
                failed
            });
            followed.buffer_unordered(AT_ONCE).concat().await
        })
    }

    /// Reads what items contribute to a period, then what that is made of, and writes what is not made of it as it is now.
    pub(crate) async fn follow_in(&self, period: &Period, items: &[Item], deadline: Instant) -> Result<(), StoreError> {
        let asked = items.iter().map(|item| keys::revenue_of(period, item)).collect();
        let held = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let began = self.now();
        let asked = items.iter().map(|item| keys::sales_in(item, period)).collect();
        let sources = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let mut contributions = Contributions::new(&self.stats);
        for item in items {
            let key = keys::revenue_of(period, item);
            let held = Contribution::read(held.get(&key));
            let source = sources.get(&keys::sales_in(item, period));
            let sums = source.map(Sums::of).unwrap_or_default().without_zeros();
            let of = source.and_then(|source| text(source, VERSION));
            if held.of.as_deref() == of && held.sums == sums {
                continue;
            }
            if contributions.items() > WRITTEN_TOGETHER {
                let full = std::mem::replace(&mut contributions, Contributions::new(&self.stats));
                full.commit(self.ids.fresh(), began).await?;
            }
            let (was, becomes) = (places(period, item, &held.sums)?, places(period, item, &sums)?);
            was.difference(&becomes).for_each(|place| contributions.delete(place.clone()));
            becomes.difference(&was).for_each(|place| contributions.put(to_key(place)));
            contributions.child(Contribution::item(&key, self.ids.fresh(), of, &sums), held.version);
            contributions.changes(keys::revenue(period, item.kind), &held.sums, &sums);
        }
        if contributions.is_empty() {
            return Ok(());
        }
        contributions.commit(self.ids.fresh(), began).await
    }

    /// Counts who bought in these minutes among those who bought in the period; tells whether any were not.
    pub(crate) async fn count_buyers(
        &self,
        period: &Period,
        minutes: &BTreeMap<Item, BTreeSet<Minute>>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let bucket = |item: &Item, minute| keys::bucket(&Bucket { entity: Entity::Sales(item.clone()), minute });
        let asked = minutes.iter().flat_map(|(item, minutes)| minutes.iter().map(move |minute| bucket(item, *minute)));
        let folded = self.stats.get_all(asked.collect(), Consistency::Strong, deadline).await?;
        let mut buyers = Buyers::default();
        for item in folded.into_values() {
            let live: Live<SalesFigures> = from_item(item)?;
            buyers.merge(&live.value.buyers);
        }
        self.add_buyers(period, &buyers).await
    }

    /// Who bought in a period only ever grows: where all of them are counted already, nothing is to be written.
    async fn add_buyers(&self, period: &Period, buyers: &Buyers) -> Result<bool, StoreError> {
        let key = keys::buyers_in(period);
        let held: Option<BuyersIn> = self.stats.get(&key, Consistency::Strong).await?.map(from_item).transpose()?;
        let version = held.as_ref().map(|held| held.version.clone());
        let known = held.map(|held| held.buyers).unwrap_or_default();
        let mut all = known.clone();
        all.merge(buyers);
        if all == known {
            return Ok(false);
        }
        let item = to_item(&key, BuyersIn { version: self.ids.fresh(), buyers: all })?;
        self.stats.put(item, Condition::still(version)).await?;
        Ok(true)
    }
}

/// The places in the lists of a period that an item with these sums has.
pub(crate) fn places(period: &Period, item: &Item, sums: &Sums) -> Result<BTreeSet<Key>, StoreError> {
    let tills = TotalsByKey::try_from(sums).map_err(|error| StoreError::corrupt("revenue", error))?;
    let ranks = tills.ranks().into_iter();
    Ok(ranks.map(|(by, value): (Ranking, i64)| keys::ranked(period, by, value, item)).collect())
}
