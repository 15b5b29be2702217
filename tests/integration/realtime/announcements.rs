//! Announcements and their access.

use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, ANNOUNCEMENTS, Api, EVE, JSON, ROOT, SAM, TIM, assert_invalid, with};
use super::server::Told;
use crate::support::app::Answer;

fn news(patch: &Value) -> Value {
    with(&json!({"title": "News", "message": "Good ones", "type": "success"}), patch)
}

async fn announce(api: &Api, person: super::api::Person<'_>, key: Option<&str>, body: &Value) -> Answer {
    let headers: Vec<(&str, &str)> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
    api.call((Method::POST, ANNOUNCEMENTS), "", person, &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_require_admin() {
    let api = Api::start().await;
    for person in [EVE, SAM, TIM, ANN] {
        announce(&api, person, None, &news(&json!({}))).await.is_problem(403);
        announce(&api, person, Some("k"), &json!({})).await.is_problem(403);
    }
    let body = news(&json!({})).to_string();
    let forged = [JSON, ("authorization", "Bearer a.b.c")];
    api.send((Method::POST, ANNOUNCEMENTS), "", &forged, body.clone()).await.is_problem(401);
    assert_eq!(api.app.send(Method::POST, ANNOUNCEMENTS, &[JSON], body).await.status, 401);
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcement_is_published_once_under_its_id() {
    let api = Api::start().await;
    let mut expected = Vec::new();
    for (key, patch) in [
        (None, json!({})),
        (None, json!({"type": "warning", "link": "/news"})),
        (Some("k"), json!({"title": "\u{1f600}"})),
    ] {
        let answer = announce(&api, ROOT, key, &news(&patch)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(answer.body["timestamp"].as_str().unwrap().starts_with("2026-04-10T12:"));
        assert_eq!(
            answer.body,
            with(&news(&patch), &json!({"id": answer.body["id"], "timestamp": answer.body["timestamp"]}))
        );
        let (channel, name) = ("public-announcements".to_owned(), "announcement".to_owned());
        expected.push(Told { channel, name, data: answer.body });
        assert_eq!(api.told().await, expected);
    }
    // The sender cannot set the id and the time.
    for field in ["id", "timestamp"] {
        assert_invalid(&announce(&api, ROOT, None, &news(&json!({(field): "mine"}))).await, 422, &[field]);
    }
    // Sent again, it has the same id: pages that know it drop it.
    let again = announce(&api, ROOT, Some("k"), &news(&json!({"title": "\u{1f600}"}))).await;
    assert_eq!((again.status.as_u16(), &again.body["id"]), (202, &expected[2].data["id"]));
    let told = api.told().await;
    assert!(told.iter().all(|told| told.channel == "public-announcements"), "{told:?}");
    let ids: std::collections::BTreeSet<&str> = told.iter().map(|told| told.data["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), api.outbox("").len()), (3, 0));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_announcements() {
    let api = Api::start().await;
    for (patch, field) in [
        (json!({"title": ""}), "title"),
        (json!({"message": null}), "message"),
        (json!({"type": "news"}), "type"),
        (json!({"link": "//evil.example"}), "link"),
    ] {
        assert_invalid(&announce(&api, ROOT, None, &news(&patch)).await, 422, &[field]);
    }
    assert_invalid(&announce(&api, ROOT, None, &json!({})).await, 422, &["message", "title", "type"]);
    assert_invalid(&announce(&api, ROOT, None, &json!([])).await, 422, &["body"]);
    announce(&api, ROOT, Some("a b"), &news(&json!({}))).await.is_problem(400);
    announce(&api, ROOT, None, &news(&json!({"x": "x".repeat(33_000)}))).await.is_problem(413);
    let token = api.token(ROOT);
    for (kind, body, status) in [(JSON.1, "{", 400), ("text/plain", "{}", 415)] {
        let headers = [("content-type", kind), ("authorization", token.as_str())];
        api.send((Method::POST, ANNOUNCEMENTS), "", &headers, body).await.is_problem(status);
    }
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_enqueued_without_pusher_configuration() {
    let api = Api::without_keys().await;
    assert_eq!(announce(&api, ROOT, None, &news(&json!({}))).await.status, 202);
    assert_eq!(api.notify(ROOT, None, &super::notifications::hello(&json!({}))).await.status, 201);
    api.app.settled().await;
    assert_eq!(api.outbox("").len(), 0);
    assert_eq!(api.inbox(SAM, "").await.body["unread"], 1);
    api.app.finish().await;
}
