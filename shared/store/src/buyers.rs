//! Buyers: what each bought in all and in which months, for the share of those who return.
//!
//! The purchases of a day contribute to the buyer's total. The months of a buyer contribute to the cohort of the first of
//! them. An imported purchase from long ago may move a buyer to an earlier cohort. Months are only ever added, so a buyer
//! whose months are counted already needs no write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::contributions::Contribution;
use super::error::StoreError;
use super::items::{Item, from_item, to_key};
use super::keys::{self, Key};
use super::refresh::{Attempt, Change, Projection, Refresher, read_items};
use super::sums::Sums;
use super::table::{Consistency, KeyRange, Table};
use crate::setup::{PurchasesTable, Setup, StatsTable};
use domain::calendar::{Calendar, Level, Period};
use domain::purchase::{Buyer, Purchase};
use domain::revenue_totals::TotalsByKey;
use domain::sale::totals_of;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// How many buyers are refreshed at once.
const CONCURRENCY: usize = 8;

/// How many days of a buyer one transaction writes.
const CHUNK: usize = 25;

/// Of how many buyers one transaction moves the cohorts: each may put two items, delete one, and change two cohorts.
const COHORT_CHUNK: usize = 19;

/// The prefix of a month in which a buyer bought.
const BOUGHT: &str = "bought#";

/// When the first and the last purchase of a day were paid.
pub(super) const FIRST: &str = "first";
pub(super) const LAST_PAID: &str = "last";

/// Keeps the totals and cohorts of buyers up to date.
#[derive(Clone)]
pub struct BuyerProjector {
    ledger: PurchasesTable,
    stats: StatsTable,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl BuyerProjector {
    /// Opens the projector.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let (ledger, stats) = (setup.purchases_table(), setup.stats_table());
        Self { ledger, stats, clock: setup.clock(), ids: setup.ids() }
    }

    /// Refreshes what is known of buyers from their purchases on these days of UTC, retrying until the deadline. Returns the
    /// buyers that could not be refreshed, each set with the reason.
    pub fn refresh<'a>(
        &'a self,
        days: &'a BTreeMap<Buyer, BTreeSet<Period>>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(BTreeSet<Buyer>, StoreError)>> {
        Box::pin(async move {
            let refreshed = days.iter().map(|(buyer, days)| async move {
                let days: Vec<Period> = days.iter().copied().collect();
                let projection = DailyPurchases { buyer, ledger: &self.ledger };
                for days in days.chunks(CHUNK) {
                    let refreshed = self.refresher().refresh(&projection, days, deadline).await;
                    refreshed.map_err(|error| (BTreeSet::from([buyer.clone()]), error))?;
                }
                Ok(buyer.clone())
            });
            let refreshed: Vec<_> = refreshed.collect();
            let refreshed: Vec<Result<Buyer, _>> =
                stream::iter(refreshed).buffer_unordered(CONCURRENCY).collect().await;
            let (mut buyers, mut failed) = (Vec::new(), Vec::new());
            for result in refreshed {
                match result {
                    Ok(buyer) => buyers.push(buyer),
                    Err(failure) => failed.push(failure),
                }
            }
            // One after the other: they change the same cohorts.
            for buyers in buyers.chunks(COHORT_CHUNK) {
                let cohorts = Cohorts { stats: &self.stats };
                let refreshed = self.refresher().refresh(&cohorts, buyers, deadline).await;
                failed.extend(refreshed.err().map(|error| (buyers.iter().cloned().collect(), error)));
            }
            failed
        })
    }

    fn refresher(&self) -> Refresher<'_> {
        Refresher { stats: &self.stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() }
    }
}

/// What the days of a buyer contribute to the buyer's total.
#[derive(Clone, Copy)]
struct DailyPurchases<'a> {
    buyer: &'a Buyer,
    ledger: &'a Table,
}

