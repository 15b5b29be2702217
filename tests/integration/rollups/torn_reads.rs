//! A worker that reads while the transaction of another one is being carried out.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use local::wire::{Call, Fault, Faults};
use store::RollupTask;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::check::{self, Checked};
use super::model::Model;
use super::scenarios::{at, play};
use super::world::World;
use crate::support::stage::paused;

const ALL: Checked = Checked { tracks: 1, artists: true, their_uniques: true, uniques: true, marks: true };

/// Lets a worker wait for the answer of its first transaction.
#[derive(Default)]
struct Slot {
    written: Notify,
    go_on: Notify,
}

impl Faults for Slot {
    fn before<'a>(&'a self, _: &'a Call) -> BoxFuture<'a, Fault> {
        Box::pin(std::future::ready(Fault::None))
    }

    fn after<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if call.operation == "TransactWriteItems" {
                self.written.notify_one();
                self.go_on.notified().await;
            }
        })
    }
}

/// Two hours of a closed day come late. While one worker has written its hour and has no answer yet, another one closes the
/// other hour and makes the day and all above it of what it reads.
async fn closes_two_hours(hidden: &str) {
    let (world, mut model) = (World::new("UTC", at("2026-12-26T09:30:00Z")), Model::default());
    world.describe(&mut model, 0, 0).await;
    world.send(&mut model, vec![play(0, "2026-12-26T08:20:00Z", "a"), play(0, "2026-12-26T09:20:00Z", "b")]).await;
    assert!(world.deliver(&world.records(), None, None).await);
    world.advance(at("2027-01-01T01:30:00Z") - world.now());
    world.settle().await;
    let delivered = world.records().len();
    let late = |hour: &str| play(0, &format!("2026-12-26T{hour}:25:00Z"), &format!("late{hour}"));
    for hour in ["08", "09"] {
        world.send(&mut model, vec![late(hour)]).await;
    }
    assert!(world.deliver(&world.records()[delivered..], None, None).await);
    let due = world.due(None).await;
    let [first, second] = &due[..] else { panic!("{due:?}") };
    assert!(matches!((first, second), (RollupTask::CloseLate { .. }, RollupTask::CloseLate { .. })), "{due:?}");

    world.stage.database.tear_only(hidden);
    let held = Arc::new(Slot::default());
    let until = || Instant::now() + Duration::from_secs(30);
    let slow = world.closing(&world.boot("slow", Some(held.clone())));
    let first = first.clone();
    let slow = tokio::spawn(async move { slow.run(&first, until()).await });
    held.written.notified().await;
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    // It may have to be done again.
    if let Err(error) = world.closing(&world.boot("quick", Some(calm))).run(second, until()).await {
        assert!(error.is_transient(), "{error}");
    }
    while !slow.is_finished() {
        held.go_on.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    slow.await.unwrap().unwrap();
    world.advance(chrono::TimeDelta::minutes(31));
    world.settle().await;
    if let Err(wrong) = check::items(&world, &model, ALL).await {
        panic!("{hidden} was hidden: {wrong}");
    }
}

#[test]
fn period_is_built_from_complete_parts() {
    paused(async {
        for hidden in ["H#2026-12-26T08:00", "D#2026-12-26", "W#2026-W52", "M#2026-12", "Y#2026", "T"] {
            closes_two_hours(hidden).await;
        }
    });
}
