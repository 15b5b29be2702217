//! Keeps revenue up to date with the stream of sales and refunds: by item, day and month, buyers, and earnings of packages.

use std::collections::{BTreeMap, BTreeSet};

use domain::calendar::Period;
use domain::entity::{Bucket, Entity};
use domain::id::PackageId;
use domain::purchase::{Buyer, Item, ItemType};
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{EventRecord, Outcomes, Projection, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::stream::{self, Sold, UnreadableRecord};
use store::{Budget, BuyerProjector, Folds, PackageProjector, RevenueProjector};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "revenue-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| RevenueUpdater {
        folds: Folds::of_purchases(setup),
        revenue: RevenueProjector::open(setup),
        buyers: BuyerProjector::open(setup),
        packages: PackageProjector::open(setup),
    })
}

struct RevenueUpdater {
    folds: Folds,
    revenue: RevenueProjector,
    buyers: BuyerProjector,
    packages: PackageProjector,
}

impl RevenueUpdater {
    /// Folds the minutes of items, then updates what is derived from them.
    async fn refresh_items(
        &self,
        minutes: &BTreeMap<Item, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
        outcomes: &mut Outcomes<Sold>,
    ) {
        for (bucket, error) in self.folds.refold_sales(minutes.clone(), budget, deadline).await {
            let outcome = RecordOutcome::unfolded(&bucket, &error);
            if let Bucket { entity: Entity::PurchasedItem(item), minute } = bucket {
                outcomes.set(Sold::Item(item, minute), outcome);
            }
        }
        let mut failed: BTreeMap<Item, RecordOutcome> = BTreeMap::new();
        for (items, error) in self.revenue.refresh(minutes, deadline).await {
            failed.extend(items.into_iter().map(|item| (item, RecordOutcome::from(&error))));
        }
        for item in minutes.keys().filter(|item| item.kind == ItemType::Package) {
            let package: PackageId = item.id.clone().into();
            if let Err(error) = self.packages.refresh_sales(&package, deadline).await {
                failed.insert(item.clone(), RecordOutcome::from(&error));
            }
        }
        for (item, outcome) in failed {
            outcomes.set_done_where(|sold| matches!(sold, Sold::Item(of, _) if *of == item), &outcome);
        }
    }
}

impl Projection for RevenueUpdater {
    type Key = Sold;

    fn key(&self, record: &EventRecord) -> Result<Option<Sold>, UnreadableRecord> {
        stream::sold(record).map(Some)
    }

    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Sold>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Sold>> {
        Box::pin(async move {
            let mut minutes: BTreeMap<Item, BTreeSet<Minute>> = BTreeMap::new();
            let mut days: BTreeMap<Buyer, BTreeSet<Period>> = BTreeMap::new();
            for sold in keys {
                match sold {
                    Sold::Item(item, minute) => minutes.entry(item.clone()).or_default().insert(*minute),
                    Sold::Buyer(buyer, day) => days.entry(buyer.clone()).or_default().insert(*day),
                };
            }
            let mut outcomes = Outcomes::done(keys);
            self.refresh_items(&minutes, budget, deadline, &mut outcomes).await;
            for (buyers, error) in self.buyers.refresh(&days, deadline).await {
                let is_of_these = |sold: &Sold| matches!(sold, Sold::Buyer(buyer, _) if buyers.contains(buyer));
                outcomes.set_where(is_of_these, &RecordOutcome::from(&error));
            }
            outcomes
        })
    }
}
