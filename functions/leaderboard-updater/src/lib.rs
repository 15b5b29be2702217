//! Keeps the numbers of products and of their sellers, and the boards, up to date with the stream of sales and views.

use std::collections::{BTreeMap, BTreeSet};

use domain::board::{Entrant, Season};
use domain::entity::{Bucket, Entity};
use domain::id::UserId;
use domain::live::Subject;
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{BatchHandler, EventRecord, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::pusher::StatsNotifier;
use runtime::stream;
use store::{BoardProjector, Budget, Folds};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "leaderboard-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| LeaderboardUpdater {
        folds: Folds::of_interactions(setup),
        boards: BoardProjector::open(setup),
        numbers: StatsNotifier::open(setup),
    })
}

struct LeaderboardUpdater {
    folds: Folds,
    boards: BoardProjector,
    numbers: StatsNotifier,
}

/// What a record asks for: nothing, where it tells of what expired.
fn asked(record: &EventRecord) -> Result<Option<Bucket>, String> {
    if stream::is_expiry(record) {
        return Ok(None);
    }
    match stream::touched_bucket(record) {
        Ok(bucket) if matches!(bucket.entity, Entity::Product(_) | Entity::ProductViews(_)) => Ok(Some(bucket)),
        Ok(_) => Err("a fact of no product".to_owned()),
        Err(foreign) => Err(foreign.to_string()),
    }
}

/// Who and what is followed on which boards because of a minute of a seller's product.
fn follows((bucket, seller): (&Bucket, &UserId)) -> Vec<(Entrant, Season)> {
    let month = Season::running(bucket.minute.start());
    let followed = Entrant::Seller(seller.clone());
    let mut follows = vec![(followed.clone(), Season::All), (followed, month)];
    match &bucket.entity {
        Entity::ProductViews(product) => {
            let followed = Entrant::Product(product.clone(), seller.clone());
            follows.extend([(followed.clone(), Season::All), (followed, month)]);
        }
        // Of a month products are ranked by their views alone, which that did not change.
        Entity::Product(product) => {
            follows.push((Entrant::Product(product.clone(), seller.clone()), Season::All));
        }
        Entity::Track(_) | Entity::Quiz(_) | Entity::PurchasedItem(_) => {}
    }
    follows
}

impl BatchHandler for LeaderboardUpdater {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let asked: Vec<Result<Option<Bucket>, String>> = records.iter().map(asked).collect();
            let buckets: BTreeSet<Bucket> = asked.iter().flatten().flatten().cloned().collect();
            let mut minutes: BTreeMap<Entity, BTreeSet<Minute>> = BTreeMap::new();
            for Bucket { entity, minute } in &buckets {
                minutes.entry(entity.clone()).or_default().insert(*minute);
            }
            let mut left: BTreeMap<Bucket, RecordOutcome> = BTreeMap::new();
            for (bucket, error) in self.folds.refold_products(minutes, budget, deadline).await {
                let settled = RecordOutcome::unfolded(&bucket, &error);
                left.insert(bucket, settled);
            }
            let sellers = match self.folds.owners(&buckets, deadline).await {
                Ok(sellers) => sellers,
                Err(error) => {
                    left.extend(buckets.iter().map(|bucket| (bucket.clone(), RecordOutcome::from(&error))));
                    BTreeMap::new()
                }
            };
            let follow: BTreeSet<(Entrant, Season)> = sellers.iter().flat_map(follows).collect();
            for (entrant, error) in self.boards.refresh(&follow, deadline).await {
                let its = sellers.iter().filter(|one| follows(*one).iter().any(|(followed, _)| *followed == entrant));
                left.extend(its.map(|(bucket, _)| (bucket.clone(), RecordOutcome::from(&error))));
            }
            let changed = sellers.values().map(|seller| Subject::Seller(seller.clone()));
            let changed: BTreeSet<Subject> = changed.chain((!sellers.is_empty()).then_some(Subject::Boards)).collect();
            let untold = self.numbers.changed(changed, deadline).await;
            if !untold.is_empty() {
                let again = |(bucket, _): (&Bucket, &UserId)| (bucket.clone(), RecordOutcome::Retry);
                left.extend(sellers.iter().map(again));
            }
            asked
                .into_iter()
                .map(|asked| match asked {
                    Ok(None) => RecordOutcome::Done,
                    Ok(Some(bucket)) => left.get(&bucket).cloned().unwrap_or(RecordOutcome::Done),
                    Err(reason) => RecordOutcome::Poison(reason),
                })
                .collect()
        })
    }
}
