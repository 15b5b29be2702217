//! What only an admin may record of a purchase: buyer, time, quantity, and an unknown price.

use std::slice::from_ref;

use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order_with, standing};
use crate::support::app::ago;

const PAST: &str = "2010-12-01T08:26:00.000Z";

#[tokio::test(flavor = "multi_thread")]
async fn admin_records_purchases_of_others() {
    let api = Api::start().await;
    let patch = json!({"userId": "sam", "purchasedAt": PAST, "quantity": 6});
    let made = api.bought(ROOT, "a", &order_with("course", "algebra", &patch)).await;
    assert_eq!((&made["userId"], &made["guestId"], &made["quantity"]), (&json!("sam"), &Value::Null, &json!(6)));
    assert_eq!((&made["purchasedAt"], &made["completedAt"]), (&json!(PAST), &json!(PAST)));
    assert_eq!(standing(&made), ("completed", Some(999), Some(0)), "what was paid is for all of them");
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&made)));
    assert_eq!(api.has(ROOT, "course", "algebra").await, None);
    assert_eq!((api.all(SAM).await, api.all(ROOT).await), (vec![made.clone()], vec![]));
    // The buyer owns it.
    let again = api.buy(ROOT, "b", &order_with("course", "algebra", &json!({"userId": "sam"}))).await;
    assert_eq!(again.is_problem(409)["purchaseId"], made["purchaseId"]);
    let own = api.bought(ROOT, "c", &order_with("course", "algebra", &json!({}))).await;
    assert_eq!(own["userId"], "root");

    let patch = json!({"guestId": "sam", "purchasedAt": "2010-12-01T09:26:00+01:00"});
    let guests = api.bought(ROOT, "d", &order_with("course", "algebra", &patch)).await;
    assert_eq!((&guests["userId"], &guests["guestId"]), (&Value::Null, &json!("sam")));
    assert_eq!(guests["purchasedAt"], PAST);
    let told = api.history(ROOT, "?guestId=sam").await;
    assert_eq!(told.body["purchases"], json!([guests]));
    assert_eq!(api.all(SAM).await, [made], "a guest is nobody with an account, whatever the id");
    // No buyer cancels what a guest of the same id has not paid.
    let patch = json!({"guestId": "sam", "status": "pending"});
    let waiting = api.bought(ROOT, "e", &order_with("test", "algebra", &patch)).await;
    api.end(SAM, id(&waiting)).await.is_problem(404);
    assert_eq!(api.ended(ROOT, id(&waiting)).await["status"], "cancelled");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_amount_is_not_zero() {
    let api = Api::start().await;
    let unknown = json!({"amount": null, "currency": null, "userId": "sam"});
    let made = api.bought(ROOT, "a", &order_with("course", "algebra", &unknown)).await;
    for name in ["amount", "currency", "listAmount", "discountAmount", "refundedAmount"] {
        assert_eq!(made[name], Value::Null, "{name}");
    }
    assert_eq!(api.has(SAM, "course", "algebra").await.as_deref(), Some(id(&made)));
    assert_eq!(api.all(SAM).await, from_ref(&made));
    // An unknown amount has no partial refund.
    assert_invalid_field(&api.refund(ROOT, "r", id(&made), &json!({"amount": 1})).await, 422, "amount");
    let ended = api.refund(ROOT, "r", id(&made), &json!({})).await;
    assert_eq!(standing(&ended.body), ("refunded", None, None));
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    // A currency without an amount has no meaning.
    let made = api.bought(ROOT, "b", &order_with("course", "algebra", &json!({"amount": null, "userId": "sam"}))).await;
    assert_eq!((standing(&made), &made["currency"]), (("completed", None, None), &Value::Null));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_for_others_requires_admin() {
    let api = Api::start().await;
    api.offers("mug");
    let written = api.written().await;
    for person in [SAM, TIM, EVE, ANN] {
        for patch in [
            json!({"userId": "kim"}),
            json!({"guestId": "g"}),
            json!({"purchasedAt": PAST}),
            json!({"quantity": 2}),
            json!({"amount": null}),
        ] {
            api.buy(person, "k", &order_with("product", "mug", &patch)).await.is_problem(403);
        }
    }
    assert_eq!(api.written().await, written);
    // Sending the default explicitly is the same as omitting it.
    let own = json!({"userId": "sam", "guestId": null, "purchasedAt": null, "quantity": 1});
    assert_eq!(api.bought(SAM, "k", &order_with("product", "mug", &own)).await["userId"], "sam");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_impossible_records() {
    let api = Api::start().await;
    let written = api.written().await;
    let future = ago(chrono::TimeDelta::minutes(-6));
    for (patch, field) in [
        (json!({"guestId": "g", "userId": "sam"}), "guestId"),
        (json!({"purchasedAt": future}), "purchasedAt"),
        (json!({"purchasedAt": "yesterday"}), "purchasedAt"),
        (json!({"purchasedAt": 1_291_191_960}), "purchasedAt"),
        (json!({"purchasedAt": "2010-12-01"}), "purchasedAt"),
        (json!({"purchasedAt": "+10000-01-01T00:00:00Z"}), "purchasedAt"),
        (json!({"purchasedAt": "-0001-01-01T00:00:00Z"}), "purchasedAt"),
        (json!({"quantity": 0}), "quantity"),
        (json!({"quantity": -6}), "quantity"),
        (json!({"quantity": 1.5}), "quantity"),
        (json!({"quantity": 1_000_001}), "quantity"),
        (json!({"userId": "a b"}), "userId"),
        (json!({"guestId": "a#b"}), "guestId"),
        (json!({"amount": null, "discountCode": "X"}), "discountCode"),
    ] {
        let answer = api.buy(ROOT, "k", &order_with("product", "mug", &patch)).await;
        assert_invalid_field(&answer, 422, field);
    }
    assert_eq!(api.written().await, written);
    // A clock may be ahead a little.
    let soon = ago(chrono::TimeDelta::minutes(-4));
    let made = api.bought(ROOT, "k", &order_with("product", "mug", &json!({"purchasedAt": soon}))).await;
    assert_eq!(made["purchasedAt"], soon);
    // The key is the admin's own, and not the buyer's.
    let theirs = json!({"userId": "sue"});
    api.bought(ROOT, "of-sue", &order_with("product", "mug", &theirs)).await;
    api.bought(SUE, "of-sue", &order_with("product", "cup", &json!({}))).await;
    assert_eq!(api.all(SUE).await.len(), 2);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_at_epoch_is_counted() {
    let api = Api::start().await;
    api.package("p").await;
    let at = |time: &str| order_with("package", "p", &json!({"userId": "sam", "purchasedAt": time}));
    // The moment before the first one that is counted.
    assert_invalid_field(&api.buy(ROOT, "k", &at("1970-01-01T00:00:00+01:00")).await, 422, "purchasedAt");
    let made = api.bought(ROOT, "k", &at("1970-01-01T00:00:00Z")).await;
    assert_eq!((api.all(SAM).await, api.earnings("p").await.1), (vec![made.clone()], json!({"USD": 999})));
    api.ended(ROOT, id(&made)).await;
    assert_eq!((api.has(SAM, "package", "p").await, api.earnings("p").await.1), (None, json!({"USD": 0})));
    api.app.finish().await;
}
