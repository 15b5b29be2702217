//! Buyers: what each bought all in all, and in which months, so that it is known who comes back.
//!
//! A buyer's purchases of a day contribute to what the buyer bought all in all; in which months that was contributes to the
//! cohort of the first of them. A purchase that is brought in from long ago may move a buyer to an earlier cohort. Months
//! only ever are added, so a buyer whose months are counted already is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::contributions::{Contribution, Contributions};
use super::error::StoreError;
use super::items::{from_item, to_key};
use super::keys;
use super::retry;
use super::sums::Sums;
use super::table::{Consistency, KeyRange};
use crate::setup::{PurchasesTable, Setup, StatsTable};
use domain::calendar::{Calendar, Level, Period};
use domain::purchase::{Buyer, Purchase};
use domain::revenue_totals::TotalsByKey;
use domain::sale::takings_of;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// How many buyers are brought up to date at once.
const AT_ONCE: usize = 8;

/// How many days of a buyer are written in one transaction.
const TOGETHER: usize = 25;

/// Of how many buyers cohorts are counted in one transaction: each may write two items and delete one, and change two cohorts.
const COUNTED_TOGETHER: usize = 19;

/// What the names of the months in which a buyer bought begin with.
const BOUGHT: &str = "bought#";

/// When a day's first and last purchases were paid.
pub(super) const FIRST: &str = "first";
pub(super) const LAST_PAID: &str = "last";

/// The tables of purchases and of numbers, for whoever keeps what is known of buyers up to date.
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

    /// Brings what is known of buyers up to date with their purchases made on these days of UTC, trying again until the
    /// deadline; tells of whom that was not done, and why.
    pub fn follow<'a>(
        &'a self,
        days: &'a BTreeMap<Buyer, BTreeSet<Period>>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(BTreeSet<Buyer>, StoreError)>> {
        Box::pin(async move {
            let folded = days.iter().map(|(buyer, days)| async move {
                let days: Vec<Period> = days.iter().copied().collect();
                for days in days.chunks(TOGETHER) {
                    let done = retry::until(deadline, || Box::pin(self.refold(buyer, days, deadline))).await;
                    done.map_err(|error| (BTreeSet::from([buyer.clone()]), error))?;
                }
                Ok(buyer.clone())
            });
            let folded: Vec<_> = folded.collect();
            let folded: Vec<Result<Buyer, _>> = stream::iter(folded).buffer_unordered(AT_ONCE).collect().await;
            let (mut buyers, mut failed) = (Vec::new(), Vec::new());
            for result in folded {
                match result {
                    Ok(buyer) => buyers.push(buyer),
                    Err(failure) => failed.push(failure),
                }
            }
            // One after the other: they change the same cohorts.
            for buyers in buyers.chunks(COUNTED_TOGETHER) {
                let counted = retry::until(deadline, || Box::pin(self.count(buyers, deadline))).await;
                failed.extend(counted.err().map(|error| (buyers.iter().cloned().collect(), error)));
            }
            failed
        })
    }

    /// Reads what days contribute, then their purchases, and writes what these come to.
    async fn refold(&self, buyer: &Buyer, days: &[Period], deadline: Instant) -> Result<(), StoreError> {
        let asked = days.iter().map(|day| keys::bought_on(buyer, day)).collect();
        let held = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let began = Time::from(self.clock.now());
        let mut contributions = Contributions::new(&self.stats);
        for day in days {
            let key = keys::bought_on(buyer, day);
            let held = Contribution::read(held.get(&key));
            let bought = Bought::of(&self.made_on(buyer, day).await?);
            let mut item = Contribution::item(&key, self.ids.fresh(), None, &bought.sums);
            for (name, at) in [(FIRST, bought.first), (LAST_PAID, bought.last)] {
                item.extend(at.map(|at| (name.to_owned(), AttributeValue::S(at.to_string()))));
            }
            contributions.child(item, held.version);
            contributions.changes(keys::buyer_total(buyer), &held.sums, &bought.sums);
        }
        contributions.commit(self.ids.fresh(), began).await
    }

    /// A buyer's purchases that were made on a day, strongly consistent.
    async fn made_on(&self, buyer: &Buyer, day: &Period) -> Result<Vec<Purchase>, StoreError> {
        // No time has anything behind its seconds that sorts after its day's name and before the next one's.
        let stretch = KeyRange::beginning(keys::purchases_of(buyer), &day.to_string());
        let items = self.ledger.query(&stretch, Consistency::Strong).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Reads in which months buyers are counted, then in which they bought, and counts those who are not counted so.
    async fn count(&self, buyers: &[Buyer], deadline: Instant) -> Result<(), StoreError> {
        let asked = buyers.iter().map(keys::cohort_of).collect();
        let held = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let began = Time::from(self.clock.now());
        let asked = buyers.iter().map(keys::buyer_total).collect();
        let totals = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let mut contributions = Contributions::new(&self.stats);
        for buyer in buyers {
            let key = keys::cohort_of(buyer);
            let held = Contribution::read(held.get(&key));
            let months = totals.get(&keys::buyer_total(buyer)).map(Sums::of).map(|sums| months(&sums));
            let months = months.unwrap_or_default();
            let Some(first) = first_of(&months).filter(|_| months != held.sums) else { continue };
            if let Some(was) = first_of(&held.sums) {
                contributions.changes(keys::cohort(&was), &held.sums, &Sums::default());
                if was != first {
                    contributions.delete(keys::in_cohort(&was, buyer));
                }
            }
            let mut member = to_key(&keys::in_cohort(&first, buyer));
            months.write(&mut member);
            contributions.put(member);
            contributions.changes(keys::cohort(&first), &Sums::default(), &months);
            contributions.child(Contribution::item(&key, self.ids.fresh(), None, &months), held.version);
        }
        if contributions.is_empty() {
            return Ok(());
        }
        contributions.commit(self.ids.fresh(), began).await
    }
}

