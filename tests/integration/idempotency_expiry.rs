//! Requests whose answers are no longer kept: sent again, they do nothing more.

use std::sync::Arc;

use chrono::TimeDelta;
use http::Method;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use system::clock::Clock;

use crate::contract::contract;
use crate::support::app::{Answer, App, Forward};
use crate::support::requests;

const ADMIN: (&str, &str) = ("root", "admin");
const SAM: (&str, &str) = ("sam", "student");
const TIM: (&str, &str) = ("tim", "teacher");

struct Late {
    app: App,
    clock: Arc<Forward>,
    contract: Value,
}

impl Late {
    async fn start() -> Self {
        let clock = Arc::new(Forward::default());
        let of_cloud = Arc::clone(&clock);
        let app = App::start_with(|options| options.clock = of_cloud).await;
        Self { app, clock, contract: contract() }
    }

    async fn call(&self, (who, role): (&str, &str), to: (Method, &str), of: &str, key: &str, body: &Value) -> Answer {
        let token = requests::token(&self.app, who, role, self.clock.now());
        let headers = requests::headers(&token, &[("idempotency-key", key)]);
        let body = if to.0 == Method::GET { String::new() } else { body.to_string() };
        requests::send(&self.app, &self.contract, to, of, &headers, body).await
    }

    async fn done(&self, who: (&str, &str), to: (Method, &str), of: &str, key: &str, body: &Value) -> Value {
        let answer = self.call(who, to, of, key, body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.body
    }

    fn database(&self, operation: &str, mut request: Value) -> Value {
        request["TableName"] = json!(self.app.cloud.table("StateTable").unwrap());
        let answer = self.app.cloud.database().call(operation, &request.to_string(), &ClientOptions::default());
        assert!(answer.is_ok(), "{operation} {request}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// 45 days pass, and what was kept for 30 of them is gone.
    async fn later(&self) {
        self.app.settled().await;
        self.clock.by(TimeDelta::days(45));
        let found = self.database("Scan", json!({}));
        let mut gone = 0;
        for item in found["Items"].as_array().unwrap() {
            if item["pk"]["S"].as_str().unwrap().starts_with("ANSWERS#") {
                self.database("DeleteItem", json!({"Key": {"pk": item["pk"], "sk": item["sk"]}}));
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
    let first = late.done(ADMIN, REFUND, id, "r", &part).await;
    assert_eq!(first["refundedAmount"], 300);
    late.later().await;
    for _ in 0..2 {
        let again = late.call(ADMIN, REFUND, id, "r", &part).await;
        assert_eq!((again.status.as_u16(), &again.body["refundedAmount"]), (200, &json!(300)));
    }
    // The key is still that of the request of then.
    for body in [json!({"amount": 301}), json!({})] {
        requests::are_wrong(&late.call(ADMIN, REFUND, id, "r", &body).await, 422, &["Idempotency-Key"]);
    }
    assert_eq!(late.done(ADMIN, REFUND, id, "s", &part).await["refundedAmount"], 600);
    let ended = late.done(ADMIN, REFUND, id, "t", &rest).await;
    assert_eq!((&ended["refundedAmount"], &ended["status"]), (&json!(999), &json!("refunded")));
    late.later().await;
    // It is answered as it is by now, and so is a request that gave all of it back.
    for (key, body) in [("r", &part), ("t", &rest)] {
        assert_eq!(late.call(ADMIN, REFUND, id, key, body).await.body, ended, "{key}");
    }
    let seen = late.call(SAM, PURCHASE, id, "k", &json!(null)).await;
    assert_eq!(seen.body, ended);
    late.app.finish().await;
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
    let completed = late.done(ADMIN, COMPLETE, id, "c", &json!(null)).await;
    late.clock.by(TimeDelta::days(90));
    assert_eq!(late.done(ADMIN, COMPLETE, id, "c", &json!(null)).await, completed);
    let approve = (Method::POST, "/api/payments/{paymentId}/approve");
    let approved = late.done(ADMIN, approve, payment["paymentId"].as_str().unwrap(), "a", &json!(null)).await;
    assert_eq!(approved["approvedAt"], completed["completedAt"]);
    late.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn score_and_notification_keys_apply_once_after_expiry() {
    let late = Late::start().await;
    late.done(TIM, (Method::PUT, "/api/courses/{courseId}"), "algebra", "-", &json!({"title": "Algebra"})).await;
    let sams = json!({"courseId": "algebra", "studentId": "sam"});
    late.done(ADMIN, (Method::POST, "/api/enrollments"), "", "-", &sams).await;
    let score = |points: u8| json!({"courseId": "algebra", "studentId": "sam", "title": "Test", "score": points, "maxScore": 8});
    let scores = (Method::POST, "/api/scores");
    let given = late.done(TIM, scores.clone(), "", "s", &score(5)).await;
    let notice = json!({"userId": "sam", "title": "Hello", "message": "How are you?", "type": "info"});
    let notifications = (Method::POST, "/api/notifications");
    let sent = late.done(ADMIN, notifications.clone(), "", "n", &notice).await;
    let news = json!({"title": "News", "message": "There are news.", "type": "info"});
    let announcements = (Method::POST, "/api/announcements");
    let told = late.done(ADMIN, announcements.clone(), "", "a", &news).await;
    late.later().await;
    assert_eq!(late.call(TIM, scores.clone(), "", "s", &score(5)).await.body, given);
    // A key that is used for something else is refused, and not answered as if that had been done.
    requests::are_wrong(&late.call(TIM, scores, "", "s", &score(6)).await, 422, &["Idempotency-Key"]);
    let listed = late.call(SAM, (Method::GET, "/api/scores"), "", "-", &json!(null)).await;
    assert_eq!(listed.body["scores"].as_array().unwrap().len(), 1);
    assert_eq!(late.call(ADMIN, notifications, "", "n", &notice).await.body, sent);
    let inbox = late.call(SAM, (Method::GET, "/api/notifications"), "", "-", &json!(null)).await;
    assert_eq!((inbox.body["notifications"].as_array().unwrap().len(), &inbox.body["unread"]), (1, &json!(1)));
    let waiting = late.app.items("OutboxTable");
    assert_eq!(late.call(ADMIN, announcements.clone(), "", "a", &news).await.body, told);
    assert_eq!(late.app.items("OutboxTable"), waiting, "it is told twice");
    let mut other = news;
    other["title"] = json!("Other news");
    requests::are_wrong(&late.call(ADMIN, announcements, "", "a", &other).await, 422, &["Idempotency-Key"]);
    late.app.finish().await;
}
