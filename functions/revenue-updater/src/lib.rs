//! Keeps what purchases brought in up to date with the stream of sales and refunds: by item, by day and month, who paid, and
//! what packages earned.

use std::collections::{BTreeMap, BTreeSet};

use domain::calendar::Period;
use domain::entity::{Bucket, Entity};
use domain::id::PackageId;
use domain::purchase::{Buyer, Item, ItemType};
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{BatchHandler, EventRecord, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::stream::{self, Sold};
use store::{Budget, BuyerProjector, Folds, PackageProjector, RevenueProjector};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "revenue-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| SalesUpdater {
        folds: Folds::of_purchases(setup),
        revenue: RevenueProjector::open(setup),
        buyers: BuyerProjector::open(setup),
        packages: PackageProjector::open(setup),
    })
}

struct SalesUpdater {
    folds: Folds,
    revenue: RevenueProjector,
    buyers: BuyerProjector,
    packages: PackageProjector,
}

/// What was not brought up to date, and what is to become of the records that asked for it.
#[derive(Default)]
struct Left {
    minutes: BTreeMap<(Item, Minute), RecordOutcome>,
    items: BTreeMap<Item, RecordOutcome>,
    buyers: BTreeMap<Buyer, RecordOutcome>,
}

impl Left {
    fn of(&self, sold: &Sold) -> RecordOutcome {
        let left = match sold {
            Sold::Item(item, minute) => {
                self.minutes.get(&(item.clone(), *minute)).or_else(|| self.items.get(item)).cloned()
            }
            Sold::Buyer(buyer, _) => self.buyers.get(buyer).cloned(),
        };
        left.unwrap_or(RecordOutcome::Done)
    }
}

impl SalesUpdater {
    /// Folds the minutes, then brings what is made of them up to date.
    async fn follow_items(
        &self,
        minutes: BTreeMap<Item, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
        left: &mut Left,
    ) {
        for (bucket, error) in self.folds.refold_sales(minutes.clone(), budget, deadline).await {
            let settled = RecordOutcome::unfolded(&bucket, &error);
            if let Bucket { entity: Entity::PurchasedItem(item), minute } = bucket {
                left.minutes.insert((item, minute), settled);
            }
        }
        for (items, error) in self.revenue.refresh(&minutes, deadline).await {
            left.items.extend(items.into_iter().map(|item| (item, RecordOutcome::from(&error))));
        }
        for item in minutes.into_keys().filter(|item| item.kind == ItemType::Package) {
            let package: PackageId = item.id.clone().into();
            if let Err(error) = self.packages.refresh_sales(&package, deadline).await {
                left.items.insert(item, RecordOutcome::from(&error));
            }
        }
    }
}

impl BatchHandler for SalesUpdater {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let asked: Vec<Result<Sold, _>> = records.iter().map(stream::sold).collect();
            let mut minutes: BTreeMap<Item, BTreeSet<Minute>> = BTreeMap::new();
            let mut days: BTreeMap<Buyer, BTreeSet<Period>> = BTreeMap::new();
            for sold in asked.iter().flatten() {
                match sold {
                    Sold::Item(item, minute) => minutes.entry(item.clone()).or_default().insert(*minute),
                    Sold::Buyer(buyer, day) => days.entry(buyer.clone()).or_default().insert(*day),
                };
            }
            let mut left = Left::default();
            self.follow_items(minutes, budget, deadline, &mut left).await;
            for (buyers, error) in self.buyers.refresh(&days, deadline).await {
                left.buyers.extend(buyers.into_iter().map(|buyer| (buyer, RecordOutcome::from(&error))));
            }
            asked
                .into_iter()
                .map(|asked| match asked {
                    Ok(sold) => left.of(&sold),
                    Err(foreign) => RecordOutcome::Poison(foreign.to_string()),
                })
                .collect()
        })
    }
}