/// The months in which a buyer with these sums bought, each 1.
pub(super) fn months(sums: &Sums) -> Sums {
    let bought = sums.iter().filter(|(_, sum)| *sum > 0);
    bought.filter_map(|(name, _)| Some((name.strip_prefix(BOUGHT)?, 1))).collect()
}

/// The first of months.
pub(super) fn first_of(months: &Sums) -> Option<String> {
    months.iter().next().map(|(month, _)| month.to_owned())
}

/// What some purchases of a buyer come to.
#[derive(Debug, Default)]
struct Bought {
    sums: Sums,
    first: Option<Time>,
    last: Option<Time>,
}

impl Bought {
    fn of(purchases: &[Purchase]) -> Self {
        let (mut tills, mut bought) = (TotalsByKey::default(), BTreeMap::<String, i64>::new());
        let mut paid = BTreeSet::new();
        for purchase in purchases {
            let Some(at) = purchase.completed_at else { continue };
            let (till, takings) = takings_of(purchase);
            tills.add(till, &takings);
            let month = Calendar::default().period(Level::Month, at);
            *bought.entry(format!("{BOUGHT}{month}")).or_default() += 1;
            paid.insert(at);
        }
        let mut sums = Sums::from(&tills);
        sums.extend(bought);
        Self { sums, first: paid.first().copied(), last: paid.last().copied() }
    }
}

/// What these purchases of a buyer contribute to what the buyer bought all in all.
pub(super) fn sums_of(purchases: &[Purchase]) -> Sums {
    Bought::of(purchases).sums.without_zeros()
}

/// The takings of a buyer, of sums that also tell the months.
pub(super) fn takings(sums: &Sums) -> Result<TotalsByKey, StoreError> {
    let sums: Sums = sums.iter().filter(|(name, _)| !name.starts_with(BOUGHT)).collect();
    TotalsByKey::try_from(&sums).map_err(|error| StoreError::corrupt("a buyer's sums", error))
}
