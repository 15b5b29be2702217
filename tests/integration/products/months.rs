//! The end of a month: the old board stays as it was, and the new one begins empty.

use serde_json::{Value, json};

use super::api::{Api, BOB, EVE, ROOT, mug, places};

/// The last seconds of April, and the first ones of May.
const APRIL: &str = "2026-04-30T23:59:00.000Z";
const MAY: &str = "2026-05-01T00:00:00.000Z";

/// Eve and Bob sell and are looked at in April; then it is May.
async fn it_is_may() -> Api {
    let api = Api::at(APRIL).await;
    for (who, id) in [(EVE, "a"), (EVE, "b"), (BOB, "c")] {
        api.becomes(who, id, "active").await;
        assert!(api.counts("s1", id).await);
        api.becomes(who, id, "sold").await;
    }
    api.until(MAY).await;
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn new_month_starts_with_empty_board() {
    let api = it_is_may().await;
    let april = places(&[(1, "eve", 2), (2, "bob", 1)]);
    for metric in ["sales", "views"] {
        let may = api.board(&format!("?metric={metric}")).await;
        assert_eq!((&may["period"], &may["entries"], &may["changedAt"]), (&json!("2026-05"), &json!([]), &Value::Null));
        assert_eq!(api.places(&format!("?metric={metric}&period=2026-04")).await, april);
        assert_eq!(api.places(&format!("?metric={metric}&period=all")).await, april);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn board_of_past_month_is_final() {
    let api = it_is_may().await;
    let sales = "?period=2026-04";
    let before = api.board(sales).await;
    api.becomes(BOB, "d", "sold").await;
    api.becomes(BOB, "e", "active").await;
    assert!(api.counts("s1", "e").await);
    let may = places(&[(1, "bob", 1)]);
    assert_eq!((api.places("").await, api.places("?period=2026-05&metric=views").await), (may.clone(), may));
    let after = api.board(sales).await;
    assert_eq!((&after["entries"], &after["changedAt"]), (&before["entries"], &before["changedAt"]));
    let mut all = api.places("?period=all").await;
    all.sort();
    assert_eq!(all, places(&[(1, "bob", 2), (1, "eve", 2)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_undo_changes_board_of_sale_month() {
    let api = it_is_may().await;
    api.becomes(EVE, "a", "active").await;
    api.becomes(EVE, "b", "active").await;
    let bob = places(&[(1, "bob", 1)]);
    assert_eq!((api.places("?period=2026-04").await, api.places("?period=all").await), (bob.clone(), bob));
    assert_eq!(api.places("").await, []);
    let revenue = "?metric=revenue&currency=USD";
    assert_eq!(api.places(&format!("{revenue}&period=2026-04")).await, places(&[(1, "bob", 999)]));
    assert_eq!(api.places(revenue).await, []);
    // Views stay counted.
    assert_eq!(api.places("?metric=views&period=2026-04").await, places(&[(1, "eve", 2), (2, "bob", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resale_counts_in_its_own_month() {
    let api = it_is_may().await;
    api.becomes(EVE, "a", "active").await;
    api.becomes(EVE, "a", "sold").await;
    let one = |who| places(&[(1, who, 1)]);
    assert_eq!(api.places("").await, one("eve"));
    let mut april = api.places("?period=2026-04").await;
    april.sort();
    assert_eq!(april, places(&[(1, "bob", 1), (1, "eve", 1)]));
    assert_eq!(api.places("?period=all").await, places(&[(1, "eve", 2), (2, "bob", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_millisecond_belongs_to_month() {
    let api = Api::start().await;
    for (id, at) in
        [("a", "2026-03-31T23:59:59.999Z"), ("b", "2026-04-01T00:00:00.000Z"), ("c", "2026-03-01T00:00:00Z")]
    {
        let answer = api.put(ROOT, id, &[], &mug(&json!({"status": "sold", "sellerId": "eve", "soldAt": at}))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    for (period, sales) in [("2026-03", 2), ("2026-04", 1), ("all", 3)] {
        assert_eq!(api.places(&format!("?period={period}")).await, places(&[(1, "eve", sales)]), "{period}");
    }
    assert_eq!(api.places("?period=2026-02").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_current_month_has_next_reset() {
    let api = it_is_may().await;
    for (query, next) in [
        ("", json!("2026-06-01T00:00:00.000Z")),
        ("?period=2026-05", json!("2026-06-01T00:00:00.000Z")),
        ("?period=2026-04", Value::Null),
        ("?period=2026-06", Value::Null),
        ("?period=all", Value::Null),
        ("?metric=views", json!("2026-06-01T00:00:00.000Z")),
    ] {
        assert_eq!(api.board(query).await["nextResetAt"], next, "{query}");
    }
    api.until("2026-12-31T23:59:00Z").await;
    let december = api.board("").await;
    assert_eq!(
        (&december["period"], &december["nextResetAt"]),
        (&json!("2026-12"), &json!("2027-01-01T00:00:00.000Z"))
    );
    api.app.finish().await;
}
