//! What a sale brought in is its price when it was sold, whatever the product costs later.

use serde_json::json;

use super::api::{Api, BOB, EVE, is_wrong, places};

const DOLLARS: &str = "?metric=revenue&currency=USD";
const EUROS: &str = "?metric=revenue&currency=EUR";

#[tokio::test(flavor = "multi_thread")]
async fn another_price_later_changes_no_revenue() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    for patch in [json!({"price": 1}), json!({"price": 5_000, "currency": "EUR"}), json!({"title": "Cup"})] {
        let mut patch = patch;
        patch["status"] = json!("sold");
        let changed = api.is(EVE, "mug", &patch).await;
        assert_eq!(changed["soldFor"], 999);
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
async fn another_price_before_the_sale_is_the_one_that_counts() {
    let api = Api::start().await;
    api.is(EVE, "mug", &json!({"price": 100})).await;
    api.is(EVE, "mug", &json!({"price": 200})).await;
    let sold = api.is(EVE, "mug", &json!({"price": 300, "status": "sold"})).await;
    assert_eq!(sold["soldFor"], 300);
    assert_eq!(api.places(DOLLARS).await, places(&[(1, "eve", 300)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_again_counts_at_its_new_price() {
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
async fn currencies_have_boards_of_their_own() {
    let api = Api::start().await;
    for (who, id, price, currency) in [
        (EVE, "a", 500, "USD"),
        (EVE, "b", 700, "EUR"),
        (BOB, "c", 600, "USD"),
        (BOB, "d", 1_000_000_000_000_u64, "JPY"),
    ] {
        api.is(who, id, &json!({"price": price, "currency": currency, "status": "sold"})).await;
    }
    assert_eq!(api.places(DOLLARS).await, places(&[(1, "bob", 600), (2, "eve", 500)]));
    assert_eq!(api.places(EUROS).await, places(&[(1, "eve", 700)]));
    let yen = api.board("?metric=revenue&currency=JPY&period=all").await;
    assert_eq!(yen["entries"], json!([{"rank": 1, "sellerId": "bob", "value": 1_000_000_000_000_u64}]));
    assert_eq!((&yen["metric"], &yen["currency"]), (&json!("revenue"), &json!("JPY")));
    assert_eq!(api.places("?metric=revenue&currency=GBP").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_away_is_a_sale_without_revenue() {
    let api = Api::start().await;
    api.is(EVE, "mug", &json!({"price": 0, "status": "sold"})).await;
    assert_eq!((api.places("").await, api.places(DOLLARS).await), (places(&[(1, "eve", 1)]), vec![]));
    api.becomes(EVE, "mug", "active").await;
    assert_eq!(api.places("").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_currency_belongs_to_revenue_and_revenue_to_a_currency() {
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
        is_wrong(&api.peek(query).await, 400, field);
    }
    api.app.finish().await;
}
