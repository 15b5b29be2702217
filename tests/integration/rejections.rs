//! Bad input: a clear problem with the right status, no panic, nothing written.

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{App, event, now};

async fn nothing_was_written(app: &App) {
    app.settled().await;
    for table in ["EventsTable", "StateTable", "StatsTable"] {
        assert_eq!(app.items(table), 0, "something was written to {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_malformed_batches() {
    let app = App::start().await;
    let key = app.cloud.write_key().to_owned();
    let many = json!((0..1001).map(|n| event(&format!("e{n}"), &json!({}))).collect::<Vec<_>>()).to_string();
    let deep = "[".repeat(200_000);
    let large = format!("[{}]", json!("x".repeat(2 * 1024 * 1024)));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("\u{0}", 400),
        ("{\"events\": [}", 400),
        (deep.as_str(), 400),
        ("null", 422),
        ("\"events\"", 422),
        ("{}", 422),
        ("[]", 422),
        ("{\"events\": {}}", 422),
        ("{\"events\": []}", 422),
        (many.as_str(), 422),
        (large.as_str(), 413),
    ] {
        let headers = [("content-type", "application/json"), ("x-write-key", key.as_str())];
        let answer = app.send(Method::POST, "/api/stats/events", &headers, body.to_owned()).await;
        let problem = answer.is_problem(status);
        if status == 422 {
            assert_eq!(problem["errors"][0]["field"], "events", "{problem}");
        }
    }
    for content_type in ["application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"] {
        let headers = [("content-type", content_type), ("x-write-key", key.as_str())];
        let body = json!([event("e", &json!({}))]).to_string();
        app.send(Method::POST, "/api/stats/events", &headers, body).await.is_problem(415);
    }
    let not_utf8 = [&b"[\""[..], &[0xff, 0xfe], b"\"]"].concat();
    let headers = [("content-type", "application/json"), ("x-write-key", key.as_str())];
    app.send(Method::POST, "/api/stats/events", &headers, not_utf8).await.is_problem(400);
    nothing_was_written(&app).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_events_individually() {
    let app = App::start().await;
    let wrong = [
        (json!(7), "event"),
        (json!(null), "event"),
        (json!([]), "event"),
        (json!({}), "type"),
        (event("e", &json!({"type": "dance"})), "type"),
        (event("e", &json!({"type": {"deep": [[[[]]]]}})), "type"),
        (event("e", &json!({"id": "x".repeat(200_000)})), "id"),
        (event("a\u{0}b", &json!({})), "id"),
        (event("e", &json!({"trackId": "a\nb"})), "trackId"),
        (event("e", &json!({"trackId": "../../etc"})), "trackId"),
        (event("e", &json!({"sessionId": ""})), "sessionId"),
        (event("e", &json!({"timestamp": "2026-02-30T00:00:00Z"})), "timestamp"),
        (event("e", &json!({"timestamp": 1_790_000_000})), "timestamp"),
        (event("e", &json!({"source": "radio"})), "source"),
        (event("e", &json!({"duration": -0.1})), "duration"),
        (event("e", &json!({"duration": "30"})), "duration"),
        (event("e", &json!({"completionRate": 101})), "completionRate"),
        (event("e", &json!({"skipped": 1})), "skipped"),
    ];
    let events: Vec<&Value> = wrong.iter().map(|(event, _)| event).collect();
    let answer = app.post(&json!(events)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (200, &json!(0)), "{answer:?}");
    for (index, (rejected, (event, field))) in
        answer.body["rejected"].as_array().unwrap().iter().zip(&wrong).enumerate()
    {
        assert_eq!((&rejected["index"], &rejected["field"]), (&json!(index), &json!(field)), "{event:.200} {rejected}");
    }
    nothing_was_written(&app).await;

    let mut mixed: Vec<Value> = wrong.iter().map(|(event, _)| event.clone()).collect();
    mixed.push(event("good", &json!({})));
    assert_eq!(app.post(&json!(mixed)).await.body["accepted"], 1);
    assert_eq!(app.counters("song").await["totalPlays"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_unknown_callers() {
    let app = App::start().await;
    let body = json!([event("e", &json!({}))]).to_string();
    let json = ("content-type", "application/json");
    let good = app.token("artist");
    let forged = format!("{}x", &good[..good.len() - 1]);
    let [header, payload, _] = good.trim_start_matches("Bearer ").split('.').collect::<Vec<_>>().try_into().unwrap();
    // {"alg":"none","typ":"JWT"}
    let none = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    let unsigned = format!("Bearer {header}.{payload}.");
    for credentials in [forged.as_str(), &none, &unsigned, "Bearer ", "Bearer a.b.c", "Basic eDp5", "x", &good[7..]] {
        let headers = [json, ("authorization", credentials)];
        let answer = app.send(Method::POST, "/api/stats/events", &headers, body.clone()).await;
        answer.is_problem(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        let track = json!({"title": "Song", "durationSeconds": 60}).to_string();
        app.send(Method::PUT, "/api/tracks/song", &headers, track).await.is_problem(401);
    }
    // A token that is no good is not made up for by a key that is.
    let key = app.cloud.write_key().to_owned();
    let both = [json, ("authorization", forged.as_str()), ("x-write-key", key.as_str())];
    app.send(Method::POST, "/api/stats/events", &both, body.clone()).await.is_problem(401);
    app.send(Method::POST, "/api/stats/events", &[json, ("x-write-key", "revoked")], body.clone())
        .await
        .is_problem(401);
    app.send(Method::POST, "/api/stats/events?writeKey=", &[json], body.clone()).await.is_problem(401);
    app.send(Method::POST, "/api/stats/events", &[json], body).await.is_problem(401);
    // A write key is valid for events only, and the gateway requires a token where one is needed.
    let answer = app.send(Method::PUT, "/api/tracks/song", &[json, ("x-write-key", key.as_str())], "{}").await;
    assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
    nothing_was_written(&app).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_and_foreign_tracks() {
    let app = App::start().await;
    let good = json!({"title": "Song", "durationSeconds": 60});
    for (body, field) in [
        (json!([]), "body"),
        (json!({"durationSeconds": 60}), "title"),
        (json!({"title": "", "durationSeconds": 60}), "title"),
        (json!({"title": "a\u{7}", "durationSeconds": 60}), "title"),
        (json!({"title": "x".repeat(301), "durationSeconds": 60}), "title"),
        (json!({"title": "Song"}), "durationSeconds"),
        (json!({"title": "Song", "durationSeconds": 0}), "durationSeconds"),
        (json!({"title": "Song", "durationSeconds": "60"}), "durationSeconds"),
        (json!({"title": "Song", "durationSeconds": 60, "releasedAt": "soon"}), "releasedAt"),
        (json!({"title": "Song", "durationSeconds": 60, "artistId": "a b"}), "artistId"),
    ] {
        let answer = app.put_track("artist", "song", &[], &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body}");
    }
    app.put_track("artist", "a%20b", &[], &good).await.is_problem(422);
    app.put_track("artist", &"x".repeat(65), &[], &good).await.is_problem(422);
    app.put_track("artist", "song", &[], &json!({"title": "x".repeat(20_000)})).await.is_problem(413);
    app.put_track("artist", "song", &[], &json!({"title": "Song", "durationSeconds": 60, "artistId": "bob"}))
        .await
        .is_problem(403);
    for role in ["seller", "teacher", "student"] {
        app.put_track(role, "song", &[], &good).await.is_problem(403);
    }
    let answer = app.put_track("admin", "song", &[], &good).await;
    assert_eq!(answer.is_problem(422)["errors"][0]["field"], "artistId");
    nothing_was_written(&app).await;

    let bobs = json!({"title": "Song", "durationSeconds": 60, "artistId": "bob"});
    assert_eq!(app.put_track("admin", "song", &[], &bobs).await.status, 201);
    app.put_track("artist", "song", &[], &good).await.is_problem(403);
    assert_eq!(app.get_track("song").await.body["artistId"], "bob");
    app.get_track("unknown").await.is_problem(404);
    app.get_track("a%00b").await.is_problem(422);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn track_update_honours_version() {
    let app = App::start().await;
    let song =
        |title: &str| json!({"title": title, "durationSeconds": 60.5, "releasedAt": "2026-01-31T10:00:00+01:00"});
    app.put_track("artist", "song", &[("if-match", "*")], &song("a")).await.is_problem(412);
    let first = app.put_track("artist", "song", &[("if-none-match", "*")], &song("a")).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(
        (&first.body["durationSeconds"], &first.body["releasedAt"]),
        (&json!(60.5), &json!("2026-01-31T09:00:00.000Z"))
    );
    app.put_track("artist", "song", &[("if-none-match", "*")], &song("b")).await.is_problem(412);
    let second = app.put_track("artist", "song", &[("if-match", first.header("etag"))], &song("b")).await;
    assert_eq!(second.status, 200, "{second:?}");
    app.put_track("artist", "song", &[("if-match", first.header("etag"))], &song("c")).await.is_problem(412);

    // The answer contains the version to change, and moving counters do not change it.
    let read = app.get_track("song").await;
    assert_eq!(read.body["title"], "b");
    let tag = read.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "the time of the answer moves: {tag}");
    for known in [tag.as_str(), tag.trim_start_matches("W/")] {
        let again = app.send(Method::GET, "/api/tracks/song", &[("if-none-match", known)], "").await;
        assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag.as_str()));
    }
    app.post(&json!([event("e", &json!({"timestamp": now()}))])).await;
    app.settled().await;
    let moved = app.send(Method::GET, "/api/tracks/song", &[("if-none-match", &tag)], "").await;
    assert_eq!((moved.status.as_u16(), &moved.body["counters"]["totalPlays"]), (200, &json!(1)));
    // A weak tag is no condition of a change; the version is.
    app.put_track("artist", "song", &[("if-match", &tag)], &song("d")).await.is_problem(412);
    let version = format!("\"{}\"", read.body["version"].as_str().unwrap());
    assert_eq!(version, second.header("etag"));
    assert_eq!(app.put_track("artist", "song", &[("if-match", &version)], &song("d")).await.status, 200);
    app.put_track("artist", "song", &[("if-match", &version)], &song("e")).await.is_problem(412);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undescribed_track_has_counters() {
    let app = App::start().await;
    app.post(&json!([event("e", &json!({}))])).await;
    app.settled().await;
    let answer = app.get_track("song").await;
    assert_eq!((answer.status.as_u16(), &answer.body["title"]), (200, &Value::Null), "{answer:?}");
    assert_eq!(answer.body["counters"]["totalPlays"], 1);
    app.finish().await;
}
