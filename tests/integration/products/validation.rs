//! Descriptions that are wrong name every field that is.

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, EVE, PRODUCT, PRODUCTS, assert_invalid_field, mug};

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields() {
    let api = Api::start().await;
    for (patch, field) in [
        (json!({"title": null}), "title"),
        (json!({"title": ""}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": "x".repeat(301)}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"description": 7}), "description"),
        (json!({"description": "x".repeat(1_001)}), "description"),
        (json!({"price": null}), "price"),
        (json!({"price": -1}), "price"),
        (json!({"price": 9.99}), "price"),
        (json!({"price": 999.0}), "price"),
        (json!({"price": 1_000_000_000_001_u64}), "price"),
        (json!({"price": "999"}), "price"),
        (json!({"currency": null}), "currency"),
        (json!({"currency": "usd"}), "currency"),
        (json!({"currency": "XYZ"}), "currency"),
        (json!({"status": "gone"}), "status"),
        (json!({"status": "Sold"}), "status"),
        (json!({"status": 1}), "status"),
        (json!({"sellerId": "a b"}), "sellerId"),
        (json!({"sellerId": 7}), "sellerId"),
        (json!({"productId": "a#b"}), "productId"),
        (json!({"productId": ""}), "productId"),
        (json!({"productId": "x".repeat(65)}), "productId"),
        (json!({"productId": 7}), "productId"),
    ] {
        assert_invalid_field(&api.create(EVE, &mug(&patch)).await, 422, field);
        assert_invalid_field(&api.put(EVE, "mug", &[], &mug(&patch)).await, 422, field);
    }
    api.looks("s1", "mug").await.is_problem(404);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_all_errors_together() {
    let api = Api::start().await;
    for body in [json!({}), json!({"price": -1, "title": ""})] {
        let answer = api.create(EVE, &body).await;
        let errors = answer.is_problem(422)["errors"].as_array().unwrap();
        let mut fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["currency", "price", "title"], "{body}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_id_must_match_path() {
    let api = Api::start().await;
    assert_invalid_field(&api.put(EVE, "mug", &[], &mug(&json!({"productId": "cup"}))).await, 422, "productId");
    assert_invalid_field(&api.put(EVE, "a%20b", &[], &mug(&json!({}))).await, 422, "productId");
    assert_eq!(api.put(EVE, "mug", &[], &mug(&json!({"productId": "mug"}))).await.status, 201);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_product_id_that_is_a_route() {
    let api = Api::start().await;
    assert_invalid_field(&api.create(EVE, &mug(&json!({"productId": "trending"}))).await, 422, "productId");
    assert_invalid_field(&api.put(EVE, "trending", &[], &mug(&json!({}))).await, 422, "productId");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_malformed_bodies() {
    let api = Api::start().await;
    let token = api.token(EVE);
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    for (route, of) in [((Method::POST, PRODUCTS), ""), ((Method::PUT, PRODUCT), "mug")] {
        for body in ["", "{", "\u{0}"] {
            api.send(route.clone(), of, &headers, body).await.is_problem(400);
        }
        for body in ["null", "[]", "7"] {
            assert_invalid_field(&api.send(route.clone(), of, &headers, body).await, 422, "body");
        }
        let huge = mug(&json!({"note": "x".repeat(33_000)})).to_string();
        api.send(route.clone(), of, &headers, huge).await.is_problem(413);
        let text = [("content-type", "text/plain"), headers[1]];
        api.send(route, of, &text, mug(&json!({})).to_string()).await.is_problem(415);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_repeats_described_product() {
    let api = Api::start().await;
    let described =
        json!({"title": "Tasse \u{2615}", "description": "Blue,\nwith a handle", "price": 0, "currency": "JPY"});
    let told = api.is(EVE, "mug", &described).await;
    let all = json!({
        "productId": "mug", "sellerId": "eve", "title": "Tasse \u{2615}", "description": "Blue,\nwith a handle", "price": 0,
        "currency": "JPY", "status": "active", "soldAt": null, "soldAtEstimated": false, "soldFor": null, "soldCurrency": null,
    });
    assert_eq!(told, all);
    assert_eq!(api.is(EVE, "mug", &json!({"description": " "})).await["description"], Value::Null);
    api.app.finish().await;
}
