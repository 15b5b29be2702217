//! Sales and views reach the board of the running month, and undone sales leave it.

use serde_json::{Value, json};

use super::api::{Api, BOB, EVE, ROOT, SAM, SUE, counted, places};

#[tokio::test(flavor = "multi_thread")]
async fn sold_product_is_on_board() {
    let api = Api::start().await;
    let offered = api.becomes(EVE, "mug", "active").await;
    assert_eq!((&offered["soldAt"], &offered["soldFor"]), (&Value::Null, &Value::Null));
    let before = api.board("").await;
    assert_eq!((&before["entries"], &before["changedAt"], &before["cursor"]), (&json!([]), &Value::Null, &Value::Null));
    let (from, sold, to) = (api.now(), api.becomes(EVE, "mug", "sold").await, api.now());
    let at = sold["soldAt"].as_str().unwrap().parse().unwrap();
    assert!(from <= at && at <= to, "{from} {at} {to}");
    assert_eq!((&sold["soldFor"], &sold["soldAtEstimated"]), (&json!(999), &json!(false)));
    let after = api.board("").await;
    assert_eq!(after["entries"], json!([{"rank": 1, "sellerId": "eve", "value": 1, "verified": false}]));
    assert_eq!(
        (&after["metric"], &after["currency"], &after["period"]),
        (&json!("sales"), &Value::Null, &json!("2026-04"))
    );
    let changed = after["changedAt"].as_str().unwrap().parse().unwrap();
    assert!(at <= changed && changed <= api.now(), "{changed}");
    assert_eq!(api.places("?period=all").await, places(&[(1, "eve", 1)]));
    // Described once more it is the same sale.
    assert_eq!(api.becomes(EVE, "mug", "sold").await, sold);
    assert_eq!(api.board("").await["changedAt"], after["changedAt"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewed_product_is_on_board() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await);
    for query in ["?metric=views", "?metric=views&period=2026-04", "?metric=views&period=all"] {
        assert_eq!(api.places(query).await, places(&[(1, "eve", 1)]), "{query}");
    }
    for query in ["", "?metric=revenue&currency=USD"] {
        assert_eq!(api.places(query).await, [], "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_of_seller_are_summed() {
    let api = Api::start().await;
    for (who, id) in [(EVE, "a"), (EVE, "b"), (BOB, "c"), (EVE, "d")] {
        api.becomes(who, id, "sold").await;
    }
    api.becomes(BOB, "e", "active").await;
    api.becomes(BOB, "f", "draft").await;
    let both = places(&[(1, "eve", 3), (2, "bob", 1)]);
    assert_eq!((api.places("").await, api.places("?period=all").await), (both.clone(), both));
    assert_eq!(api.places("?metric=revenue&currency=USD").await, places(&[(1, "eve", 2_997), (2, "bob", 999)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_seller_are_summed() {
    let api = Api::start().await;
    for (who, id) in [(EVE, "a"), (EVE, "b"), (BOB, "c")] {
        api.becomes(who, id, "active").await;
    }
    for (session, id) in [("s1", "a"), ("s2", "a"), ("s1", "b"), ("s1", "c"), ("s2", "c")] {
        assert!(api.counts(session, id).await, "{session} {id}");
    }
    assert!(counted(&api.looks_as(SAM, "b", &json!({})).await));
    assert!(counted(&api.looks_as(SUE, "c", &json!({})).await));
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 4), (2, "bob", 3)]));
    // Views of an active product stay when it is sold.
    api.becomes(EVE, "a", "sold").await;
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 4), (2, "bob", 3)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undone_sale_leaves_board() {
    let api = Api::start().await;
    let boards = ["", "?period=all", "?metric=revenue&currency=USD", "?metric=revenue&currency=USD&period=all"];
    api.becomes(EVE, "a", "sold").await;
    api.becomes(EVE, "b", "sold").await;
    let undone = api.becomes(EVE, "a", "active").await;
    assert_eq!(
        (&undone["status"], &undone["soldAt"], &undone["soldFor"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
    for (query, value) in boards.into_iter().zip([1, 1, 999, 999]) {
        assert_eq!(api.places(query).await, places(&[(1, "eve", value)]), "{query}");
    }
    api.becomes(EVE, "b", "draft").await;
    for query in boards {
        assert_eq!(api.places(query).await, [], "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_board_updates_its_timestamp() {
    let api = Api::start().await;
    let boards = ["", "?period=all", "?around=eve", "?metric=revenue&currency=USD"];
    let mut last = [""; 4].map(str::to_owned);
    for (id, status) in [("a", "sold"), ("b", "sold"), ("c", "sold"), ("a", "active")] {
        api.becomes(EVE, id, status).await;
        for (query, last) in boards.iter().zip(&mut last) {
            let updated = api.board(query).await["changedAt"].as_str().unwrap().to_owned();
            assert!(updated > *last, "{query} changed when {id} became {status}, and says {updated} as before");
            *last = updated;
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_board_has_no_timestamp() {
    let api = Api::start().await;
    api.becomes(EVE, "a", "sold").await;
    assert!(api.board("").await["changedAt"].is_string());
    api.becomes(EVE, "a", "active").await;
    let board = api.board("").await;
    assert_eq!((&board["entries"], &board["changedAt"]), (&json!([]), &Value::Null), "{board}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_sale_and_undo_count_once() {
    let api = Api::start().await;
    for status in ["sold", "active", "sold", "draft", "sold", "sold", "active", "sold"] {
        api.becomes(EVE, "mug", status).await;
    }
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    assert_eq!(api.places("?period=all&metric=revenue&currency=USD").await, places(&[(1, "eve", 999)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_by_admin_counts_for_seller() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let sold = api.is(ROOT, "mug", &json!({"status": "sold", "sellerId": "bob"})).await;
    assert_eq!(sold["sellerId"], "eve", "it stays whose it is");
    let made = api.is(ROOT, "cup", &json!({"status": "sold", "sellerId": "bob"})).await;
    assert_eq!(made["sellerId"], "bob");
    let mut board = api.places("").await;
    board.sort();
    assert_eq!(board, places(&[(1, "bob", 1), (1, "eve", 1)]));
    api.app.finish().await;
}
