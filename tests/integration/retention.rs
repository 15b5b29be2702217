//! Retention removes facts, never numbers.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use shared::clock::Clock as _;

use crate::app::{App, Forward, ago, event};

#[tokio::test(flavor = "multi_thread")]
async fn numbers_outlive_their_facts_and_closed_minutes_take_no_more() {
    let clock = Arc::new(Forward::default());
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

    clock.by(TimeDelta::days(87));
    assert_eq!(post("second", &at).await["accepted"], 1, "the first fact expires only in three days");
    assert_eq!(app.counters("song").await["totalPlays"], 2);

    clock.by(TimeDelta::days(89));
    let refused = post("third", &at).await;
    assert_eq!((&refused["accepted"], &refused["rejected"][0]["field"]), (&json!(0), &json!("timestamp")), "{refused}");
    assert_eq!(post("fresh", &later).await["accepted"], 1, "other minutes take facts as ever");

    // DynamoDB deletes what has expired, and tells the stream so.
    clock.by(TimeDelta::days(91));
    assert_eq!(app.cloud.database().sweep_expired(clock.now().timestamp()).unwrap(), 1);
    assert_eq!(app.counters("song").await["totalPlays"], 3);

    // Even an erasure of what is left of the minute finds it sealed.
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
