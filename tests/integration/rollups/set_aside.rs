//! A period that cannot be closed blocks no other one, and its facts still count.

use chrono::TimeDelta;
use domain::calendar::Level;
use domain::time::Time;
use domain::time_span::TimeSpan;
use serde_json::{Value, json};
use store::RollupTask;
use tokio::time::Instant;

use super::check::{self, Checked};
use super::model::{Model, Sent, Whose};
use super::scenarios::{at, play};
use super::world::World;
use crate::support::stage::paused;

const ALL: Checked = Checked { tracks: 2, artists: true, their_uniques: true, uniques: true, marks: true };

/// Two tracks of two artists, each played in two hours of a day.
async fn played() -> (World, Model) {
    let (world, mut model) = (World::new("UTC", at("2026-12-26T10:30:00Z")), Model::default());
    for track in 0..2 {
        world.describe(&mut model, track, track).await;
    }
    let plays = |hour: &str| -> Vec<Sent> {
        (0..2).map(|track| play(track, &format!("2026-12-26T{hour}:20:00Z"), &format!("{hour}{track}"))).collect()
    };
    world.send(&mut model, plays("09")).await;
    world.send(&mut model, plays("10")).await;
    assert!(world.deliver(&world.records(), None, None).await);
    (world, model)
}

/// Dispatches and works a few times, and ignores failures.
async fn work(world: &World, is_done: impl Fn(&RollupTask) -> bool) {
    for _ in 0..8 {
        for work in world.due(None).await.iter().filter(|work| is_done(work)) {
            let closing = world.closing(&world.boot("worker", None));
            let until = Instant::now() + std::time::Duration::from_secs(30);
            if let Err(error) = closing.run(work, until).await {
                assert!(!error.is_transient(), "{error}");
            }
        }
    }
}

async fn reads_are_right(world: &World, model: &Model) {
    for seed in 0..40 {
        check::reads(world, model, ALL, seed).await.unwrap();
    }
    for (track, plays) in [("t0", 2), ("t1", 2)] {
        let until = Instant::now() + std::time::Duration::from_secs(30);
        let total = world.reading().total(&track.parse().unwrap(), until).await.unwrap();
        assert_eq!(total.unwrap().0.plays, plays, "{track}");
    }
}

fn frontier(world: &World, level: Level) -> String {
    let key = json!({"pk": {"S": "ROLLUPS"}, "sk": {"S": "FRONTIER"}});
    let item = world.stage.call("GetItem", &json!({"TableName": "Stats", "Key": key, "ConsistentRead": true}));
    item["Item"][level.name()]["S"].as_str().unwrap().to_owned()
}

fn aside(world: &World) -> Value {
    let key = json!({"pk": {"S": "ROLLUPS"}, "sk": {"S": "FRONTIER"}});
    world.stage.call("GetItem", &json!({"TableName": "Stats", "Key": key}))["Item"]["aside"]["L"].clone()
}

/// A day of one track cannot be written, because a foreign item occupies its key.
#[test]
fn unclosable_day_is_set_aside_and_answers_stay_exact() {
    paused(async {
        let (world, model) = played().await;
        let junk = json!({"pk": {"S": "TRACK#t0"}, "sk": {"S": "D#2026-12-26"}, "value": {"S": "junk"}});
        world.stage.call("PutItem", &json!({"TableName": "Stats", "Item": junk}));
        world.advance(at("2027-01-01T01:30:00Z") - world.now());
        work(&world, |_| true).await;
        assert_eq!(frontier(&world, Level::Day), "2026-12-31");
        assert_eq!(frontier(&world, Level::Year), "2026");
        let set_aside = ["D#2026-12-26", "W#2026-W52", "M#2026-12"].map(|name| json!({"S": name}));
        assert_eq!(aside(&world), json!(set_aside));
        // All that does not read the junk itself is right.
        let day = ["2026-12-26T00:00:00Z", "2026-12-27T00:00:00Z"];
        let week = ["2026-12-21T00:00:00Z", "2026-12-28T00:00:00Z"];
        let month = ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"];
        let year = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"];
        for [from, to] in [day, week, month, year] {
            let span = TimeSpan { from: Time::from(at(from)), to: Time::from(at(to)) };
            for (whose, plays) in [(Whose::Platform, 4), (Whose::Artist(0), 2), (Whose::Artist(1), 2)] {
                let read = check::read_one(&world, &check::scope(whose), span).await;
                assert_eq!(read.counters.plays, plays, "{whose:?} {span:?}");
            }
            let read = check::read_one(&world, &check::scope(Whose::Track(0)), span).await;
            assert_eq!(read.counters.plays, 2, "{span:?}");
        }
        // The foreign item is removed.
        let key = json!({"pk": {"S": "TRACK#t0"}, "sk": {"S": "D#2026-12-26"}});
        world.stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
        reads_are_right(&world, &model).await;
        world.advance(TimeDelta::minutes(31));
        work(&world, |_| true).await;
        assert_eq!(aside(&world), Value::Null);
        reads_are_right(&world, &model).await;
        check::items(&world, &model, ALL).await.unwrap();
    });
}

/// A message that is never worked off.
async fn is_never_done(level: Level, passed: &str) {
    let (world, model) = played().await;
    let is_stuck = |work: &RollupTask| {
        let is_of_first = |tracks: &std::collections::BTreeSet<domain::id::TrackId>| {
            tracks.iter().any(|track| track.as_str() == "t0")
        };
        matches!(work, RollupTask::Close { level: of, tracks, .. } if *of == level && is_of_first(tracks))
    };
    world.advance(at("2026-12-27T00:30:00Z") - world.now());
    for _ in 0..6 {
        work(&world, |work| !is_stuck(work)).await;
        world.advance(TimeDelta::minutes(30));
    }
    let reached = frontier(&world, level);
    assert!(reached.as_str() >= passed, "the {level} stands at {reached}");
    reads_are_right(&world, &model).await;
    for _ in 0..4 {
        world.advance(TimeDelta::minutes(31));
        work(&world, |_| true).await;
    }
    assert_eq!(aside(&world), Value::Null);
    reads_are_right(&world, &model).await;
    check::items(&world, &model, ALL).await.unwrap();
}

#[test]
fn stuck_hour_delays_watermark_at_most_two_hours() {
    paused(is_never_done(Level::Hour, "2026-12-26T23:00"));
}

#[test]
fn stuck_day_delays_watermark_at_most_two_hours() {
    paused(is_never_done(Level::Day, "2026-12-26"));
}
