//! Events in, counters out, over HTTP.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use local::wire::{Call, Fault, Service};
use serde_json::{Value, json};

use crate::support::app::{App, ago, event, now};
use crate::support::faults::every_nth_call;
use crate::support::items::text;

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_once() {
    let app = App::start().await;
    let described = app.put_track("artist", "song", &[], &json!({"title": "Song", "durationSeconds": 60})).await;
    assert_eq!(described.status, 201, "{described:?}");
    let started = now();
    let events = json!([
        event("start", &json!({"playId": "p", "timestamp": started, "duration": null})),
        event("end", &json!({"playId": "p", "timestamp": started, "duration": 45.5})),
        event("short", &json!({"duration": 5, "source": "player", "replayed": true})),
        event("like", &json!({"type": "like", "action": "like"})),
        event("like again", &json!({})),
        event("save", &json!({"type": "save", "action": "save", "playlistId": "l"})),
        event("share", &json!({"type": "share", "platform": "embed"})),
        event("share2", &json!({"type": "share", "platform": "twitter"})),
        event("load", &json!({"type": "download"})),
    ]);
    let answer = app.post(&events).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(8)), "{answer:?}");
    let rejected = &answer.body["rejected"][0];
    assert_eq!(
        (&rejected["index"], &rejected["id"], &rejected["field"]),
        (&json!(4), &json!("like again"), &json!("id"))
    );
    assert!(answer.body["serverTime"].as_str().unwrap().ends_with('Z'));

    let expected = json!({
        "totalPlays": 2, "qualifiedPlays": 1, "totalSkips": 1, "totalReplays": 1, "netLikes": 1, "netSaves": 1,
        "totalShares": 2, "totalDownloads": 1, "totalDurationSeconds": 50.5,
        "averageCompletionRate": f64::from(7583 + 833) / 200.0,
        "sourceBreakdown": {"search": 1, "player": 1}, "platformBreakdown": {"embed": 1, "twitter": 1},
    });
    assert_eq!(app.counters("song").await, expected);
    let facts = app.items("EventsTable");
    assert_eq!(app.post(&events).await.body["accepted"], 8);
    assert_eq!(app.counters("song").await, expected);
    assert_eq!(app.items("EventsTable"), facts);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_like_toggle_wins_in_any_arrival_order() {
    let app = App::start().await;
    let at = |seconds: i64| ago(chrono::TimeDelta::seconds(60 - seconds));
    let word = |id: &str, second: i64, action: &str, session: &str| {
        event(id, &json!({"type": "like", "action": action, "timestamp": at(second), "sessionId": session}))
    };
    // The unlike of second 20 arrives before the like of second 10, and in another request.
    app.post(&json!([word("a2", 20, "unlike", "a"), word("b1", 5, "like", "b")])).await;
    app.post(&json!([word("a1", 10, "like", "a"), word("c1", 1, "unlike", "c")])).await;
    assert_eq!(app.counters("song").await["netLikes"], 1);
    app.post(&json!([word("a3", 30, "like", "a"), word("b2", 6, "like", "b"), word("b3", 7, "unlike", "b")])).await;
    assert_eq!(app.counters("song").await["netLikes"], 1);
    // A signed-in user is one actor in every session.
    app.post_as("student", &json!([word("d1", 40, "like", "x"), word("d2", 41, "like", "y")])).await;
    assert_eq!(app.counters("song").await["netLikes"], 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_count_per_playlist() {
    let app = App::start().await;
    let save = |playlist: &str, action: &str, at: &str| {
        event("e", &json!({"type": "save", "action": action, "playlistId": playlist, "timestamp": at}))
    };
    let (first, later) = (ago(chrono::TimeDelta::seconds(60)), ago(chrono::TimeDelta::seconds(30)));
    app.post(&json!([save("a", "save", &first), save("b", "save", &first)])).await;
    assert_eq!(app.counters("song").await["netSaves"], 2);
    app.post(&json!([save("a", "unsave", &later), save("b", "unsave", &later)])).await;
    assert_eq!(app.counters("song").await["netSaves"], 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_beacon_with_write_key_in_query() {
    let app = App::start().await;
    let path = format!("/api/stats/events?writeKey={}", app.cloud.write_key());
    let body = json!([event("e", &json!({}))]).to_string();
    let answer = app.send(Method::POST, &path, &[("content-type", "text/plain;charset=UTF-8")], body).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(1)), "{answer:?}");
    assert_eq!(app.counters("song").await["totalPlays"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drops_crawler_events_except_admin_imports() {
    let app = App::start().await;
    let crawler = ("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    let body = json!([event("e", &json!({})), event("f", &json!({}))]).to_string();
    let json = ("content-type", "application/json");
    let key = app.cloud.write_key().to_owned();
    let answer =
        app.send(Method::POST, "/api/stats/events", &[json, crawler, ("x-write-key", &key)], body.clone()).await;
    assert_eq!((&answer.body["accepted"], &answer.body["dropped"]), (&json!(0), &json!(2)), "{answer:?}");
    assert_eq!(app.items("EventsTable"), 0);
    for (role, taken) in [("student", 0), ("artist", 0), ("admin", 2)] {
        let headers = [json, crawler, ("authorization", &app.token(role))];
        let answer = app.send(Method::POST, "/api/stats/events", &headers, body.clone()).await;
        let expected = (&json!(taken), &json!(2 - taken));
        assert_eq!((&answer.body["accepted"], &answer.body["dropped"]), expected, "{role}: {answer:?}");
        assert_eq!(app.items("EventsTable"), taken);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_require_admin() {
    let app = App::start().await;
    let old = json!([event("old", &json!({"timestamp": ago(chrono::TimeDelta::days(8))}))]);
    let ahead = json!([event("ahead", &json!({"timestamp": ago(chrono::TimeDelta::minutes(-6))}))]);
    for (role, events, accepted) in [("artist", &old, 0), ("admin", &old, 1), ("admin", &ahead, 0)] {
        let answer = app.post_as(role, events).await;
        assert_eq!(answer.body["accepted"], accepted, "{role}: {answer:?}");
        if accepted == 0 {
            assert_eq!(answer.body["rejected"][0]["field"], "timestamp");
        }
    }
    assert_eq!(app.counters("song").await["totalPlays"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_identity_from_token_and_origin_from_request() {
    let app = App::start().await;
    let claimed = event("e", &json!({"userId": "somebody-else", "ip": "198.51.100.7", "userAgent": "forged"}));
    app.post_as("student", &json!([claimed])).await;
    let [fact] = app.scan("EventsTable").try_into().unwrap();
    assert!(text(&fact, "sk").ends_with("#u:student-1"), "{fact}");
    assert_eq!(text(&fact, "n"), "127.0.0.0/24");
    let stored = fact.to_string();
    for secret in ["somebody-else", "198.51.100.7", "forged", "127.0.0.1"] {
        assert!(!stored.contains(secret), "{secret} is kept: {stored}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_loses_and_duplicates_nothing() {
    let (faults, calls) = every_nth_call(3, 7, |kind, call| match kind {
        _ if call.service != Service::DynamoDb => Fault::None,
        0 => Fault::Throttle,
        1 => Fault::ServerError,
        2 => Fault::DropAfter,
        3 => Fault::TimeoutBefore,
        4 => Fault::ServerErrorAfter,
        5 => Fault::Unprocessed(0x5555_5555_5555_5555),
        _ => Fault::DropBefore,
    });
    let app = App::start_with(|options| options.faults = Some(Arc::new(faults))).await;
    let events: Vec<Value> = (0..200)
        .map(|n| match n % 4 {
            0 => event(&format!("e{n}"), &json!({"type": "like", "action": "like", "sessionId": format!("s{n}")})),
            _ => event(&format!("e{n}"), &json!({"trackId": if n % 2 == 0 { "song" } else { "other" }})),
        })
        .collect();
    let mut left = events;
    while !left.is_empty() {
        let answer = app.post(&json!(left)).await;
        let rejected = answer.body["rejected"].as_array().unwrap();
        assert_eq!(answer.status, if rejected.is_empty() { 200 } else { 207 }, "{answer:?}");
        assert_eq!(answer.body["accepted"].as_u64().unwrap() as usize + rejected.len(), left.len());
        assert!(rejected.iter().all(|rejected| rejected["reason"] == "retry"), "{answer:?}");
        left = rejected.iter().map(|r| left[r["index"].as_u64().unwrap() as usize].clone()).collect();
    }
    app.settled().await;
    // Reads fail too; the caller is asked to retry.
    let read = async |id: &str| loop {
        let answer = app.get_track(id).await;
        if answer.status == 200 {
            break answer.body["counters"].clone();
        }
        answer.is_problem(503);
        assert_eq!(answer.header("retry-after"), "1");
    };
    let song = read("song").await;
    assert_eq!((&song["totalPlays"], &song["netLikes"]), (&json!(50), &json!(50)));
    assert_eq!(read("other").await["totalPlays"], 100);
    assert!(calls.load(Ordering::Relaxed) > 100);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unwritable_table_rejects_every_event_for_retry() {
    let app = App::start_with(|options| {
        options.faults = Some(Arc::new(|call: &Call| match call.operation.as_str() {
            "BatchWriteItem" | "TransactWriteItems" => Fault::Throttle,
            _ => Fault::None,
        }));
    })
    .await;
    let answer =
        app.post(&json!([event("e", &json!({})), event("f", &json!({"type": "like", "action": "like"}))])).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (207, &json!(0)), "{answer:?}");
    let rejected = answer.body["rejected"].as_array().unwrap();
    assert_eq!(rejected.iter().map(|r| r["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["retry", "retry"]);
    assert_eq!(app.items("EventsTable") + app.items("StateTable"), 0);
    app.finish().await;
}
