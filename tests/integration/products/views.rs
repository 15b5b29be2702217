//! A viewer of a product counts once a month.

use http::Method;
use serde_json::json;

use super::api::{Api, BOB, EVE, ROOT, SAM, SUE, VIEWS, assert_invalid_field, counted, places};

#[tokio::test(flavor = "multi_thread")]
async fn viewer_counts_once_per_product() {
    let api = Api::start().await;
    api.becomes(EVE, "a", "active").await;
    api.becomes(EVE, "b", "active").await;
    for (session, id, counts) in
        [("s1", "a", true), ("s1", "a", false), ("s2", "a", true), ("s1", "b", true), ("s2", "a", false)]
    {
        let answer = api.looks(session, id).await;
        assert_eq!(answer.body, json!({"productId": id, "counted": counts}), "{session} {id}");
    }
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 3)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_counts_once_across_sessions() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for (person, session, counts) in [
        (SAM, Some("s1"), true),
        (SAM, Some("s2"), false),
        (SAM, None, false),
        (SUE, Some("s1"), true),
        (BOB, None, true),
    ] {
        let answer = api.looks_as(person, "mug", &json!({"sessionId": session})).await;
        assert_eq!(counted(&answer), counts, "{person:?} {session:?}");
    }
    // The session is unknown, and a session named like a user is not that user.
    assert!(api.counts("s1", "mug").await);
    assert!(api.counts("sam", "mug").await);
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 5)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewer_counts_again_in_new_month() {
    let api = Api::at("2026-04-30T23:59:00.000Z").await;
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await);
    assert!(!api.counts("s1", "mug").await);
    api.until("2026-05-01T00:00:00.000Z").await;
    assert!(api.counts("s1", "mug").await);
    assert!(!api.counts("s1", "mug").await);
    for (period, views) in [("2026-04", 1), ("2026-05", 1), ("all", 2)] {
        assert_eq!(
            api.places(&format!("?metric=views&period={period}")).await,
            places(&[(1, "eve", views)]),
            "{period}"
        );
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_by_seller_do_not_count() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    assert!(!counted(&api.looks_as(EVE, "mug", &json!({})).await));
    assert!(!counted(&api.looks_as(EVE, "mug", &json!({"sessionId": "s1"})).await));
    assert_eq!(api.places("?metric=views").await, []);
    // Other sellers and admins are viewers.
    assert!(counted(&api.looks_as(BOB, "mug", &json!({})).await));
    assert!(counted(&api.looks_as(ROOT, "mug", &json!({})).await));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_unpurchasable_product_do_not_count() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "sold").await;
    assert!(!api.counts("s1", "mug").await);
    assert!(!counted(&api.looks_as(SAM, "mug", &json!({})).await));
    // A draft is there for its seller alone.
    api.becomes(EVE, "mug", "draft").await;
    api.looks("s1", "mug").await.is_problem(404);
    api.looks_as(SAM, "mug", &json!({})).await.is_problem(404);
    assert!(!counted(&api.looks_as(EVE, "mug", &json!({})).await));
    assert_eq!(api.places("?metric=views").await, []);
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await, "nothing was remembered");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_by_crawlers_do_not_count() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let googlebot = ("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    let (json_type, body) = (("content-type", "application/json"), json!({"sessionId": "s1"}).to_string());
    let anonymous = [json_type, ("x-write-key", api.app.cloud.write_key()), googlebot];
    assert!(!counted(&api.send((Method::POST, VIEWS), "mug", &anonymous, body.clone()).await));
    assert_eq!(api.places("?metric=views").await, []);
    let token = api.token(SAM);
    let person = [json_type, ("authorization", token.as_str()), googlebot];
    assert!(!counted(&api.send((Method::POST, VIEWS), "mug", &person, body).await));
    assert_eq!(api.places("?metric=views").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_counts_once_across_sessions() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    for (session, device, counts) in [("s1", "d1", true), ("s2", "d1", false), ("s2", "d2", true), ("s3", "d2", false)]
    {
        let (json_type, body) =
            (("content-type", "application/json"), json!({"sessionId": session, "anonymousId": device}));
        let headers = [json_type, ("x-write-key", api.app.cloud.write_key())];
        let answer = api.send((Method::POST, VIEWS), "mug", &headers, body.to_string()).await;
        assert_eq!(counted(&answer), counts, "{session} {device}");
    }
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 2)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn view_across_sign_in_counts_once_per_user() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    assert!(api.counts("s1", "mug").await);
    for (person, counts) in [(SAM, false), (SUE, true), (SAM, false)] {
        assert_eq!(counted(&api.looks_as(person, "mug", &json!({"sessionId": "s1"})).await), counts, "{person:?}");
    }
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 2)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_beacon_with_write_key_in_query() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let body = json!({"sessionId": "s1"}).to_string();
    let path = format!("/api/products/mug/views?writeKey={}", api.app.cloud.write_key());
    for (content_type, counts) in
        [("text/plain;charset=UTF-8", true), ("text/plain", false), ("application/json", false)]
    {
        let answer = api.app.send(Method::POST, &path, &[("content-type", content_type)], body.clone()).await;
        assert_eq!(counted(&answer), counts, "{content_type}");
    }
    api.app.send(Method::POST, &path, &[("content-type", "image/png")], body).await.is_problem(415);
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_views() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let post = (Method::POST, VIEWS);
    let key = [("content-type", "application/json"), ("x-write-key", api.app.cloud.write_key())];
    for body in [json!({}), json!({"sessionId": null}), json!({"sessionId": "a b"}), json!({"sessionId": 7})] {
        assert_invalid_field(&api.send(post.clone(), "mug", &key, body.to_string()).await, 422, "sessionId");
    }
    assert_invalid_field(&api.send(post.clone(), "mug", &key, "[]").await, 422, "body");
    for body in ["", "{"] {
        api.send(post.clone(), "mug", &key, body).await.is_problem(400);
    }
    let huge = json!({"sessionId": "s1", "note": "x".repeat(5_000)}).to_string();
    api.send(post.clone(), "mug", &key, huge).await.is_problem(413);
    assert_invalid_field(&api.looks("s1", "a%20b").await, 422, "productId");
    api.looks("s1", "unknown").await.is_problem(404);
    api.looks_as(SAM, "unknown", &json!({})).await.is_problem(404);
    let body = json!({"sessionId": "s1"}).to_string();
    for credentials in [("x-write-key", "unknown"), ("authorization", "Bearer a.b.c")] {
        api.send(post.clone(), "mug", &[key[0], credentials], body.clone()).await.is_problem(401);
    }
    let nobody = api.app.send(Method::POST, "/api/products/mug/views", &key[..1], body).await;
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert_eq!(api.places("?metric=views").await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_views_of_viewer_count_once() {
    let api = Api::start().await;
    api.becomes(EVE, "mug", "active").await;
    let answers = futures::future::join_all((0..12).map(|at| api.looks(["s1", "s2", "s3"][at % 3], "mug"))).await;
    assert_eq!(answers.iter().filter(|answer| counted(answer)).count(), 3);
    assert_eq!(api.places("?metric=views").await, places(&[(1, "eve", 3)]));
    api.app.finish().await;
}
