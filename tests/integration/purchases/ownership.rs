//! Ownership of many items in one request.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, ROOT, SAM, SUE, TIM, assert_invalid_field, order, order_with};

/// So many ids, in the order of their numbers.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("c{at:03}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_ownership_of_hundred_items_at_once() {
    let api = Api::start().await;
    let mut purchases = BTreeMap::new();
    for item in ["c000", "c042", "c099"] {
        let made = api.bought(SAM, item, &order("course", item)).await;
        purchases.insert(item, made["purchaseId"].clone());
    }
    api.bought(SAM, "t", &order("test", "c001")).await;
    api.bought(SUE, "s", &order("course", "c002")).await;
    api.app.settled().await;
    let names = names(100);
    let several: String = names.iter().map(|name| format!("&itemId={name}")).collect();
    for query in [format!("&itemId={}", names.join(",")), several] {
        for strong in ["", "&strong=true", "&strong=false"] {
            let answer = api.owned(SAM, &format!("?itemType=course{query}{strong}")).await;
            let expected: Vec<Value> = names
                .iter()
                .map(|name| {
                    let purchase = purchases.get(name.as_str());
                    json!({"itemType": "course", "itemId": name, "owned": purchase.is_some(), "purchaseId": purchase})
                })
                .collect();
            assert_eq!((answer.status.as_u16(), &answer.body["items"]), (200, &json!(expected)));
        }
    }
    // In the order of the request, including repeats.
    let answer = api.owned(SAM, "?itemType=course&itemId=nope,c042&itemId=c000,c042").await;
    let told = answer.body["items"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|one| (one["itemId"].as_str().unwrap(), one["owned"].as_bool().unwrap())).collect();
    assert_eq!(told, [("nope", false), ("c042", true), ("c000", true), ("c042", true)]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_of_others_requires_admin() {
    let api = Api::start().await;
    api.bought(SAM, "k", &order("course", "c")).await;
    api.bought(ROOT, "g", &order_with("course", "c", &json!({"guestId": "gus"}))).await;
    api.app.settled().await;
    let query = "?itemType=course&itemId=c";
    for person in [SUE, TIM, EVE, ANN] {
        for user in ["sam", "gus", "nobody"] {
            api.owned(person, &format!("{query}&userId={user}")).await.is_problem(403);
        }
        assert_eq!(api.owned(person, query).await.body["items"][0]["owned"], false);
    }
    for (person, user, owned) in [(SAM, "sam", true), (ROOT, "sam", true), (ROOT, "sue", false), (ROOT, "root", false)]
    {
        for strong in ["", "&strong=true"] {
            let answer = api.owned(person, &format!("{query}&userId={user}{strong}")).await;
            assert_eq!((answer.status.as_u16(), &answer.body["items"][0]["owned"]), (200, &json!(owned)), "{user}");
        }
    }
    // What a guest has, no user of the same id has.
    assert_eq!(api.owned(ROOT, &format!("{query}&userId=gus")).await.body["items"][0]["owned"], false);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::start().await;
    let many = names(101).join(",");
    for (query, field) in [
        ("", "itemType"),
        ("?itemId=c", "itemType"),
        ("?itemType=&itemId=c", "itemType"),
        ("?itemType=song&itemId=c", "itemType"),
        ("?itemType=course&itemType=course&itemId=c", "itemType"),
        ("?itemType=course", "itemId"),
        ("?itemType=course&itemId=", "itemId"),
        ("?itemType=course&itemId=c,", "itemId"),
        ("?itemType=course&itemId=a%20b", "itemId"),
        (&format!("?itemType=course&itemId={many}"), "itemId"),
        ("?itemType=course&itemId=c&strong=yes", "strong"),
        ("?itemType=course&itemId=c&strong=", "strong"),
        ("?itemType=course&itemId=c&userId=a%20b", "userId"),
        ("?itemType=course&itemId=c&userId=sam&userId=sam", "userId"),
    ] {
        assert_invalid_field(&api.owned(SAM, query).await, 400, field);
    }
    api.app.finish().await;
}
