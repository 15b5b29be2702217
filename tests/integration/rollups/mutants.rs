//! Mutants that each break a rule of the rollups.

use std::sync::Arc;

use futures::future::BoxFuture;
use local::wire::{Call, Fault, Faults};
use serde_json::{Value, json};
use store::RollupTask;

use super::world::World;

/// The rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The updater does not note what landed late.
    ForgetsLate,
    /// The dispatcher moves the frontier without waiting for the pages.
    DoesNotWait,
    /// The worker finishes its pages before it has closed anything.
    FinishesFirst,
}

/// Where the updater's calls pass.
struct Forgetting {
    world: World,
    schedule: Arc<dyn Faults>,
}

impl Faults for Forgetting {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        self.schedule.before(call)
    }

    fn after<'a>(&'a self, done: &'a Call) -> BoxFuture<'a, ()> {
        let body: Value = serde_json::from_str(&done.body).unwrap();
        for put in body["RequestItems"]["Stats"].as_array().into_iter().flatten() {
            let item = &put["PutRequest"]["Item"];
            let is_mark = item["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with("C#"));
            if is_mark || item["pk"]["S"] == "LATE" {
                let key = json!({"pk": item["pk"], "sk": item["sk"]});
                self.world.stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
            }
        }
        self.schedule.after(done)
    }
}

/// What an updater's calls meet.
pub(crate) fn of_updater(mutant: Option<Mutant>, world: &World, schedule: Arc<dyn Faults>) -> Arc<dyn Faults> {
    match mutant {
        Some(Mutant::ForgetsLate) => Arc::new(Forgetting { world: world.clone(), schedule }),
        _ => schedule,
    }
}

/// The pages that a piece of work finishes.
fn finish(world: &World, work: &RollupTask) {
    match work {
        RollupTask::Close { level, period, pages, .. } | RollupTask::CloseSetAside { level, period, pages, .. } => {
            let prefix = store::keys::rollups_of(*level);
            for page in pages {
                let key = json!({"pk": {"S": format!("ACTIVE#{prefix}{period}")}, "sk": {"S": page}});
                let update = json!({"TableName": "Stats", "Key": key, "UpdateExpression": "SET #d = :t",
                    "ExpressionAttributeNames": {"#d": "done"}, "ExpressionAttributeValues": {":t": {"BOOL": true}}});
                world.stage.call("UpdateItem", &update);
            }
        }
        RollupTask::CloseLate { pages, .. } => {
            for page in pages {
                let key = json!({"pk": {"S": "LATE"}, "sk": {"S": page}});
                world.stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
            }
        }
        RollupTask::MoveTrack { .. } | RollupTask::Recompute { .. } => {}
    }
}

/// After something was handed over.
pub(crate) fn dispatched(mutant: Option<Mutant>, world: &World, work: &RollupTask) {
    if mutant == Some(Mutant::DoesNotWait) && matches!(work, RollupTask::Close { .. }) {
        finish(world, work);
    }
}

/// Before a worker does its work.
pub(crate) fn before_work(mutant: Option<Mutant>, world: &World, work: &RollupTask) {
    if mutant == Some(Mutant::FinishesFirst) {
        finish(world, work);
    }
}
