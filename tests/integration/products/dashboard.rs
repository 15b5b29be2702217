//! The dashboard of a seller matches the boards.

use futures::future::join_all;
use http::Method;
use serde_json::{Map, Value, json};

use super::api::{ANN, Api, BOB, EVE, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, mug};
use super::deletion::{delete, is_gone};
use super::reads::shows;
use crate::support::app::Answer;
use crate::support::client::forged;

const DASHBOARD: &str = "/api/seller/dashboard";

/// The current dashboard; the query begins with `?`.
async fn peek(api: &Api, person: Person<'_>, query: &str, headers: &[(&str, &str)]) -> Answer {
    let token = api.token(person);
    let mut all = vec![("authorization", token.as_str())];
    all.extend_from_slice(headers);
    api.send((Method::GET, DASHBOARD), query, &all, "").await
}

/// The value of a seller on a board, under this name, with the rank.
async fn on_board(api: &Api, metric: &str, period: &str, seller: &str, name: &str) -> Option<Value> {
    let board = api.peek(&format!("?metric={metric}&period={period}&around={seller}")).await;
    if board.status != 200 {
        board.is_problem(404);
        return None;
    }
    let own = board.body["entries"].as_array().unwrap().iter().find(|entry| entry["sellerId"] == seller).unwrap();
    Some(json!({name: own["value"], "rank": own["rank"]}))
}

/// The dashboard of a seller once everything has settled; it matches the boards.
async fn dashboard(api: &Api, seller: Person<'_>) -> Value {
    api.app.settled().await;
    let answer = peek(api, seller, "", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "private, no-cache"), "{answer:?}");
    let (told, none) = (answer.body, json!({"count": 0, "rank": null}));
    for (part, period) in [("month", &api.now().to_string()[..7]), ("allTime", "all")] {
        let (mut earnings, mut sums) = (Map::new(), Map::new());
        for currency in ["EUR", "JPY", "USD"] {
            let metric = format!("revenue&currency={currency}");
            if let Some(earned) = on_board(api, &metric, period, seller.0, "amount").await {
                sums.insert(currency.to_owned(), earned["amount"].clone());
                earnings.insert(currency.to_owned(), earned);
            }
        }
        let sold = on_board(api, "sales", period, seller.0, "count").await.unwrap_or_else(|| none.clone());
        let views = on_board(api, "views", period, seller.0, "count").await.unwrap_or_else(|| none.clone());
        if period == "all" {
            let all = (&sold["count"], &views["count"], &Value::from(sums));
            assert_eq!((&told["itemsSold"], &told["totalViews"], &told["totalEarnings"]), all);
        }
        assert_eq!(told[part], json!({"period": period, "itemsSold": sold, "views": views, "earnings": earnings}));
    }
    assert_eq!((&told["sellerId"], &told["unread"]), (&json!(seller.0), &json!(0)));
    told
}

