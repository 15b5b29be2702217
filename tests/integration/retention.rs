//! Retention removes facts, never numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use local::wire::{Call, Fault};
use runtime::context::FunctionContext;
use serde_json::{Value, json};
use system::clock::Clock as _;

use crate::support::app::{App, ago, event};
use crate::support::clock::OffsetClock;
use crate::support::stage::{self, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn counters_survive_expiry_and_reject_expired_minutes() {
    let clock = Arc::new(OffsetClock::default());
    let app = App::start_with(|options| options.clock = clock.clone()).await;
    // The ready-made tokens are good for 30 days, so this one is made for longer.
    let (at, later) = (ago(TimeDelta::days(10)), ago(TimeDelta::days(-89)));
    let admin = app.long_token("admin");
    let post = async |id: &str, at: &str| {
        let headers = [("content-type", "application/json"), ("authorization", admin.as_str())];
        let events = json!([event(id, &json!({"timestamp": at}))]).to_string();
        app.send(http::Method::POST, "/api/stats/events", &headers, events).await.body
    };
    assert_eq!(post("first", &at).await["accepted"], 1);
    assert_eq!(app.counters("song").await["totalPlays"], 1);

    clock.set_offset(TimeDelta::days(87));
    assert_eq!(post("second", &at).await["accepted"], 1, "the first fact expires only in three days");
    assert_eq!(app.counters("song").await["totalPlays"], 2);

    clock.set_offset(TimeDelta::days(89));
    let refused = post("third", &at).await;
    assert_eq!((&refused["accepted"], &refused["rejected"][0]["field"]), (&json!(0), &json!("timestamp")), "{refused}");
    assert_eq!(post("fresh", &later).await["accepted"], 1, "other minutes take facts as ever");

    // DynamoDB deletes what has expired, and the stream contains the deletion.
    clock.set_offset(TimeDelta::days(91));
    assert_eq!(app.cloud.database().sweep_expired(clock.now().timestamp()).unwrap(), 1);
    assert_eq!(app.counters("song").await["totalPlays"], 3);

    // An erasure of the rest of the minute does not change it either.
    let table = app.cloud.table("EventsTable").unwrap();
    let key = json!({
        "pk": {"S": format!("TRACK#song#{}", &at[..13])},
        "sk": {"S": format!("{}#play#second#s:s1", &at[14..at.len() - 1])},
    });
    let erase = json!({"TableName": table, "Key": key, "ReturnValues": "ALL_OLD"}).to_string();
    let erased = app.cloud.database().call("DeleteItem", &erase, &local::wire::ClientOptions::default());
    assert!(erased.body.contains("Attributes"), "{erased:?}");
    assert_eq!(app.counters("song").await["totalPlays"], 3);
    app.finish().await;
}

/// Filters of event source mappings see only keys, so stream consumers get expiry records too.
#[tokio::test(flavor = "multi_thread")]
async fn expiry_records_need_no_calls() {
    let app = App::start().await;
    let template = app.cloud.template();
    let mut readers = 0;
    for mapping in &template.stream_mappings {
        let table = app.cloud.database().table(&mapping.table).unwrap();
        if table.ttl_attribute.is_none() {
            continue;
        }
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let stage = Stage::new(system::clock::system().now());
        let failing = move |_: &Call| {
            counted.fetch_add(1, Ordering::Relaxed);
            Fault::ServerError
        };
        let config = &template.functions[&mapping.function];
        let function = local::functions::all().into_iter().find(|function| function.name == config.crate_name).unwrap();
        let boot = FunctionContext {
            environment: config.variables().into_iter().collect(),
            ..stage.boot(function.name, Some(Arc::new(failing)), "UTC")
        };
        let started = stage::start(&boot, function);
        let prefix = |filter: &Value| {
            let prefix = filter.pointer("/dynamodb/Keys/pk/S/0/prefix").unwrap_or_else(|| panic!("{filter}"));
            prefix.as_str().unwrap().to_owned()
        };
        let record = |filter: &Value| {
            json!({
                "eventID": "e", "eventName": "REMOVE", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1", "eventSourceARN": table.stream_arn(),
                "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_769_851_800, "SequenceNumber": "100000000000000000001",
                    "SizeBytes": 64, "StreamViewType": "KEYS_ONLY",
                    "Keys": {"pk": {"S": format!("{}x#2026-01-31T09", prefix(filter))}, "sk": {"S": "07:05.040#like#e"}},
                },
            })
        };
        let records: Vec<Value> = mapping.filters.iter().map(record).collect();
        let answer = stage::invoke(started.as_ref(), &json!({"Records": records})).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{}", function.name);
        assert_eq!(calls.load(Ordering::Relaxed), 0, "{} asks somebody", function.name);
        readers += 1;
    }
    assert_eq!(readers, 5, "readers of streams whose items expire");
    app.finish().await;
}
