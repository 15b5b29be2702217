//! A refold restores lost or damaged values exactly, once, and during traffic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::refold::System;
use http::Method;
use local::cloud::Source;
use local::wire::{Call, Fault, Service};
use serde_json::{Value, json};
use store::{StreamRange, StreamedRecords, ToRefold};
use tokio::time::Instant;

use super::market::{FACTS, Market, delivery, key};
use crate::contract::{assert_response_matches, contract};
use crate::support::app::{App, ago, event};
use crate::support::stage::Stage;

const REFOLDS: &str = "/api/admin/refolds";

/// Starts a refold and returns its id.
async fn begin(market: &Market, body: &Value) -> String {
    let answer = market.call("admin", Method::POST, REFOLDS, body).await;
    assert_response_matches(&contract(), &Method::POST, REFOLDS, &answer);
    assert_eq!(answer.status, 202, "{body}: {answer:?}");
    let id = answer.body["refoldId"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("{REFOLDS}/{id}"));
    id
}

async fn progress(market: &Market, refold: &str) -> Value {
    let answer = market.call("admin", Method::GET, &format!("{REFOLDS}/{refold}"), &Value::Null).await;
    assert_response_matches(&contract(), &Method::GET, &format!("{REFOLDS}/{{refoldId}}"), &answer);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Runs a refold. Returns how many units were found, folded, and failed.
async fn refolded(market: &Market, body: &Value) -> [u64; 3] {
    let refold = begin(market, body).await;
    market.app.settled().await;
    let done = progress(market, &refold).await;
    assert_eq!(done["status"], "done", "{done}");
    units(&done)
}

fn units(progress: &Value) -> [u64; 3] {
    ["found", "folded", "failed"].map(|name| progress["units"][name].as_u64().unwrap())
}

/// The system of each table's facts, with the days of UTC that they are of.
fn days(market: &Market) -> BTreeSet<(System, String)> {
    let mut days = BTreeSet::new();
    for (table, prefixes) in FACTS {
        for (pk, sk) in prefixes.iter().flat_map(|prefix| market.facts(table, prefix)) {
            let system = match pk.split_once('#').unwrap().0 {
                "TRACK" => System::Tracks,
                "QUIZ" => System::Quizzes,
                "PRODUCT" | "VIEWS" => System::Products,
                _ => System::Sales,
            };
            let time = if pk.starts_with("BUYER") { sk } else { pk.rsplit_once('#').unwrap().1.to_owned() };
            days.insert((system, time[.."2026-01-31".len()].to_owned()));
        }
    }
    days
}

/// A marketplace that has lost everything derived from its last actions, and the figures to restore.
async fn forgetful(mut market: Market) -> (Market, BTreeMap<&'static str, Value>) {
    market.goes_on().await;
    market.goes_on().await;
    market.app.settled().await;
    let before = market.dump("StatsTable");
    market.goes_on().await;
    market.goes_on().await;
    let right = market.told().await;
    market.restore("StatsTable", &before);
    let wrong = market.told().await;
    for (path, told) in &right {
        assert_ne!(wrong[path], *told, "{path} has lost nothing");
    }
    (market, right)
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_restores_day_with_lost_deliveries() {
    // Parts of one fact, so that each is followed by another.
    let template = local::functions::TEMPLATE;
    assert!(template.contains("PART_FACTS: \"100000\""));
    let template = template.replace("PART_FACTS: \"100000\"", "PART_FACTS: \"1\"");
    let app = App::start_with(|options| options.template = Source::Text(template)).await;
    let (mut market, right) = forgetful(Market::with(app).await).await;
    let mut found = 0;
    for (system, day) in days(&market) {
        let [of_day, folded, failed] = refolded(&market, &json!({"system": system, "day": day})).await;
        assert_eq!((folded, failed), (of_day, 0), "{system} {day}");
        assert!(of_day > 0, "{system} {day}");
        found += of_day;
    }
    assert!(found >= 8, "{found}");
    assert_eq!(market.told().await, right);
    // A second time changes nothing, and a day without facts has none.
    for (system, day) in days(&market) {
        refolded(&market, &json!({"system": system, "day": day})).await;
    }
    assert_eq!(refolded(&market, &json!({"system": "tracks", "day": "2020-01-01"})).await, [0, 0, 0]);
    assert_eq!(market.told().await, right);
    // What comes later is counted on top of it.
    market.goes_on().await;
    assert_ne!(market.told().await, right);
    market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_restores_named_units() {
    let (market, right) = forgetful(Market::open().await).await;
    let mut units = Vec::new();
    for (table, prefixes) in FACTS {
        for (pk, sk) in prefixes.iter().flat_map(|prefix| market.facts(table, prefix)) {
            let parts: Vec<&str> = pk.split('#').collect();
            let at = || format!("{}:{}Z", parts[parts.len() - 1], &sk[.."34:56.789".len()]);
            units.push(match parts[0] {
                "TRACK" => json!({"type": "track", "id": parts[1], "timestamp": at()}),
                "QUIZ" => json!({"type": "quiz", "id": parts[1], "timestamp": at()}),
                "PRODUCT" => json!({"type": "product", "id": parts[1], "timestamp": at()}),
                "VIEWS" => json!({"type": "views", "id": parts[1], "timestamp": at()}),
                "SALES" => {
                    json!({"type": "sales", "itemType": parts[1].to_lowercase(), "id": parts[2], "timestamp": at()})
                }
                _ => json!({"type": "buyer", "id": parts[1], "timestamp": sk.split_once('#').unwrap().0}),
            });
        }
    }
    for units in units.chunks(100) {
        let [found, folded, failed] = refolded(&market, &json!({"units": units})).await;
        assert!(found > 0 && found <= units.len() as u64, "each unit once: {found}");
        assert_eq!((folded, failed), (found, 0));
    }
    assert_eq!(market.told().await, right);
    market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_accepts_failure_messages() {
    let (market, right) = forgetful(Market::open().await).await;
    for (table, prefixes) in FACTS {
        for fact in prefixes.iter().flat_map(|prefix| market.facts(table, prefix)) {
            let record = delivery(std::slice::from_ref(&fact))["Records"][0].clone();
            let message = json!({"function": "updater", "reason": "corrupt", "record": record});
            assert_eq!(refolded(&market, &json!({"failure": message})).await, [1, 1, 0], "{fact:?}");
        }
    }
    assert_eq!(market.told().await, right);

    // What names nothing that is folded, and what the stream no longer holds.
    let refused = json!({"failure": {"record": delivery(&[("CHANNEL#x".to_owned(), "y".to_owned())])["Records"][0]}});
    market.call("admin", Method::POST, REFOLDS, &refused).await.is_problem(422);
    market.call("admin", Method::POST, REFOLDS, &json!({"failure": {"lane": 3}})).await.is_problem(422);
    let table = market.app.cloud.table("EventsTable").unwrap();
    let gone = json!({"failure": {"DDBStreamBatchInfo": {
        "streamArn": local::wire::stream_arn(table), "shardId": local::dynamodb::shard_id(table),
        "startSequenceNumber": "100000000000000000001", "endSequenceNumber": "100000000000000000002",
    }}});
    let answer = market.call("admin", Method::POST, REFOLDS, &gone).await;
    assert_response_matches(&contract(), &Method::POST, REFOLDS, &answer);
    let detail = answer.is_problem(409)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("no longer has") && detail.contains("refold the days"), "{detail}");
    market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_repairs_damaged_bucket_and_package() {
    let mut market = Market::open().await;
    market.goes_on().await;
    let right = market.told().await;
    let facts = market.facts("EventsTable", "TRACK#song#");
    let (pk, sk) = &facts[0];
    let minute = format!("{}:{}", pk.rsplit_once('#').unwrap().1, &sk[..2]);
    let bucket = key("TRACK#song", &format!("B#{minute}"));
    let unit = json!({"units": [{"type": "track", "id": "song", "timestamp": format!("{minute}:00Z")}]});
    let held = market.app.database("GetItem", "StatsTable", json!({"Key": bucket}))["Item"].clone();
    // Lost, wrong, or of another shape.
    let mut wrong = held.clone();
    wrong["value"] = json!({"S": "spoiled"});
    for damage in [Value::Null, wrong] {
        if damage.is_null() {
            market.app.database("DeleteItem", "StatsTable", json!({"Key": bucket}));
        } else {
            market.put("StatsTable", &damage);
        }
        assert_eq!(refolded(&market, &unit).await, [1, 1, 0]);
        assert_eq!(market.told().await, right);
    }
    let total = market.app.database("GetItem", "StatsTable", json!({"Key": key("PACKAGE#pack", "T")}))["Item"].clone();
    let mut wrong = total;
    wrong["attempts"] = json!({"N": "77"});
    market.put("StatsTable", &wrong);
    assert_ne!(market.told().await, right);
    assert_eq!(refolded(&market, &json!({"units": [{"type": "package", "id": "pack"}]})).await, [1, 1, 0]);
    assert_eq!(market.told().await, right);
    market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_counts_failures_and_restores_the_rest() {
    let (market, right) = forgetful(Market::open().await).await;
    let quizzes = market.facts("InteractionsTable", "QUIZ#");
    let days: BTreeSet<String> =
        days(&market).into_iter().filter(|(of, _)| *of == System::Quizzes).map(|(_, day)| day).collect();
    // A fact that is none, in a minute of its own.
    let (pk, sk) = &quizzes[0];
    let fact = market.app.database("GetItem", "InteractionsTable", json!({"Key": key(pk, sk)}))["Item"].clone();
    let mut foreign = fact;
    let minute = (sk[..2].parse::<u32>().unwrap() + 30) % 60;
    foreign["sk"] = json!({"S": format!("{minute:02}:00.000#clap#x")});
    market.put("InteractionsTable", &json!({"pk": foreign["pk"], "sk": foreign["sk"], "kind": {"N": "7"}}));
    let mut totals = [0, 0, 0];
    for day in days {
        let of_day = refolded(&market, &json!({"system": "quizzes", "day": day})).await;
        totals = std::array::from_fn(|at| totals[at] + of_day[at]);
    }
    assert_eq!((totals[2], totals[0]), (1, totals[1] + 1), "{totals:?}");
    let told = market.told().await;
    assert_eq!(told["/api/quizzes/quiz-1/stats"], right["/api/quizzes/quiz-1/stats"]);
    market.app.finish_with_failures(&["PackageStatsFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivered_task_counts_once() {
    let (market, right) = forgetful(Market::open().await).await;
    let refold = begin(&market, &json!({"system": "tracks", "day": "2020-01-01"})).await;
    market.app.settled().await;
    let (pk, _) = market.facts("EventsTable", "TRACK#song#").swap_remove(0);
    let day = &pk.rsplit_once('#').unwrap().1[.."2026-01-31".len()];
    let message = |body: &Value| {
        json!({"Records": [{
            "messageId": "m", "receiptHandle": "h", "body": body.to_string(),
            "attributes": {"ApproximateReceiveCount": "2"}, "messageAttributes": {}, "md5OfBody": "",
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q", "awsRegion": "us-east-1",
        }]})
    };
    // Parts come twice, two at once; each finds the same chunks, which come as often.
    let nothing = json!({"batchItemFailures": []});
    for _ in 0..2 {
        let parts: Vec<Value> = (0..8)
            .flat_map(|segment| {
                let part = json!({"refold": refold, "system": "tracks", "day": day, "segment": segment});
                [message(&part), message(&part)]
            })
            .collect();
        let parts = parts.iter().map(|part| market.app.invoke("RefoldWorkerFunction", part));
        for answer in futures::future::join_all(parts).await {
            assert_eq!(answer.unwrap(), nothing);
        }
    }
    market.app.settled().await;
    let done = progress(&market, &refold).await;
    assert_eq!((&done["status"], &done["parts"]), (&json!("done"), &json!({"ended": 8, "of": 8})));
    let of_day = market.facts("EventsTable", "TRACK#").into_iter().filter(|(pk, _)| pk.contains(day));
    let minutes: BTreeSet<(String, String)> = of_day.map(|(pk, sk)| (pk, sk[..2].to_owned())).collect();
    let all = minutes.len().try_into().unwrap();
    assert_eq!(units(&done), [all, all, 0], "{minutes:?}");
    assert_eq!(market.told().await["/api/tracks/song"], right["/api/tracks/song"]);
    market.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refold_is_exact_under_faults_and_traffic() {
    let calls = Arc::new(AtomicU32::new(0));
    let faults = move |call: &Call| {
        let is_at_it = ["refold-worker", "updater"].iter().any(|name| call.function.contains(name));
        // Twice in a row, for the SDK asks twice; and queues are tried again only after minutes.
        if !is_at_it || call.service != Service::DynamoDb {
            return Fault::None;
        }
        match calls.fetch_add(1, Ordering::Relaxed) % 12 {
            0 | 1 => Fault::ServerErrorAfter,
            6 => Fault::DropAfter,
            _ => Fault::None,
        }
    };
    let app = App::start_with(|options| options.faults = Some(Arc::new(faults))).await;
    let (mut market, _) = forgetful(Market::with(app).await).await;
    let mut refolds = Vec::new();
    for (system, day) in days(&market) {
        refolds.push(begin(&market, &json!({"system": system, "day": day})).await);
        market.goes_on().await;
    }
    let told = market.told().await;
    for refold in refolds {
        let done = progress(&market, &refold).await;
        let [found, folded, failed] = units(&done);
        assert_eq!((&done["status"], folded, failed), (&json!("done"), found, 0), "{done}");
    }
    // The same actions without a loss.
    let mut other = Market::open().await;
    for _ in 0..market.rounds() {
        other.goes_on().await;
    }
    let counted = |told: &BTreeMap<&'static str, Value>| {
        let track = told["/api/tracks/song"]["counters"]["totalPlays"].clone();
        let quiz = told["/api/quizzes/quiz-1/stats"].clone();
        let boards = ["views", "sales"].map(|metric| {
            told.iter().find(|(path, _)| path.contains(&format!("metric={metric}"))).unwrap().1["entries"][0]["value"].clone()
        });
        let revenue = told["/api/purchases/analytics"]["currencies"].clone();
        (track, quiz, boards, revenue)
    };
    assert_eq!(counted(&told), counted(&other.told().await));
    market.app.finish().await;
    other.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refolds_require_admin() {
    let market = Market::open().await;
    let body = json!({"system": "tracks", "day": "2026-01-31"});
    for role in ["artist", "teacher", "student", "seller"] {
        market.call(role, Method::POST, REFOLDS, &body).await.is_problem(403);
        market.call(role, Method::GET, &format!("{REFOLDS}/x"), &Value::Null).await.is_problem(403);
    }
    market.call("admin", Method::GET, &format!("{REFOLDS}/nobody-s"), &Value::Null).await.is_problem(404);
    market.app.finish().await;
}

#[tokio::test]
async fn abandoned_records_are_read_from_stream_within_retention() {
    let stage = Stage::new("2026-01-31T12:00:00Z".parse().unwrap());
    for minute in 10..20 {
        let item = json!({
            "pk": {"S": "TRACK#song#2026-01-31T12"}, "sk": {"S": format!("{minute}:00.000#download#e#s:s")},
        });
        stage.call("PutItem", &json!({"TableName": "Events", "Item": item}));
    }
    let records = stage.records("Events");
    let range = |from: usize, to: usize| StreamRange {
        stream_arn: local::wire::stream_arn("Events"),
        shard_id: local::dynamodb::shard_id("Events"),
        start_sequence_number: records[from].sequence_number(),
        end_sequence_number: records[to].sequence_number(),
    };
    let streams = StreamedRecords::new(stage.boot("look", None, "UTC").streams());
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut expected = ToRefold::default();
    for minute in 13..=16 {
        assert!(expected.add("TRACK#song#2026-01-31T12", &format!("{minute}:30.000#play#x#s:t")));
    }
    assert_eq!(streams.read(&range(3, 6), deadline).await.unwrap(), Some(expected));
    stage.database.prune("Events", records[4].sequence).unwrap();
    assert_eq!(streams.read(&range(3, 6), deadline).await.unwrap(), None);
    assert!(streams.read(&range(5, 9), deadline).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_unit_is_folded_separately() {
    let app = App::start_with(|options| drop(options.parameters.insert("HotBucketFacts".to_owned(), "10".to_owned())));
    let market = Market::with(app.await).await;
    let minutes =
        [20, 10].map(|minutes| ago(chrono::TimeDelta::minutes(minutes))[.."2026-01-31T12:34".len()].to_owned());
    let play = |minute: &str, number: usize| {
        let patch = json!({"timestamp": format!("{minute}:{number:02}.000Z"), "sessionId": format!("s{number}")});
        event(&format!("play-{minute}-{number}"), &patch)
    };
    let mut events: Vec<Value> = (0..25).map(|number| play(&minutes[0], number)).collect();
    events.push(play(&minutes[1], 0));
    let answer = market.app.post(&json!(events)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let right = market.app.counters("song").await;
    assert_eq!(right["totalPlays"], 26);
    for minute in &minutes {
        market.app.database("DeleteItem", "StatsTable", json!({"Key": key("TRACK#song", &format!("B#{minute}"))}));
    }
    let units = minutes.map(|minute| json!({"type": "track", "id": "song", "timestamp": format!("{minute}:00Z")}));
    assert_eq!(refolded(&market, &json!({"units": units})).await, [2, 2, 0]);
    assert_eq!(market.app.counters("song").await, right);
    market.app.finish().await;
}
