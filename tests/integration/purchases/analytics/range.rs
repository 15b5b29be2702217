//! Which days an answer is of, the points that cover them, and when a purchase counts.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};

use super::{NOON, amounts, each, figures, months, quarter, shop, sold, told};
use crate::purchases::api::{ANALYTICS, Api, ROOT, SAM, id, order, order_with};

#[tokio::test(flavor = "multi_thread")]
async fn range_includes_both_days_completely() {
    let api = Api::at(NOON).await;
    for (amount, at) in [
        (1, "2026-02-04T23:59:59.999Z"),
        (10, "2026-02-05T00:00:00.000Z"),
        (100, "2026-02-06T23:59:59.999Z"),
        (1_000, "2026-02-07T00:00:00.000Z"),
    ] {
        sold(&api, &format!("k{amount}"), ("product", "mug"), at, &json!({"amount": amount})).await;
    }
    for (first, last, gross) in [
        ("2026-02-05", "2026-02-06", 110),
        ("2026-02-04", "2026-02-04", 1),
        ("2026-02-05", "2026-02-05", 10),
        ("2026-02-06", "2026-02-06", 100),
        ("2026-02-07", "2026-02-07", 1_000),
        ("2026-02-01", "2026-02-28", 1_111),
        ("2026-01-31", "2026-02-06", 111),
        ("2026-02-06", "2026-03-31", 1_100),
        ("2025-12-31", "2026-03-01", 1_111),
    ] {
        for interval in ["day", "week", "month", "year"] {
            let answer = api.analytics(&format!("?from={first}&to={last}&interval={interval}")).await;
            assert_eq!(answer["currencies"][0]["gross"], gross, "{first} to {last} by {interval}");
            assert_eq!(answer["top"]["byRevenue"]["items"][0]["currencies"][0]["gross"], gross, "{first} to {last}");
        }
    }
    api.app.finish().await;
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// The sums of each currency in all of some parts.
fn by_currency(parts: &[Value]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for amounts in parts.iter().flat_map(|part| part["currencies"].as_array().unwrap()) {
        for name in ["purchases", "gross", "refunds", "totalRefunds", "net"] {
            *sums.entry(format!("{name} {}", amounts["currency"])).or_default() += amounts[name].as_i64().unwrap_or(0);
        }
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn points_cover_range_without_gap_and_sum_to_total() {
    let api = shop().await;
    for (first, last, counts) in [
        ("2026-01-01", "2026-03-31", [("day", 90), ("week", 14), ("month", 3), ("year", 1)]),
        ("2025-12-30", "2026-02-28", [("day", 61), ("week", 9), ("month", 3), ("year", 2)]),
        ("2026-02-03", "2026-02-03", [("day", 1), ("week", 1), ("month", 1), ("year", 1)]),
    ] {
        for (interval, count) in counts {
            let answer = api.analytics(&format!("?from={first}&to={last}&interval={interval}")).await;
            assert_eq!(answer["series"]["interval"], interval);
            let points = answer["series"]["points"].as_array().unwrap().as_slice();
            assert_eq!(points.len(), count, "{first} to {last} by {interval}");
            assert_eq!(points[0]["from"], format!("{first}T00:00:00.000Z"));
            let end = time(&points[count - 1]["to"]) - TimeDelta::milliseconds(1);
            assert_eq!(end.date_naive().to_string(), last);
            assert!(points.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]), "{points:?}");
            assert!(points.iter().all(|point| time(&point["from"]) < time(&point["to"])), "{points:?}");
            for name in ["purchases", "units", "ended"] {
                let sum: i64 = points.iter().map(|point| point[name].as_i64().unwrap()).sum();
                assert_eq!(answer[name], sum, "{name} of {first} to {last} by {interval}");
            }
            assert_eq!(
                by_currency(points),
                by_currency(std::slice::from_ref(&answer)),
                "{first} to {last} by {interval}"
            );
        }
    }
    let by_month = api.analytics("?from=2026-01-01&to=2026-03-31").await;
    let points: Vec<Value> = by_month["series"]["points"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(points, months());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn default_range_is_first_sale_month_to_today() {
    let api = shop().await;
    let answer = api.analytics("").await;
    assert_eq!((&answer["range"]["from"], &answer["range"]["to"]), (&json!("2026-01-01"), &json!("2026-04-10")));
    assert_eq!((told(&answer), &answer["series"]["interval"]), (quarter(), &json!("month")));
    assert_eq!(each(&answer["months"], "/month"), json!(["2026-04", "2026-03", "2026-02", "2026-01"]));
    let since = api.analytics("?from=2026-03-05").await;
    assert_eq!(
        (&since["range"]["to"], &since["purchases"], &since["ended"]),
        (&json!("2026-04-10"), &json!(0), &json!(2))
    );
    let until = api.analytics("?to=2026-01-31").await;
    assert_eq!((&until["range"]["from"], told(&until)), (&json!("2026-01-01"), months()[0].clone()));
    // Before the first sale there is nothing, after today neither.
    let before = api.analytics("?to=2025-06-30").await;
    assert_eq!((&before["range"]["from"], &before["purchases"]), (&json!("2025-06-30"), &json!(0)));
    let later = api.analytics("?from=2026-03-01&to=2027-12-31").await;
    assert_eq!((told(&later), later["months"].as_array().unwrap().len()), (months()[2].clone(), 22));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_sale_blocks_no_answer() {
    let api = Api::at(NOON).await;
    sold(&api, "old", ("product", "mug"), "1970-03-01T00:00:00Z", &json!({})).await;
    sold(&api, "new", ("product", "mug"), "2026-03-01T00:00:00Z", &json!({})).await;
    let march = api.analytics("?from=2026-03-01&to=2026-03-31").await;
    assert_eq!(march["purchases"], 1);
    let then = api.analytics("?from=1970-01-01&to=1970-12-31").await;
    assert_eq!((&then["purchases"], &then["trend"]), (&json!(1), &Value::Null));
    assert_eq!(api.asks(ROOT, "").await.status, 200, "without a parameter none can be wrong");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_long_range_is_answered_or_rejected() {
    let api = Api::at(NOON).await;
    sold(&api, "old", ("product", "mug"), "1970-01-01T00:00:00Z", &json!({})).await;
    let answer = api.asks(ROOT, "?from=1970-01-01&interval=year").await;
    assert!(matches!(answer.status.as_u16(), 200 | 400), "{}", answer.status);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_counts_when_paid() {
    let api = Api::at(NOON).await;
    let pending = json!({"status": "pending"});
    let mine = api.bought(SAM, "k", &order_with("course", "algebra", &pending)).await;
    let recorded = sold(&api, "k", ("test", "finals"), "2026-02-03T12:00:00Z", &pending).await;
    assert_eq!(told(&api.analytics("").await), figures([0, 0, 0], &[]));
    for purchase in [&mine, &recorded] {
        assert_eq!(api.complete(ROOT, id(purchase)).await.status, 200);
    }
    let all = figures([2, 2, 0], &[amounts("USD", 2, 2 * 999, 0, 0)]);
    let today = api.analytics("?from=2026-04-10&to=2026-04-10").await;
    assert_eq!((told(&today), &today["buyers"]["count"]), (all, &json!(2)));
    assert_eq!(api.analytics("?from=2026-02-01&to=2026-02-28").await["purchases"], 0);
    // Cancelled, it never counts.
    let never = api.bought(SAM, "l", &order_with("course", "geometry", &pending)).await;
    api.ended(SAM, id(&never)).await;
    assert_eq!(api.analytics("").await["purchases"], 2);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_purchase_counts_as_ended() {
    let api = Api::at(NOON).await;
    let bought = api.bought(SAM, "k", &order("course", "algebra")).await;
    api.ended(ROOT, id(&bought)).await;
    let answer = api.analytics("").await;
    assert_eq!(told(&answer), figures([1, 1, 1], &[amounts("USD", 1, 999, 999, 1)]));
    assert_eq!(answer["buyers"], json!({"count": 1, "exact": true, "standardError": null}));
    assert_eq!(answer["top"]["byPurchases"]["items"][0]["itemId"], "algebra");
    assert_eq!(answer["top"]["byRevenue"], json!({"currency": "USD", "exact": true, "items": []}));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_answer_is_not_modified() {
    let api = shop().await;
    let query = "?from=2026-01-01&userId=sam";
    let first = api.asks(ROOT, query).await;
    assert_eq!((first.status.as_u16(), first.header("cache-control")), (200, "private, no-cache"));
    let tag = first.header("etag").to_owned();
    let again = async || api.call((Method::GET, ANALYTICS), query, ROOT, &[("if-none-match", &tag)], "").await;
    let unchanged = again().await;
    assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag.as_str()));
    let bought = api.bought(SAM, "new", &order("course", "geometry")).await;
    api.app.settled().await;
    let changed = again().await;
    assert_eq!((changed.status.as_u16(), &changed.body["purchases"]), (200, &json!(9)));
    assert_ne!(changed.header("etag"), tag);
    // A purchase sent again is none.
    assert_eq!(api.bought(SAM, "new", &order("course", "geometry")).await, bought);
    assert_eq!(api.asks(ROOT, query).await.bytes, changed.bytes);
    api.app.finish().await;
}