impl Projection for DailyPurchases<'_> {
    type Child = Period;
    type Source = Vec<Purchase>;

    fn key(&self, day: &Period) -> Key {
        keys::bought_on(self.buyer, day)
    }

    fn read_sources<'a>(
        &'a self,
        days: &'a [Period],
        _stored: &'a HashMap<Key, Item>,
        _attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Vec<Purchase>>, StoreError>> {
        Box::pin(async move {
            let mut purchases = Vec::with_capacity(days.len());
            for day in days {
                // No time sorts between a day's times and the next day's name.
                let range = KeyRange::with_prefix(keys::purchases_of(self.buyer), &day.to_string());
                let items = self.ledger.query(&range, Consistency::Strong).await?;
                purchases.push(items.into_iter().map(from_item).collect::<Result<_, StoreError>>()?);
            }
            Ok(purchases)
        })
    }

    fn change(
        &mut self,
        day: &Period,
        stored: Option<&Item>,
        purchases: Vec<Purchase>,
        _attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let bought = Bought::of(&purchases);
        let mut item = Contribution::item(&self.key(day), None, &bought.sums);
        for (name, at) in [(FIRST, bought.first), (LAST_PAID, bought.last)] {
            item.extend(at.map(|at| (name.to_owned(), AttributeValue::S(at.to_string()))));
        }
        let mut change = Change::new(item);
        change.add_to(keys::buyer_total(self.buyer), &Contribution::read(stored).sums, &bought.sums);
        Ok(Some(change))
    }
}

/// The cohorts of buyers: each buyer's months contribute to the cohort of the first of them.
#[derive(Clone, Copy)]
struct Cohorts<'a> {
    stats: &'a Table,
}

impl Projection for Cohorts<'_> {
    type Child = Buyer;
    /// The buyer's total.
    type Source = Option<Item>;

    fn key(&self, buyer: &Buyer) -> Key {
        keys::cohort_of(buyer)
    }

    fn read_sources<'a>(
        &'a self,
        buyers: &'a [Buyer],
        _stored: &'a HashMap<Key, Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, StoreError>> {
        Box::pin(read_items(self.stats, buyers.iter().map(keys::buyer_total).collect(), attempt.deadline))
    }

    fn change(
        &mut self,
        buyer: &Buyer,
        stored: Option<&Item>,
        total: Option<Item>,
        _attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let current = Contribution::read(stored).sums;
        let months = total.as_ref().map(Sums::of).map(|sums| months(&sums)).unwrap_or_default();
        let Some(first) = first_of(&months).filter(|_| months != current) else { return Ok(None) };
        let mut change = Change::new(Contribution::item(&self.key(buyer), None, &months));
        if let Some(before) = first_of(&current) {
            change.add_to(keys::cohort(&before), &current, &Sums::default());
            if before != first {
                change.delete(keys::in_cohort(&before, buyer));
            }
        }
        let mut member = to_key(&keys::in_cohort(&first, buyer));
        months.write(&mut member);
        change.put(member);
        change.add_to(keys::cohort(&first), &Sums::default(), &months);
        Ok(Some(change))
    }
}

/// The months in which a buyer with these sums bought; each is 1.
pub(super) fn months(sums: &Sums) -> Sums {
    let bought = sums.iter().filter(|(_, sum)| *sum > 0);
    bought.filter_map(|(name, _)| Some((name.strip_prefix(BOUGHT)?, 1))).collect()
}

/// The earliest of the months.
pub(super) fn first_of(months: &Sums) -> Option<String> {
    months.iter().next().map(|(month, _)| month.to_owned())
}

/// The sums of some purchases of a buyer, and when the first and the last were paid.
#[derive(Debug, Default)]
struct Bought {
    sums: Sums,
    first: Option<Time>,
    last: Option<Time>,
}

impl Bought {
    fn of(purchases: &[Purchase]) -> Self {
        let (mut totals, mut bought) = (TotalsByKey::default(), BTreeMap::<String, i64>::new());
        let mut paid = BTreeSet::new();
        for purchase in purchases {
            let Some(at) = purchase.completed_at else { continue };
            let (key, of_purchase) = totals_of(purchase);
            totals.add(key, &of_purchase);
            let month = Calendar::default().period(Level::Month, at);
            *bought.entry(format!("{BOUGHT}{month}")).or_default() += 1;
            paid.insert(at);
        }
        let mut sums = Sums::from(&totals);
        sums.extend(bought);
        Self { sums, first: paid.first().copied(), last: paid.last().copied() }
    }
}

/// What purchases of a buyer contribute to the buyer's total.
pub(super) fn sums_of(purchases: &[Purchase]) -> Sums {
    Bought::of(purchases).sums.without_zeros()
}

/// The revenue totals of a buyer, from sums that include the months.
pub(super) fn revenue_totals(sums: &Sums) -> Result<TotalsByKey, StoreError> {
    let sums: Sums = sums.iter().filter(|(name, _)| !name.starts_with(BOUGHT)).collect();
    TotalsByKey::try_from(&sums).map_err(|error| StoreError::corrupt("a buyer's sums", error))
}
