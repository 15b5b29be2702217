//! What can be purchased: existing and active items, in accepted currencies.

use http::Method;
use serde_json::{Value, json};

use super::api::{
    Api, EVE, PRODUCT, PURCHASE, Person, ROOT, SAM, SUE, TIM, assert_invalid_field, id, order, order_with,
};
use crate::support::app::App;

async fn product(api: &Api, item: &str, patch: &Value) {
    let mut body = json!({"title": "A mug", "price": 999, "currency": "USD"});
    for (field, value) in patch.as_object().unwrap() {
        body[field] = value.clone();
    }
    let answer = api.call((Method::PUT, PRODUCT), item, EVE, &[], body.to_string()).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_purchase_of_inactive_product() {
    let api = Api::start().await;
    let mug = order("product", "mug");
    let refused = async |key: &str| {
        let answer = api.order(SAM, key, &mug).await;
        assert_invalid_field(&answer, 422, "itemId");
        answer.body["errors"][0]["reason"].clone()
    };
    let unknown = refused("never").await;
    product(&api, "mug", &json!({"status": "draft"})).await;
    assert_eq!(refused("draft").await, unknown, "whether there is a draft is not told");
    product(&api, "mug", &json!({"status": "active"})).await;
    let bought = api.order(SAM, "active", &mug).await;
    assert_eq!(bought.status, 201, "{bought:?}");
    product(&api, "mug", &json!({"status": "sold"})).await;
    refused("sold").await;
    product(&api, "mug", &json!({"status": "active"})).await;
    assert_eq!(api.order(SAM, "again", &mug).await.status, 201);
    assert_eq!(api.call((Method::DELETE, PRODUCT), "mug", EVE, &[], "").await.status, 204);
    refused("deleted").await;
    // An earlier purchase has the same answer, whatever became of the product; and an admin records past sales.
    assert_eq!(api.order(SAM, "active", &mug).await.bytes, bought.bytes);
    assert_eq!(api.order(ROOT, "elsewhere", &mug).await.status, 201);
    // A package that is no more.
    api.package("p").await;
    let wanted = order_with("package", "p", &json!({"amount": 50_000, "currency": "INR"}));
    assert_eq!(api.order(SUE, "p", &wanted).await.status, 201);
    let gone = api.call((Method::DELETE, "/api/packages/{packageId}"), "p", TIM, &[], "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_invalid_field(&api.order(SAM, "p", &wanted).await, 422, "itemId");
    // A refusal has used no key.
    product(&api, "cup", &json!({"status": "draft"})).await;
    assert_invalid_field(&api.order(SAM, "cup", &order("product", "cup")).await, 422, "itemId");
    product(&api, "cup", &json!({"status": "active"})).await;
    assert_eq!(api.order(SAM, "cup", &order("product", "cup")).await.status, 201);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_require_approval_by_default() {
    let app = App::start_with(|options| {
        options.parameters.remove("PurchaseApproval");
    });
    let api = Api::of(app.await);
    for (key, kind) in [("a", "course"), ("b", "test")] {
        let made = api.bought(SAM, key, &order_with(kind, "algebra", &json!({"amount": 0}))).await;
        assert_eq!((made["status"].as_str(), api.has(SAM, kind, "algebra").await), (Some("pending"), None));
        assert_eq!(api.complete(ROOT, id(&made)).await.body["status"], "completed");
        assert_eq!(api.has(SAM, kind, "algebra").await.as_deref(), Some(id(&made)));
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_price_in_unaccepted_currency() {
    let api = Api::start().await;
    let kuwaiti = |body: Value| {
        let mut body = body;
        body["currency"] = json!("KWD");
        body.to_string()
    };
    let package = json!({"packageId": "p", "title": "Algebra", "price": 1_250, "quizIds": []});
    assert_invalid_field(
        &api.call((Method::POST, "/api/packages"), "", TIM, &[], kuwaiti(package)).await,
        422,
        "currency",
    );
    api.package("q").await;
    let changed = kuwaiti(json!({"title": "Algebra", "price": 1_250}));
    assert_invalid_field(
        &api.call((Method::PUT, "/api/packages/{packageId}"), "q", TIM, &[], changed).await,
        422,
        "currency",
    );
    let mug = json!({"title": "A mug", "price": 1_250});
    assert_invalid_field(
        &api.call((Method::POST, "/api/products"), "", EVE, &[], kuwaiti(mug.clone())).await,
        422,
        "currency",
    );
    assert_invalid_field(&api.call((Method::PUT, PRODUCT), "mug", EVE, &[], kuwaiti(mug)).await, 422, "currency");
    let off = json!({"type": "fixed", "amount": 5, "currency": "KWD"});
    assert_invalid_field(&api.put_discount(ROOT, "KUWAIT-5", &[], &off).await, 422, "currency");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_requires_buyer_or_admin() {
    let api = Api::start().await;
    let made = api.bought(SAM, "k", &order("course", "algebra")).await;
    let get = async |person: Person<'_>, id: &str| api.call((Method::GET, PURCHASE), id, person, &[], "").await;
    for person in [SAM, ROOT] {
        let seen = get(person, id(&made)).await;
        assert_eq!((seen.status.as_u16(), &seen.body), (200, &made));
    }
    // Whether there is one is not for others to know.
    for person in [SUE, TIM, EVE] {
        let (theirs, none) = (get(person, id(&made)).await, get(person, "never").await);
        theirs.is_problem(404);
        none.is_problem(404);
    }
    let guests = json!({"guestId": "gus"});
    let guests = api.bought(ROOT, "g", &order_with("course", "algebra", &guests)).await;
    get(Person("gus", "student"), id(&guests)).await.is_problem(404);
    assert_eq!(get(ROOT, id(&guests)).await.body, guests);
    assert_invalid_field(&get(SAM, "a%20b").await, 422, "purchaseId");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_ends_with_latest_refund() {
    let api = Api::start().await;
    let paid = json!({"userId": "sam", "purchasedAt": "2011-01-10T12:00:00.000Z"});
    let bought = api.bought(ROOT, "k", &order_with("course", "algebra", &paid)).await;
    let late = json!({"amount": 99, "refundedAt": "2011-03-05T12:00:00.000Z"});
    assert_eq!(api.refund(ROOT, "late", id(&bought), &late).await.status, 200);
    let early = api.refund(ROOT, "early", id(&bought), &json!({"refundedAt": "2011-02-01T12:00:00.000Z"})).await;
    assert_eq!((&early.body["status"], &early.body["endedAt"]), (&json!("refunded"), &late["refundedAt"]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_times_before_epoch() {
    let api = Api::start().await;
    for at in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01"] {
        let patch = json!({"userId": "sam", "purchasedAt": at});
        assert_invalid_field(&api.buy(ROOT, "k", &order_with("course", "algebra", &patch)).await, 422, "purchasedAt");
        let discount = json!({"type": "percent", "percent": 5, "validFrom": at});
        assert_invalid_field(&api.put_discount(ROOT, "EARLY-BIRD", &[], &discount).await, 422, "validFrom");
    }
    let first = json!({"userId": "sam", "purchasedAt": "1970-01-01T00:00:00.000Z"});
    assert_eq!(
        api.bought(ROOT, "k", &order_with("course", "algebra", &first)).await["purchasedAt"],
        first["purchasedAt"]
    );
    api.app.finish().await;
}
