//! Requests whose answers are no longer kept: sent again, they do nothing more.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::Answer;
use crate::support::client::{Client, assert_invalid};
use crate::support::people::{Person, ROOT, SAM, TIM};

/// A cloud whose stored responses expire.
struct Late(Client);

impl Late {
    async fn start() -> Self {
        Self(Client::start().await)
    }

    async fn call(&self, who: Person<'_>, to: (Method, &str), of: &str, key: &str, body: &Value) -> Answer {
        let body = if to.0 == Method::GET { String::new() } else { body.to_string() };
        self.0.call(to, of, who, &[("idempotency-key", key)], body).await
    }

    async fn done(&self, who: Person<'_>, to: (Method, &str), of: &str, key: &str, body: &Value) -> Value {
        let answer = self.call(who, to, of, key, body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.body
    }

    /// 45 days pass, so the responses that are stored for 30 days have expired.
    async fn later(&self) {
        let app = &self.0.app;
        app.settled().await;
        self.0.clock.set_offset(TimeDelta::days(45));
        let mut gone = 0;
        for item in app.scan("StateTable") {
            if item["pk"]["S"].as_str().unwrap().starts_with("ANSWERS#") {
                app.database("DeleteItem", "StateTable", json!({"Key": {"pk": item["pk"], "sk": item["sk"]}}));
                gone += 1;
            }
        }
        assert!(gone > 0, "no answer was kept");
    }
}

const PURCHASES: (Method, &str) = (Method::POST, "/api/purchases");
const PURCHASE: (Method, &str) = (Method::GET, "/api/purchases/{purchaseId}");
const REFUND: (Method, &str) = (Method::POST, "/api/purchases/{purchaseId}/refund");
const COMPLETE: (Method, &str) = (Method::POST, "/api/purchases/{purchaseId}/complete");

fn order(patch: &Value) -> Value {
    let mut order = json!({
        "itemType": "course", "itemId": "algebra", "amount": 999, "currency": "USD", "paymentMethod": "card",
    });
    for (field, value) in patch.as_object().unwrap() {
        order[field] = value.clone();
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_key_refunds_once_after_expiry() {
    let late = Late::start().await;
    let bought = late.done(SAM, PURCHASES, "", "k", &order(&json!({}))).await;
    let id = bought["purchaseId"].as_str().unwrap();
    let (part, rest) = (json!({"amount": 300}), json!({}));
    let first = late.done(ROOT, REFUND, id, "r", &part).await;
    assert_eq!(first["refundedAmount"], 300);
    late.later().await;
    for _ in 0..2 {
        let again = late.call(ROOT, REFUND, id, "r", &part).await;
        assert_eq!((again.status.as_u16(), &again.body["refundedAmount"]), (200, &json!(300)));
    }
    // The key is still that of the request of then.
    for body in [json!({"amount": 301}), json!({})] {
        assert_invalid(&late.call(ROOT, REFUND, id, "r", &body).await, 422, &["Idempotency-Key"]);
    }
    assert_eq!(late.done(ROOT, REFUND, id, "s", &part).await["refundedAmount"], 600);
    let ended = late.done(ROOT, REFUND, id, "t", &rest).await;
    assert_eq!((&ended["refundedAmount"], &ended["status"]), (&json!(999), &json!("refunded")));
    late.later().await;
    // It is answered as it is by now, and so is a request that gave all of it back.
    for (key, body) in [("r", &part), ("t", &rest)] {
        assert_eq!(late.call(ROOT, REFUND, id, key, body).await.body, ended, "{key}");
    }
    let seen = late.call(SAM, PURCHASE, id, "k", &json!(null)).await;
    assert_eq!(seen.body, ended);
    late.0.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_and_payment_keys_apply_once_after_expiry() {
    let late = Late::start().await;
    let waiting = order(&json!({"status": "pending"}));
    let bought = late.done(SAM, PURCHASES, "", "k", &waiting).await;
    let id = bought["purchaseId"].as_str().unwrap();
    let (payments, paid) = ((Method::POST, "/api/payments"), json!({"purchaseId": id}));
    let payment = late.done(SAM, payments.clone(), "", "p", &paid).await;
    late.later().await;
    assert_eq!(late.call(SAM, payments.clone(), "", "p", &paid).await.body, payment);
    let refused = late.call(SAM, PURCHASES, "", "k", &waiting).await;
    assert_eq!(refused.is_problem(409)["purchaseId"], *id);
    let completed = late.done(ROOT, COMPLETE, id, "c", &json!(null)).await;
    late.0.clock.set_offset(TimeDelta::days(90));
    assert_eq!(late.done(ROOT, COMPLETE, id, "c", &json!(null)).await, completed);
    let approve = (Method::POST, "/api/payments/{paymentId}/approve");
    let approved = late.done(ROOT, approve, payment["paymentId"].as_str().unwrap(), "a", &json!(null)).await;
    assert_eq!(approved["approvedAt"], completed["completedAt"]);
    late.0.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn score_and_notification_keys_apply_once_after_expiry() {
    let late = Late::start().await;
    late.done(TIM, (Method::PUT, "/api/courses/{courseId}"), "algebra", "-", &json!({"title": "Algebra"})).await;
    let sams = json!({"courseId": "algebra", "studentId": "sam"});
    late.done(ROOT, (Method::POST, "/api/enrollments"), "", "-", &sams).await;
    let score = |points: u8| json!({"courseId": "algebra", "studentId": "sam", "title": "Test", "score": points, "maxScore": 8});
    let scores = (Method::POST, "/api/scores");
    let given = late.done(TIM, scores.clone(), "", "s", &score(5)).await;
    let notice = json!({"userId": "sam", "title": "Hello", "message": "How are you?", "type": "info"});
    let notifications = (Method::POST, "/api/notifications");
    let sent = late.done(ROOT, notifications.clone(), "", "n", &notice).await;
    let news = json!({"title": "News", "message": "There are news.", "type": "info"});
    let announcements = (Method::POST, "/api/announcements");
    let told = late.done(ROOT, announcements.clone(), "", "a", &news).await;
    late.later().await;
    assert_eq!(late.call(TIM, scores.clone(), "", "s", &score(5)).await.body, given);
    // A key that is used for something else is refused, and not answered as if that had been done.
    assert_invalid(&late.call(TIM, scores, "", "s", &score(6)).await, 422, &["Idempotency-Key"]);
    let listed = late.call(SAM, (Method::GET, "/api/scores"), "", "-", &json!(null)).await;
    assert_eq!(listed.body["scores"].as_array().unwrap().len(), 1);
    assert_eq!(late.call(ROOT, notifications, "", "n", &notice).await.body, sent);
    let inbox = late.call(SAM, (Method::GET, "/api/notifications"), "", "-", &json!(null)).await;
    assert_eq!((inbox.body["notifications"].as_array().unwrap().len(), &inbox.body["unread"]), (1, &json!(1)));
    let waiting = late.0.app.items("OutboxTable");
    assert_eq!(late.call(ROOT, announcements.clone(), "", "a", &news).await.body, told);
    assert_eq!(late.0.app.items("OutboxTable"), waiting, "it is told twice");
    let mut other = news;
    other["title"] = json!("Other news");
    assert_invalid(&late.call(ROOT, announcements, "", "a", &other).await, 422, &["Idempotency-Key"]);
    late.0.finish().await;
}
