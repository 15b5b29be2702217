//! Access to products, and their versions.

use http::Method;
use serde_json::json;

use super::api::{ANN, Api, BOB, EVE, PRODUCT, PRODUCTS, ROOT, SAM, TIM, mug, places};
use crate::support::client::forged;

#[tokio::test(flavor = "multi_thread")]
async fn offering_products_requires_seller_or_admin() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for person in [SAM, TIM, ANN] {
        api.create(person, &mug(&json!({}))).await.is_problem(403);
        api.put(person, "new", &[], &mug(&json!({}))).await.is_problem(403);
        api.put(person, "mug", &[], &mug(&json!({"status": "sold"}))).await.is_problem(403);
    }
    let made = api.create(ROOT, &mug(&json!({}))).await;
    assert_eq!((made.status.as_u16(), &made.body["sellerId"]), (201, &json!("root")));
    assert_eq!(api.places("").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_changes_only_own_products() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for patch in [json!({}), json!({"status": "sold"}), json!({"sellerId": "bob"}), json!({"sellerId": "eve"})] {
        api.put(BOB, "mug", &[], &mug(&patch)).await.is_problem(403);
    }
    for patch in [json!({"sellerId": "bob"}), json!({"sellerId": "bob", "status": "sold"})] {
        api.create(EVE, &mug(&patch)).await.is_problem(403);
        api.put(EVE, "mug", &[], &mug(&patch)).await.is_problem(403);
    }
    assert_eq!(api.is(EVE, "mug", &json!({"sellerId": "eve"})).await["sellerId"], "eve");
    assert_eq!(api.places("").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offering_products_requires_valid_token() {
    let api = Api::start().await;
    let (json_type, body) = (("content-type", "application/json"), mug(&json!({})).to_string());
    let forged = forged(&api.token(EVE));
    for (method, route) in [(Method::POST, PRODUCTS), (Method::PUT, PRODUCT)] {
        let of = if route == PRODUCT { "mug" } else { "" };
        for credentials in [forged.as_str(), "Bearer a.b.c", "x"] {
            let headers = [json_type, ("authorization", credentials)];
            api.send((method.clone(), route), of, &headers, body.clone()).await.is_problem(401);
        }
        let path = route.replace("{productId}", of);
        for headers in [vec![json_type], vec![json_type, ("x-write-key", api.app.cloud.write_key())]] {
            assert_eq!(api.app.send(method.clone(), &path, &headers, body.clone()).await.status, 401);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn product_update_honours_version() {
    let api = Api::start().await;
    let made = api.create(EVE, &mug(&json!({"productId": "mug"}))).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, "/api/products/mug"));
    let first = made.header("etag").to_owned();
    let sold = api.put(EVE, "mug", &[("if-match", &first)], &mug(&json!({"status": "sold"}))).await;
    assert_eq!(sold.status, 200);
    assert_ne!(sold.header("etag"), first);
    // A stale version undoes no sale.
    api.put(EVE, "mug", &[("if-match", &first)], &mug(&json!({}))).await.is_problem(412);
    api.put(EVE, "mug", &[("if-none-match", "*")], &mug(&json!({}))).await.is_problem(412);
    api.put(EVE, "new", &[("if-match", "*")], &mug(&json!({}))).await.is_problem(412);
    api.put(EVE, "new", &[("if-match", &first)], &mug(&json!({}))).await.is_problem(412);
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    assert_eq!(api.put(EVE, "new", &[("if-none-match", "*")], &mug(&json!({}))).await.status, 201);
    // Omitting the status undoes no sale.
    let described = api.put(EVE, "mug", &[("if-match", "*")], &mug(&json!({}))).await;
    assert_eq!((described.status.as_u16(), &described.body["status"]), (200, &json!("sold")));
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    let active = mug(&json!({"status": "active"}));
    assert_eq!(api.put(EVE, "mug", &[("if-match", "*")], &active).await.status, 200);
    assert_eq!(api.places("").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_product_is_idempotent() {
    let api = Api::start().await;
    for status in ["active", "sold"] {
        let body = mug(&json!({"productId": format!("{status}-mug"), "status": status, "description": "Blue"}));
        let made = api.create(EVE, &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let again = api.create(EVE, &body).await;
        assert_eq!((again.status.as_u16(), &again.body), (201, &made.body));
        assert_eq!(again.header("etag"), made.header("etag"));
        for patch in
            [json!({"title": "Cup"}), json!({"price": 1}), json!({"currency": "EUR"}), json!({"status": "draft"})]
        {
            let mut other = body.clone();
            other.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            api.create(EVE, &other).await.is_problem(409);
        }
        api.create(BOB, &body).await.is_problem(403);
    }
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn product_without_id_gets_unique_id() {
    let api = Api::start().await;
    let (one, other) = (api.create(EVE, &mug(&json!({}))).await, api.create(EVE, &mug(&json!({}))).await);
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (201, 201));
    assert_ne!(one.body["productId"], other.body["productId"]);
    let id = one.body["productId"].as_str().unwrap();
    assert_eq!(one.header("location"), format!("/api/products/{id}"));
    assert_eq!(
        api.put(EVE, id, &[("if-match", one.header("etag"))], &mug(&json!({"status": "sold"}))).await.status,
        200
    );
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reports_of_sale_count_once() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let sold = futures::future::join_all((0..8).map(|_| api.becomes(EVE, "mug", "sold"))).await;
    assert!(sold.iter().all(|product| product["soldAt"] == sold[0]["soldAt"]), "{sold:?}");
    assert_eq!(api.places("").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}
