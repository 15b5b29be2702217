//! The history of purchases: newest first, in pages, with filters.

use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order, order_with, with};
use crate::support::app::Answer;

/// The items of the purchases that match a query.
fn items(purchases: &[Value]) -> Vec<&str> {
    purchases.iter().map(|purchase| purchase["itemId"].as_str().unwrap()).collect()
}

/// This many purchases of a user, one a day from the first of January: `m00`, `m01` ...
async fn through_january(api: &Api, buyer: &Value, count: usize) {
    for at in 0..count {
        let day = json!({"purchasedAt": format!("2026-01-{:02}T12:00:00Z", at + 1)});
        let (key, item) = (format!("{at}-{}", name(buyer)), format!("m{at:02}"));
        api.bought(ROOT, &key, &order_with("product", &item, &with(&day, buyer))).await;
    }
    api.app.settled().await;
}

/// A buyer's name as a key can have it.
fn name(buyer: &Value) -> String {
    buyer.to_string().replace(|letter: char| !letter.is_ascii_alphanumeric(), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn history_requires_buyer_or_admin() {
    let api = Api::start().await;
    through_january(&api, &json!({"userId": "sam"}), 3).await;
    through_january(&api, &json!({"guestId": "gus"}), 2).await;
    let sues = api.bought(SUE, "k", &order("course", "algebra")).await;
    api.app.settled().await;
    for (person, query) in [(SAM, ""), (SAM, "?userId=sam"), (ROOT, "?userId=sam")] {
        let told = api.history(person, query).await;
        assert_eq!((told.status.as_u16(), &told.body["cursor"]), (200, &Value::Null));
        assert_eq!(items(told.body["purchases"].as_array().unwrap()), ["m02", "m01", "m00"], "{query}");
    }
    assert_eq!(api.history(SUE, "").await.body, json!({"purchases": [sues], "cursor": null}));
    assert_eq!(items(&api.pages(ROOT, "?guestId=gus").await.concat()), ["m01", "m00"]);
    for (person, query) in [(ROOT, ""), (ROOT, "?userId=gus"), (ROOT, "?guestId=sam"), (TIM, "?userId=tim")] {
        assert_eq!(api.history(person, query).await.body, json!({"purchases": [], "cursor": null}), "{query}");
    }
    for person in [SUE, TIM, EVE, ANN] {
        for query in ["?userId=sam", "?guestId=gus", "?userId=nobody", "?guestId=sue", "?userId=sam&limit=0"] {
            api.history(person, query).await.is_problem(403);
        }
    }
    for person in [ROOT, SAM] {
        assert_invalid_field(&api.history(person, "?userId=sam&guestId=gus").await, 400, "guestId");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn range_includes_both_days() {
    let api = Api::start().await;
    for (at, time) in [
        "2025-12-31T23:59:59.999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T23:59:59.999Z",
        "2026-01-02T00:00:00Z",
        "2026-01-31T23:59:59.999Z",
        "2026-02-01T00:00:00Z",
        "2026-02-01T00:30:00+01:00",
    ]
    .into_iter()
    .enumerate()
    {
        let patch = json!({"userId": "sam", "purchasedAt": time});
        api.bought(ROOT, &format!("k{at}"), &order_with("product", &at.to_string(), &patch)).await;
    }
    api.app.settled().await;
    for (query, expected) in [
        ("?", vec!["5", "4", "6", "3", "2", "1", "0"]),
        ("?from=2026-01-01", vec!["5", "4", "6", "3", "2", "1"]),
        ("?to=2026-01-31", vec!["4", "6", "3", "2", "1", "0"]),
        ("?from=2026-01-01&to=2026-01-01", vec!["2", "1"]),
        ("?from=2026-01-02&to=2026-01-31", vec!["4", "6", "3"]),
        ("?from=2025-12-31&to=2025-12-31", vec!["0"]),
        ("?from=2026-02-01&to=2026-02-01", vec!["5"]),
        ("?from=2026-01-03&to=2026-01-30", vec![]),
        ("?from=2026-02-02", vec![]),
        ("?to=2025-12-30", vec![]),
        ("?from=0001-01-01&to=9999-12-31", vec!["5", "4", "6", "3", "2", "1", "0"]),
        ("?to=0001-01-01", vec![]),
        ("?from=9999-12-31", vec![]),
    ] {
        for limit in ["limit=100", "limit=1", "limit=2"] {
            let told = api.pages(SAM, &format!("{query}&{limit}")).await;
            assert_eq!(items(&told.concat()), expected, "{query} {limit}");
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_contain_every_purchase_once() {
    let api = Api::start().await;
    through_january(&api, &json!({"userId": "sam"}), 10).await;
    let all: Vec<String> = (0..10).rev().map(|at| format!("m{at:02}")).collect();
    for (limit, sizes) in [(3, vec![3, 3, 3, 1]), (5, vec![5, 5]), (9, vec![9, 1]), (10, vec![10]), (100, vec![10])] {
        let pages = api.pages(SAM, &format!("?limit={limit}")).await;
        assert_eq!(items(&pages.concat()), all, "{limit}");
        assert_eq!(pages.iter().map(Vec::len).filter(|len| *len > 0).collect::<Vec<_>>(), sizes, "{limit}");
    }
    // Made at the same moment, each comes once too.
    for at in 0..7 {
        let patch = json!({"userId": "sue", "purchasedAt": "2026-01-01T00:00:00Z"});
        api.bought(ROOT, &format!("same-{at}"), &order_with("product", &format!("s{at}"), &patch)).await;
    }
    api.app.settled().await;
    for limit in [1, 3, 7] {
        let told = api.pages(SUE, &format!("?limit={limit}&from=2026-01-01&to=2026-01-01")).await.concat();
        let mut told = items(&told);
        told.sort_unstable();
        assert_eq!(told, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"], "{limit}");
    }
    // Purchases made in between cause no repeated and no missing entries.
    let first = api.history(SAM, "?limit=3").await;
    api.bought(SAM, "new", &order("product", "new")).await;
    api.app.settled().await;
    let next = format!("?limit=100&cursor={}", first.body["cursor"].as_str().unwrap());
    assert_eq!(items(api.history(SAM, &next).await.body["purchases"].as_array().unwrap()), all[3..]);
    // The buyer's cursor is not an admin's.
    api.history(ROOT, &format!("{next}&userId=sam")).await.is_problem(400);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_matching_purchases() {
    let api = Api::start().await;
    // Products, and among them a course and two tests; a few are given back. More than is read at once.
    let (mut refunded, mut others) = (Vec::new(), Vec::new());
    for at in 0..122 {
        let (kind, item) = match at {
            60 => ("course", "algebra".to_owned()),
            3 | 118 => ("test", format!("t{at:03}")),
            _ => ("product", format!("m{at:03}")),
        };
        let minutes = format!("2026-01-05T{:02}:{:02}:00Z", at / 60, at % 60);
        let patch = json!({"userId": "sam", "purchasedAt": minutes});
        let made = api.bought(ROOT, &format!("k{at}"), &order_with(kind, &item, &patch)).await;
        if [0, 60, 119].contains(&at) {
            api.ended(ROOT, id(&made)).await;
            refunded.insert(0, item);
        } else if kind == "product" {
            others.insert(0, item);
        }
    }
    let waiting = json!({"userId": "sam", "status": "pending", "purchasedAt": "2026-01-05T00:00:30Z"});
    api.bought(ROOT, "w", &order_with("course", "geometry", &waiting)).await;
    api.app.settled().await;
    for (query, expected) in [
        ("itemType=course", vec!["algebra", "geometry"]),
        ("itemType=test", vec!["t118", "t003"]),
        ("itemType=package", vec![]),
        ("status=refunded", refunded.iter().map(String::as_str).collect()),
        ("status=pending", vec!["geometry"]),
        ("status=cancelled", vec![]),
        ("itemType=course&status=refunded", vec!["algebra"]),
        ("itemType=test&status=refunded", vec![]),
        ("itemType=product&status=completed", others.iter().map(String::as_str).collect()),
        ("itemType=test&from=2026-01-05&to=2026-01-05", vec!["t118", "t003"]),
        ("itemType=test&from=2026-01-06", vec![]),
    ] {
        for limit in [1, 2, 3, 100] {
            if expected.len() / limit > 50 {
                continue;
            }
            let told = api.pages(SAM, &format!("?{query}&limit={limit}")).await;
            assert!(told.iter().all(|page| page.len() <= limit), "{query} {limit}");
            assert_eq!(items(&told.concat()), expected, "{query} {limit}");
        }
    }
    api.app.finish().await;
}

/// Writes so many copies of a buyer's only purchase among the others, each a second later than the one before.
fn copied(api: &Api, buyer: &str, count: usize) {
    let of_buyer = json!({
        "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": format!("BUYER#{buyer}")}},
    });
    let item = api.app.database("Query", "PurchasesTable", of_buyer)["Items"][0].clone();
    for at in 0..count {
        let time = format!("2026-01-10T{:02}:{:02}:{:02}.000Z", at / 3600, at / 60 % 60, at % 60);
        let copy = json!({
            "sk": {"S": format!("{time}#copy-{at}")}, "id": {"S": format!("copy-{at}")}, "purchasedAt": {"S": time},
            "itemId": {"S": format!("m{at:04}")},
        });
        api.app.database("PutItem", "PurchasesTable", json!({"Item": with(&item, &copy)}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_page_may_have_cursor() {
    let api = Api::start().await;
    let first = json!({"userId": "sam", "purchasedAt": "2026-01-01T00:00:00Z"});
    api.bought(ROOT, "product", &order_with("product", "m", &first)).await;
    copied(&api, "u:sam", 1_200);
    api.bought(ROOT, "course", &order_with("course", "algebra", &first)).await;
    api.app.settled().await;
    for limit in [1, 100] {
        let pages = api.pages(SAM, &format!("?itemType=course&limit={limit}")).await;
        assert_eq!(items(&pages.concat()), ["algebra"], "{limit}");
        assert!(pages[0].is_empty(), "a single answer read through all of them");
    }
    let all = api.pages(SAM, "?limit=100&itemType=product").await.concat();
    let mut expected: Vec<String> = (0..1_200).rev().map(|at| format!("m{at:04}")).collect();
    expected.push("m".to_owned());
    assert_eq!(items(&all), expected);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_is_bound_to_its_list() {
    let api = Api::start().await;
    through_january(&api, &json!({"userId": "sam"}), 5).await;
    through_january(&api, &json!({"userId": "sue"}), 5).await;
    through_january(&api, &json!({"guestId": "sam"}), 5).await;
    let cursor = |answer: Answer| answer.body["cursor"].as_str().unwrap().to_owned();
    let mine = cursor(api.history(SAM, "?limit=2").await);
    let last = if mine.ends_with('1') { '2' } else { '1' };
    let changed = format!("{}{last}", &mine[..mine.len() - 1]);
    for (person, query) in [
        (SUE, format!("?cursor={mine}")),
        (ROOT, format!("?cursor={mine}")),
        (ROOT, format!("?cursor={mine}&userId=sue")),
        (ROOT, format!("?cursor={mine}&guestId=sam")),
        (SAM, format!("?cursor={mine}&itemType=product")),
        (SAM, format!("?cursor={mine}&status=completed")),
        (SAM, format!("?cursor={mine}&from=2026-01-01")),
        (SAM, format!("?cursor={mine}&to=2026-01-31")),
        (SAM, format!("?cursor={changed}")),
        (SAM, format!("?cursor={}", &mine[2..])),
        (SAM, format!("?cursor={}", &mine[..16])),
        (SAM, format!("?cursor={mine}&cursor={mine}")),
        (SAM, "?cursor=".to_owned()),
        (SAM, "?cursor=x".to_owned()),
        (SAM, "?cursor=0123456789abcdef70".to_owned()),
    ] {
        assert_invalid_field(&api.history(person, &query).await, 400, "cursor");
    }
    let filtered = cursor(api.history(SAM, "?limit=2&itemType=product").await);
    assert_invalid_field(&api.history(SAM, &format!("?cursor={filtered}")).await, 400, "cursor");
    assert_invalid_field(&api.history(SAM, &format!("?cursor={filtered}&itemType=course")).await, 400, "cursor");
    let next = api.history(SAM, &format!("?cursor={filtered}&itemType=product")).await;
    assert_eq!(items(next.body["purchases"].as_array().unwrap()), ["m02", "m01", "m00"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=-1", "limit"),
        ("limit=2.5", "limit"),
        ("limit=2&limit=2", "limit"),
        ("itemType=song", "itemType"),
        ("itemType=", "itemType"),
        ("itemType=course,test", "itemType"),
        ("status=paid", "status"),
        ("status=Completed", "status"),
        ("from=2026-02-02&to=2026-02-01", "to"),
        ("from=yesterday", "from"),
        ("from=", "from"),
        ("from=2026-02-30", "from"),
        ("from=2026-01", "from"),
        ("from=2026-01-01T00:00:00Z", "from"),
        ("to=20260101", "to"),
        ("to=2026-13-01", "to"),
        ("to=%2B10000-01-01", "to"),
        ("to=%2B262142-12-31", "to"),
        ("from=-0001-01-01", "from"),
        ("from=2026-1-1", "from"),
        ("userId=a%20b", "userId"),
        ("userId=", "userId"),
        ("guestId=a%23b", "guestId"),
    ] {
        assert_invalid_field(&api.history(ROOT, &format!("?{query}")).await, 400, field);
    }
    for limit in ["1", "100"] {
        assert_eq!(api.history(SAM, &format!("?limit={limit}")).await.status, 200, "{limit}");
    }
    api.app.finish().await;
}
