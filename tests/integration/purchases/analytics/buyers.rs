//! Returning buyers, and the pattern of one buyer.

use serde_json::{Value, json};

use super::{NOON, amounts, each, figures, given_back, shop, sold, told, unknown};
use crate::purchases::api::{Api, ROOT, assert_invalid_field};

async fn cohorts(api: &Api, query: &str) -> Value {
    api.analytics(query).await["cohorts"].take()
}

/// How many of a cohort bought in a later month, how many percent of it they are, and whether both months are over.
fn later(month: &str, buyers: i64, retention: f64, complete: bool) -> Value {
    json!({"month": month, "buyers": buyers, "retention": retention, "complete": complete})
}

async fn mug(api: &Api, key: &str, user: &str, at: &str) -> Value {
    sold(api, key, ("product", "mug"), at, &json!({"userId": user})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_report_returning_buyers() {
    let api = Api::at(NOON).await;
    for (key, user, at) in [
        ("a", "ann", "2026-02-01T00:00:00.000Z"),
        ("b", "bob", "2026-02-28T23:59:59.999Z"),
        ("c", "cleo", "2026-03-15T12:00:00Z"),
        ("d", "ann", "2026-04-01T00:00:00.000Z"),
        // Two purchases in one month count as one buyer.
        ("e", "ann", "2026-04-02T00:00:00Z"),
        ("f", "bob", "2026-02-28T12:00:00Z"),
    ] {
        mug(&api, key, user, at).await;
    }
    let march = json!({"month": "2026-03", "buyers": 1, "complete": true, "later": [later("2026-04", 0, 0.0, false)]});
    let first = json!({"month": "2026-02", "buyers": 2, "complete": true, "later": [
        later("2026-03", 0, 0.0, true), later("2026-04", 1, 50.0, false),
    ]});
    assert_eq!(cohorts(&api, "").await, json!([first, march]));
    assert_eq!(cohorts(&api, "?from=2026-03-31&to=2026-12-31").await, json!([march]));
    let alone = json!({"month": "2026-02", "buyers": 2, "complete": true, "later": []});
    assert_eq!(cohorts(&api, "?from=2026-02-28&to=2026-02-28").await, json!([alone]));
    assert_eq!(cohorts(&api, "?from=2026-04-01").await, json!([]));
    // The cohort of the current month may still grow.
    mug(&api, "g", "dan", NOON).await;
    let running = json!({"month": "2026-04", "buyers": 1, "complete": false, "later": []});
    assert_eq!(cohorts(&api, "?from=2026-04-01").await, json!([running]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_purchase_moves_buyer_to_earlier_cohort() {
    let api = Api::at(NOON).await;
    mug(&api, "a", "ann", "2026-03-01T12:00:00Z").await;
    mug(&api, "b", "bob", "2026-03-02T12:00:00Z").await;
    let march = |buyers: i64| json!({"month": "2026-03", "buyers": buyers, "complete": true, "later": []});
    let query = "?from=2025-01-01&to=2026-03-31";
    assert_eq!(cohorts(&api, query).await, json!([march(2)]));
    mug(&api, "c", "ann", "2026-01-31T23:59:59.999Z").await;
    let returned = [later("2026-02", 0, 0.0, true), later("2026-03", 1, 100.0, true)];
    let january = json!({"month": "2026-01", "buyers": 1, "complete": true, "later": returned});
    assert_eq!(cohorts(&api, query).await, json!([january, march(1)]));
    // A guest with the same name is another buyer.
    sold(&api, "d", ("product", "mug"), "2026-02-14T12:00:00Z", &json!({"guestId": "bob"})).await;
    let returned = [later("2026-03", 0, 0.0, true)];
    let february = json!({"month": "2026-02", "buyers": 1, "complete": true, "later": returned});
    assert_eq!(cohorts(&api, query).await, json!([january, february, march(1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_cohort_is_omitted() {
    let api = Api::at(NOON).await;
    mug(&api, "a", "ann", "2026-03-01T12:00:00Z").await;
    let query = "?from=2026-01-01&to=2026-03-31";
    assert_eq!(each(&cohorts(&api, query).await, "/month"), json!(["2026-03"]));
    mug(&api, "b", "ann", "2026-02-01T12:00:00Z").await;
    // As if it had been brought in first.
    assert_eq!(each(&cohorts(&api, query).await, "/month"), json!(["2026-02"]));
    api.app.finish().await;
}

/// Asserts the times of the first and the last purchase of a buyer.
#[track_caller]
fn bought(buyer: &Value, first: &str, last: &str) {
    assert_eq!((&buyer["firstPurchasedAt"], &buyer["lastPurchasedAt"]), (&json!(first), &json!(last)));
}

/// The figures of a buyer without the number of refunds.
fn pattern(of: &Value) -> Value {
    let mut figures = told(of);
    for amounts in figures["currencies"].as_array_mut().unwrap() {
        assert!(amounts.get("totalRefunds").is_none(), "{amounts}");
        amounts["totalRefunds"] = json!(0);
    }
    figures
}

#[tokio::test(flavor = "multi_thread")]
async fn buyer_pattern_covers_all_time() {
    let api = shop().await;
    // The requested range does not matter.
    for days in ["", "&from=2026-02-03&to=2026-02-03"] {
        let sam = &api.analytics(&format!("?userId=sam{days}")).await["buyer"];
        assert_eq!((&sam["userId"], &sam["guestId"]), (&json!("sam"), &Value::Null));
        bought(sam, "2026-01-10T12:00:00.000Z", "2026-03-01T00:00:00.000Z");
        let currencies = [amounts("USD", 2, 4_000, 500, 0), amounts("EUR", 1, 700, 0, 0)];
        assert_eq!(pattern(sam), figures([3, 3, 0], &currencies));
        let guest = &api.analytics(&format!("?guestId=g{days}")).await["buyer"];
        assert_eq!((&guest["userId"], &guest["guestId"]), (&Value::Null, &json!("g")));
        bought(guest, "2026-02-14T00:00:00.000Z", "2026-02-14T00:00:00.000Z");
        assert_eq!(pattern(guest), figures([1, 5, 1], &[unknown(1, 0)]));
    }
    // An imported earlier purchase becomes the first one, and a pending purchase does not count.
    let earlier = sold(&api, "z", ("product", "mug"), "2025-11-11T11:11:11.111Z", &json!({"userId": "sam"})).await;
    let waiting = json!({"userId": "sam", "status": "pending"});
    sold(&api, "y", ("product", "mug"), "2025-11-10T00:00:00Z", &waiting).await;
    given_back(&api, &earlier, None, "2025-12-24T00:00:00Z").await;
    let sam = &api.analytics("?userId=sam").await["buyer"];
    bought(sam, "2025-11-11T11:11:11.111Z", "2026-03-01T00:00:00.000Z");
    let currencies = [amounts("USD", 3, 4_999, 1_499, 0), amounts("EUR", 1, 700, 0, 0)];
    assert_eq!(pattern(sam), figures([4, 4, 1], &currencies));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buyer_without_purchases_has_zeros() {
    let api = Api::at(NOON).await;
    let waiting = json!({"userId": "slow", "status": "pending"});
    sold(&api, "a", ("product", "mug"), "2026-02-10T00:00:00Z", &waiting).await;
    sold(&api, "b", ("product", "mug"), "2026-02-10T00:00:00Z", &json!({"guestId": "ann"})).await;
    let nothing = json!({"firstPurchasedAt": null, "lastPurchasedAt": null, "purchases": 0, "units": 0, "ended": 0, "currencies": []});
    for (name, other, of) in
        [("userId", "guestId", "slow"), ("userId", "guestId", "ann"), ("guestId", "userId", "nobody")]
    {
        let mut expected = nothing.clone();
        expected[name] = json!(of);
        expected[other] = Value::Null;
        assert_eq!(api.analytics(&format!("?{name}={of}")).await["buyer"], expected);
    }
    assert_invalid_field(&api.asks(ROOT, "?userId=ann&guestId=ann").await, 400, "guestId");
    api.app.finish().await;
}
