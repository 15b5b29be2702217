//! The actor of an event: the user of the token, else the device, else the session.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::contract::{assert_response_matches, contract};
use crate::support::app::{Answer, App, ago, event, now};

const EVENTS: &str = "/api/stats/events";

/// Sends a body as it is.
async fn send(app: &App, headers: &[(&str, &str)], body: String) -> Answer {
    let key = app.cloud.write_key();
    let is_known = headers.iter().any(|(name, _)| *name == "authorization");
    let mut all = vec![("content-type", "application/json")];
    all.extend((!is_known).then_some(("x-write-key", key)));
    all.extend_from_slice(headers);
    let answer = app.send(Method::POST, EVENTS, &all, body).await;
    assert_response_matches(&contract(), &Method::POST, EVENTS, &answer);
    answer
}

fn like(id: &str, action: &str, at: &str, session: &str) -> Value {
    event(id, &json!({"type": "like", "action": action, "timestamp": at, "sessionId": session}))
}

fn seconds_ago(seconds: i64) -> String {
    ago(TimeDelta::seconds(seconds))
}

/// All facts, as they are stored.
fn facts(app: &App) -> Vec<Value> {
    app.scan("EventsTable")
}

async fn analytics(app: &App, track: &str) -> Value {
    app.settled().await;
    let path = format!("/api/stats/analytics?trackId={track}&timeRange=90d");
    let answer = app.send(Method::GET, &path, &[("authorization", &app.token("admin"))], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The first number of this name in an answer.
fn number<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    match answer {
        Value::Object(fields) => fields.get(name).or_else(|| fields.values().find_map(|value| number(value, name))),
        Value::Array(list) => list.iter().find_map(|value| number(value, name)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_event_never_overwrites_user_fact() {
    let app = App::start().await;
    let at = now();
    for (kind, own) in [
        ("play", json!({"timestamp": at, "duration": 45, "source": "player"})),
        ("share", json!({"timestamp": at, "type": "share", "platform": "embed"})),
        ("download", json!({"timestamp": at, "type": "download"})),
    ] {
        let own = event("same", &own);
        app.post_as("student", &json!([own])).await;
        for session in ["s1", "other"] {
            let mut forged = own.clone();
            forged["sessionId"] = json!(session);
            forged["duration"] = Value::Null;
            forged["source"] = json!("share");
            forged["platform"] = json!("twitter");
            assert_eq!(app.post(&json!([forged])).await.body["accepted"], 1);
        }
        let kept = facts(&app);
        let key = format!("#{kind}#same#u:student-1");
        let person_s = kept.iter().find(|fact| fact["sk"]["S"].as_str().unwrap().ends_with(&key)).unwrap();
        assert_eq!(person_s["p"]["S"], own["platform"], "{person_s}");
        assert_eq!(person_s["f"]["S"], own["source"], "{person_s}");
    }
    let counters = app.counters("song").await;
    // What names the person's session is the same event; what names another session is another one.
    assert_eq!(
        (&counters["totalPlays"], &counters["totalShares"], &counters["totalDownloads"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(counters["sourceBreakdown"], json!({"player": 1, "share": 1}));
    assert_eq!(counters["platformBreakdown"], json!({"embed": 1, "twitter": 1}));
    assert_eq!(counters["totalDurationSeconds"], 45.0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn play_across_sign_in_counts_once_for_user() {
    let app = App::start().await;
    let at = now();
    let start = event("start", &json!({"playId": "p", "timestamp": at, "duration": null}));
    let end = event("end", &json!({"playId": "p", "timestamp": at, "duration": 45}));
    app.post(&json!([start])).await;
    app.post_as("student", &json!([end])).await;
    let numbers = analytics(&app, "song").await;
    let told = ["totalPlays", "uniquePlays", "uniqueListeners"].map(|name| number(&numbers, name).unwrap());
    assert_eq!(told, [&json!(1), &json!(1), &json!(1)]);
    assert_eq!(app.counters("song").await["totalDurationSeconds"], 45.0);
    // Sent again with the token, the session's events are still one play.
    app.post_as("student", &json!([start])).await;
    assert_eq!(app.counters("song").await["totalPlays"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_undoes_likes_and_saves_of_its_other_sessions() {
    let app = App::start().await;
    let of = |id: &str, at: i64, session: &str, patch: &Value| {
        let mut event = event(id, patch);
        event["timestamp"] = json!(seconds_ago(at));
        event["sessionId"] = json!(session);
        event["anonymousId"] = json!("dev");
        event
    };
    let save = json!({"type": "save", "action": "save", "playlistId": "mix"});
    app.post(&json!([
        of("l1", 60, "s1", &json!({"type": "like", "action": "like"})),
        of("l2", 30, "s2", &json!({"type": "like", "action": "unlike"})),
        of("v1", 60, "s1", &save),
        of("v2", 30, "s2", &save),
    ]))
    .await;
    let counters = app.counters("song").await;
    assert_eq!((&counters["netLikes"], &counters["netSaves"]), (&json!(0), &json!(1)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn like_across_sign_in_counts_once_in_any_order() {
    let app = App::start().await;
    let before = |track: &str| {
        let mut before = like("before", "like", &seconds_ago(60), "s1");
        before["trackId"] = json!(track);
        before
    };
    let word = |track: &str, id: &str, action: &str, at: i64| {
        let mut word = like(id, action, &seconds_ago(at), "s1");
        word["trackId"] = json!(track);
        word["anonymousId"] = json!("dev");
        word
    };
    let likes = async |track: &str| app.counters(track).await["netLikes"].clone();
    // Liked, signed in, liked.
    app.post(&json!([before("a")])).await;
    app.post_as("student", &json!([word("a", "after", "like", 30)])).await;
    assert_eq!(likes("a").await, 1);
    // It is the person's like now: the session can no longer take it back, the person can from anywhere.
    app.post(&json!([word("a", "not mine", "unlike", 20)])).await;
    assert_eq!(likes("a").await, 1);
    app.post_as("student", &json!([like("mine", "unlike", &seconds_ago(10), "s9")])).await;
    let mut mine = like("mine", "unlike", &seconds_ago(10), "s9");
    mine["trackId"] = json!("a");
    app.post_as("student", &json!([mine])).await;
    assert_eq!(likes("a").await, 0);

    // The session's earlier event arrives last.
    app.post_as("student", &json!([word("b", "after", "like", 30)])).await;
    app.post(&json!([before("b")])).await;
    assert_eq!(likes("b").await, 1);

    // The very same event is sent again with a token.
    let same = before("c");
    app.post(&json!([same])).await;
    app.post_as("student", &json!([same])).await;
    app.post(&json!([same])).await;
    assert_eq!(likes("c").await, 1);

    // A person takes back what the session and the device had liked.
    let mut device = word("d", "device", "like", 50);
    device["sessionId"] = json!("s2");
    app.post(&json!([before("d"), device])).await;
    assert_eq!(likes("d").await, 2);
    app.post_as("student", &json!([word("d", "no", "unlike", 40)])).await;
    assert_eq!(likes("d").await, 0);
    // Two persons in one session are two.
    app.post_as("student", &json!([word("d", "yes", "like", 30)])).await;
    app.post_as("artist", &json!([word("d", "yes", "like", 20)])).await;
    assert_eq!(likes("d").await, 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_event_ids_of_different_sessions_count_separately() {
    let app = App::start().await;
    let at = now();
    let of = |kind: &Value, session: &str| {
        let mut event = event("one", kind);
        event["timestamp"] = json!(at);
        event["sessionId"] = json!(session);
        event
    };
    for kind in [
        json!({}),
        json!({"type": "share", "platform": "embed"}),
        json!({"type": "download"}),
        json!({"type": "like", "action": "like"}),
        json!({"type": "save", "action": "save", "playlistId": "mix"}),
    ] {
        let answer = app.post(&json!([of(&kind, "s1"), of(&kind, "s2"), of(&kind, "s3")])).await;
        assert_eq!((&answer.body["accepted"], &answer.body["notices"]), (&json!(3), &json!([])), "{answer:?}");
    }
    let counters = app.counters("song").await;
    for count in ["totalPlays", "totalShares", "totalDownloads", "netLikes", "netSaves"] {
        assert_eq!(counters[count], 3, "{count}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_repeated_event_ids_in_batch() {
    let app = App::start().await;
    let (at, before) = (seconds_ago(10), seconds_ago(20));
    let of = |at: &str, duration: u8| event("e", &json!({"timestamp": at, "duration": duration}));
    let body = json!([of(&at, 30), of(&at, 30), of(&at, 40), of(&before, 30)]).to_string();
    let answer = send(&app, &[], body).await;
    assert_eq!(answer.body["accepted"], 4);
    let told: Vec<_> = answer.body["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| (notice["index"].as_u64().unwrap(), notice["code"].as_str().unwrap(), &notice["firstIndex"]))
        .collect();
    let first = &json!(0);
    assert_eq!(told, [(1, "repeated", first), (2, "contentDiffers", first), (3, "idReused", first)]);
    // Two events: of the first, what came last counts.
    let counters = app.counters("song").await;
    assert_eq!((&counters["totalPlays"], &counters["totalDurationSeconds"]), (&json!(2), &json!(70)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_unicode_or_number_rejects_only_its_event() {
    let app = App::start().await;
    let with = |id: &str, field: &str| event(id, &json!({})).to_string().replacen('{', &format!("{{{field},"), 1);
    let events = [
        with("a", r#""note": "whole""#),
        with("b", r#""note": "cut \ud83d""#),
        with("c", r#""deep": {"number": [1e400, -1e999]}"#),
        with("d", r#""playId": "\udc00""#),
        with("e", r#""completionRate": 1e400"#),
        with("f", r#""\ud83d": 1"#),
    ];
    let answer = send(&app, &[], format!("{{\"events\": [{}]}}", events.join(","))).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(4)), "{answer:?}");
    let rejected: Vec<_> = answer.body["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["index"].as_u64().unwrap(), one["id"].as_str().unwrap(), one["field"].as_str().unwrap()))
        .collect();
    assert_eq!(rejected, [(3, "d", "playId"), (4, "e", "completionRate")]);
    assert_eq!(app.counters("song").await["totalPlays"], 4);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_all_errors_of_event_together() {
    let app = App::start().await;
    let bad = event("a b", &json!({"trackId": 7, "duration": 86_401, "source": "radio"}));
    let answer = send(&app, &[], json!([bad, {}]).to_string()).await;
    let fields = |rejected: &Value| -> Vec<String> {
        let errors = rejected["errors"].as_array().unwrap().iter();
        errors.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    };
    let rejected = &answer.body["rejected"];
    assert_eq!(fields(&rejected[0]), ["id", "trackId", "source", "duration"]);
    assert_eq!(fields(&rejected[1]), ["type", "id", "trackId", "sessionId", "timestamp"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_imports_events_of_other_users() {
    let app = App::start().await;
    let at = |minutes: i64| ago(TimeDelta::days(40) + TimeDelta::minutes(minutes));
    let of = |id: &str, minutes: i64, patch: &Value| {
        let mut event = event(id, patch);
        event["trackId"] = json!("old");
        event["timestamp"] = json!(at(minutes));
        event
    };
    // Without a user, two devices listen and two sessions like.
    let answer = app
        .post_as(
            "admin",
            &json!([
                of("1", 9, &json!({"sessionId": "s1", "anonymousId": "d1"})),
                of("2", 8, &json!({"sessionId": "s2", "anonymousId": "d2"})),
                of("3", 7, &json!({"type": "like", "action": "like", "sessionId": "s1"})),
                of("4", 6, &json!({"type": "like", "action": "like", "sessionId": "s2"})),
            ]),
        )
        .await;
    assert_eq!(answer.body["accepted"], 4, "{answer:?}");
    let numbers = analytics(&app, "old").await;
    let told =
        ["totalPlays", "uniquePlays", "uniqueListeners", "totalLikes"].map(|name| number(&numbers, name).unwrap());
    assert_eq!(told, [&json!(2), &json!(2), &json!(2), &json!(2)]);

    // Two persons are named, in one session of one browser.
    let agent = "Mozilla/5.0 (X11; Linux x86_64)";
    let named = |id: &str, user: &str, patch: Value| {
        let mut event = of(id, 5, &patch);
        event["userId"] = json!(user);
        event["sessionId"] = json!("s9");
        event["userAgent"] = json!(agent);
        event["country"] = json!("IN");
        event
    };
    let liked = || json!({"type": "like", "action": "like"});
    app.post_as(
        "admin",
        &json!([
            named("5", "ann", json!({})),
            named("5", "bob", json!({})),
            named("6", "ann", liked()),
            named("6", "bob", liked()),
        ]),
    )
    .await;
    let numbers = analytics(&app, "old").await;
    let told = ["totalPlays", "uniqueListeners", "totalLikes"].map(|name| number(&numbers, name).unwrap());
    assert_eq!(told, [&json!(4), &json!(4), &json!(4)]);
    let facts = facts(&app);
    assert!(facts.iter().all(|fact| fact["m"]["BOOL"] == true && fact["n"].is_null()), "{facts:?}");
    let ann = facts.iter().find(|fact| fact["sk"]["S"].as_str().unwrap().ends_with("#u:ann")).unwrap();
    assert_eq!(
        (&ann["g"]["S"], &ann["y"]["S"]),
        (&json!("\u{5})"), &json!("IN")),
        "{agent:?}, with its usual part put short"
    );

    // The user that an admin names must be valid; from other callers the field is ignored.
    let bad = json!([event("7", &json!({"userId": "a b", "country": "ZZ", "userAgent": 1}))]).to_string();
    let refused = send(&app, &[("authorization", &app.token("admin"))], bad.clone()).await;
    assert_eq!(refused.body["rejected"][0]["errors"].as_array().unwrap().len(), 3, "{refused:?}");
    let taken = send(&app, &[("authorization", &app.token("student"))], bad).await;
    assert_eq!(taken.body["accepted"], 1, "{taken:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_event_before_epoch_or_longer_than_a_day() {
    let app = App::start().await;
    let refused = |field: &'static str, patch: Value| {
        let app = &app;
        async move {
            let answer = app.post_as("admin", &json!([event("e", &patch)])).await;
            assert_eq!(
                (&answer.body["accepted"], &answer.body["rejected"][0]["field"]),
                (&json!(0), &json!(field)),
                "{answer:?}"
            );
        }
    };
    for time in ["1969-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z", "1970-01-01T00:59:59+01:00"] {
        refused("timestamp", json!({"timestamp": time})).await;
    }
    refused("duration", json!({"duration": 86_400.001})).await;
    refused("duration", json!({"duration": 1e9})).await;
    let first = event("e", &json!({"timestamp": "1970-01-01T00:00:00Z", "duration": 86_400}));
    assert_eq!(app.post_as("admin", &json!([first])).await.body["accepted"], 1);
    let counters = app.counters("song").await;
    assert_eq!((&counters["totalPlays"], &counters["totalDurationSeconds"]), (&json!(1), &json!(86_400)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn country_header_requires_trusted_edge() {
    for (trusted, expected) in [("false", json!([null, null, null])), ("true", json!(["DE", null, null]))] {
        let app = App::start_with(|options| {
            options.parameters.insert("TrustViewerCountry".to_owned(), trusted.to_owned());
        })
        .await;
        for (session, country) in [("1", "DE"), ("2", "ZZ"), ("3", "de")] {
            let body = json!([event("e", &json!({"sessionId": session}))]).to_string();
            send(&app, &[("cloudfront-viewer-country", country)], body).await;
        }
        let mut kept = facts(&app);
        // A session without a person or a device is named by the key alone.
        kept.sort_by_key(|fact| fact["sk"]["S"].as_str().unwrap().rsplit(':').next().unwrap().to_owned());
        let countries: Vec<&Value> = kept.iter().map(|fact| &fact["y"]["S"]).collect();
        assert_eq!(json!(countries), expected, "{trusted}");
        app.settled().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_plays_merge_start_and_end() {
    let app = App::start().await;
    app.put_track("artist", "song", &[], &json!({"title": "Song", "durationSeconds": 60})).await;
    let at = now();
    let end = |id: &str, patch: &Value| {
        let mut event = event(id, patch);
        event["playId"] = json!("p");
        event["timestamp"] = json!(at);
        event
    };
    app.post(&json!([
        end("start", &json!({"duration": null})),
        end("end", &json!({"duration": null, "completionRate": 42})),
    ]))
    .await;
    app.settled().await;
    let dashboard = async || {
        let path = "/api/dashboard/stats?timeRange=24h";
        let answer = app.send(Method::GET, path, &[("authorization", &app.token("artist"))], "").await;
        answer.body["recentActivity"]["plays"].clone()
    };
    let plays = dashboard().await;
    assert_eq!((plays.as_array().unwrap().len(), &plays[0]["completionRate"]), (1, &json!(42.0)), "{plays}");
    assert_eq!(plays[0]["durationSeconds"], Value::Null);
    app.post_as("student", &json!([end("third", &json!({"duration": 12}))])).await;
    app.settled().await;
    let plays = dashboard().await;
    assert_eq!((plays.as_array().unwrap().len(), &plays[0]["durationSeconds"]), (1, &json!(12)), "{plays}");
    app.finish().await;
}
