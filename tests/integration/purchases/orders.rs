//! Buying, and asking for the same again.

use http::Method;
use serde_json::json;

use super::api::{
    ANN, Api, EVE, PURCHASES, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order, order_with, standing, with,
};

#[tokio::test(flavor = "multi_thread")]
async fn buyer_owns_purchased_item() {
    let api = Api::start().await;
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    for (at, (person, kind)) in
        [(SAM, "course"), (SUE, "test"), (ANN, "course"), (EVE, "product"), (TIM, "test")].into_iter().enumerate()
    {
        let about = json!({"variant": "hard cover", "metadata": {"page": "home"}});
        let answer = api.buy(person, &format!("k{at}"), &order_with(kind, "algebra", &about)).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "private, no-store"));
        let purchase = &answer.body;
        let at = &purchase["purchasedAt"];
        let expected = json!({
            "purchaseId": id(purchase), "userId": person.0, "guestId": null, "itemType": kind, "itemId": "algebra",
            "quantity": 1, "amount": 999, "currency": "USD", "listAmount": 999, "discountAmount": 0,
            "refundedAmount": 0, "discountCode": null, "paymentMethod": "credit_card", "variant": "hard cover",
            "metadata": {"page": "home"}, "status": "completed", "purchasedAt": at, "completedAt": at, "endedAt": null,
        });
        assert_eq!(*purchase, expected);
        assert_eq!(api.has(person, kind, "algebra").await.as_deref(), Some(id(purchase)));
        assert_eq!(api.all(person).await, [expected]);
    }
    // Of another kind, or another one, it is another thing.
    for (kind, item) in [("test", "algebra"), ("package", "algebra"), ("product", "algebra"), ("course", "geometry")] {
        assert_eq!(api.has(SAM, kind, item).await, None, "{kind} {item}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_returns_same_purchase() {
    let api = Api::start().await;
    let course = order_with("course", "algebra", &json!({"metadata": {"a": "1", "b": "2"}}));
    let first = api.buy(SAM, "k", &course).await;
    assert_eq!(first.status, 201);
    let written = api.written().await;
    let reordered = concat!(
        r#"{"metadata": {"b": "2", "a": "1"}, "paymentMethod": "credit_card", "currency": "USD", "itemId": "algebra","#,
        r#" "amount": 999, "itemType": "course"}"#
    );
    for (key, body) in [("k", course.to_string()), ("k", reordered.to_owned()), ("\"k\"", course.to_string())] {
        let again = api.call((Method::POST, PURCHASES), "", SAM, &[("idempotency-key", key)], body).await;
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{key}");
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    // Even after it was given back, it is answered as it was.
    api.ended(ROOT, id(&first.body)).await;
    let again = api.buy(SAM, "k", &course).await;
    assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
    assert_eq!(api.has(SAM, "course", "algebra").await, None);
    // The fact of the refund and the audit's change record are new; the purchase, its listing and its answer are
    // unchanged.
    let now = api.written().await;
    assert_eq!((now[0], now[1]), (written[0] + 1, written[1] + 1));
    assert_eq!(api.all(SAM).await.len(), 1);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_is_bound_to_its_request() {
    let api = Api::start().await;
    let first = api.bought(SAM, "k", &order("course", "algebra")).await;
    let written = api.written().await;
    for patch in [
        json!({"itemId": "geometry"}),
        json!({"itemType": "test"}),
        json!({"amount": 998}),
        json!({"currency": "EUR"}),
        json!({"paymentMethod": "paypal"}),
        json!({"status": "pending"}),
        json!({"metadata": {"a": "1"}}),
        json!({"variant": "blue"}),
    ] {
        let answer = api.buy(SAM, "k", &order_with("course", "algebra", &patch)).await;
        assert_invalid_field(&answer, 422, "Idempotency-Key");
    }
    assert_eq!(api.written().await, written);
    assert_eq!(api.all(SAM).await, [first]);

    // Keys belong to one user, in any role.
    let hers = api.bought(SUE, "k", &order("course", "geometry")).await;
    assert_eq!((&hers["userId"], &hers["itemId"]), (&json!("sue"), &json!("geometry")));
    let again = api.buy(SAM, "k", &order("course", "geometry")).await;
    assert_invalid_field(&again, 422, "Idempotency-Key");
    let again = api.bought(Person("sam", "teacher"), "k", &order("course", "algebra")).await;
    assert_eq!(api.all(SAM).await, [again]);
    // A rejected request uses no key.
    api.buy(SUE, "bad", &order_with("course", "algebra", &json!({"amount": -1}))).await.is_problem(422);
    api.buy(SUE, "bad", &order("course", "geometry")).await.is_problem(409);
    api.bought(SUE, "bad", &order("course", "algebra")).await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_second_purchase_of_single_ownership_item() {
    let api = Api::start().await;
    api.package("p").await;
    let price = json!({"amount": 50_000, "currency": "INR"});
    for (kind, patch) in [("course", json!({})), ("test", json!({})), ("package", price)] {
        let wanted = order_with(kind, "p", &patch);
        let first = api.bought(SAM, &format!("{kind}-1"), &wanted).await;
        let written = api.written().await;
        let pending = order_with(kind, "p", &with(&patch, &json!({"status": "pending"})));
        for (key, body) in [("2", &wanted), ("3", &pending)] {
            let refused = api.buy(SAM, &format!("{kind}-{key}"), body).await;
            assert_eq!(refused.is_problem(409)["purchaseId"], first["purchaseId"]);
        }
        assert_eq!(api.written().await, written);
        assert_eq!(api.has(SAM, kind, "p").await.as_deref(), Some(id(&first)));
        // Another user may.
        let hers = api.bought(SUE, &format!("{kind}-1"), &wanted).await;
        assert_ne!(hers["purchaseId"], first["purchaseId"]);
    }
    assert_eq!((api.all(SAM).await.len(), api.all(SUE).await.len()), (3, 3));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn product_can_be_purchased_repeatedly() {
    let api = Api::start().await;
    let mut made = Vec::new();
    for key in ["a", "b", "c"] {
        let purchase = api.bought(SAM, key, &order("product", "mug")).await;
        assert_eq!(api.has(SAM, "product", "mug").await.as_deref(), Some(id(&purchase)), "the last one is told");
        made.insert(0, purchase);
    }
    let again = api.bought(SAM, "b", &order("product", "mug")).await;
    assert_eq!(again, made[1]);
    assert_eq!(api.all(SAM).await.len(), 3);

    // One goes back, and the others are still there; then none is.
    for (at, purchase) in made.iter().enumerate() {
        assert_eq!(api.has(SAM, "product", "mug").await.is_some(), at < 3);
        let ended = api.ended(ROOT, id(purchase)).await;
        assert_eq!(standing(&ended), ("refunded", Some(999), Some(999)));
    }
    assert_eq!(api.has(SAM, "product", "mug").await, None);
    api.bought(SAM, "d", &order("product", "mug")).await;
    assert!(api.has(SAM, "product", "mug").await.is_some());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_purchases_once_after_expiry() {
    let api = Api::start().await;
    let bought = api.bought(SAM, "k", &order("product", "pencil")).await;
    // Answers are kept for 30 days; the purchase under this key, for ever.
    let key = json!({"pk": {"S": "ANSWERS#sam"}, "sk": {"S": "create-purchase#k"}});
    api.app.database("DeleteItem", "StateTable", json!({"Key": key}));
    let written = api.written().await;
    let again = api.buy(SAM, "k", &order("product", "pencil")).await;
    assert_eq!(again.is_problem(409)["purchaseId"], bought["purchaseId"]);
    assert_eq!(api.written().await, written);
    let other = api.bought(SUE, "k", &order("product", "pencil")).await;
    assert_ne!(other["purchaseId"], bought["purchaseId"]);
    api.app.finish().await;
}
