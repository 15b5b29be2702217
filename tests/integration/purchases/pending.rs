//! Purchases whose payment waits for approval: approved by an admin, or cancelled.

use std::slice::from_ref;

use serde_json::{Value, json};

use super::api::{
    ANN, Api, EVE, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order, order_with, standing, with,
};
use crate::support::app::App;

fn pending(kind: &str, item: &str) -> Value {
    order_with(kind, item, &json!({"status": "pending", "paymentMethod": "bank_transfer"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_purchase_grants_no_ownership() {
    let api = Api::start().await;
    let made = api.bought(SAM, "k", &pending("course", "algebra")).await;
    assert_eq!((standing(&made), &made["completedAt"]), (("pending", Some(999), Some(0)), &Value::Null));
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    assert_eq!(api.all(SAM).await, from_ref(&made));

    for person in [SAM, SUE, TIM, EVE, ANN, Person("root", "student")] {
        api.complete(person, id(&made)).await.is_problem(403);
        api.complete(person, "never").await.is_problem(403);
    }
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    let completed = api.complete(ROOT, id(&made)).await;
    assert_eq!((completed.status.as_u16(), &completed.body["status"]), (200, &json!("completed")));
    let at = completed.body["completedAt"].as_str().unwrap();
    assert!(at >= made["purchasedAt"].as_str().unwrap(), "{at}");
    let expected = with(&made, &json!({"status": "completed", "completedAt": at}));
    assert_eq!(completed.body, expected);
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&made)));
    let written = api.written().await;
    let again = api.complete(ROOT, id(&made)).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (200, &completed.bytes));
    assert_eq!(api.written().await, written);
    assert_eq!(api.all(SAM).await, [expected]);
    // The request that made it is still answered as it was.
    assert_eq!(api.bought(SAM, "k", &pending("course", "algebra")).await, made);
    api.complete(ROOT, "never").await.is_problem(404);
    assert_invalid_field(&api.complete(ROOT, "a%20b").await, 422, "purchaseId");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_purchase_of_owned_item_cannot_complete() {
    let api = Api::start().await;
    let waiting = api.bought(SAM, "a", &pending("course", "algebra")).await;
    let other = api.bought(SAM, "b", &pending("course", "algebra")).await;
    let paid = api.bought(SAM, "c", &order("course", "algebra")).await;
    for made in [&waiting, &other] {
        let refused = api.complete(ROOT, id(made)).await;
        assert_eq!(refused.is_problem(409)["purchaseId"], paid["purchaseId"]);
    }
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&paid)));
    let stands: Vec<Value> = api.all(SAM).await.iter().map(|one| one["status"].clone()).collect();
    assert_eq!(stands, ["completed", "pending", "pending"]);
    // When that was given back, it can be.
    api.ended(ROOT, id(&paid)).await;
    assert_eq!(api.complete(ROOT, id(&waiting)).await.body["status"], "completed");
    assert_eq!(api.complete(ROOT, id(&other)).await.is_problem(409)["purchaseId"], waiting["purchaseId"]);
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&waiting)));
    // Of products, each is.
    let mugs = [
        api.bought(SAM, "d", &pending("product", "mug")).await,
        api.bought(SAM, "e", &pending("product", "mug")).await,
    ];
    for mug in &mugs {
        assert_eq!(api.has(SAM, "product", "mug").await.is_some(), mug == &mugs[1]);
        assert_eq!(api.complete(ROOT, id(mug)).await.status, 200);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_pending_purchase_requires_buyer_or_admin() {
    let api = Api::start().await;
    let mine = api.bought(SAM, "a", &pending("course", "algebra")).await;
    for person in [SUE, TIM, EVE, ANN] {
        api.end(person, id(&mine)).await.is_problem(404);
        api.refund(person, "k", id(&mine), &json!({})).await.is_problem(404);
    }
    // There is nothing that a part of could be given back.
    for person in [SAM, ROOT] {
        api.refund(person, "part", id(&mine), &json!({"amount": 5})).await.is_problem(409);
    }
    let cancelled = api.ended(SAM, id(&mine)).await;
    let at = cancelled["endedAt"].as_str().unwrap();
    assert_eq!(cancelled, with(&mine, &json!({"status": "cancelled", "endedAt": at})));
    assert_eq!(standing(&cancelled), ("cancelled", Some(999), Some(0)), "nothing was paid, nothing is given back");
    let written = api.written().await;
    for person in [SAM, ROOT] {
        assert_eq!(api.ended(person, id(&mine)).await, cancelled);
        api.complete(ROOT, id(&mine)).await.is_problem(409);
        api.refund(person, "late", id(&mine), &json!({})).await.is_problem(409);
    }
    assert_eq!(api.written().await, written);
    assert_eq!(api.has(SAM, "course", "algebra").await, None);

    // An admin's cancelling, and the buyer's with a key.
    let other = api.bought(SAM, "b", &pending("course", "algebra")).await;
    assert_eq!(api.ended(ROOT, id(&other)).await["status"], "cancelled");
    let third = api.bought(SAM, "c", &pending("course", "algebra")).await;
    let first = api.refund(SAM, "own", id(&third), &json!({})).await;
    assert_eq!((first.status.as_u16(), &first.body["status"]), (200, &json!("cancelled")));
    let again = api.refund(SAM, "own", id(&third), &json!({})).await;
    assert_eq!((again.status, again.bytes), (first.status, first.bytes));
    let all: Vec<Value> = api.all(SAM).await.iter().map(|one| one["status"].clone()).collect();
    assert_eq!(all, ["cancelled", "cancelled", "cancelled"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_requires_admin() {
    let app = App::start_with(|options| {
        options.parameters.insert("PurchaseApproval".to_owned(), "true".to_owned());
    });
    let api = Api::of(app.await);
    let made = api.bought(SAM, "k", &order("course", "algebra")).await;
    assert_eq!((made["status"].as_str(), api.has(SAM, "course", "algebra").await), (Some("pending"), None));
    assert_eq!(api.complete(ROOT, id(&made)).await.body["status"], "completed");
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&made)));
    let made = api.bought(ROOT, "k", &order_with("course", "algebra", &json!({"userId": "sue"}))).await;
    assert_eq!(made["status"], "completed");
    api.app.finish().await;
}
