//! The revenue of a sale is its price at that time, whatever the product costs later.

use serde_json::json;

use super::api::{Api, BOB, EVE, ROOT, assert_invalid_field, mug, places};

const DOLLARS: &str = "?metric=revenue&currency=USD";
const EUROS: &str = "?metric=revenue&currency=EUR";

#[tokio::test(flavor = "multi_thread")]
async fn later_price_change_keeps_revenue() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    for patch in [json!({"price": 1}), json!({"price": 5_000, "currency": "EUR"}), json!({"title": "Cup"})] {
        let mut patch = patch;
        patch["status"] = json!("sold");
        let changed = api.is(EVE, "mug", &patch).await;
        assert_eq!((&changed["soldFor"], &changed["soldCurrency"]), (&json!(999), &json!("USD")));
        assert_eq!(api.places(DOLLARS).await, places(&[(1, "eve", 999)]));
        assert_eq!(api.places(EUROS).await, []);
    }
    // Undone after all that, nothing remains.
    api.becomes(EVE, "mug", "active").await;
    for query in [DOLLARS, EUROS, "?metric=sales"] {
        assert_eq!(api.places(query).await, [], "{query}");
        assert_eq!(api.places(&format!("{query}&period=all")).await, [], "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_uses_price_at_sale() {
    let api = Api::start().await;
    api.is(EVE, "mug", &json!({"price": 100})).await;
    api.is(EVE, "mug", &json!({"price": 200})).await;
    let sold = api.is(EVE, "mug", &json!({"price": 300, "status": "sold"})).await;
    assert_eq!(sold["soldFor"], 300);
    assert_eq!(api.places(DOLLARS).await, places(&[(1, "eve", 300)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resale_counts_at_new_price() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    api.becomes(EVE, "mug", "active").await;
    let again = api.is(EVE, "mug", &json!({"price": 5_000, "status": "sold"})).await;
    assert_eq!(again["soldFor"], 5_000);
    assert_eq!(api.places(DOLLARS).await, places(&[(1, "eve", 5_000)]));
    api.becomes(EVE, "mug", "active").await;
    api.is(EVE, "mug", &json!({"price": 700, "currency": "EUR", "status": "sold"})).await;
    assert_eq!((api.places(DOLLARS).await, api.places(EUROS).await), (vec![], places(&[(1, "eve", 700)])));
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_currency_has_its_board() {
    let api = Api::start().await;
    for (who, id, price, currency) in
        [(EVE, "a", 500, "USD"), (EVE, "b", 700, "EUR"), (BOB, "c", 600, "USD"), (BOB, "d", 1_000_000_000_u64, "JPY")]
    {
        api.is(who, id, &json!({"price": price, "currency": currency, "status": "sold"})).await;
    }
    assert_eq!(api.places(DOLLARS).await, places(&[(1, "bob", 600), (2, "eve", 500)]));
    assert_eq!(api.places(EUROS).await, places(&[(1, "eve", 700)]));
    let yen = api.board("?metric=revenue&currency=JPY&period=all").await;
    assert_eq!(yen["entries"], json!([{"rank": 1, "sellerId": "bob", "value": 1_000_000_000, "verified": false}]));
    assert_eq!((&yen["metric"], &yen["currency"]), (&json!("revenue"), &json!("JPY")));
    assert_eq!(api.places("?metric=revenue&currency=GBP").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_product_counts_as_sale_without_revenue() {
    let api = Api::start().await;
    api.is(EVE, "mug", &json!({"price": 0, "status": "sold"})).await;
    assert_eq!((api.places("").await, api.places(DOLLARS).await), (places(&[(1, "eve", 1)]), vec![]));
    api.becomes(EVE, "mug", "active").await;
    assert_eq!(api.places("").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_board_requires_currency_and_others_reject_it() {
    let api = Api::start().await;
    for (query, field) in [
        ("?metric=revenue", "currency"),
        ("?metric=revenue&currency=usd", "currency"),
        ("?metric=revenue&currency=XYZ", "currency"),
        ("?metric=revenue&currency=", "currency"),
        ("?metric=sales&currency=USD", "currency"),
        ("?metric=views&currency=USD", "currency"),
        ("?currency=USD", "currency"),
        ("?metric=likes", "metric"),
        ("?metric=", "metric"),
        ("?metric=SALES", "metric"),
    ] {
        assert_invalid_field(&api.peek(query).await, 400, field);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_reported_sales_are_limited_and_unverified() {
    let api = Api::start_with("2026-04-10T23:00:00Z", |options| {
        options.parameters.insert("SellerSalesPerDay".to_owned(), "3".to_owned());
    })
    .await;
    for price in [1_000_000_001_u64, 1_000_000_000_000] {
        let dear = mug(&json!({"productId": "dear", "price": price, "status": "sold"}));
        assert_invalid_field(&api.create(EVE, &dear).await, 422, "price");
        assert_invalid_field(&api.put(EVE, "dear", &[], &dear).await, 422, "price");
    }
    let sold = json!({"status": "sold"});
    let sells = async |who, id: &str| api.put(who, id, &[], &mug(&sold)).await;
    api.becomes(EVE, "a", "active").await;
    for id in ["a", "b", "c"] {
        assert!(sells(EVE, id).await.status.is_success(), "{id}");
    }
    let refused = sells(EVE, "d").await;
    refused.is_problem(429);
    assert!((1..=3_600).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused:?}");
    api.create(EVE, &mug(&sold)).await.is_problem(429);
    // Sold products stay sold, and undone sales still count: the quota limits the reporting of sales.
    assert_eq!(sells(EVE, "a").await.status, 200);
    api.becomes(EVE, "a", "active").await;
    sells(EVE, "a").await.is_problem(429);
    // Others sell on, and admins mark as many as there are, at any price.
    assert_eq!(sells(BOB, "of-bob").await.status, 201);
    api.sells("eve", 5).await;
    let dear = mug(&json!({"productId": "dear", "sellerId": "eve", "price": 1_000_000_000_000_u64}));
    assert_eq!(api.create(ROOT, &dear).await.status, 201);
    assert_eq!(api.put(EVE, "dear", &[], &dear).await.status, 200, "what an admin priced may stay so");
    let entries = |board: &serde_json::Value| -> Vec<(String, bool)> {
        let entry = |one: &serde_json::Value| (one["sellerId"].as_str().unwrap().to_owned(), one["verified"] == true);
        board["entries"].as_array().unwrap().iter().map(entry).collect()
    };
    for query in ["", DOLLARS] {
        let expected = [("eve".to_owned(), false), ("bob".to_owned(), false)];
        assert_eq!(entries(&api.board(query).await), expected, "{query}");
    }
    assert!(api.counts("s1", "dear").await);
    assert_eq!(entries(&api.board("?metric=views").await), [("eve".to_owned(), true)]);
    api.until("2026-04-11T00:00:01Z").await;
    assert_eq!(sells(EVE, "d").await.status, 201, "another day");
    api.app.finish().await;
}