/// The active listings of a seller, their views, and the total of views.
async fn listed(api: &Api, seller: Person<'_>) -> (u64, u64, u64) {
    let told = dashboard(api, seller).await;
    let number = |of: &str| told[of].as_u64().unwrap();
    (number("activeListings"), number("activeViews"), number("totalViews"))
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_dashboard_requires_seller_or_admin() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    api.app.settled().await;
    for (person, query, seller) in [
        (EVE, "", "eve"),
        (EVE, "?sellerId=eve", "eve"),
        (BOB, "", "bob"),
        (ROOT, "?sellerId=eve", "eve"),
        (ROOT, "?sellerId=nobody", "nobody"),
    ] {
        let told = peek(&api, person, query, &[]).await;
        assert_eq!(told.status, 200, "{person:?} {query}: {told:?}");
        let listed = u64::from(seller == "eve");
        assert_eq!((&told.body["sellerId"], &told.body["activeListings"]), (&json!(seller), &json!(listed)));
    }
    for query in ["", "?sellerId=", "?sellerId=a%20b", "?sellerId=eve&sellerId=bob"] {
        assert_invalid_field(&peek(&api, ROOT, query, &[]).await, 400, "sellerId");
    }
    assert_invalid_field(&peek(&api, EVE, "?sellerId=a%20b", &[]).await, 400, "sellerId");
    for query in ["?sellerId=eve", "?sellerId=nobody"] {
        peek(&api, BOB, query, &[]).await.is_problem(403);
    }
    for person in [SAM, TIM, ANN] {
        for query in ["", "?sellerId=eve", &format!("?sellerId={}", person.0)] {
            peek(&api, person, query, &[]).await.is_problem(403);
        }
    }
    let forged = forged(&api.token(EVE));
    api.send((Method::GET, DASHBOARD), "", &[("authorization", &forged)], "").await.is_problem(401);
    for headers in [vec![], vec![("x-write-key", api.app.cloud.write_key())]] {
        assert_eq!(api.app.send(Method::GET, DASHBOARD, &headers, "").await.status, 401);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_without_sales_has_no_ranks() {
    let api = Api::start().await;
    let nothing = |period| {
        let none = json!({"count": 0, "rank": null});
        json!({"period": period, "itemsSold": none, "views": none, "earnings": {}})
    };
    let expected = json!({
        "sellerId": "bob", "activeListings": 0, "totalViews": 0, "activeViews": 0, "itemsSold": 0, "totalEarnings": {},
        "unread": 0, "month": nothing("2026-04"), "allTime": nothing("all"),
        "nextResetAt": "2026-05-01T00:00:00.000Z",
    });
    let told = async || {
        let mut told = dashboard(&api, BOB).await;
        assert!(told.as_object_mut().unwrap().remove("asOf").is_some());
        told
    };
    assert_eq!(told().await, expected);
    // Nor when others have something, nor when it is taken back.
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await);
    for (who, id, status) in [(EVE, "mug", "sold"), (BOB, "jug", "sold"), (BOB, "jug", "draft")] {
        api.becomes(who, id, status).await;
    }
    assert_eq!(told().await, expected);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_figures_match_boards() {
    let api = Api::start().await;
    let sold = [(EVE, "a", 500, "USD"), (EVE, "b", 700, "EUR"), (EVE, "c", 1, "USD"), (BOB, "d", 600, "USD")];
    for (who, id, price, currency) in sold.into_iter().chain([(BOB, "e", 0, "JPY"), (BOB, "f", 900, "JPY")]) {
        api.is(who, id, &json!({"price": price, "currency": currency})).await;
        assert!(api.counts("s1", id).await);
        api.is(who, id, &json!({"price": price, "currency": currency, "status": "sold"})).await;
    }
    api.becomes(BOB, "g", "active").await;
    for session in ["s1", "s2"] {
        assert!(api.counts(session, "g").await);
    }
    let (eve, bob) = (dashboard(&api, EVE).await, dashboard(&api, BOB).await);
    for part in ["month", "allTime"] {
        let earnings = json!({"USD": {"amount": 501, "rank": 2}, "EUR": {"amount": 700, "rank": 1}});
        assert_eq!(eve[part]["earnings"], earnings);
        assert_eq!(eve[part]["views"], json!({"count": 3, "rank": 2}));
        for equal in [&eve, &bob] {
            assert_eq!(equal[part]["itemsSold"], json!({"count": 3, "rank": 1}));
        }
    }
    assert_eq!((&eve["totalEarnings"], &eve["totalViews"]), (&json!({"USD": 501, "EUR": 700}), &json!(3)));
    assert_eq!((&bob["totalEarnings"], &bob["totalViews"]), (&json!({"USD": 600, "JPY": 900}), &json!(5)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn active_listings_count_purchasable_products() {
    let api = Api::start().await;
    for (id, viewers) in [("a", 2), ("b", 1), ("c", 0)] {
        api.becomes(EVE, id, "active").await;
        for viewer in 0..viewers {
            assert!(api.counts(&format!("s{viewer}"), id).await);
        }
    }
    api.becomes(BOB, "d", "active").await;
    assert!(api.counts("s1", "d").await);
    assert_eq!(listed(&api, EVE).await, (3, 3, 3));
    for (id, becomes, listings, views) in [
        ("a", "draft", 2, 1),
        ("a", "active", 3, 3),
        ("a", "active", 3, 3),
        ("b", "sold", 2, 2),
        ("a", "sold", 1, 0),
        ("a", "gone", 1, 0),
        ("b", "active", 2, 1),
        ("b", "gone", 1, 0),
        ("b", "draft", 1, 0),
        ("b", "active", 2, 1),
        ("a", "active", 3, 3),
        ("c", "gone", 2, 3),
    ] {
        match becomes {
            "gone" => is_gone(&delete(&api, EVE, id, &[]).await),
            _ => drop(api.becomes(EVE, id, becomes).await),
        }
        assert_eq!(listed(&api, EVE).await, (listings, views, 3), "{id} is {becomes}");
    }
    assert!(api.counts("s7", "b").await);
    assert_eq!((listed(&api, EVE).await, listed(&api, BOB).await), ((2, 4, 4), (1, 1, 1)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn active_listings_are_exact_after_concurrent_changes() {
    let api = Api::start().await;
    let ids = ["a", "b", "c"];
    for id in ids {
        api.becomes(EVE, id, "active").await;
        assert!(api.counts("s1", id).await);
    }
    for round in 0..3 {
        let happen = (0..18).map(async |at| {
            let (id, what) = (ids[at % 3], (at / 3 + round) % 4);
            match ["active", "draft", "sold"].get(what) {
                Some(status) => drop(api.becomes(EVE, id, status).await),
                None => assert!([204, 404].contains(&delete(&api, EVE, id, &[]).await.status.as_u16())),
            }
        });
        join_all(happen).await;
        let there = join_all(ids.map(|id| shows(&api, id))).await;
        let active = there.iter().filter(|answer| answer.body["status"] == "active").count() as u64;
        assert_eq!(listed(&api, EVE).await, (active, active, 3), "{there:?}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earnings_last_until_sale_is_undone() {
    let api = Api::start().await;
    let earned = async |sold: u64, earnings: Value| {
        let told = dashboard(&api, EVE).await;
        assert_eq!((&told["itemsSold"], &told["totalEarnings"]), (&json!(sold), &earnings));
    };
    api.becomes(EVE, "mug", "sold").await;
    api.is(EVE, "cup", &json!({"price": 700, "currency": "EUR", "status": "sold"})).await;
    earned(2, json!({"USD": 999, "EUR": 700})).await;
    for patch in [json!({"price": 1, "status": "sold"}), json!({"price": 5, "currency": "JPY", "status": "sold"})] {
        api.is(EVE, "mug", &patch).await;
        earned(2, json!({"USD": 999, "EUR": 700})).await;
    }
    api.becomes(EVE, "cup", "active").await;
    earned(1, json!({"USD": 999})).await;
    is_gone(&delete(&api, EVE, "mug", &[]).await);
    earned(1, json!({"USD": 999})).await;
    api.is(EVE, "mug", &json!({"price": 1, "status": "sold"})).await;
    earned(2, json!({"USD": 1_000})).await;
    api.becomes(EVE, "mug", "active").await;
    earned(1, json!({"USD": 999})).await;
    // A free product counts as sold.
    api.is(EVE, "jug", &json!({"price": 0, "currency": "JPY", "status": "sold"})).await;
    earned(2, json!({"USD": 999})).await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_month_resets_all_but_listings() {
    let api = Api::at("2026-04-30T23:59:00.000Z").await;
    for id in ["a", "b"] {
        api.becomes(EVE, id, "active").await;
        assert!(api.counts("s1", id).await);
    }
    api.becomes(EVE, "a", "sold").await;
    let april = dashboard(&api, EVE).await;
    api.until("2026-05-01T00:00:00.000Z").await;
    let may = dashboard(&api, EVE).await;
    for same in ["allTime", "activeListings", "activeViews", "totalViews", "itemsSold", "totalEarnings"] {
        assert_eq!(may[same], april[same], "{same}");
    }
    let (one, none) = (json!({"count": 1, "rank": 1}), json!({"count": 0, "rank": null}));
    assert_eq!((&april["month"]["itemsSold"], &april["nextResetAt"]), (&one, &json!("2026-05-01T00:00:00.000Z")));
    let empty = json!({"period": "2026-05", "itemsSold": none, "views": none, "earnings": {}});
    assert_eq!((&may["month"], &may["nextResetAt"]), (&empty, &json!("2026-06-01T00:00:00.000Z")));
    // A sale that is undone in May was made in April.
    api.becomes(EVE, "a", "active").await;
    assert!(api.counts("s1", "b").await);
    let later = dashboard(&api, EVE).await;
    assert_eq!((&later["month"]["itemsSold"], &later["month"]["views"]), (&none, &one));
    assert_eq!((&later["itemsSold"], &later["totalEarnings"]), (&json!(0), &json!({})));
    assert_eq!(listed(&api, EVE).await, (2, 3, 3));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_dashboard_is_not_modified() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    api.becomes(EVE, "cup", "sold").await;
    for change in 0..4 {
        api.app.settled().await;
        let tag = peek(&api, EVE, "", &[]).await.header("etag").to_owned();
        for (person, query) in [(EVE, ""), (ROOT, "?sellerId=eve")] {
            let unchanged = peek(&api, person, query, &[("if-none-match", &tag)]).await;
            let told = (unchanged.status.as_u16(), unchanged.header("etag"), unchanged.bytes.len());
            assert_eq!(told, (304, tag.as_str(), 0), "{change}");
        }
        match change {
            0 => drop(api.looks_as(SUE, "mug", &json!({})).await),
            1 => drop(api.becomes(EVE, "mug", "draft").await),
            // Another seller overtakes.
            2 => api.sells("bob", 2).await,
            _ => drop(api.create(EVE, &mug(&json!({}))).await),
        }
        api.app.settled().await;
        let changed = peek(&api, EVE, "", &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status, 200, "{change}");
        assert_ne!(changed.header("etag"), tag, "{change}");
    }
    api.app.finish().await;
}
