//! Packages: bought at their price, and what that brings in.

use serde_json::{Value, json};

use super::api::{Api, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order_with, standing, with};

/// An order of a package at its price.
fn package(item: &str, patch: &Value) -> Value {
    order_with("package", item, &with(&json!({"amount": 50_000, "currency": "INR"}), patch))
}

#[tokio::test(flavor = "multi_thread")]
async fn package_is_sold_at_its_price() {
    let api = Api::start().await;
    api.package("p").await;
    let written = api.written().await;
    for patch in [
        json!({"amount": 49_999}),
        json!({"amount": 50_001}),
        json!({"amount": 0}),
        json!({"currency": "USD"}),
        json!({"status": "pending", "amount": 1}),
    ] {
        // Its creator has no other price.
        for person in [SAM, TIM] {
            let answer = api.buy(person, "k", &package("p", &patch)).await;
            assert_invalid_field(&answer, 422, "amount");
            assert_eq!(answer.body["errors"][0]["reason"], "must be 50000 INR, the price of the package");
        }
    }
    assert_invalid_field(&api.buy(SAM, "k", &package("never", &json!({}))).await, 422, "itemId");
    assert_eq!(api.written().await, written);
    let bought = api.bought(SAM, "k", &package("p", &json!({}))).await;
    assert_eq!(api.has(SAM, "package", "p").await.as_deref(), Some(id(&bought)));
    // A discount reduces the price, which the order must still state.
    api.discount("TENTH-OFF", &json!({"type": "percent", "percent": 10})).await;
    let off = api.bought(SUE, "k", &package("p", &json!({"discountCode": "TENTH-OFF"}))).await;
    assert_eq!(standing(&off), ("completed", Some(45_000), Some(0)));
    // The current price applies; earlier purchases keep theirs.
    api.costs("p", 60_000).await;
    assert_invalid_field(&api.buy(Person("kai", "student"), "k", &package("p", &json!({}))).await, 422, "amount");
    assert_eq!(api.bought(SAM, "k", &package("p", &json!({}))).await, bought);
    api.bought(Person("kai", "student"), "k", &package("p", &json!({"amount": 60_000}))).await;
    // An admin states the price.
    for (at, patch) in [json!({"amount": 1}), json!({"currency": "USD"}), json!({"amount": null})].iter().enumerate() {
        let patch = with(patch, &json!({"userId": format!("u{at}")}));
        api.bought(ROOT, &format!("k{at}"), &package("p", &patch)).await;
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_earnings_are_payments_minus_refunds() {
    let api = Api::start().await;
    api.package("p").await;
    api.package("other").await;
    assert_eq!(api.earnings("p").await, (json!(0), json!({})));
    let sams = api.bought(SAM, "k", &package("p", &json!({}))).await;
    assert_eq!(api.earnings("p").await, (json!(50_000), json!({"INR": 50_000})));
    // Sent again, it brings nothing more.
    api.bought(SAM, "k", &package("p", &json!({}))).await;
    assert_eq!(api.earnings("p").await.0, 50_000);
    let sues = api.bought(SUE, "k", &package("p", &json!({}))).await;
    let waiting = api.bought(Person("kai", "student"), "k", &package("p", &json!({"status": "pending"}))).await;
    assert_eq!(api.earnings("p").await.0, 100_000);
    api.complete(ROOT, id(&waiting)).await;
    assert_eq!(api.earnings("p").await.0, 150_000);
    api.refund(ROOT, "r", id(&sams), &json!({"amount": 20_000})).await;
    api.refund(ROOT, "r", id(&sams), &json!({"amount": 20_000})).await;
    assert_eq!(api.earnings("p").await.0, 130_000);
    for purchase in [&sams, &sues, &waiting, &sues] {
        api.ended(ROOT, id(purchase)).await;
    }
    assert_eq!(api.earnings("p").await, (json!(0), json!({"INR": 0})));
    // A cancelled order never earned anything.
    let never = api.bought(SAM, "l", &package("p", &json!({"status": "pending"}))).await;
    api.ended(SAM, id(&never)).await;
    assert_eq!(api.earnings("p").await.0, 0);
    api.bought(SAM, "m", &package("p", &json!({}))).await;
    assert_eq!(api.earnings("p").await.0, 50_000);
    // A course of the same id is another thing.
    api.bought(SAM, "n", &order_with("course", "p", &json!({"currency": "INR"}))).await;
    assert_eq!((api.earnings("p").await.0, api.earnings("other").await.0), (json!(50_000), json!(0)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn currencies_are_never_summed() {
    let api = Api::start().await;
    api.package("p").await;
    api.bought(SAM, "k", &package("p", &json!({}))).await;
    let dollars = json!({"amount": 700, "currency": "USD", "userId": "sue", "purchasedAt": "2025-03-01T10:00:00Z"});
    let in_dollars = api.bought(ROOT, "usd", &package("p", &dollars)).await;
    assert_eq!(api.earnings("p").await, (json!(50_000), json!({"INR": 50_000, "USD": 700})));
    api.refund(ROOT, "r", id(&in_dollars), &json!({"amount": 300})).await;
    assert_eq!(api.earnings("p").await, (json!(50_000), json!({"INR": 50_000, "USD": 400})));
    // An unknown amount is not a sum of money, and is not refunded as one.
    let unknown = json!({"amount": null, "currency": null, "guestId": "g"});
    let unknown = api.bought(ROOT, "unknown", &package("p", &unknown)).await;
    assert_eq!(api.earnings("p").await, (json!(50_000), json!({"INR": 50_000, "USD": 400})));
    api.ended(ROOT, id(&unknown)).await;
    assert_eq!(api.earnings("p").await, (json!(50_000), json!({"INR": 50_000, "USD": 400})));
    api.app.finish().await;
}
