//! Invalid orders, invalid keys, and unknown callers.

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, PURCHASES, SAM, assert_invalid_field, id, order, order_with};
use crate::support::client::forged;

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields() {
    let api = Api::start().await;
    let written = api.written().await;
    let many: serde_json::Map<String, Value> = (0..21).map(|at| (format!("n{at}"), json!("x"))).collect();
    for (patch, field) in [
        (json!({"amount": -1}), "amount"),
        (json!({"amount": 9.99}), "amount"),
        (json!({"amount": 999.0}), "amount"),
        (json!({"amount": 1_000_000_000_000_000_000_u64}), "amount"),
        (json!({"amount": 1e18}), "amount"),
        (json!({"amount": 1_000_000_000_001_u64}), "amount"),
        (json!({"amount": "999"}), "amount"),
        (json!({"amount": [999]}), "amount"),
        (json!({"currency": null}), "currency"),
        (json!({"currency": "usd"}), "currency"),
        (json!({"currency": "XYZ"}), "currency"),
        (json!({"currency": "XXX"}), "currency"),
        (json!({"currency": 840}), "currency"),
        (json!({"itemType": null}), "itemType"),
        (json!({"itemType": "song"}), "itemType"),
        (json!({"itemType": "Course"}), "itemType"),
        (json!({"itemId": null}), "itemId"),
        (json!({"itemId": ""}), "itemId"),
        (json!({"itemId": "a#b"}), "itemId"),
        (json!({"itemId": "x".repeat(65)}), "itemId"),
        (json!({"itemId": 7}), "itemId"),
        (json!({"paymentMethod": null}), "paymentMethod"),
        (json!({"paymentMethod": "credit card"}), "paymentMethod"),
        (json!({"status": "refunded"}), "status"),
        (json!({"status": "cancelled"}), "status"),
        (json!({"status": "paid"}), "status"),
        (json!({"discountCode": "a b"}), "discountCode"),
        (json!({"discountCode": ""}), "discountCode"),
        (json!({"variant": ""}), "variant"),
        (json!({"variant": "x".repeat(201)}), "variant"),
        (json!({"variant": "a\u{0}"}), "variant"),
        (json!({"metadata": "page"}), "metadata"),
        (json!({"metadata": {"page": 7}}), "metadata"),
        (json!({"metadata": {"page": ""}}), "metadata"),
        (json!({"metadata": {"": "home"}}), "metadata"),
        (json!({"metadata": {"page": {"is": "home"}}}), "metadata"),
        (json!({"metadata": {"page": "x".repeat(201)}}), "metadata"),
        (json!({"metadata": many}), "metadata"),
    ] {
        assert_invalid_field(&api.buy(SAM, "k", &order_with("course", "algebra", &patch)).await, 422, field);
    }
    for missing in ["itemType", "itemId", "amount", "currency", "paymentMethod"] {
        let mut without = order("course", "algebra");
        without.as_object_mut().unwrap().remove(missing);
        assert_invalid_field(&api.buy(SAM, "k", &without).await, 422, missing);
    }
    // All errors are reported together.
    let answer = api.buy(SAM, "k", &json!({"itemId": "a b", "amount": 1.5})).await;
    let errors = answer.is_problem(422)["errors"].as_array().unwrap();
    let fields: Vec<&Value> = errors.iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["itemType", "itemId", "amount", "currency", "paymentMethod"]);
    assert_eq!(api.written().await, written);
    // The longest valid order fits into the maximum body.
    let world = "\u{1f30d}".repeat(198);
    let metadata: serde_json::Map<String, Value> =
        (0..2).map(|at| (format!("{world}{at:02}"), json!(format!("{world}xx")))).collect();
    let longest = json!({"variant": "\u{1f30d}".repeat(200), "metadata": metadata});
    let made = api.bought(SAM, "k", &order_with("product", &"x".repeat(64), &longest)).await;
    assert_eq!((&made["metadata"], &made["variant"]), (&longest["metadata"], &longest["variant"]));
    assert_eq!(api.all(SAM).await, [made]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_malformed_requests() {
    let api = Api::start().await;
    let written = api.written().await;
    let (post, key) = ((Method::POST, PURCHASES), [("idempotency-key", "k")]);
    for body in ["", "{", "\u{0}", "{\"itemId\": \"\\ud800\"}"] {
        api.call(post.clone(), "", SAM, &key, body).await.is_problem(400);
    }
    for body in ["null", "[]", "7", "\"algebra\""] {
        assert_invalid_field(&api.call(post.clone(), "", SAM, &key, body).await, 422, "body");
    }
    let huge = order_with("course", "algebra", &json!({"note": "x".repeat(33_000)})).to_string();
    api.call(post.clone(), "", SAM, &key, huge).await.is_problem(413);
    let (fine, token) = (order("course", "algebra").to_string(), api.token(SAM));
    for path in [PURCHASES, "/api/purchases/p/refund"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "image/png"] {
            let headers = [("content-type", content_type), ("authorization", token.as_str()), key[0]];
            api.app.send(Method::POST, path, &headers, fine.clone()).await.is_problem(415);
        }
    }
    assert_eq!(
        api.call(post.clone(), "", SAM, &[], fine.clone()).await.is_problem(400)["detail"],
        "Idempotency-Key is required"
    );
    for wrong in ["", "\"\"", "a b", "a#b", "a/b", "\u{e9}", &"x".repeat(65)] {
        api.call(post.clone(), "", SAM, &[("idempotency-key", wrong)], fine.clone()).await.is_problem(400);
    }
    assert_eq!(api.written().await, written);
    let longest = [("idempotency-key", &*"x".repeat(64))];
    assert_eq!(api.call(post, "", SAM, &longest, fine).await.status, 201);
    api.app.finish().await;
}

