//! Quotas: what one caller may send, and that a flood delays no other caller's events.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::entity::{Bucket, Entity};
use domain::time::Time;
use http::Method;
use local::cloud::Options;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use store::Deferrals;
use tokio::time::Instant;

use crate::contract::{assert_response_matches, contract};
use crate::support::app::{Answer, App, event};
use crate::support::clock::OffsetClock;
use crate::support::stage::Stage;

/// The time when everything begins: far from the end of a minute and of a day.
const BEGIN: &str = "2026-04-10T12:00:05.000Z";

/// A cloud with limits, at a time of its own.
struct Limited {
    app: App,
    clock: Arc<OffsetClock>,
}

impl Limited {
    async fn start(parameters: &[(&str, &str)]) -> Self {
        let clock = Arc::new(OffsetClock::default());
        clock.set_time(BEGIN.parse::<DateTime<Utc>>().unwrap());
        let change = |options: &mut Options| {
            options.clock = clock.clone();
            options.schedules = false;
            options.parameters.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        };
        Self { app: App::start_with(change).await, clock: clock.clone() }
    }

    /// Puts the clock forward by so much since the beginning.
    fn later(&self, by: TimeDelta) {
        self.clock.set_time(BEGIN.parse::<DateTime<Utc>>().unwrap() + by);
    }

    async fn post(&self, events: &[Value]) -> Answer {
        let answer = self.app.post(&json!(events)).await;
        assert_response_matches(&contract(), &Method::POST, "/api/stats/events", &answer);
        answer
    }

    /// What the API knows of the plays of a track.
    async fn plays(&self, track: &str) -> u64 {
        self.app.get_track(track).await.body["counters"]["totalPlays"].as_u64().unwrap_or_default()
    }
}

/// Plays of a track, all of one session and at one time.
fn bomb(track: &str, prefix: &str, count: usize, at: &str) -> Vec<Value> {
    let play = |number| {
        event(&format!("{prefix}{number}"), &json!({"trackId": track, "timestamp": at, "sessionId": "bomber"}))
    };
    (0..count).map(play).collect()
}

