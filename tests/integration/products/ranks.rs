//! Ranks: equal values share one, and a seller's own rank is exact.

use http::Method;
use serde_json::json;

use super::api::{Api, BOARD, EVE, assert_invalid_field, places, told};

/// Five sellers with three, two, two, one and one sales. Ties rank by the time the value was reached.
async fn five() -> Api {
    let api = Api::start().await;
    for (seller, sales) in [("first", 3), ("beta", 2), ("alpha", 2), ("zeta", 1), ("eta", 1)] {
        api.sells(seller, sales).await;
        api.app.settled().await;
    }
    api
}

const FIVE: [(u64, &str, u64); 5] = [(1, "first", 3), (2, "beta", 2), (2, "alpha", 2), (4, "zeta", 1), (4, "eta", 1)];

#[tokio::test(flavor = "multi_thread")]
async fn equal_values_share_rank() {
    let api = five().await;
    assert_eq!(api.places("").await, places(&FIVE));
    assert_eq!(api.places("?period=all&metric=sales").await, places(&FIVE));
    // A seller who reaches a value later ranks after those who have it.
    api.sells("eta", 1).await;
    let moved = places(&[(1, "first", 3), (2, "beta", 2), (2, "alpha", 2), (2, "eta", 2), (5, "zeta", 1)]);
    assert_eq!(api.places("").await, moved);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn around_returns_seller_with_neighbours() {
    let api = five().await;
    for (query, from, to) in [
        ("?around=alpha&limit=1", 1, 4),
        ("?around=alpha&limit=2", 0, 5),
        ("?around=first&limit=1", 0, 2),
        ("?around=eta&limit=2", 2, 5),
        ("?around=zeta&limit=1", 2, 5),
        ("?around=beta", 0, 5),
        ("?around=beta&limit=100&period=all", 0, 5),
    ] {
        let board = api.board(query).await;
        assert_eq!(told(&board), places(&FIVE[from..to]), "{query}");
        assert!(board["cursor"].is_null(), "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn around_absent_seller_is_not_found() {
    let api = five().await;
    api.becomes(EVE, "mug", "active").await;
    for query in [
        "?around=eve",
        "?around=nobody",
        "?around=first&metric=views",
        "?around=first&period=2026-03",
        "?around=first&metric=revenue&currency=EUR",
    ] {
        api.peek(query).await.is_problem(404);
    }
    // A seller who left the board has none either.
    api.becomes(EVE, "mug", "sold").await;
    let three = places(&[(4, "zeta", 1), (4, "eta", 1), (4, "eve", 1)]);
    assert_eq!(api.places("?around=eve&limit=2").await, three);
    api.becomes(EVE, "mug", "active").await;
    api.app.settled().await;
    api.peek("?around=eve").await.is_problem(404);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_board_is_not_modified() {
    let api = five().await;
    for query in ["", "?limit=2", "?around=beta&limit=1", "?period=all"] {
        let first = api.peek(query).await;
        let tag = first.header("etag").to_owned();
        let (known, get) = ([("if-none-match", tag.as_str())], (Method::GET, BOARD));
        let again = || api.send(get.clone(), query, &known, "");
        let unchanged = again().await;
        assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag.as_str()), "{query}");
        api.sells("beta", 1).await;
        api.app.settled().await;
        let changed = again().await;
        assert_eq!(changed.status, 200, "{query}");
        assert_ne!(changed.header("etag"), tag, "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = five().await;
    let cursor = api.board("?limit=1").await["cursor"].as_str().unwrap().to_owned();
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=1.5", "limit"),
        ("?limit=x", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?around=beta&limit=0", "limit"),
        ("?around=beta&limit=101", "limit"),
        ("?period=2026-13", "period"),
        ("?period=2026-00", "period"),
        ("?period=2026", "period"),
        ("?period=2026-1", "period"),
        ("?period=2026-04-10", "period"),
        ("?period=ALL", "period"),
        ("?period=", "period"),
        ("?around=a%20b", "around"),
        ("?around=", "around"),
        (&format!("?around=beta&cursor={cursor}"), "cursor"),
    ] {
        assert_invalid_field(&api.peek(query).await, 400, field);
    }
    let board = api.board("?limit=100&period=1999-12").await;
    assert_eq!((&board["period"], &board["entries"]), (&json!("1999-12"), &json!([])));
    api.app.finish().await;
}
