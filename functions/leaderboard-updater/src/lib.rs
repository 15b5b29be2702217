//! Keeps the numbers of products and of their sellers, and the boards, up to date with the stream of sales and views.

use std::collections::{BTreeMap, BTreeSet};

use domain::board::{Entrant, Season};
use domain::entity::{Bucket, Entity};
use domain::id::UserId;
use domain::live::Subject;
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{EventRecord, Outcomes, Projection, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::pusher::StatsNotifier;
use runtime::stream::{self, UnreadableRecord};
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

/// The places on boards that a minute of a seller's product changes.
fn places((bucket, seller): (&Bucket, &UserId)) -> Vec<(Entrant, Season)> {
    let month = Season::running(bucket.minute.start());
    let entrant = Entrant::Seller(seller.clone());
    let mut places = vec![(entrant.clone(), Season::All), (entrant, month)];
    match &bucket.entity {
        Entity::ProductViews(product) => {
            let entrant = Entrant::Product(product.clone(), seller.clone());
            places.extend([(entrant.clone(), Season::All), (entrant, month)]);
        }
        // Products are ranked in a month by their views alone.
        Entity::Product(product) => {
            places.push((Entrant::Product(product.clone(), seller.clone()), Season::All));
        }
        Entity::Track(_) | Entity::Quiz(_) | Entity::PurchasedItem(_) => {}
    }
    places
}

impl Projection for LeaderboardUpdater {
    type Key = Bucket;

    fn key(&self, record: &EventRecord) -> Result<Option<Bucket>, UnreadableRecord> {
        if stream::is_expiry(record) {
            return Ok(None);
        }
        let bucket = stream::touched_bucket(record)?;
        let is_of_product = matches!(bucket.entity, Entity::Product(_) | Entity::ProductViews(_));
        if is_of_product { Ok(Some(bucket)) } else { Err(UnreadableRecord("a fact of no product".to_owned())) }
    }

    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Bucket>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Bucket>> {
        Box::pin(async move {
            let mut minutes: BTreeMap<Entity, BTreeSet<Minute>> = BTreeMap::new();
            for Bucket { entity, minute } in keys {
                minutes.entry(entity.clone()).or_default().insert(*minute);
            }
            let mut outcomes = Outcomes::done(keys);
            for (bucket, error) in self.folds.refold_products(minutes, budget, deadline).await {
                let outcome = RecordOutcome::unfolded(&bucket, &error);
                outcomes.set(bucket, outcome);
            }
            let sellers = match self.folds.owners(keys, deadline).await {
                Ok(sellers) => sellers,
                Err(error) => {
                    outcomes.set_where(|_| true, &RecordOutcome::from(&error));
                    BTreeMap::new()
                }
            };
            let changed: BTreeSet<(Entrant, Season)> = sellers.iter().flat_map(places).collect();
            for (entrant, error) in self.boards.refresh(&changed, deadline).await {
                let is_on = |one| places(one).iter().any(|(of_place, _)| *of_place == entrant);
                let buckets: BTreeSet<&Bucket> =
                    sellers.iter().filter(|one| is_on(*one)).map(|(bucket, _)| bucket).collect();
                outcomes.set_where(|bucket| buckets.contains(bucket), &RecordOutcome::from(&error));
            }
            let subjects = sellers.values().map(|seller| Subject::Seller(seller.clone()));
            let subjects = subjects.chain((!sellers.is_empty()).then_some(Subject::Boards)).collect();
            if !self.numbers.changed(subjects, deadline).await.is_empty() {
                outcomes.set_where(|bucket| sellers.contains_key(bucket), &RecordOutcome::Retry);
            }
            outcomes
        })
    }
}
