//! Reading a product: its description, its views, and access.

use http::Method;
use serde_json::json;

use super::api::{ANN, Api, BOB, EVE, PRODUCT, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, counted, mug};
use crate::support::app::Answer;
use crate::support::client::forged;

/// The current product.
pub(super) async fn read(api: &Api, person: Person<'_>, id: &str, headers: &[(&str, &str)]) -> Answer {
    let token = api.token(person);
    let mut all = vec![("authorization", token.as_str())];
    all.extend_from_slice(headers);
    api.send((Method::GET, PRODUCT), id, &all, "").await
}

/// A page reads a product.
pub(super) async fn shows(api: &Api, id: &str) -> Answer {
    api.send((Method::GET, PRODUCT), id, &[("x-write-key", api.app.cloud.write_key())], "").await
}

/// How many looked at a product, in all and in this month, when all of them are counted.
pub(super) async fn views(api: &Api, id: &str) -> (u64, u64) {
    api.app.settled().await;
    let answer = read(api, ROOT, id, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let views = |of: &str| answer.body["views"][of].as_u64().unwrap();
    (views("total"), views("month"))
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_product_with_views() {
    let api = Api::start().await;
    for (status, viewers) in [("active", 0), ("active", 2), ("sold", 2)] {
        let patch = json!({"status": status, "description": "Blue", "price": 7, "currency": "EUR"});
        let mut shown = api.is(EVE, "mug", &patch).await;
        for viewer in 0..viewers {
            api.looks(&format!("s{viewer}"), "mug").await;
        }
        api.app.settled().await;
        shown["views"] = json!({"total": viewers, "month": viewers});
        let in_query = format!("mug?writeKey={}", api.app.cloud.write_key());
        let mut answers = vec![shows(&api, "mug").await, api.send((Method::GET, PRODUCT), &in_query, &[], "").await];
        let from = api.now();
        for person in [EVE, BOB, SAM, TIM, ANN, ROOT] {
            answers.push(read(&api, person, "mug", &[]).await);
        }
        let as_of = answers.last_mut().unwrap().body["asOf"].as_str().unwrap().parse().unwrap();
        assert!(from <= as_of && as_of <= api.now(), "{as_of}");
        for Answer { status, mut body, headers, .. } in answers {
            assert_eq!((status.as_u16(), headers["cache-control"].to_str().unwrap()), (200, "private, no-cache"));
            let body_fields = body.as_object_mut().unwrap();
            assert!(body_fields.remove("asOf").is_some() && body_fields.remove("version").is_some());
            assert_eq!(body, shown);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draft_is_visible_to_seller_and_admin_only() {
    let api = Api::start().await;
    for (status, is_seen) in [("draft", false), ("active", true), ("sold", true), ("draft", false), ("active", true)] {
        api.becomes(EVE, "mug", status).await;
        for person in [EVE, ROOT] {
            assert_eq!(read(&api, person, "mug", &[]).await.body["status"], status);
        }
        for person in [BOB, SAM, TIM, ANN] {
            assert_eq!(read(&api, person, "mug", &[]).await.status == 200, is_seen, "{person:?} {status}");
        }
        assert_eq!(shows(&api, "mug").await.status == 200, is_seen, "{status}");
    }
    // It looks like a product that never existed, even to a former viewer.
    let known = read(&api, SAM, "mug", &[]).await;
    api.becomes(EVE, "mug", "draft").await;
    for tag in ["*", known.header("etag")] {
        let hidden = read(&api, SAM, "mug", &[("if-none-match", tag)]).await;
        let never = read(&api, SAM, "cup", &[("if-none-match", tag)]).await;
        let said = |answer: &Answer| answer.is_problem(404)["detail"].as_str().unwrap().replace("mug", "cup");
        assert_eq!((said(&hidden), hidden.header("etag")), (said(&never), ""));
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_monthly_and_total() {
    let api = Api::at("2026-04-30T23:59:00.000Z").await;
    for id in ["mug", "cup"] {
        api.becomes(EVE, id, "active").await;
    }
    for (session, id) in [("s1", "mug"), ("s1", "mug"), ("s2", "mug"), ("s1", "cup")] {
        api.looks(session, id).await;
    }
    assert!(!counted(&api.looks_as(EVE, "mug", &json!({})).await));
    assert!(counted(&api.looks_as(SUE, "mug", &json!({})).await));
    assert_eq!((views(&api, "mug").await, views(&api, "cup").await), ((3, 3), (1, 1)));
    let april = shows(&api, "mug").await;
    api.until("2026-05-01T00:00:00.000Z").await;
    assert_eq!((views(&api, "mug").await, views(&api, "cup").await), ((3, 0), (1, 0)));
    // The month alone makes it another answer, of the same version.
    let may = read(&api, SAM, "mug", &[("if-none-match", april.header("etag"))]).await;
    assert_eq!(may.status, 200);
    assert!(api.counts("s1", "mug").await);
    assert_eq!((views(&api, "mug").await, views(&api, "cup").await), ((4, 1), (1, 0)));
    let version = format!("\"{}\"", april.body["version"].as_str().unwrap());
    let sold = api.put(EVE, "mug", &[("if-match", &version)], &mug(&json!({"status": "sold"}))).await;
    assert_eq!(sold.status, 200, "{sold:?}");
    assert_eq!(views(&api, "mug").await, (4, 1));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_do_not_change_version() {
    let api = Api::start().await;
    let made = api.create(EVE, &mug(&json!({"productId": "mug"}))).await;
    let first = shows(&api, "mug").await;
    let version = format!("\"{}\"", first.body["version"].as_str().unwrap());
    assert_eq!(version, made.header("etag"));
    assert!(first.header("etag").starts_with("W/\""), "{first:?}");
    assert!(api.counts("s1", "mug").await);
    assert_eq!(views(&api, "mug").await, (1, 1));
    let seen = shows(&api, "mug").await;
    assert_ne!(seen.header("etag"), first.header("etag"));
    for tag in [first.header("etag"), seen.header("etag")] {
        api.put(EVE, "mug", &[("if-none-match", tag)], &mug(&json!({}))).await.is_problem(412);
    }
    let sold = mug(&json!({"status": "sold"}));
    for weak in [first.header("etag"), seen.header("etag")] {
        api.put(EVE, "mug", &[("if-match", weak)], &sold).await.is_problem(412);
    }
    let put = api.put(EVE, "mug", &[("if-match", &version)], &sold).await;
    assert_eq!(put.status, 200, "{put:?}");
    // Now neither is.
    for tag in [first.header("etag"), seen.header("etag"), made.header("etag")] {
        api.put(EVE, "mug", &[("if-match", tag)], &mug(&json!({"status": "active"}))).await.is_problem(412);
    }
    assert_eq!(shows(&api, "mug").await.body["status"], "sold");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_product_is_not_modified() {
    let api = Api::start().await;
    let made = api.create(EVE, &mug(&json!({"productId": "mug"}))).await;
    for change in 0..2 {
        let tag = shows(&api, "mug").await.header("etag").to_owned();
        for known in [tag.clone(), tag.trim_start_matches("W/").to_owned(), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = read(&api, SAM, "mug", &[("if-none-match", &known)]).await;
            let told = (again.status.as_u16(), again.header("etag"), again.bytes.len());
            assert_eq!(told, (304, tag.as_str(), 0), "{known}");
        }
        // The version alone does not cover the views.
        let bare = read(&api, SAM, "mug", &[("if-none-match", made.header("etag"))]).await;
        assert_eq!(bare.status, 200);
        match change {
            0 => assert!(api.counts("s1", "mug").await),
            _ => drop(api.is(EVE, "mug", &json!({"title": "Cup"})).await),
        }
        api.app.settled().await;
        let changed = read(&api, SAM, "mug", &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status, 200, "{change}");
        assert_ne!(changed.header("etag"), tag, "{change}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_requires_valid_credentials() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let forged = forged(&api.token(EVE));
    for stranger in [("authorization", forged.as_str()), ("authorization", "x"), ("x-write-key", "unknown")] {
        api.send((Method::GET, PRODUCT), "mug", &[stranger], "").await.is_problem(401);
    }
    api.send((Method::GET, PRODUCT), "mug", &[], "").await.is_problem(401);
    read(&api, SAM, "unknown", &[]).await.is_problem(404);
    shows(&api, "unknown").await.is_problem(404);
    assert_invalid_field(&read(&api, SAM, "a%20b", &[]).await, 422, "productId");
    assert_invalid_field(&shows(&api, &"x".repeat(65)).await, 422, "productId");
    api.app.finish().await;
}
