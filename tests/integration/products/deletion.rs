//! A deleted product is gone everywhere; its sales and views stay counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{BoxFuture, join_all};
use http::Method;
use local::wire::{Call, Fault, Faults};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::api::{ANN, Api, BOB, EVE, PRODUCT, Person, ROOT, SAM, TIM, assert_invalid_field, mug, places};
use super::reads::{read, shows, views};
use crate::support::app::Answer;
use crate::support::client::forged;

/// Deletes a product.
pub(super) async fn delete(api: &Api, person: Person<'_>, id: &str, headers: &[(&str, &str)]) -> Answer {
    let token = api.token(person);
    let mut all = vec![("authorization", token.as_str())];
    all.extend_from_slice(headers);
    api.send((Method::DELETE, PRODUCT), id, &all, "").await
}

/// A product is deleted now.
#[track_caller]
pub(super) fn is_gone(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (204, 0), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_product_is_gone_everywhere() {
    let api = Api::start().await;
    for status in ["active", "draft", "sold"] {
        api.becomes(EVE, status, status).await;
        api.becomes(EVE, "other", status).await;
        is_gone(&delete(&api, EVE, status, &[]).await);
        for person in [EVE, ROOT, SAM] {
            read(&api, person, status, &[]).await.is_problem(404);
        }
        shows(&api, status).await.is_problem(404);
        api.looks("s1", status).await.is_problem(404);
        api.looks_as(SAM, status, &json!({})).await.is_problem(404);
        delete(&api, EVE, status, &[]).await.is_problem(404);
        delete(&api, ROOT, status, &[("if-match", "*")]).await.is_problem(404);
        api.put(EVE, status, &[("if-match", "*")], &mug(&json!({}))).await.is_problem(412);
        assert_eq!(read(&api, EVE, "other", &[]).await.body["status"], status);
    }
    delete(&api, EVE, "unknown", &[]).await.is_problem(404);
    delete(&api, EVE, "trending", &[]).await.is_problem(404);
    assert_invalid_field(&delete(&api, EVE, "a%20b", &[]).await, 422, "productId");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_requires_seller_or_admin() {
    let api = Api::start().await;
    let forged = forged(&api.token(EVE));
    for (status, by) in [("active", EVE), ("draft", ROOT), ("sold", ROOT)] {
        api.becomes(EVE, status, status).await;
        for person in [BOB, SAM, TIM, ANN] {
            // The answer does not reveal that there is a draft.
            delete(&api, person, status, &[]).await.is_problem(if status == "draft" { 404 } else { 403 });
        }
        let credentials = [("authorization", forged.as_str())];
        api.send((Method::DELETE, PRODUCT), status, &credentials, "").await.is_problem(401);
        let path = format!("/api/products/{status}");
        for headers in [vec![], vec![("x-write-key", api.app.cloud.write_key())]] {
            assert_eq!(api.app.send(Method::DELETE, &path, &headers, "").await.status, 401);
        }
        assert_eq!(read(&api, EVE, status, &[]).await.body["status"], status, "it is still there");
        is_gone(&delete(&api, by, status, &[]).await);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_honours_version() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let version = |answer: &Answer| format!("\"{}\"", answer.body["version"].as_str().unwrap());
    let stale = version(&shows(&api, "mug").await);
    let put = api.put(EVE, "mug", &[], &mug(&json!({"price": 1_200}))).await;
    let seen = shows(&api, "mug").await;
    let (read_tag, read_version) = (seen.header("etag").to_owned(), version(&seen));
    for refused in [
        ("if-match", stale.as_str()),
        ("if-match", "\"x\""),
        ("if-none-match", "*"),
        ("if-none-match", put.header("etag")),
        ("if-none-match", &read_tag),
        ("if-match", &read_tag),
    ] {
        delete(&api, EVE, "mug", &[refused]).await.is_problem(412);
    }
    delete(&api, BOB, "mug", &[("if-match", &stale)]).await.is_problem(403);
    // A view does not change the version.
    assert!(api.counts("s1", "mug").await);
    assert_eq!(views(&api, "mug").await, (1, 1));
    assert_ne!(shows(&api, "mug").await.header("etag"), read_tag);
    is_gone(&delete(&api, EVE, "mug", &[("if-match", &read_version)]).await);
    // A recreated product is another one: earlier ETags do not match it.
    let again = api.put(EVE, "mug", &[("if-none-match", "*")], &mug(&json!({"price": 1_200}))).await;
    assert_eq!(again.status, 201, "{again:?}");
    for tag in [put.header("etag"), &read_version] {
        delete(&api, EVE, "mug", &[("if-match", tag)]).await.is_problem(412);
        api.put(EVE, "mug", &[("if-match", tag)], &mug(&json!({}))).await.is_problem(412);
    }
    is_gone(&delete(&api, EVE, "mug", &[("if-match", again.header("etag"))]).await);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn id_of_deleted_product_stays_with_seller() {
    let api = Api::start().await;
    let body = mug(&json!({"productId": "mug"}));
    let first = api.create(EVE, &body).await;
    for by in [EVE, ROOT, EVE] {
        is_gone(&delete(&api, by, "mug", &[]).await);
        for person in [BOB, SAM] {
            api.create(person, &body).await.is_problem(403);
            api.put(person, "mug", &[], &body).await.is_problem(403);
        }
        read(&api, EVE, "mug", &[]).await.is_problem(404);
        let again = api.create(EVE, &body).await;
        assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
        assert_ne!(again.header("etag"), first.header("etag"));
    }
    is_gone(&delete(&api, EVE, "mug", &[]).await);
    // An admin cannot transfer it either.
    let of_admins = api.put(ROOT, "mug", &[], &mug(&json!({"sellerId": "bob"}))).await;
    assert_eq!((of_admins.status.as_u16(), &of_admins.body["sellerId"]), (201, &json!("eve")));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_keeps_sales() {
    let api = Api::start().await;
    let seasons = ["", "&period=all"];
    let boards = async |sales: u64, revenue: u64| {
        for season in seasons {
            assert_eq!(api.places(&format!("?metric=sales{season}")).await, places(&[(1, "eve", sales)]));
            let earned = api.places(&format!("?metric=revenue&currency=USD{season}")).await;
            assert_eq!(earned, places(&[(1, "eve", revenue)]));
        }
    };
    api.becomes(EVE, "mug", "sold").await;
    boards(1, 999).await;
    is_gone(&delete(&api, EVE, "mug", &[]).await);
    boards(1, 999).await;
    // The recreated product has no trace of the sale, and can be sold and undone by itself.
    let again = api.is(EVE, "mug", &json!({"price": 500})).await;
    assert_eq!((&again["status"], &again["soldAt"]), (&json!("active"), &Value::Null));
    boards(1, 999).await;
    api.is(EVE, "mug", &json!({"price": 500, "status": "sold"})).await;
    boards(2, 1_499).await;
    api.is(EVE, "mug", &json!({"price": 500, "status": "active"})).await;
    boards(1, 999).await;
    // As sold as it was offered at once.
    is_gone(&delete(&api, EVE, "mug", &[]).await);
    api.is(EVE, "mug", &json!({"price": 1, "status": "sold"})).await;
    is_gone(&delete(&api, ROOT, "mug", &[]).await);
    boards(2, 1_000).await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_keeps_views() {
    let api = Api::start().await;
    let boards = ["?metric=views", "?metric=views&period=all"];
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await);
    is_gone(&delete(&api, EVE, "mug", &[]).await);
    for query in boards {
        assert_eq!(api.places(query).await, places(&[(1, "eve", 1)]), "{query}");
    }
    api.becomes(EVE, "mug", "active").await;
    assert_eq!(views(&api, "mug").await, (1, 1));
    assert!(!api.counts("s1", "mug").await, "in this month it is the same product");
    assert!(api.counts("s2", "mug").await);
    for query in boards {
        assert_eq!(api.places(query).await, places(&[(1, "eve", 2)]), "{query}");
    }
    api.app.finish().await;
}

/// The next so many writes of products wait for each other: all have read the same.
struct Together(AtomicUsize, Barrier);

impl Faults for Together {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        Box::pin(async move {
            let writes = call.operation == "TransactWriteItems" && call.function.ends_with("ProductFunction");
            let awaited = |left: usize| left.checked_sub(1).filter(|_| writes);
            if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, awaited).is_ok() {
                self.1.wait().await;
            }
            Fault::None
        })
    }
}

async fn together(writers: usize) -> (Api, Arc<Together>) {
    let together = Arc::new(Together(AtomicUsize::new(0), Barrier::new(writers)));
    let faults = together.clone();
    (Api::start_with("2026-04-10T12:00:00.000Z", |options| options.faults = Some(faults)).await, together)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_deletions_succeeds() {
    let (api, together) = together(4).await;
    api.becomes(EVE, "mug", "active").await;
    together.0.store(4, Ordering::SeqCst);
    let mut answers = join_all((0..4).map(|_| delete(&api, EVE, "mug", &[]))).await;
    assert_eq!(together.0.load(Ordering::SeqCst), 0, "all have written");
    answers.sort_by_key(|answer| answer.status);
    is_gone(&answers[0]);
    assert!(answers[1..].iter().all(|answer| answer.status == 404), "{answers:?}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sale_and_deletion_apply_one() {
    let (api, together) = together(2).await;
    let mut sales = 0;
    for at in 0..10 {
        let id = format!("mug-{at}");
        let made = api.create(EVE, &mug(&json!({"productId": id}))).await;
        let (meant, sold) = ([("if-match", made.header("etag"))], mug(&json!({"status": "sold"})));
        together.0.store(2, Ordering::SeqCst);
        let (sells, deletes) = futures::join!(api.put(EVE, &id, &meant, &sold), delete(&api, EVE, &id, &meant));
        assert_eq!(together.0.load(Ordering::SeqCst), 0, "both have written");
        let there = shows(&api, &id).await;
        match (sells.status.as_u16(), deletes.status.as_u16(), there.status.as_u16()) {
            (200, 412, 200) => sales += 1,
            (412, 204, 404) => {}
            other => panic!("{other:?}"),
        }
    }
    let expected = if sales == 0 { vec![] } else { places(&[(1, "eve", sales)]) };
    assert_eq!(api.places("").await, expected);
    api.app.finish().await;
}
