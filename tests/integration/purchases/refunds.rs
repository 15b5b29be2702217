//! Refunds, in parts and in full: once each, and never more than was paid.

use std::slice::from_ref;

use http::Method;
use serde_json::{Value, json};

use super::api::{
    ANN, Api, EVE, REFUND, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order, order_with, standing, with,
};
use crate::support::app::{Answer, ago};

#[tokio::test(flavor = "multi_thread")]
async fn partial_refunds_sum_to_amount_paid() {
    let api = Api::start().await;
    let bought = api.bought(SAM, "k", &order("course", "algebra")).await;
    for (key, amount, refunded) in [("a", 400, 400), ("b", 400, 800)] {
        let part = api.refund(ROOT, key, id(&bought), &json!({"amount": amount})).await;
        assert_eq!((part.status.as_u16(), standing(&part.body)), (200, ("completed", Some(999), Some(refunded))));
        assert_eq!(part.body, with(&bought, &json!({"refundedAmount": refunded})));
        assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&bought)));
        assert_eq!(api.all(SAM).await, from_ref(&part.body));
        // The same key refunds nothing more, with any white space.
        let written = api.written().await;
        for body in [json!({"amount": amount}).to_string(), format!("{{ \"amount\" : {amount} }}")] {
            let again = api.call((Method::POST, REFUND), id(&bought), ROOT, &[("idempotency-key", key)], body).await;
            assert_eq!((again.status, &again.bytes), (part.status, &part.bytes));
        }
        assert_eq!(api.written().await, written);
    }
    assert_invalid_field(&api.refund(ROOT, "c", id(&bought), &json!({"amount": 200})).await, 422, "amount");
    let rest = api.refund(ROOT, "c", id(&bought), &json!({"amount": 199})).await;
    let at = rest.body["endedAt"].as_str().unwrap();
    assert_eq!(rest.body, with(&bought, &json!({"refundedAmount": 999, "status": "refunded", "endedAt": at})));
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    assert_eq!(api.all(SAM).await, from_ref(&rest.body));
    // A repeated first part has its stored response.
    let again = api.refund(ROOT, "a", id(&bought), &json!({"amount": 400})).await;
    assert_eq!((again.status.as_u16(), standing(&again.body)), (200, ("completed", Some(999), Some(400))));
    let ended = api.refund(ROOT, "d", id(&bought), &json!({"amount": 1})).await;
    assert_eq!(ended.is_problem(409)["detail"], "the purchase is refunded");
    // All that is left, by saying nothing.
    let other = api.bought(SAM, "l", &order("course", "algebra")).await;
    api.refund(ROOT, "e", id(&other), &json!({"amount": 1})).await;
    let rest = api.refund(ROOT, "f", id(&other), &json!({})).await;
    assert_eq!(standing(&rest.body), ("refunded", Some(999), Some(999)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_refunds() {
    let api = Api::start().await;
    let bought = api.bought(SAM, "k", &order("course", "algebra")).await;
    let other = api.bought(SAM, "l", &order("course", "geometry")).await;
    let first = api.refund(ROOT, "first", id(&bought), &json!({"amount": 99})).await;
    assert_eq!(first.status, 200);
    let written = api.written().await;
    for amount in [
        json!(901),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(100.0),
        json!("100"),
        json!(1_000_000_000_000_000_000_u64),
        json!(1e18),
        json!([100]),
        json!(true),
    ] {
        let answer = api.refund(ROOT, "k", id(&bought), &json!({"amount": amount})).await;
        assert_invalid_field(&answer, 422, "amount");
    }
    let too_much = api.refund(ROOT, "k", id(&bought), &json!({"amount": 901})).await;
    assert_eq!(too_much.body["errors"][0]["reason"], "must be from 1 to 900, the amount that is not refunded yet");
    for body in ["null", "[]", "7", "\"all\""] {
        let answer = api.call((Method::POST, REFUND), id(&bought), ROOT, &[("idempotency-key", "k")], body).await;
        assert_invalid_field(&answer, 422, "body");
    }
    for (headers, body) in [
        (vec![], "{}"),
        (vec![("idempotency-key", "")], "{}"),
        (vec![("idempotency-key", "a b")], "{}"),
        (vec![("idempotency-key", "a#b")], "{}"),
        (vec![("idempotency-key", "k")], ""),
        (vec![("idempotency-key", "k")], "{"),
    ] {
        api.call((Method::POST, REFUND), id(&bought), ROOT, &headers, body).await.is_problem(400);
    }
    let huge = json!({"reason": "x".repeat(5_000)}).to_string();
    api.call((Method::POST, REFUND), id(&bought), ROOT, &[("idempotency-key", "k")], huge).await.is_problem(413);
    // A key that was used, for another amount or another purchase.
    assert_invalid_field(&api.refund(ROOT, "first", id(&bought), &json!({"amount": 98})).await, 422, "Idempotency-Key");
    assert_invalid_field(&api.refund(ROOT, "first", id(&other), &json!({"amount": 99})).await, 422, "Idempotency-Key");
    api.refund(ROOT, "k", "never", &json!({})).await.is_problem(404);
    api.end(ROOT, "never").await.is_problem(404);
    api.end(SAM, "never").await.is_problem(404);
    for answer in [api.refund(ROOT, "k", "a%20b", &json!({})).await, api.end(ROOT, "a%20b").await] {
        assert_invalid_field(&answer, 422, "purchaseId");
    }
    assert_eq!(api.written().await, written);
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&bought)));
    // None of that used the key.
    assert_eq!(api.refund(ROOT, "k", id(&bought), &json!({"amount": 900})).await.body["status"], "refunded");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_requires_admin() {
    let api = Api::start().await;
    let bought = api.bought(SAM, "k", &order("course", "algebra")).await;
    // To other callers it looks as if there were no such purchase.
    for (person, status) in [(SAM, 403), (SUE, 404), (TIM, 404), (EVE, 404), (ANN, 404)] {
        api.end(person, id(&bought)).await.is_problem(status);
        for body in [json!({}), json!({"amount": 1})] {
            api.refund(person, "r", id(&bought), &body).await.is_problem(status);
        }
    }
    let unknown = api.end(SUE, "unknown").await;
    let foreign = api.end(SUE, id(&bought)).await;
    let said = |answer: &Answer| answer.body["detail"].as_str().unwrap().replace(id(&bought), "unknown");
    assert_eq!(said(&foreign), said(&unknown));
    assert_eq!(api.all(SAM).await, from_ref(&bought));
    let ended = api.ended(ROOT, id(&bought)).await;
    let at = ended["endedAt"].as_str().unwrap();
    assert_eq!(ended, with(&bought, &json!({"refundedAmount": 999, "status": "refunded", "endedAt": at})));
    let written = api.written().await;
    assert_eq!(api.ended(ROOT, id(&bought)).await, ended);
    api.end(SAM, id(&bought)).await.is_problem(403);
    assert_eq!(api.written().await, written);
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_item_can_be_purchased_again() {
    let api = Api::start().await;
    let old = api.bought(SAM, "a", &order("course", "algebra")).await;
    let gone = api.ended(ROOT, id(&old)).await;
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    let new = api.bought(SAM, "b", &order("course", "algebra")).await;
    assert_ne!(new["purchaseId"], old["purchaseId"]);
    // Giving the old one back once more takes nothing of the new one.
    for _ in 0..2 {
        assert_eq!(api.ended(ROOT, id(&old)).await, gone);
        api.refund(ROOT, "late", id(&old), &json!({})).await.is_problem(409);
        api.refund(ROOT, "late", id(&old), &json!({"amount": 1})).await.is_problem(409);
        api.complete(ROOT, id(&old)).await.is_problem(409);
        assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&new)));
    }
    assert_eq!(api.buy(SAM, "c", &order("course", "algebra")).await.is_problem(409)["purchaseId"], new["purchaseId"]);
    let all: Vec<Value> = api.all(SAM).await;
    assert_eq!(all, [new, gone]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_purchase_can_be_refunded() {
    let api = Api::start().await;
    let gift = api.bought(SAM, "a", &order_with("course", "algebra", &json!({"amount": 0}))).await;
    assert_eq!(standing(&gift), ("completed", Some(0), Some(0)));
    assert_invalid_field(&api.refund(ROOT, "r", id(&gift), &json!({"amount": 1})).await, 422, "amount");
    let ended = api.refund(ROOT, "r", id(&gift), &json!({})).await;
    assert_eq!(standing(&ended.body), ("refunded", Some(0), Some(0)));
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    let most = api.bought(SAM, "b", &order_with("course", "algebra", &json!({"amount": 1_000_000_000_000_u64}))).await;
    let part = api.refund(ROOT, "s", id(&most), &json!({"amount": 999_999_999_999_u64})).await;
    assert_eq!(standing(&part.body), ("completed", Some(1_000_000_000_000), Some(999_999_999_999)));
    assert_eq!(standing(&api.ended(ROOT, id(&most)).await).0, "refunded");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_records_refund_time() {
    let api = Api::start().await;
    let paid = json!({"userId": "sam", "purchasedAt": "2011-01-10T12:00:00.000Z"});
    let bought = api.bought(ROOT, "k", &order_with("course", "algebra", &paid)).await;
    let part = json!({"amount": 99, "refundedAt": "2011-01-10T12:00:00.000Z"});
    let part = api.refund(ROOT, "a", id(&bought), &part).await;
    assert_eq!((part.status.as_u16(), part.body), (200, with(&bought, &json!({"refundedAmount": 99}))));
    // With any offset; repeated, it has the same answer.
    let rest = json!({"refundedAt": "2011-02-28T23:59:59.999+01:00"});
    let ended = api.refund(ROOT, "b", id(&bought), &rest).await;
    let stands = json!({"refundedAmount": 999, "status": "refunded", "endedAt": "2011-02-28T22:59:59.999Z"});
    assert_eq!((ended.status.as_u16(), &ended.body), (200, &with(&bought, &stands)));
    let again = api.refund(ROOT, "b", id(&bought), &rest).await;
    assert_eq!((again.status, &again.bytes), (ended.status, &ended.bytes));
    let other = json!({"refundedAt": "2011-02-28T22:59:59.998Z"});
    assert_invalid_field(&api.refund(ROOT, "b", id(&bought), &other).await, 422, "Idempotency-Key");
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    assert_eq!(api.all(SAM).await, [ended.body]);
    // A clock may be slightly ahead; the default is now.
    for (key, refunded_at) in [("c", json!(ago(chrono::TimeDelta::minutes(-4)))), ("d", json!(null))] {
        let bought = api.bought(SAM, key, &order("product", "mug")).await;
        let ended = api.refund(ROOT, key, id(&bought), &json!({"refundedAt": refunded_at})).await;
        let at = ended.body["endedAt"].as_str().unwrap();
        assert!(refunded_at.as_str().map_or(at >= bought["completedAt"].as_str().unwrap(), |told| at == told), "{at}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_impossible_refund_times() {
    let api = Api::start().await;
    let paid = json!({"userId": "sam", "purchasedAt": "2011-01-10T12:00:00.000Z"});
    let bought = api.bought(ROOT, "k", &order_with("course", "algebra", &paid)).await;
    let waiting = api.bought(SAM, "l", &order_with("course", "geometry", &json!({"status": "pending"}))).await;
    let written = api.written().await;
    let refunded = |at: &Value| json!({"amount": 1, "refundedAt": at});
    for at in [
        json!("2011-01-10T11:59:59.999Z"),
        json!("0000-01-01T00:00:00Z"),
        json!(ago(chrono::TimeDelta::minutes(-6))),
        json!("9999-12-31T23:59:59Z"),
        json!("+10000-01-01T00:00:00Z"),
        json!("yesterday"),
        json!("2011-02-01"),
        json!(""),
        json!(1_296_518_400),
        json!(["2011-02-01T00:00:00Z"]),
    ] {
        assert_invalid_field(&api.refund(ROOT, "r", id(&bought), &refunded(&at)).await, 422, "refundedAt");
    }
    // Other callers may not record it, and unpaid orders have none.
    let at = json!("2011-02-01T00:00:00Z");
    for (person, status) in [(SAM, 403), (SUE, 404), (TIM, 404), (EVE, 404), (ANN, 404)] {
        for purchase in [&bought, &waiting] {
            api.refund(person, "r", id(purchase), &json!({"refundedAt": at})).await.is_problem(status);
        }
    }
    assert_invalid_field(&api.refund(ROOT, "r", id(&waiting), &json!({"refundedAt": at})).await, 422, "refundedAt");
    assert_eq!(api.written().await, written);
    assert_eq!(api.refund(ROOT, "r", id(&bought), &refunded(&at)).await.status, 200);
    assert_eq!(api.refund(SAM, "r", id(&waiting), &json!({})).await.body["status"], "cancelled");
    api.app.finish().await;
}
