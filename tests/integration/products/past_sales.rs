//! The server sets the time of a sale; an admin who records a past sale sets it, too.

use serde_json::{Value, json};

use super::api::{Api, EVE, ROOT, assert_invalid_field, mug, places};

#[tokio::test(flavor = "multi_thread")]
async fn sale_time_requires_admin() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for patch in [
        json!({"status": "sold", "soldAt": "2026-03-01T12:00:00Z"}),
        json!({"status": "sold", "soldAtEstimated": true}),
        json!({"status": "sold", "soldAt": "2026-03-01T12:00:00Z", "soldAtEstimated": true}),
        json!({"status": "active", "soldAt": "2026-03-01T12:00:00Z"}),
    ] {
        api.put(EVE, "mug", &[], &mug(&patch)).await.is_problem(403);
        api.create(EVE, &mug(&patch)).await.is_problem(403);
    }
    assert_eq!((api.places("").await, api.places("?period=all").await), (vec![], vec![]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_records_past_sale() {
    let api = Api::start().await;
    let sale = json!({"productId": "mug", "sellerId": "eve", "status": "sold", "soldAt": "2025-12-24T18:00:00+01:00"});
    let made = api.create(ROOT, &mug(&sale)).await;
    assert_eq!((made.status.as_u16(), &made.body["soldAt"]), (201, &json!("2025-12-24T17:00:00.000Z")), "{made:?}");
    assert_eq!((&made.body["soldAtEstimated"], &made.body["soldFor"]), (&json!(false), &json!(999)));
    assert_eq!(api.places("?period=2025-12").await, places(&[(1, "eve", 1)]));
    assert_eq!((api.places("").await, api.places("?period=all").await), (vec![], places(&[(1, "eve", 1)])));
    // Repeated, it stays the same, and the seller cannot change the time.
    assert_eq!(api.create(ROOT, &mug(&sale)).await.status, 201);
    let same = api.becomes(EVE, "mug", "sold").await;
    assert_eq!(same["soldAt"], made.body["soldAt"]);
    assert_eq!(api.places("?period=all").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_corrects_sale_time() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    let sold = api.is(ROOT, "mug", &json!({"status": "sold", "soldAt": "2026-02-28T23:59:59.999Z"})).await;
    assert_eq!(sold["soldAt"], "2026-02-28T23:59:59.999Z");
    let one = places(&[(1, "eve", 1)]);
    assert_eq!((api.places("").await, api.places("?period=2026-02").await), (vec![], one.clone()));
    assert_eq!(api.places("?period=all").await, one);
    assert_eq!(api.places("?metric=revenue&currency=USD&period=all").await, places(&[(1, "eve", 999)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_sale_time_keeps_sale_price() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    api.is(EVE, "mug", &json!({"price": 5_000, "status": "sold"})).await;
    let put_right = json!({"price": 5_000, "status": "sold", "soldAt": "2026-02-28T12:00:00Z"});
    let sold = api.is(ROOT, "mug", &put_right).await;
    assert_eq!((&sold["price"], &sold["soldFor"]), (&json!(5_000), &json!(999)));
    let revenue = api.places("?metric=revenue&currency=USD&period=2026-02").await;
    assert_eq!(revenue, places(&[(1, "eve", 999)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn estimated_sale_time_is_marked() {
    let api = Api::start().await;
    let guess = json!({"status": "sold", "soldAt": "2026-03-01T12:00:00Z", "soldAtEstimated": true, "sellerId": "eve"});
    let made = api.is(ROOT, "mug", &guess).await;
    assert_eq!((&made["soldAt"], &made["soldAtEstimated"]), (&json!("2026-03-01T12:00:00.000Z"), &json!(true)));
    assert_eq!(api.becomes(EVE, "mug", "sold").await["soldAtEstimated"], true);
    assert_eq!(api.places("?period=2026-03").await, places(&[(1, "eve", 1)]));
    let known = api.is(ROOT, "mug", &json!({"status": "sold", "soldAt": "2026-03-01T12:00:00Z"})).await;
    assert_eq!((&known["soldAt"], &known["soldAtEstimated"]), (&made["soldAt"], &json!(false)));
    assert_eq!(api.places("?period=2026-03").await, places(&[(1, "eve", 1)]));
    let undone = api.becomes(EVE, "mug", "active").await;
    assert_eq!((&undone["soldAt"], &undone["soldAtEstimated"]), (&Value::Null, &json!(false)));
    assert_eq!((api.places("?period=2026-03").await, api.places("?period=all").await), (vec![], vec![]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_sale_in_the_future() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for at in ["2026-04-10T13:00:00Z", "2027-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let patch = json!({"status": "sold", "soldAt": at});
        assert_invalid_field(&api.put(ROOT, "mug", &[], &mug(&patch)).await, 422, "soldAt");
        assert_invalid_field(&api.create(ROOT, &mug(&patch)).await, 422, "soldAt");
    }
    for at in [json!("yesterday"), json!("2026-04-09"), json!("2026-02-30T12:00:00Z"), json!(1_775_000_000)] {
        assert_invalid_field(&api.create(ROOT, &mug(&json!({"status": "sold", "soldAt": at}))).await, 422, "soldAt");
    }
    assert_eq!(api.places("?period=all").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_sale_time_of_unsold_product() {
    let api = Api::start().await;
    for status in [json!("active"), json!("draft"), Value::Null] {
        let patch = json!({"status": status, "soldAt": "2026-03-01T12:00:00Z"});
        assert_invalid_field(&api.create(ROOT, &mug(&patch)).await, 422, "soldAt");
        assert_invalid_field(&api.put(ROOT, "mug", &[], &mug(&patch)).await, 422, "soldAt");
    }
    assert_invalid_field(
        &api.create(ROOT, &mug(&json!({"status": "sold", "soldAtEstimated": "yes"}))).await,
        422,
        "soldAtEstimated",
    );
    api.app.finish().await;
}