/// Metadata of so many bytes as JSON in UTF-8, all of it of characters that take three.
fn of_bytes(bytes: usize) -> serde_json::Map<String, Value> {
    let mut metadata = serde_json::Map::new();
    loop {
        let length = |metadata: &serde_json::Map<String, Value>| json!(metadata).to_string().len();
        let name = format!("k{}", metadata.len());
        metadata.insert(name.clone(), json!("x"));
        let room = bytes - length(&metadata);
        let (wide, narrow) = if room < 3 * 199 { (room / 3, room % 3) } else { (190, 0) };
        metadata.insert(name, json!("漢".repeat(wide) + &"x".repeat(narrow + 1)));
        if length(&metadata) == bytes {
            return metadata;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_maximum_metadata_in_any_escaping() {
    let api = Api::start().await;
    let escaped = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
    };
    let body = order_with("course", "algebra", &json!({"metadata": of_bytes(4_096)})).to_string();
    let made = api.call((Method::POST, PURCHASES), "", SAM, &[("idempotency-key", "a")], escaped(&body)).await;
    assert_eq!((made.status.as_u16(), &made.body["metadata"]), (201, &json!(of_bytes(4_096))));
    let more = order_with("course", "geometry", &json!({"metadata": of_bytes(4_097)})).to_string();
    for body in [escaped(&more), more] {
        let refused = api.call((Method::POST, PURCHASES), "", SAM, &[("idempotency-key", "b")], body).await;
        assert_invalid_field(&refused, 422, "metadata");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_require_valid_token() {
    let api = Api::start().await;
    let app = &api.app;
    let made = api.bought(SAM, "k", &order_with("course", "algebra", &json!({"status": "pending"}))).await;
    api.discount("D-GARDEN", &json!({"type": "percent", "percent": 5})).await;
    let written = api.written().await;
    let forged = forged(&api.token(SAM));
    let (json_type, key) = (("content-type", "application/json"), ("idempotency-key", "k"));
    let body = order("course", "geometry").to_string();
    let purchase = format!("/api/purchases/{}", id(&made));
    for (method, path) in [
        (Method::POST, "/api/purchases".to_owned()),
        (Method::GET, "/api/purchases".to_owned()),
        (Method::GET, "/api/purchases/owned?itemType=course&itemId=algebra".to_owned()),
        (Method::DELETE, purchase.clone()),
        (Method::POST, format!("{purchase}/refund")),
        (Method::POST, format!("{purchase}/complete")),
        (Method::PUT, "/api/discounts/D-GARDEN".to_owned()),
        (Method::GET, "/api/discounts/D-GARDEN".to_owned()),
    ] {
        for credentials in [forged.as_str(), "Bearer a.b.c", "Bearer ", "x"] {
            let headers = [json_type, key, ("authorization", credentials)];
            app.send(method.clone(), &path, &headers, body.clone()).await.is_problem(401);
        }
        for headers in [vec![json_type, key], vec![json_type, key, ("x-write-key", app.cloud.write_key())]] {
            let answer = app.send(method.clone(), &path, &headers, body.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})), "{path}");
        }
    }
    assert_eq!(api.written().await, written);
    assert_eq!(api.all(SAM).await, [made]);
    api.app.finish().await;
}
