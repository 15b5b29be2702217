//! Access to analytics of purchases, and validation of queries.

use http::Method;
use serde_json::{Value, json};

use super::{NOON, sold, told};
use crate::purchases::api::{ANALYTICS, ANN, Api, EVE, Person, ROOT, SAM, SUE, TIM, assert_invalid_field};

#[tokio::test(flavor = "multi_thread")]
async fn analytics_require_admin() {
    let api = Api::start().await;
    let answer = api.app.send(Method::GET, ANALYTICS, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
    let key = [("x-write-key", api.app.cloud.write_key())];
    assert_eq!(api.app.send(Method::GET, ANALYTICS, &key, "").await.status, 401);
    for credentials in ["Bearer a.b.c", "Bearer ", "x"] {
        api.app.send(Method::GET, ANALYTICS, &[("authorization", credentials)], "").await.is_problem(401);
    }
    for person in [TIM, EVE, SAM, SUE, ANN, Person("root", "student")] {
        // Not even of themselves, and before anything else is looked at.
        for query in ["", "?userId=sam", "?interval=never"] {
            api.asks(person, query).await.is_problem(403);
        }
    }
    assert_eq!(api.asks(ROOT, "").await.status, 200);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_range_has_zeros() {
    let api = Api::at(NOON).await;
    let nothing = json!({"purchases": 0, "units": 0, "ended": 0, "currencies": []});
    for query in ["", "?from=2026-01-01&to=2026-03-31&interval=week", "?from=2027-01-01&to=2027-01-01"] {
        let answer = api.analytics(query).await;
        assert_eq!(told(&answer), nothing);
        assert_eq!(answer["buyers"], json!({"count": 0, "exact": true, "standardError": null}));
        for name in ["itemTypes", "paymentMethods", "cohorts"] {
            assert_eq!(answer[name], json!([]), "{name}");
        }
        let of_nothing = json!({"byPurchases": {"exact": true, "items": []}, "byRevenue": null});
        assert_eq!(
            (&answer["top"], &answer["courseToTest"], &answer["buyer"]),
            (&of_nothing, &Value::Null, &Value::Null)
        );
        let still = json!({"previous": 0, "current": 0, "growth": null});
        assert_eq!((&answer["trend"]["purchases"], &answer["trend"]["buyers"]), (&still, &still));
        assert_eq!(answer["trend"]["currencies"], json!([]));
        let parts = [&answer["months"], &answer["series"]["points"]].map(|parts| parts.as_array().unwrap());
        assert!(parts.iter().all(|parts| !parts.is_empty() && parts.iter().all(|part| told(part) == nothing)));
    }
    let answer = api.analytics("").await;
    assert_eq!((&answer["range"]["from"], &answer["range"]["to"]), (&json!("2026-04-10"), &json!("2026-04-10")));
    let asked = api.analytics("?currency=JPY").await;
    assert_eq!(asked["top"]["byRevenue"], json!({"currency": "JPY", "exact": true, "items": []}));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::at(NOON).await;
    sold(&api, "k", ("product", "mug"), "2026-02-10T00:00:00Z", &json!({})).await;
    for (query, field) in [
        ("from=2026-02-02&to=2026-02-01", "to"),
        ("from=2026-04-11", "to"),
        ("from=soon", "from"),
        ("from=", "from"),
        ("from=2026-02-30", "from"),
        ("from=2026-2-3", "from"),
        ("from=2026-02", "from"),
        ("from=2026-02-01T00:00:00Z", "from"),
        ("from=12026-02-01", "from"),
        ("from=%2B12026-02-01", "from"),
        ("from=-001-02-01", "from"),
        ("to=20260201", "to"),
        ("to=2026-02-29", "to"),
        ("to=10000-01-01", "to"),
        ("to=%2B10000-01-01", "to"),
        ("from=2026-02-01&from=2026-02-01", "from"),
        ("interval=hour", "interval"),
        ("interval=decade", "interval"),
        ("interval=Month", "interval"),
        ("interval=", "interval"),
        ("from=2000-01-01&interval=day", "interval"),
        ("from=2022-01-01&to=2024-01-21&interval=day", "interval"),
        ("from=2000-01-01&interval=week", "interval"),
        ("from=1900-01-01&interval=month", "interval"),
        ("from=0001-01-01", "interval"),
        ("from=0001-01-01&interval=month", "interval"),
        ("from=0001-01-01&interval=year", "interval"),
        ("from=0000-01-01&to=9999-12-30&interval=year", "interval"),
        ("to=9999-12-30", "interval"),
        ("currency=usd", "currency"),
        ("currency=XXX", "currency"),
        ("currency=", "currency"),
        ("userId=a%20b", "userId"),
        ("userId=%20", "userId"),
        ("guestId=a%23b", "guestId"),
        ("userId=", "userId"),
        ("userId=ann&guestId=ann", "guestId"),
    ] {
        let answer = api.asks(ROOT, &format!("?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_invalid_field(&answer, 400, field);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maximum_number_of_points_is_answered() {
    let api = Api::at(NOON).await;
    sold(&api, "k", ("product", "mug"), "2024-01-20T23:59:59.999Z", &json!({})).await;
    for (query, points) in [
        ("from=2022-01-01&to=2024-01-20&interval=day", 750),
        ("from=2011-11-07&to=2026-03-22&interval=week", 750),
        ("from=1963-11-01&to=2026-04-30&interval=month", 750),
        ("from=1964-01-01&interval=year", 63),
        ("from=0000-01-01&to=0001-12-31&interval=week", 106),
        ("from=0001-01-01&to=0001-01-01", 1),
    ] {
        let answer = api.analytics(&format!("?{query}")).await;
        assert_eq!(answer["series"]["points"].as_array().unwrap().len(), points, "{query}");
        assert_eq!(answer["purchases"], i64::from(!query.contains("=000")), "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_calendar_days_have_valid_end() {
    let api = Api::at(NOON).await;
    for query in ["?from=9999-12-30&to=9999-12-30", "?from=9999-12-31&to=9999-12-31"] {
        let answer = api.asks(ROOT, query).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
        let to = answer.body.pointer("/series/points/0/to").and_then(Value::as_str);
        let is_time = |to: &str| chrono::DateTime::parse_from_rfc3339(to).is_ok();
        assert!(to.is_none_or(is_time), "{query} ends with {to:?}");
    }
    api.app.finish().await;
}
