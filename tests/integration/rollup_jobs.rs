//! Rollups end to end: the schedule, the queue, the workers, and what the API answers before and after.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, TimeDelta};
use domain::time::Time;
use http::Method;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use crate::support::app::{App, event};
use crate::support::clock::OffsetClock;
use crate::support::data::access_log;
use crate::support::items::key;

/// A cloud whose time is put forward, and where only the test runs the dispatcher.
async fn start() -> (App, Arc<OffsetClock>) {
    let clock = Arc::new(OffsetClock::default());
    let app = App::start_with(|options| {
        options.clock = clock.clone();
        options.schedules = false;
    });
    (app.await, clock)
}

/// Runs the dispatcher until nothing is left to be closed.
async fn close(app: &App) -> u64 {
    let mut pieces = 0;
    loop {
        app.settled().await;
        let done = app.invoke("RollupDispatcherFunction", &json!({})).await.unwrap();
        let messages = done["messages"].as_u64().unwrap();
        if messages == 0 {
            return pieces;
        }
        pieces += messages;
    }
}

async fn analytics(app: &App, query: &str) -> Value {
    let token = app.long_token("admin");
    let path = format!("/api/stats/analytics?{query}");
    let answer = app.send(Method::GET, &path, &[("authorization", &token)], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn post(app: &App, events: &[Value]) {
    let token = app.long_token("admin");
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    for events in events.chunks(500) {
        let answer = app.send(Method::POST, "/api/stats/events", &headers, json!({"events": events}).to_string()).await;
        assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(events.len())), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_period_changes_no_answer() {
    let (app, clock) = start().await;
    // From noon in March, no step below ends more than its own period, whenever the test runs.
    let now = SystemClock.now();
    let noon = NaiveDate::from_ymd_opt(now.year() + 1, 3, 15).unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc();
    clock.set_offset(noon - now);
    let timestamp = Time::from(noon).to_string();
    let plays =
        [json!({"timestamp": timestamp}), json!({"timestamp": timestamp, "sessionId": "s2", "trackId": "tune"})];
    post(&app, &[event("a", &plays[0]), event("b", &plays[1])]).await;
    app.settled().await;
    let live = analytics(&app, "timeRange=all").await;
    assert_eq!((&live["metrics"]["plays"]["totalPlays"], &live["readFrom"]), (&json!(2), &json!(["live"])));

    // An hour later the hour is closed, a day later the day, and so on to the year.
    for (days, read) in [(0, "hour"), (2, "day"), (40, "month"), (400, "year")] {
        clock.set_offset(noon - now + TimeDelta::days(days) + TimeDelta::minutes(65));
        assert!(close(&app).await > 0, "nothing was closed after {days} days");
        let closed = analytics(&app, "timeRange=all").await;
        assert_eq!(closed["readFrom"], json!([read]), "after {days} days");
        assert_eq!(closed["metrics"], live["metrics"], "after {days} days");
        assert_eq!(app.counters("song").await["totalPlays"], 1, "after {days} days");
        assert_eq!(close(&app).await, 0, "closing again is nothing to do");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_answer_ends_at_last_closed_hour_with_too_many_active_tracks() {
    let (app, clock) = start().await;
    post(&app, &[event("a", &json!({}))]).await;
    clock.set_offset(TimeDelta::minutes(65));
    close(&app).await;
    let later = crate::support::app::ago(-TimeDelta::minutes(65));
    let crowd = |track| event("b", &json!({"trackId": format!("t{track}"), "timestamp": later}));
    post(&app, &(0..1_001).map(crowd).collect::<Vec<_>>()).await;
    app.settled().await;
    let told = analytics(&app, "timeRange=24h").await;
    assert_eq!((&told["metrics"]["plays"]["totalPlays"], &told["readFrom"]), (&json!(1), &json!(["hour"])), "{told}");
    assert_eq!(told["asOf"].as_str().unwrap()[13..], *":00:00.000Z", "it ends with an hour, and says so");
    assert!(told["asOf"].as_str().unwrap() <= later.as_str());
    assert_eq!(analytics(&app, "timeRange=24h&trackId=t7").await["metrics"]["plays"]["totalPlays"], 1);
    clock.set_offset(TimeDelta::minutes(130));
    close(&app).await;
    assert_eq!(analytics(&app, "timeRange=24h").await["metrics"]["plays"]["totalPlays"], 1_002);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_rollups_requires_admin() {
    let (app, clock) = start().await;
    post(&app, &[event("a", &json!({}))]).await;
    clock.set_offset(TimeDelta::days(2));
    close(&app).await;
    let body = |period: &str| json!({"interval": period, "from": crate::support::app::ago(TimeDelta::days(3)), "to": crate::support::app::now()});
    let again = async |token: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("authorization", token)];
        app.send(Method::POST, "/api/admin/rollups", &headers, body.to_string()).await
    };
    for period in ["hour", "day"] {
        let answer = again(&app.long_token("admin"), body(period)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body),
            (202, &json!({"messages": 1, "tracks": 1, "resumeAt": null})),
            "{answer:?}"
        );
    }
    app.settled().await;
    assert_eq!(analytics(&app, "timeRange=7d&trackId=song").await["metrics"]["plays"]["totalPlays"], 1);
    for role in ["artist", "student", "seller", "teacher"] {
        again(&app.long_token(role), body("day")).await.is_problem(403);
    }
    again("Bearer nobody", body("day")).await.is_problem(401);
    // Years of hours are refused before anything is looked up.
    let years = json!({"interval": "hour", "from": "2020-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"});
    let answer = again(&app.long_token("admin"), years).await;
    assert_eq!(answer.is_problem(422)["errors"][0]["field"], "to", "{answer:?}");
    for (field, value) in [("interval", json!("decade")), ("from", json!(7)), ("to", json!("2020-01-01T00:00:00Z"))] {
        let mut body = body("day");
        body[field] = value;
        let answer = again(&app.long_token("admin"), body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{answer:?}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_dead_lettered_and_succeeds_after_redrive() {
    let (app, clock) = start().await;
    let events: Vec<Value> = (0..5).map(|n| event(&format!("e{n}"), &json!({"trackId": format!("t{n}")}))).collect();
    post(&app, &events).await;
    app.settled().await;
    // The bucket of one track becomes something that no function of ours writes.
    let minute = events[3]["timestamp"].as_str().unwrap()[..16].to_owned();
    let get = |pk: &str, sk: &str| app.database("GetItem", "StatsTable", json!({"Key": key(pk, sk)}))["Item"].clone();
    let put = |item: &Value| app.database("PutItem", "StatsTable", json!({"Item": item}));
    let bucket = get("TRACK#t3", &format!("B#{minute}"));
    let mut broken = bucket.clone();
    broken["value"] = json!({"S": "garbage"});
    put(&broken);

    clock.set_offset(TimeDelta::minutes(70));
    app.invoke("RollupDispatcherFunction", &json!({})).await.unwrap();
    // Each try hides the message for six minutes; the fifth is the last. A message that is kept for four days must not grow
    // old while a slow machine tries.
    let mut minutes = 70;
    app.eventually("the poison is among the dead letters", || {
        minutes += 1;
        clock.set_offset(TimeDelta::minutes(minutes));
        app.queue_depth("RollupFailuresQueue") == 1
    })
    .await;
    for track in ["t0", "t1", "t2", "t4"] {
        let hour = get(&format!("TRACK#{track}"), &format!("H#{}:00", &minute[..13]));
        assert!(hour["asOf"].is_object(), "{track} was not closed: {hour}");
    }

    // Repaired and redriven, as the documentation describes.
    put(&bucket);
    let dead_letters = app.cloud.queue("RollupFailuresQueue").unwrap();
    let request = json!({"SourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead_letters}")}).to_string();
    let moved = app.cloud.queues().call("StartMessageMoveTask", &request, &ClientOptions::default()).await;
    assert!(moved.is_ok(), "{moved:?}");
    close(&app).await;
    let healed = analytics(&app, "timeRange=24h&trackId=t3").await;
    assert_eq!((&healed["readFrom"], &healed["metrics"]["plays"]["totalPlays"]), (&json!(["hour"]), &json!(1)));
    assert_eq!(analytics(&app, "timeRange=24h").await["metrics"]["plays"]["totalPlays"], 5);
    app.finish().await;
}

/// One day of the access log: requests, distinct sessions, and requests by source.
#[derive(Default)]
struct Day {
    plays: u64,
    sessions: std::collections::BTreeSet<String>,
    sources: std::collections::BTreeMap<String, u64>,
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_access_log), ignore = "needs ../shared/data/apache_access_10k.log; then touch tests/build.rs")]
async fn daily_rollups_match_access_log() {
    let text = access_log(usize::MAX);
    let (requests, _) = replay::access_log::read(&text);
    let site = replay::play::likely_site(&requests);
    let reading = replay::play::Reading { track_prefix: String::new(), site };
    let plays: Vec<Value> = requests.iter().map(|request| json!(reading.play(request))).collect();
    let mut days = std::collections::BTreeMap::<String, Day>::new();
    let mut all = Day::default();
    for play in &plays {
        let date = play["timestamp"].as_str().unwrap()[..10].to_owned();
        for day in [days.entry(date).or_default(), &mut all] {
            day.plays += 1;
            day.sessions.insert(play["sessionId"].as_str().unwrap().to_owned());
            *day.sources.entry(play["source"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let (app, _clock) = start().await;
    let before = crate::support::app::now();
    post(&app, &plays).await;
    app.settled().await;
    for closed in [false, true] {
        if closed {
            assert!(close(&app).await > 0);
        }
        let (from, to) = (days.keys().next().unwrap(), days.keys().last().unwrap());
        let to = chrono::NaiveDate::parse_from_str(to, "%Y-%m-%d").unwrap().succ_opt().unwrap();
        let told = analytics(&app, &format!("from={from}T00:00:00Z&to={to}T00:00:00Z&metric=plays&interval=day")).await;
        if closed {
            assert!(told["readFrom"].as_array().unwrap().iter().all(|read| read != "live"), "{}", told["readFrom"]);
        }
        let points = told["series"]["points"].as_array().unwrap();
        assert_eq!(points.len(), days.len());
        if !closed {
            // Too many hours of tracks came late for this answer, and `asOf` shows it.
            let as_of = told["asOf"].as_str().unwrap();
            assert!(before.as_str() <= as_of && as_of < crate::support::app::now().as_str(), "{as_of}");
            let plays = told["metrics"]["plays"]["totalPlays"].as_u64().unwrap();
            assert!(plays > 500 && plays < all.plays, "{plays}");
            continue;
        }
        for (point, (date, day)) in points.iter().zip(&days) {
            assert!(point["from"].as_str().unwrap().starts_with(date));
            is_what_the_file_says(&point["plays"], day, date);
        }
        is_what_the_file_says(&told["metrics"]["plays"], &all, "all days");
    }
    app.finish().await;
}

fn is_what_the_file_says(told: &Value, day: &Day, name: &str) {
    assert_eq!(told["totalPlays"], day.plays, "{name}");
    let sources: std::collections::BTreeMap<String, u64> = told["sourceBreakdown"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(source, plays)| (source.clone(), plays.as_u64().unwrap()))
        .filter(|(_, plays)| *plays > 0)
        .collect();
    assert_eq!(sources, day.sources, "{name}");
    let (sessions, told_sessions) = (day.sessions.len() as f64, told["uniquePlays"].as_f64().unwrap());
    if told["uniques"]["uniquePlays"]["exact"] == true {
        assert_eq!(told_sessions, sessions, "{name}");
    } else {
        let error = told["uniques"]["uniquePlays"]["standardError"].as_f64().unwrap();
        assert!((told_sessions / sessions - 1.0).abs() <= 3.0 * error, "{name}: {told_sessions} of {sessions}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_fact_is_added_to_hour_with_expired_buckets() {
    let (app, clock) = start().await;
    let hour = Time::from(SystemClock.now()).plus(-TimeDelta::hours(2)).hour();
    let play = |id: &str, minute: u32| {
        let at = hour.minute(minute).unwrap().start().to_string();
        event(id, &json!({"timestamp": at, "sessionId": format!("s-{id}")}))
    };
    let plays = async |after: &str, expected: u64| {
        app.settled().await;
        let told = analytics(&app, "timeRange=all&trackId=song").await;
        assert_eq!(told["metrics"]["plays"]["totalPlays"], expected, "{after}: {told}");
        assert_eq!(told["metrics"]["plays"]["uniquePlays"], expected, "{after}: {told}");
        assert_eq!(app.counters("song").await["totalPlays"], expected, "{after}");
    };
    let call = |operation: &str, request: Value| app.database(operation, "StatsTable", request);
    let minutes = || {
        let keys = app.scan("StatsTable").into_iter().map(|item| json!({"pk": item["pk"], "sk": item["sk"]}));
        keys.filter(|key| key["sk"]["S"].as_str().unwrap().starts_with("B#")).collect::<Vec<Value>>()
    };
    let sweep = || app.cloud.database().sweep_expired(clock.now().timestamp()).unwrap();
    let again = async || {
        let token = app.long_token("admin");
        let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
        let span = json!({"interval": "hour", "from": crate::support::app::ago(TimeDelta::days(1)), "to": crate::support::app::now()});
        let answer = app.send(Method::POST, "/api/admin/rollups", &headers, span.to_string()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["tracks"].as_u64().unwrap()
    };

    let recent = async || {
        let token = app.long_token("artist");
        let path = "/api/dashboard/stats?timeRange=90d";
        let answer = app.send(Method::GET, path, &[("authorization", token.as_str())], "").await;
        answer.body["recentActivity"]["plays"].as_array().unwrap().len()
    };

    let described = json!({"title": "Song", "artistId": "artist-1", "durationSeconds": 60});
    assert!(app.put_track("admin", "song", &[], &described).await.status.is_success());
    post(&app, &[play("a", 5), play("b", 20)]).await;
    app.settled().await;
    clock.set_offset(TimeDelta::days(20));
    close(&app).await;
    plays("closed", 2).await;
    assert_eq!(minutes().len(), 2);
    clock.set_offset(TimeDelta::days(40));
    close(&app).await;
    sweep();
    assert_eq!(minutes().len(), 0, "minutes expire when nothing needs them any more");
    plays("minutes have expired", 2).await;
    assert_eq!(recent().await, 2, "what happened last is told by facts");

    post(&app, &[play("c", 20)]).await;
    plays("a late fact is told at once", 3).await;
    assert_eq!(minutes().len(), 2, "the other minute of the hour is back");
    close(&app).await;
    plays("a late fact is closed", 3).await;

    // Without its buckets an hour stays unchanged when it is closed again.
    clock.set_offset(TimeDelta::days(60));
    for key in minutes() {
        call("DeleteItem", json!({"Key": key}));
    }
    assert!(again().await > 0, "nothing was closed again");
    close(&app).await;
    plays("closed again without minutes", 3).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_fact_beside_corrupt_fact_is_set_aside_and_blocks_nothing() {
    let (app, clock) = start().await;
    let hour = Time::from(SystemClock.now()).plus(-TimeDelta::hours(2)).hour();
    let play = |id: &str, minute: u32| {
        let at = hour.minute(minute).unwrap().start().to_string();
        event(id, &json!({"timestamp": at, "sessionId": format!("s-{id}")}))
    };
    post(&app, &[play("a", 5), play("b", 20)]).await;
    app.settled().await;
    clock.set_offset(TimeDelta::days(20));
    close(&app).await;
    clock.set_offset(TimeDelta::days(40));
    close(&app).await;
    app.cloud.database().sweep_expired(clock.now().timestamp()).unwrap();

    let is_of_b = |item: &Value| item["sk"]["S"].as_str().unwrap().starts_with("20:");
    let mut spoiled = app.scan("EventsTable").into_iter().find(is_of_b).unwrap();
    spoiled["d"] = json!({"S": "spoiled"});
    app.database("PutItem", "EventsTable", json!({"Item": spoiled}));
    app.settled().await;
    assert_eq!(app.queue_depth("CounterFailuresQueue"), 1, "the fact itself");

    post(&app, &[play("c", 5)]).await;
    app.settled().await;
    assert_eq!(app.queue_depth("CounterFailuresQueue"), 2, "and what cannot be folded without it");
    let fresh = event("d", &json!({"timestamp": clock.now().to_rfc3339(), "trackId": "other"}));
    post(&app, &[fresh]).await;
    assert_eq!(app.counters("other").await["totalPlays"], 1);
    app.finish_with_failures(&["CounterFailuresQueue"]).await;
}
