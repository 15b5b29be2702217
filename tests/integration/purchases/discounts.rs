//! Discounts: amounts, validity, limits and access.

use http::Method;
use serde_json::{Value, json};

use super::api::{
    ANN, Api, DISCOUNT, EVE, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order_with, standing,
};
use crate::support::app::ago;

/// An order with a discount.
fn coded(item: &str, amount: u64, code: &str) -> Value {
    order_with("course", item, &json!({"amount": amount, "discountCode": code}))
}

#[tokio::test(flavor = "multi_thread")]
async fn discount_rounds_to_minor_units() {
    let api = Api::start().await;
    api.discount("P15-GARDEN", &json!({"type": "percent", "percent": 15})).await;
    api.discount("P50-GARDEN", &json!({"type": "percent", "percent": 50})).await;
    api.discount("P100-GARDEN", &json!({"type": "percent", "percent": 100})).await;
    api.discount("F500-GARDEN", &json!({"type": "fixed", "amount": 500, "currency": "USD"})).await;
    for (at, (code, listed, off)) in [
        ("P15-GARDEN", 999, 150),
        ("P15-GARDEN", 3, 0),
        ("P15-GARDEN", 4, 1),
        ("P15-GARDEN", 0, 0),
        ("P15-GARDEN", 1_000_000_000_000, 150_000_000_000),
        ("P50-GARDEN", 1, 1),
        ("P50-GARDEN", 3, 2),
        ("P50-GARDEN", 999, 500),
        ("P100-GARDEN", 999, 999),
        ("F500-GARDEN", 999, 500),
        ("F500-GARDEN", 500, 500),
        ("F500-GARDEN", 300, 300),
    ]
    .into_iter()
    .enumerate()
    {
        let made = api.bought(SAM, &format!("k{at}"), &coded(&format!("c{at}"), listed, code)).await;
        let told = ["listAmount", "discountAmount", "amount"].map(|name| made[name].as_u64().unwrap());
        assert_eq!(told, [listed, off, listed - off], "{code} of {listed}");
        assert_eq!((&made["discountCode"], &made["status"]), (&json!(code), &json!("completed")));
    }
    assert_eq!(
        [
            api.uses("P15-GARDEN").await,
            api.uses("P50-GARDEN").await,
            api.uses("P100-GARDEN").await,
            api.uses("F500-GARDEN").await
        ],
        [5, 3, 1, 3]
    );
    // A refund covers what was paid, not the price.
    let made = api.bought(SUE, "k", &coded("c", 999, "P15-GARDEN")).await;
    assert_invalid_field(&api.refund(ROOT, "r", id(&made), &json!({"amount": 850})).await, 422, "amount");
    assert_eq!(standing(&api.ended(ROOT, id(&made)).await), ("refunded", Some(849), Some(849)));
    assert_eq!(api.uses("P15-GARDEN").await, 6, "whoever paid has used it");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_inapplicable_discounts() {
    let api = Api::start().await;
    let (hour, day) = (chrono::TimeDelta::hours(1), chrono::TimeDelta::days(1));
    api.discount("EUROS-GARDEN", &json!({"type": "fixed", "amount": 500, "currency": "EUR"})).await;
    api.discount("LATER-GARDEN", &json!({"type": "percent", "percent": 5, "validFrom": ago(-hour)})).await;
    api.discount("OVER-GARDEN", &json!({"type": "percent", "percent": 5, "validFrom": ago(day), "validTo": ago(hour)}))
        .await;
    api.discount("NEVER-GARDEN", &json!({"type": "percent", "percent": 5, "maxUses": 0})).await;
    api.discount(
        "NOW-GARDEN",
        &json!({"type": "percent", "percent": 5, "validFrom": ago(hour), "validTo": ago(-hour)}),
    )
    .await;
    for (code, reason) in [
        ("EUROS-GARDEN", "is not valid for this currency"),
        ("LATER-GARDEN", "is not valid at this time"),
        ("OVER-GARDEN", "is not valid at this time"),
        ("NEVER-GARDEN", "has no uses left"),
        ("NOBODY-GARDEN", "is not a known discount code"),
        ("now-garden", "is not a known discount code"),
    ] {
        // An admin gets the reason; other callers get one answer for all codes.
        for (person, reason) in [(ROOT, reason), (SAM, "is not valid for this order")] {
            let answer = api.buy(person, "k", &coded("c", 999, code)).await;
            assert_invalid_field(&answer, 422, "discountCode");
            assert_eq!(answer.body["errors"][0]["reason"], reason, "{code}");
        }
    }
    assert_eq!(api.uses("EUROS-GARDEN").await + api.uses("OVER-GARDEN").await + api.uses("NEVER-GARDEN").await, 0);
    api.bought(SAM, "k", &coded("c", 999, "NOW-GARDEN")).await;
    assert_eq!(api.uses("NOW-GARDEN").await, 1);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discount_is_limited_to_its_uses() {
    let api = Api::start().await;
    api.discount("TWO-GARDEN", &json!({"type": "percent", "percent": 10, "maxUses": 2})).await;
    let first = api.bought(SAM, "a", &coded("c1", 999, "TWO-GARDEN")).await;
    // Sent again, it is used once.
    assert_eq!(api.bought(SAM, "a", &coded("c1", 999, "TWO-GARDEN")).await, first);
    api.buy(SAM, "b", &coded("c1", 999, "TWO-GARDEN")).await.is_problem(409);
    assert_eq!(api.uses("TWO-GARDEN").await, 1);
    let waiting = json!({"status": "pending", "discountCode": "TWO-GARDEN"});
    let waiting = api.bought(SUE, "a", &order_with("course", "c1", &waiting)).await;
    assert_eq!(api.uses("TWO-GARDEN").await, 2);
    let third = api.buy(Person("kai", "student"), "a", &coded("c1", 999, "TWO-GARDEN")).await;
    assert_invalid_field(&third, 422, "discountCode");
    assert_eq!(third.body["errors"][0]["reason"], "is not valid for this order");
    // Earlier purchases have the same answers.
    assert_eq!(api.bought(SAM, "a", &coded("c1", 999, "TWO-GARDEN")).await, first);

    // A cancelled unpaid order returns its use once.
    api.ended(SUE, id(&waiting)).await;
    api.ended(SUE, id(&waiting)).await;
    assert_eq!(api.uses("TWO-GARDEN").await, 1);
    let waiting = json!({"status": "pending", "discountCode": "TWO-GARDEN"});
    let paid = api.bought(SUE, "b", &order_with("course", "c1", &waiting)).await;
    api.complete(ROOT, id(&paid)).await;
    api.ended(ROOT, id(&paid)).await;
    assert_eq!(api.uses("TWO-GARDEN").await, 2, "what was paid has used it");
    assert_invalid_field(&api.buy(SAM, "c", &coded("c2", 999, "TWO-GARDEN")).await, 422, "discountCode");

    // Changed, it keeps its uses: a third is there, then one that is too many.
    api.discount("TWO-GARDEN", &json!({"type": "percent", "percent": 20, "maxUses": 3})).await;
    let told = api.get_discount(ROOT, "TWO-GARDEN").await.body;
    assert_eq!((&told["percent"], &told["maxUses"], &told["uses"]), (&json!(20), &json!(3), &json!(2)));
    let made = api.bought(SAM, "c", &coded("c2", 1_000, "TWO-GARDEN")).await;
    assert_eq!(made["discountAmount"], 200);
    let changed =
        api.put_discount(ROOT, "TWO-GARDEN", &[], &json!({"type": "percent", "percent": 20, "maxUses": 1})).await;
    assert_eq!((&changed.body["maxUses"], &changed.body["uses"]), (&json!(1), &json!(3)));
    assert_invalid_field(&api.buy(SAM, "d", &coded("c3", 999, "TWO-GARDEN")).await, 422, "discountCode");
    api.discount("TWO-GARDEN", &json!({"type": "percent", "percent": 20})).await;
    api.bought(SAM, "d", &coded("c3", 999, "TWO-GARDEN")).await;
    assert_eq!(api.uses("TWO-GARDEN").await, 4);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discounts_require_admin() {
    let api = Api::start().await;
    let body =
        json!({"type": "fixed", "amount": 500, "currency": "USD", "maxUses": 7, "validTo": "2040-01-01T00:00:00Z"});
    for person in [SAM, TIM, EVE, ANN] {
        api.put_discount(person, "D-GARDEN", &[], &body).await.is_problem(403);
        api.get_discount(person, "D-GARDEN").await.is_problem(403);
    }
    api.get_discount(ROOT, "D-GARDEN").await.is_problem(404);
    let made = api.put_discount(ROOT, "D-GARDEN", &[("if-none-match", "*")], &body).await;
    let expected = json!({
        "code": "D-GARDEN", "type": "fixed", "percent": null, "amount": 500, "currency": "USD", "validFrom": null,
        "validTo": "2040-01-01T00:00:00.000Z", "maxUses": 7, "uses": 0,
        "version": made.header("etag").trim_matches('"'),
    });
    assert_eq!((made.status.as_u16(), &made.body), (201, &expected));
    let read = api.get_discount(ROOT, "D-GARDEN").await;
    assert_eq!((read.status.as_u16(), &read.body), (200, &expected));
    for person in [SAM, TIM, EVE, ANN] {
        api.put_discount(person, "D-GARDEN", &[], &body).await.is_problem(403);
        api.get_discount(person, "D-GARDEN").await.is_problem(403);
    }

    // A use changes no version; a change does.
    api.bought(SAM, "k", &coded("c", 999, "D-GARDEN")).await;
    let used = api.get_discount(ROOT, "D-GARDEN").await;
    assert_eq!(used.body["version"], expected["version"]);
    assert_ne!(used.header("etag"), read.header("etag"), "what is answered has changed");
    // The tag of a body that counts is weak, and no condition of a change.
    let weak = used.header("etag");
    assert!(weak.starts_with("W/\""), "{weak}");
    api.put_discount(ROOT, "D-GARDEN", &[("if-match", weak)], &body).await.is_problem(412);
    let tag = made.header("etag").to_owned();
    let other = json!({"type": "percent", "percent": 5});
    let changed = api.put_discount(ROOT, "D-GARDEN", &[("if-match", &tag)], &other).await;
    assert_eq!((changed.status.as_u16(), &changed.body["uses"]), (200, &json!(1)));
    assert_eq!(
        (&changed.body["amount"], &changed.body["maxUses"]),
        (&Value::Null, &Value::Null),
        "what is left out is reset"
    );
    for stale in [("if-match", tag.as_str()), ("if-match", "\"other\""), ("if-none-match", "*")] {
        api.put_discount(ROOT, "D-GARDEN", &[stale], &body).await.is_problem(412);
    }
    api.put_discount(ROOT, "E-GARDEN", &[("if-match", "*")], &body).await.is_problem(412);
    api.get_discount(ROOT, "E-GARDEN").await.is_problem(404);
    assert_eq!(api.get_discount(ROOT, "D-GARDEN").await.body, changed.body);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_discount_fields() {
    let api = Api::start().await;
    let written = api.written().await;
    for (body, field) in [
        (json!({}), "type"),
        (json!({"type": "gift"}), "type"),
        (json!({"type": "percent"}), "percent"),
        (json!({"type": "percent", "percent": 0}), "percent"),
        (json!({"type": "percent", "percent": 101}), "percent"),
        (json!({"type": "percent", "percent": -5}), "percent"),
        (json!({"type": "percent", "percent": 12.5}), "percent"),
        (json!({"type": "fixed", "currency": "USD"}), "amount"),
        (json!({"type": "fixed", "amount": 0, "currency": "USD"}), "amount"),
        (json!({"type": "fixed", "amount": 5}), "currency"),
        (json!({"type": "fixed", "amount": 5, "currency": "usd"}), "currency"),
        (json!({"type": "percent", "percent": 5, "maxUses": -1}), "maxUses"),
        (json!({"type": "percent", "percent": 5, "maxUses": "2"}), "maxUses"),
        (json!({"type": "percent", "percent": 5, "validFrom": "soon"}), "validFrom"),
        (
            json!({"type": "percent", "percent": 5, "validFrom": "2026-02-01T00:00:00Z", "validTo": "2026-01-01T00:00:00Z"}),
            "validTo",
        ),
        (json!([]), "body"),
    ] {
        assert_invalid_field(&api.put_discount(ROOT, "D-GARDEN", &[], &body).await, 422, field);
    }
    let body = json!({"type": "percent", "percent": 5}).to_string();
    let put = (Method::PUT, DISCOUNT);
    for code in ["a%20b", "a%23b", &"x".repeat(65)] {
        assert_invalid_field(&api.call(put.clone(), code, ROOT, &[], body.clone()).await, 422, "code");
        assert_invalid_field(&api.get_discount(ROOT, code).await, 422, "code");
    }
    for broken in ["", "{"] {
        api.call(put.clone(), "D-GARDEN", ROOT, &[], broken).await.is_problem(400);
    }
    let huge = json!({"type": "percent", "percent": 5, "note": "x".repeat(5_000)}).to_string();
    api.call(put, "D-GARDEN", ROOT, &[], huge).await.is_problem(413);
    let token = api.token(ROOT);
    let as_text = [("content-type", "text/plain"), ("authorization", token.as_str())];
    api.app.send(Method::PUT, "/api/discounts/D-GARDEN", &as_text, body).await.is_problem(415);
    assert_eq!(api.written().await, written);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discount_validity_uses_time_of_order() {
    let api = Api::start().await;
    let hour = chrono::TimeDelta::hours(1);
    let span = json!({"type": "percent", "percent": 10, "validFrom": ago(hour * 9), "validTo": ago(hour)});
    api.discount("AUTUMN-10", &span).await;
    let at = |at: chrono::TimeDelta| json!({"purchasedAt": ago(at), "userId": "sam", "discountCode": "AUTUMN-10"});
    for (key, before) in [("early", hour * 10), ("late", chrono::TimeDelta::zero())] {
        assert_invalid_field(&api.buy(ROOT, key, &order_with("course", key, &at(before))).await, 422, "discountCode");
    }
    let made = api.bought(ROOT, "within", &order_with("course", "c", &at(hour * 2))).await;
    assert_eq!(made["discountAmount"], 100);
    assert_invalid_field(&api.buy(SAM, "now", &coded("d", 999, "AUTUMN-10")).await, 422, "discountCode");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discount_codes_cannot_be_guessed() {
    let api = Api::start().await;
    let body = json!({"type": "percent", "percent": 5});
    for code in ["HALF", "SUMMER1", "AAAAAAAAAAAA"] {
        assert_invalid_field(&api.put_discount(ROOT, code, &[], &body).await, 422, "code");
    }
    api.discount("SUMMER26", &body).await;
    // Other errors of an order reveal nothing about its code.
    api.package("p").await;
    let cheap = |code: &str| order_with("package", "p", &json!({"discountCode": code, "currency": "INR"}));
    for code in ["SUMMER26", "NOBODY-KNOWS"] {
        assert_invalid_field(&api.buy(SUE, "cheap", &cheap(code)).await, 422, "amount");
    }
    let tries = (0..40).map(|at| {
        let api = &api;
        async move { api.buy(SAM, &format!("g{at}"), &coded("c", 999, &format!("GUESS-{at:04}"))).await.status.as_u16() }
    });
    let answers = futures::future::join_all(tries).await;
    let of = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((of(422), of(429)), (20, 20), "{answers:?}");
    let refused = api.buy(SAM, "good", &coded("c", 999, "SUMMER26")).await;
    refused.is_problem(429);
    assert_eq!(refused.header("retry-after"), "3600");
    // Without a code they buy on, others with it, and an admin tries as often as it takes.
    api.bought(SAM, "plain", &order_with("course", "c", &json!({}))).await;
    for at in 0..25 {
        api.bought(SUE, &format!("k{at}"), &coded(&format!("c{at}"), 999, "SUMMER26")).await;
    }
    for at in 0..25 {
        assert_invalid_field(
            &api.buy(ROOT, &format!("r{at}"), &coded("c", 999, "NOBODY-KNOWS")).await,
            422,
            "discountCode",
        );
    }
    api.app.finish().await;
}
