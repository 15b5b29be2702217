//! Access to packages, and their versions.

use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, Person, REFRESHES, ROOT, SAM, TIM, described, named};
use crate::support::client::forged;

#[tokio::test(flavor = "multi_thread")]
async fn packages_require_teacher_seller_or_admin() {
    let api = Api::start().await;
    for person in [SAM, ANN] {
        api.post(person, &named::<&str>("p", &[])).await.is_problem(403);
    }
    let body = |id: &str, creator: &str| {
        let mut body = named::<&str>(id, &[]);
        body["creatorId"] = json!(creator);
        body
    };
    api.post(TIM, &body("p", "eve")).await.is_problem(403);
    for (person, id, creator) in [(TIM, "of-tim", "tim"), (EVE, "of-eve", "eve"), (ROOT, "of-kim", "kim")] {
        let made = api.post(person, &body(id, creator)).await;
        assert_eq!((made.status.as_u16(), &made.body["creatorId"]), (201, &json!(creator)));
        assert_eq!(made.header("location"), format!("/api/packages/{id}"));
    }
    let made = api.post(ROOT, &described::<&str>(&[])).await;
    assert_eq!((made.status.as_u16(), &made.body["creatorId"]), (201, &json!("root")));
    let id = made.body["packageId"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/packages/{id}"));
    assert_eq!(api.get(id).await.body, made.body);

    // Another seller, another teacher, and users with the creator's id in other roles.
    let changed = described::<&str>(&[]);
    for other in [EVE, SAM, ANN, Person("tom", "teacher"), Person("tim", "student"), Person("tim", "artist")] {
        api.put(other, "of-tim", &[], &changed).await.is_problem(403);
        api.delete(other, "of-tim", &[]).await.is_problem(403);
        api.post(other, &named::<&str>("of-tim", &[])).await.is_problem(403);
    }
    let refused = api.put(ROOT, "of-tim", &[], &body("other", "eve")).await;
    assert_eq!(refused.is_problem(422)["errors"].as_array().unwrap().len(), 2, "whose it is stays: {refused:?}");
    let changed = api.put(ROOT, "of-tim", &[], &changed).await;
    assert_eq!((changed.status.as_u16(), &changed.body["creatorId"]), (200, &json!("tim")), "it stays whose it is");
    assert_eq!((&changed.body["packageId"], api.get("other").await.status.as_u16()), (&json!("of-tim"), 404));
    assert_eq!(api.delete(ROOT, "of-eve", &[]).await.status, 204);
    assert_eq!(api.of_creator("eve", "").await, [Vec::<String>::new()]);
    assert_eq!(api.of_creator("tim", "").await, [["of-tim"]]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_require_valid_token() {
    let api = Api::start().await;
    let app = &api.app;
    api.made::<&str>("p", &[]).await;
    app.settled().await;
    let written = ["StateTable", "StatsTable"].map(|table| app.items(table));
    let json_type = ("content-type", "application/json");
    let forged = forged(&api.token(TIM));
    let body = named::<&str>("p", &[]).to_string();
    for (method, path) in [
        (Method::POST, "/api/packages"),
        (Method::PUT, "/api/packages/p"),
        (Method::DELETE, "/api/packages/p"),
        (Method::GET, "/api/packages/stats?packageId=p"),
        (Method::POST, REFRESHES),
        (Method::GET, "/api/admin/packages/refresh/r"),
    ] {
        for credentials in [forged.as_str(), "Bearer a.b.c", "Bearer ", "x"] {
            let headers = [json_type, ("authorization", credentials)];
            app.send(method.clone(), path, &headers, body.clone()).await.is_problem(401);
        }
        for headers in [vec![json_type], vec![json_type, ("x-write-key", app.cloud.write_key())]] {
            let answer = app.send(method.clone(), path, &headers, body.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
        }
    }
    // Any caller may read a package.
    let read = app.send(Method::GET, "/api/packages/p", &[], "").await;
    assert_eq!((read.status.as_u16(), &read.body["price"]), (200, &json!(50_000)));
    assert_eq!(["StateTable", "StatsTable"].map(|table| app.items(table)), written);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_package_is_idempotent() {
    let api = Api::start().await;
    api.quizzes(&["q", "r"]).await;
    let first = api.made("p", &["q", "r"]).await;
    let expected = json!({
        "packageId": "p", "creatorId": "tim", "title": "Algebra", "description": null, "price": 50_000,
        "currency": "INR", "quizIds": ["q", "r"],
    });
    assert_eq!(first.body, expected);
    // Sent again, by the creator or by an admin, it is the same package.
    for person in [TIM, ROOT] {
        let again = api.post(person, &named("p", &["q", "r"])).await;
        assert_eq!((again.status.as_u16(), &again.body), (201, &expected));
        assert_eq!((again.header("etag"), again.header("location")), (first.header("etag"), "/api/packages/p"));
    }
    for (field, value) in [
        ("title", json!("Geometry")),
        ("description", json!("More")),
        ("price", json!(1)),
        ("currency", json!("USD")),
        ("quizIds", json!(["r", "q"])),
        ("quizIds", json!(["q"])),
    ] {
        let mut other = named("p", &["q", "r"]);
        other[field] = value;
        let problem = api.post(TIM, &other).await;
        assert_eq!(problem.is_problem(409)["detail"], "package p already exists with different content", "{field}");
    }
    assert_eq!(api.get("p").await.body, expected);
    // Without a name, it is another one each time.
    let [one, two] = [api.post(TIM, &described(&["q"])).await, api.post(TIM, &described(&["q"])).await];
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201));
    assert_ne!(one.body["packageId"], two.body["packageId"]);
    let mine = api.of_creator("tim", "").await.concat();
    assert_eq!(mine.len(), 3, "{mine:?}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_update_honours_version() {
    let api = Api::start().await;
    api.quizzes(&["q"]).await;
    let first = api.made::<&str>("p", &[]).await;
    let stale = [("if-match", first.header("etag"))];
    let titled = |title: &str| {
        let mut body = described(&["q"]);
        body["title"] = json!(title);
        body["description"] = json!("Sums\nand more");
        body
    };
    let second = api.put(TIM, "p", &stale, &titled("b")).await;
    assert_eq!((second.status.as_u16(), &second.body["title"]), (200, &json!("b")));
    assert_eq!(second.body["description"], "Sums\nand more");
    assert_ne!(second.header("etag"), first.header("etag"));
    for stale in [stale, [("if-match", "\"\"")], [("if-match", "\"other\"")], [("if-none-match", "*")]] {
        api.put(TIM, "p", &stale, &titled("c")).await.is_problem(412);
        api.delete(TIM, "p", &stale).await.is_problem(412);
    }
    // The version of another creator's package is not revealed, and a missing one has none.
    api.put(EVE, "p", &stale, &titled("c")).await.is_problem(403);
    api.delete(EVE, "p", &stale).await.is_problem(403);
    api.put(TIM, "never", &[("if-match", "*")], &titled("c")).await.is_problem(404);
    api.delete(TIM, "never", &[("if-match", "*")]).await.is_problem(404);
    api.put(TIM, "stats", &[], &titled("c")).await.is_problem(404);
    // Omitted fields are reset.
    let read = api.get("p").await;
    assert_eq!((read.header("etag"), &read.body), (second.header("etag"), &second.body));
    let bare = json!({"title": "d", "price": 0, "currency": "USD"});
    let third = api.put(TIM, "p", &[("if-match", read.header("etag"))], &bare).await;
    assert_eq!((&third.body["description"], &third.body["quizIds"]), (&Value::Null, &json!([])));
    api.delete(TIM, "p", &[("if-match", second.header("etag"))]).await.is_problem(412);
    let gone = api.delete(TIM, "p", &[("if-match", third.header("etag"))]).await;
    assert_eq!((gone.status.as_u16(), &gone.body), (204, &json!("")));
    // A version never comes back.
    api.made::<&str>("p", &[]).await;
    for answer in [&first, &second, &third] {
        api.put(TIM, "p", &[("if-match", answer.header("etag"))], &titled("e")).await.is_problem(412);
    }
    api.app.finish().await;
}
