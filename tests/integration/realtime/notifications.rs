//! Access to notifications, their fields, and idempotency.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, JSON, NOTIFICATIONS, Person, ROOT, SAM, SUE, assert_invalid, with};
use super::server::Told;

/// Another admin.
const ADA: Person<'_> = Person("ada", "admin");

/// A notification for Sam, with some fields changed.
pub(super) fn hello(patch: &Value) -> Value {
    with(&json!({"userId": "sam", "title": "Hello", "message": "How are you?", "type": "info"}), patch)
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_require_teacher_or_admin() {
    let api = Api::start().await;
    for person in [EVE, SAM, ANN] {
        api.notify(person, None, &hello(&json!({}))).await.is_problem(403);
        api.notify(person, Some("k"), &hello(&json!({"userId": person.0}))).await.is_problem(403);
        api.notify(person, None, &json!({})).await.is_problem(403);
    }
    for person in [ADA, ROOT] {
        assert_eq!(api.notify(person, None, &hello(&json!({}))).await.status, 201);
    }
    let body = hello(&json!({})).to_string();
    let forged = [JSON, ("authorization", "Bearer a.b.c")];
    api.send((Method::POST, NOTIFICATIONS), "", &forged, body.clone()).await.is_problem(401);
    let nobody = [JSON, ("x-write-key", api.app.cloud.write_key())];
    assert_eq!(api.app.send(Method::POST, NOTIFICATIONS, &nobody, body).await.status, 401);
    assert_eq!(api.inbox(SAM, "").await.body["unread"], 2);
    assert_eq!(api.told().await.len(), 2);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_is_published_under_its_id() {
    let api = Api::start().await;
    let mut expected = Vec::new();
    for (to, patch) in [
        ("sam", json!({})),
        ("auth0:7", json!({"type": "success", "link": "/student/payments?x=1#y"})),
        ("sam", json!({"type": "error", "link": "https://example.org/a", "title": "\u{1f600} \"x\""})),
        ("sam", json!({"type": "warning", "link": null, "message": "a\n\tb\r\n"})),
    ] {
        let sent = api.notify(ADA, None, &with(&hello(&patch), &json!({"userId": to}))).await;
        assert_eq!((sent.status.as_u16(), sent.header("cache-control")), (201, "private, no-store"), "{sent:?}");
        let mut told = sent.body;
        let given = with(&hello(&json!({"link": null})), &patch);
        for field in ["title", "message", "type", "link"] {
            assert_eq!(told[field], given[field], "{told}");
        }
        assert_eq!((&told["userId"], &told["senderId"], &told["readAt"]), (&json!(to), &json!("ada"), &Value::Null));
        told.as_object_mut().unwrap().remove("userId");
        let event = json!({"id": told["notificationId"], "timestamp": told["sentAt"]});
        let channel = format!("private-user-{}", to.replace(':', ";"));
        expected.push(Told { channel, name: "new-notification".to_owned(), data: with(&told, &event) });
    }
    let told = api.told().await;
    let of = |told: &[Told], channel: &str| -> Vec<Told> {
        told.iter().filter(|told| told.channel == channel).cloned().collect()
    };
    for channel in ["private-user-sam", "private-user-auth0;7"] {
        let mut expected = of(&expected, channel);
        expected.sort_by_key(|told| told.data["timestamp"].to_string());
        assert_eq!(of(&told, channel), expected);
    }
    assert_eq!((told.len(), api.outbox("").len()), (4, 0));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_sends_one_notification() {
    let api = Api::start().await;
    let first = api.notify(ADA, Some("k"), &hello(&json!({}))).await;
    assert_eq!(first.status, 201, "{first:?}");
    for (key, body) in [("k", hello(&json!({}))), ("\"k\"", hello(&json!({"link": null})))] {
        let again = api.notify(ADA, Some(key), &body).await;
        assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
    }
    for patch in [json!({"title": "Other"}), json!({"message": "x"}), json!({"type": "error"}), json!({"link": "/"})] {
        assert_invalid(&api.notify(ADA, Some("k"), &hello(&patch)).await, 422, &["Idempotency-Key"]);
    }
    // It is the same when it was read in between, but for that.
    let id = first.body["notificationId"].as_str().unwrap();
    let read = api.read(SAM, id).await;
    let again = api.notify(ADA, Some("k"), &hello(&json!({}))).await;
    let expected = with(&first.body, &json!({"readAt": read.body["readAt"]}));
    assert_eq!((again.status.as_u16(), &again.body), (201, &expected));
    // Keys of others, and no keys, have nothing to do with it.
    for (person, key) in [(ROOT, Some("k")), (ADA, Some("l")), (ADA, None), (ADA, None)] {
        let other = api.notify(person, key, &hello(&json!({}))).await;
        assert_eq!(other.status, 201, "{other:?}");
        assert_ne!(other.body["notificationId"], first.body["notificationId"]);
    }
    for key in ["", "a b", &"x".repeat(65)] {
        api.notify(ADA, Some(key), &hello(&json!({}))).await.is_problem(400);
    }
    assert_eq!(api.inbox(SAM, "").await.body["notifications"].as_array().unwrap().len(), 5);
    assert_eq!(api.told().await.len(), 5);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_create_one_notification_per_key() {
    let api = Api::start().await;
    let body = hello(&json!({}));
    let answers = join_all((0..12).map(|_| api.notify(ADA, Some("k"), &body))).await;
    for answer in &answers {
        assert!(answer.status == 201 && answer.body == answers[0].body, "{answer:?}");
    }
    let keys: Vec<String> = (0..12).map(|number| format!("k{number}")).collect();
    let answers = join_all(keys.iter().map(|key| api.notify(ADA, Some(key), &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let inbox = api.inbox(SAM, "?limit=100").await.body;
    assert_eq!((inbox["notifications"].as_array().unwrap().len(), &inbox["unread"]), (13, &json!(13)));
    assert_eq!(api.told().await.len(), 13);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields() {
    let api = Api::start().await;
    for (patch, field) in [
        (json!({"userId": null}), "userId"),
        (json!({"userId": ""}), "userId"),
        (json!({"userId": "a b"}), "userId"),
        (json!({"userId": "x".repeat(65)}), "userId"),
        (json!({"userId": 7}), "userId"),
        (json!({"title": null}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": "a\nb"}), "title"),
        (json!({"title": "x".repeat(301)}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"message": null}), "message"),
        (json!({"message": " \n"}), "message"),
        (json!({"message": "\u{7}"}), "message"),
        (json!({"message": "x".repeat(1_001)}), "message"),
        (json!({"message": ["x"]}), "message"),
        (json!({"type": null}), "type"),
        (json!({"type": "danger"}), "type"),
        (json!({"type": "Info"}), "type"),
        (json!({"type": 7}), "type"),
        (json!({"link": ""}), "link"),
        (json!({"link": "x"}), "link"),
        (json!({"link": "//evil.example"}), "link"),
        (json!({"link": "/\\evil.example"}), "link"),
        (json!({"link": "http://example.org"}), "link"),
        (json!({"link": "javascript:alert(1)"}), "link"),
        (json!({"link": "/a b"}), "link"),
        (json!({"link": format!("/{}", "x".repeat(500))}), "link"),
        (json!({"link": 7}), "link"),
    ] {
        assert_invalid(&api.notify(ADA, None, &hello(&patch)).await, 422, &[field]);
    }
    assert_invalid(&api.notify(ADA, None, &json!({})).await, 422, &["message", "title", "type", "userId"]);
    for body in [json!(null), json!([]), json!(7)] {
        assert_invalid(&api.notify(ADA, None, &body).await, 422, &["body"]);
    }
    let token = api.token(ADA);
    let to = || (Method::POST, NOTIFICATIONS);
    let headers = [JSON, ("authorization", token.as_str())];
    for body in ["", "{", "\u{0}"] {
        api.send(to(), "", &headers, body).await.is_problem(400);
    }
    api.send(to(), "", &headers, hello(&json!({"x": "x".repeat(33_000)})).to_string()).await.is_problem(413);
    let text = [("content-type", "text/plain"), headers[1]];
    api.send(to(), "", &text, hello(&json!({})).to_string()).await.is_problem(415);
    assert_eq!(api.inbox(SUE, "").await.body["unread"], 0);
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_is_bound_to_recipient() {
    let api = Api::start().await;
    let first = api.notify(ADA, Some("k"), &hello(&json!({}))).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_invalid(&api.notify(ADA, Some("k"), &hello(&json!({"userId": "sue"}))).await, 422, &["Idempotency-Key"]);
    api.app.finish().await;
}