/// The places of events that were refused, each because of a limit.
fn limited(answer: &Answer) -> Vec<u64> {
    let refused = answer.body["rejected"].as_array().unwrap();
    let place = |refused: &Value| {
        assert_eq!(refused["reason"], "limit", "{answer:?}");
        assert!(refused["retryAfterSeconds"].as_u64().is_some_and(|seconds| seconds > 0), "{answer:?}");
        refused["index"].as_u64().unwrap()
    };
    let places: Vec<u64> = refused.iter().map(place).collect();
    assert_eq!(answer.status.as_u16(), if places.is_empty() { 200 } else { 207 }, "{answer:?}");
    assert_eq!(!places.is_empty(), answer.headers.contains_key("retry-after"), "{answer:?}");
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn network_quota_per_track_minute_names_rejected_events() {
    let limits = Limited::start(&[("Quotas", "network=100/20")]).await;
    let events = bomb("song", "e", 50, BEGIN);
    let answer = limits.post(&events).await;
    // Ten events of a session are what a listener sends, the rest is bulk: each has a share.
    assert_eq!((answer.body["accepted"].as_u64(), limited(&answer)), (Some(30), (30..50).collect()));
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
    assert_eq!(limits.app.items("EventsTable"), 30);

    // Repeated, accepted events are accepted, rejected ones are rejected, and nothing more is written.
    let again = limits.post(&events).await;
    assert_eq!((again.body["accepted"].as_u64(), limited(&again)), (Some(30), (30..50).collect()));
    assert_eq!(limits.app.items("EventsTable"), 30);

    // Another minute and another track have their own shares of what the network may send in all.
    let other = bomb("other", "o", 15, BEGIN);
    assert_eq!(limited(&limits.post(&other).await), Vec::<u64>::new());
    assert_eq!(limits.app.counters("song").await["totalPlays"], 30);
    assert_eq!(limits.app.counters("other").await["totalPlays"], 15);

    // When the time is over that the answer names, more is taken.
    limits.later(TimeDelta::seconds(i64::try_from(seconds).unwrap() + 1));
    let later = limits.post(&events).await;
    assert_eq!((later.body["accepted"].as_u64(), limits.app.items("EventsTable")), (Some(50), 65), "{later:?}");
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_quota_holds_across_requests() {
    let limits = Limited::start(&[("Quotas", "network=60/1000")]).await;
    let mut accepted = 0;
    for round in 0..30 {
        let plays: Vec<Value> = (0..5)
            .map(|number| {
                let (id, track) = (format!("{round}.{number}"), format!("t{round}.{number}"));
                event(&id, &json!({"trackId": track, "sessionId": track, "timestamp": BEGIN}))
            })
            .collect();
        accepted += limits.post(&plays).await.body["accepted"].as_u64().unwrap();
    }
    assert_eq!((accepted, limits.app.items("EventsTable")), (60, 60));
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_sender_leaves_quota_to_listeners() {
    let limits = Limited::start(&[("Quotas", "key=300/300,network=300/300,session=2000/2000")]).await;
    let mut accepted = 0;
    for round in 0..20 {
        let plays = bomb(&format!("bomb{round}"), &format!("{round}."), 100, BEGIN);
        accepted += limits.post(&plays).await.body["accepted"].as_u64().unwrap();
        let listened =
            event(&format!("q{round}"), &json!({"trackId": "quiet", "sessionId": "ann", "timestamp": BEGIN}));
        if round < 10 {
            assert_eq!(limits.post(&[listened]).await.body["accepted"], 1, "{round}");
        }
    }
    assert_eq!(accepted, 310);
    assert_eq!(limits.app.counters("quiet").await["totalPlays"], 10);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_minute_quota_renews_daily() {
    let limits = Limited::start(&[("Quotas", "network=100000/30")]).await;
    let at = "2026-04-10T09:00:00.000Z";
    let play = |id: String| event(&id, &json!({"sessionId": id, "timestamp": at}));
    let sent = |prefix: &str| (0..25).map(|number| play(format!("{prefix}{number}"))).collect::<Vec<Value>>();
    assert_eq!(limits.post(&sent("a")).await.body["accepted"], 25);
    let answer = limits.post(&sent("b")).await;
    assert_eq!(answer.body["accepted"], 5);
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!(seconds > 11 * 3600, "{answer:?}");
    limits.later(TimeDelta::minutes(5));
    assert_eq!(limits.post(&sent("c")).await.body["accepted"], 0);
    limits.later(TimeDelta::seconds(seconds + 60));
    assert_eq!(limits.post(&sent("c")).await.body["accepted"], 25);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_user_and_session_have_quotas_and_admin_has_none() {
    let quotas = "key=30/30,user=40/40,session=25/25";
    let limits = Limited::start(&[("Quotas", quotas)]).await;
    let plays = |prefix: &str, session: &str| -> Vec<Value> {
        let play = |number| event(&format!("{prefix}{number}"), &json!({"sessionId": session, "timestamp": BEGIN}));
        (0..50).map(play).collect()
    };
    for (prefix, session, accepted) in [("a", "one", 25), ("b", "two", 25), ("c", "three", 10), ("d", "four", 0)] {
        assert_eq!(limits.post(&plays(prefix, session)).await.body["accepted"], accepted, "{prefix}");
    }
    for (role, accepted) in [("student", 40), ("artist", 40), ("admin", 50)] {
        let answer = limits.app.post_as(role, &json!(plays(role, "five"))).await;
        assert_eq!(answer.body["accepted"], accepted, "{answer:?}");
    }
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_quota_limits_anonymous_likes_but_not_unlikes() {
    let limits = Limited::start(&[("Quotas", "likes=100/5")]).await;
    let word = |session: usize, action: &str, at: &str| {
        let patch = json!({"type": "like", "action": action, "sessionId": format!("s{session}"), "timestamp": at});
        event(&format!("{action}{session}"), &patch)
    };
    let likes: Vec<Value> = (0..12).map(|session| word(session, "like", BEGIN)).collect();
    let answer = limits.post(&likes).await;
    assert_eq!((answer.body["accepted"].as_u64(), limited(&answer)), (Some(5), (5..12).collect()));
    // What counted before counts as sent, and uses nothing up.
    for _ in 0..3 {
        assert_eq!(limits.post(&likes[..5]).await.body["accepted"], 5);
    }
    assert_eq!(limits.app.counters("song").await["netLikes"], 5);
    let person = word(20, "like", BEGIN);
    assert_eq!(limits.app.post_as("student", &json!([person])).await.body["accepted"], 1);
    let unlikes: Vec<Value> = (0..5).map(|session| word(session, "unlike", "2026-04-10T12:00:06.000Z")).collect();
    assert_eq!(limits.post(&unlikes).await.body["accepted"], 5);
    assert_eq!(limits.app.counters("song").await["netLikes"], 1);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_quota_limits_anonymous_product_views() {
    let limits = Limited::start(&[("Quotas", "views=100/3")]).await;
    let app = &limits.app;
    let product = json!({"productId": "mug", "title": "Mug", "price": 999, "currency": "USD"});
    let headers = [("content-type", "application/json"), ("authorization", &app.token("seller"))];
    let made = app.send(Method::POST, "/api/products", &headers, product.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let view = async |session: &str| {
        let headers = [("content-type", "application/json"), ("x-write-key", app.cloud.write_key())];
        let body = json!({"sessionId": session}).to_string();
        app.send(Method::POST, "/api/products/mug/views", &headers, body).await.body["counted"].clone()
    };
    for (session, counted) in [("a", true), ("a", false), ("b", true), ("b", false), ("c", true), ("d", false)] {
        assert_eq!(view(session).await, counted, "{session}");
    }
    limits.later(TimeDelta::days(1));
    assert_eq!(view("d").await, true);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_bucket_is_deferred_once_and_blocks_nothing() {
    let limits = Limited::start(&[("HotBucketFacts", "20"), ("HotBucketDelaySeconds", "900")]).await;
    let app = &limits.app;
    for round in 0..10 {
        limits.post(&bomb("bomb", &format!("{round}."), 100, BEGIN)).await;
        let listened = event(&format!("quiet{round}"), &json!({"trackId": "quiet", "timestamp": BEGIN}));
        limits.post(&[listened]).await;
        // The listener's play is seen while the bomb's minute still waits.
        while limits.plays("quiet").await < round + 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    assert_eq!(app.queue_depth("CounterDeferredQueue"), 1);
    assert!(limits.plays("bomb").await < 1000);
    limits.later(TimeDelta::minutes(16));
    assert_eq!(app.counters("bomb").await["totalPlays"], 1000);
    assert_eq!(app.queue_depth("CounterDeferredQueue"), 0);

    // What arrives after the fold is deferred again.
    limits.post(&bomb("bomb", "late.", 50, BEGIN)).await;
    app.eventually("the minute is deferred again", || app.queue_depth("CounterDeferredQueue") == 1).await;
    limits.later(TimeDelta::minutes(32));
    assert_eq!(app.counters("bomb").await["totalPlays"], 1050);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_buckets_of_every_entity_are_deferred() {
    let limits = Limited::start(&[("HotBucketFacts", "10"), ("HotBucketDelaySeconds", "0")]).await;
    let app = &limits.app;
    let send = async |role: &str, method: Method, path: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("authorization", &app.token(role))];
        let answer = app.send(method, path, &headers, body.to_string()).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    };
    send("teacher", Method::PUT, "/api/quizzes/capitals", json!({"title": "Capitals"})).await;
    send(
        "seller",
        Method::POST,
        "/api/products",
        json!({"productId": "mug", "title": "Mug", "price": 5, "currency": "USD"}),
    )
    .await;
    for number in 0..25 {
        let attempt = json!({"attemptId": format!("a{number}"), "score": 1, "maxScore": 2});
        send("student", Method::POST, "/api/quizzes/capitals/attempt", attempt).await;
        let headers = [("content-type", "application/json"), ("x-write-key", app.cloud.write_key())];
        let body = json!({"sessionId": format!("s{number}")}).to_string();
        app.send(Method::POST, "/api/products/mug/views", &headers, body).await;
    }
    app.settled().await;
    let read = async |path: &str| app.send(Method::GET, path, &[], "").await.body;
    let quiz = read("/api/quizzes/capitals/stats").await;
    assert_eq!((&quiz["totalAttempts"], &quiz["averageScore"]), (&json!(25), &json!(50.0)), "{quiz}");
    let headers = [("authorization", app.token("seller"))];
    let headers = [(headers[0].0, headers[0].1.as_str())];
    let product = app.send(Method::GET, "/api/products/mug", &headers, "").await.body;
    assert_eq!(product["views"]["total"], 25, "{product}");
    limits.app.finish().await;
}

/// Only a message that was sent and not yet received stands for further records.
#[tokio::test]
async fn deferral_holds_until_its_message_is_received() {
    let stage = Stage::new(BEGIN.parse().unwrap());
    let boot = stage.boot("any", None, "UTC");
    let deferrals = || boot.open(|setup| Deferrals::open(setup, "any")).unwrap();
    let (one, other) = (deferrals(), deferrals());
    let bucket =
        Bucket { entity: Entity::Track("song".parse().unwrap()), minute: BEGIN.parse::<Time>().unwrap().minute() };
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let mark = async |deferrals: &Deferrals| deferrals.mark(&bucket, deadline).await.unwrap();

    // A mark whose sender crashed before it sent is not relied on.
    assert!(mark(&one).await.is_some());
    let sent = mark(&one).await.unwrap();
    one.confirm(&sent, deadline).await.unwrap();
    assert!(mark(&other).await.is_none());
    // Once the message is received, the next record sends another one.
    other.clear(&bucket, deadline).await.unwrap();
    let sent = mark(&one).await.unwrap();
    // Received before it is confirmed: the confirmation comes too late to count.
    other.clear(&bucket, deadline).await.unwrap();
    one.confirm(&sent, deadline).await.unwrap();
    assert!(mark(&other).await.is_some());
    // Two senders at once: the mark of the second one counts, while its message waits.
    let (first, second) = (mark(&one).await.unwrap(), mark(&other).await.unwrap());
    one.confirm(&first, deadline).await.unwrap();
    assert!(mark(&one).await.is_some_and(|third| {
        drop(third);
        true
    }));
    other.confirm(&second, deadline).await.unwrap();
    assert!(mark(&one).await.is_some());
    // A message that never comes is not waited for without end.
    let lost = mark(&one).await.unwrap();
    one.confirm(&lost, deadline).await.unwrap();
    assert!(mark(&other).await.is_none());
    stage.advance(TimeDelta::minutes(31));
    assert!(mark(&other).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn claiming_played_track_requires_admin() {
    let limits = Limited::start(&[]).await;
    let app = &limits.app;
    limits.post(&bomb("hit", "e", 3, BEGIN)).await;
    assert_eq!(app.counters("hit").await["totalPlays"], 3);
    let description = json!({"title": "Hit", "durationSeconds": 60});
    let claimed = app.put_track("artist", "hit", &[], &description).await;
    assert!(claimed.is_problem(409)["detail"].as_str().unwrap().contains("admin"), "{claimed:?}");
    assert_eq!(app.get_track("hit").await.body["artistId"], Value::Null);

    let of_another = json!({"title": "Hit", "durationSeconds": 60, "artistId": "ann"});
    assert_eq!(app.put_track("admin", "hit", &[], &of_another).await.status, 201);
    app.put_track("artist", "hit", &[], &description).await.is_problem(403);
    let approved = json!({"title": "Hit", "durationSeconds": 60, "artistId": "artist-1"});
    assert_eq!(app.put_track("admin", "hit", &[], &approved).await.status, 200);
    assert_eq!(app.put_track("artist", "hit", &[], &description).await.status, 200);
    // An unused track belongs to the first user who describes it.
    assert_eq!(app.put_track("artist", "fresh", &[], &description).await.status, 201);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn average_counts_first_daily_attempts_of_user() {
    let limits = Limited::start(&[("CountedAttempts", "3")]).await;
    let app = &limits.app;
    let send = async |role: &str, method: Method, path: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("authorization", &app.long_token(role))];
        app.send(method, path, &headers, body.to_string()).await
    };
    let made = send("teacher", Method::PUT, "/api/quizzes/capitals", json!({"title": "Capitals"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let attempt = async |role: &str, id: String, score: u64| {
        let path = "/api/quizzes/capitals/attempt";
        let answer = send(role, Method::POST, path, json!({"attemptId": id, "score": score, "maxScore": 10})).await;
        assert_response_matches(&contract(), &Method::POST, "/api/quizzes/{quizId}/attempt", &answer);
        (answer.status.as_u16(), answer.body["countsForAverage"].as_bool().unwrap())
    };
    for number in 0..50 {
        assert_eq!(attempt("student", format!("a{number}"), 10).await, (201, number < 3), "{number}");
    }
    assert_eq!(attempt("student", "a2".to_owned(), 10).await, (201, true));
    assert_eq!(attempt("student", "a3".to_owned(), 10).await, (201, false));
    assert_eq!(attempt("artist", "b".to_owned(), 0).await, (201, true));
    let stats = async || {
        app.settled().await;
        app.send(Method::GET, "/api/quizzes/capitals/stats", &[], "").await.body
    };
    let told = stats().await;
    assert_eq!((&told["totalAttempts"], &told["averageScore"]), (&json!(51), &json!(75.0)), "{told}");
    limits.later(TimeDelta::days(1));
    assert_eq!(attempt("student", "next day".replace(' ', "-"), 0).await, (201, true));
    let told = stats().await;
    assert_eq!((&told["totalAttempts"], &told["averageScore"]), (&json!(52), &json!(60.0)), "{told}");
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_route_answers_429_and_blocks_no_other() {
    let limits = Limited::start(&[("AnonymousRouteRate", "1"), ("AnonymousRouteBurst", "2")]).await;
    let app = &limits.app;
    let mut refused = None;
    for _ in 0..200 {
        let answer = app.get_track("song").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let refused = refused.unwrap();
    assert_response_matches(&contract(), &Method::GET, "/api/tracks/{trackId}", &refused);
    assert_eq!(refused.body, json!({"message": "Too Many Requests"}));
    assert_eq!(limits.post(&bomb("song", "e", 1, BEGIN)).await.body["accepted"], 1);
    limits.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_policy_denies_foreign_keys() {
    let limits = Limited::start(&[]).await;
    let cloud = &limits.app.cloud;
    let policy = Arc::new(cloud.template().functions["IngestEventsFunction"].policy.clone());
    let caller =
        ClientOptions { function: "ingest-events".to_owned(), policy: Some(policy), ..ClientOptions::default() };
    let state = cloud.table("StateTable").unwrap();
    let put = |pk: &str| {
        let request = json!({"TableName": state, "Item": {"pk": {"S": pk}, "sk": {"S": "x"}}});
        cloud.database().call("PutItem", &request.to_string(), &caller)
    };
    for foreign in ["TRACK#song", "USER#ann", "OWNER#u:ann", "ANSWERS#ann", "INBOX#ann", "PRODUCT#mug", "DISCOUNT#x"] {
        assert!(put(foreign).body.contains("AccessDeniedException"), "{foreign}");
    }
    assert!(put("ACTOR#s:one").is_ok());
    limits.app.finish().await;
}
