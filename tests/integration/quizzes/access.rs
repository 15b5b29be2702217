//! Access to quizzes.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{
    ANN, ATTEMPT, Api, EVE, JSON, LIKE, NOTHING, Numbers, Person, QUIZ, RATE, ROOT, SAM, SUE, TIM, attempt, is_of,
};
use crate::support::client::forged;

#[tokio::test(flavor = "multi_thread")]
async fn quiz_update_honours_version() {
    let api = Api::start().await;
    let quiz = |title: &str| json!({"title": title});
    api.put(TIM, "capitals", &[("if-match", "*")], &quiz("a")).await.is_problem(412);
    let first = api.put(TIM, "capitals", &[("if-none-match", "*")], &quiz("a")).await;
    assert_eq!(first.status, 201);
    api.put(TIM, "capitals", &[("if-none-match", "*")], &quiz("b")).await.is_problem(412);
    let tag = [("if-match", first.header("etag"))];
    let second = api.put(TIM, "capitals", &tag, &quiz("b")).await;
    assert_eq!((second.status.as_u16(), &second.body["title"]), (200, &json!("b")));
    assert_ne!(second.header("etag"), first.header("etag"));
    api.put(TIM, "capitals", &tag, &quiz("c")).await.is_problem(412);
    api.put(TIM, "capitals", &[("if-match", "\"\"")], &quiz("c")).await.is_problem(412);
    // What happens to a quiz is no new version of it.
    api.like(SAM, "capitals").await;
    let third = api.put(TIM, "capitals", &[("if-match", second.header("etag"))], &quiz("d")).await;
    assert_eq!((third.status.as_u16(), &third.body["title"]), (200, &json!("d")));

    // One of the concurrent creations succeeds, and one of the updates of a version.
    let (none, title) = ([("if-none-match", "*")], quiz("a"));
    let created = join_all((0..20).map(|_| api.put(EVE, "race", &none, &title))).await;
    let mut statuses: Vec<u16> = created.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [412; 19].as_slice()));
    let held = [("if-match", created.iter().find(|answer| answer.status == 201).unwrap().header("etag"))];
    let changed = join_all((0..20).map(|_| api.put(EVE, "race", &held, &title))).await;
    let mut statuses: Vec<u16> = changed.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [412; 19].as_slice()));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiz_requires_creator_or_admin() {
    let api = Api::start().await;
    let quiz = json!({"title": "Capitals"});
    for (author, id) in [(TIM, "tims"), (EVE, "eves"), (ROOT, "roots")] {
        let created = api.put(author, id, &[], &quiz).await;
        assert_eq!((created.status.as_u16(), &created.body["creatorId"]), (201, &json!(author.0)));
        let named = api.put(author, id, &[], &json!({"title": "Capitals", "creatorId": author.0})).await;
        assert_eq!((named.status.as_u16(), &named.body["creatorId"]), (200, &json!(author.0)));
    }
    // Students and artists make none, and neither does a creator's namesake of such a role.
    for other in [SAM, ANN, Person("tim", "student"), Person("tim", "artist")] {
        for id in ["tims", "new"] {
            api.put(other, id, &[], &quiz).await.is_problem(403);
        }
        api.put(other, "new", &[], &json!({"title": "a", "creatorId": other.0})).await.is_problem(403);
    }
    for (other, id) in [(EVE, "tims"), (TIM, "eves"), (Person("tom", "teacher"), "tims"), (TIM, "roots")] {
        api.put(other, id, &[], &quiz).await.is_problem(403);
    }
    for (author, id) in [(TIM, "tims"), (TIM, "new"), (EVE, "new")] {
        api.put(author, id, &[], &json!({"title": "a", "creatorId": "root"})).await.is_problem(403);
    }

    // An admin sets the creator of a new quiz and changes any quiz; the creator stays.
    let made = api.put(ROOT, "new", &[], &json!({"title": "a", "creatorId": "tim"})).await;
    assert_eq!((made.status.as_u16(), &made.body["creatorId"]), (201, &json!("tim")));
    for body in [json!({"title": "b"}), json!({"title": "b", "creatorId": "eve"})] {
        let changed = api.put(ROOT, "new", &[], &body).await;
        assert_eq!((changed.status.as_u16(), &changed.body["creatorId"]), (200, &json!("tim")), "{body}");
    }
    assert_eq!(api.put(TIM, "new", &[], &quiz).await.status, 200);
    assert_eq!(api.app.items("StateTable"), 4);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_quiz_is_not_found() {
    let api = Api::start().await;
    api.like(SAM, "unknown").await.is_problem(404);
    api.unlike(SAM, "unknown").await.is_problem(404);
    api.rate(SAM, "unknown", 5).await.is_problem(404);
    api.attempt(SAM, "unknown", &attempt("a", 1.0, 1.0)).await.is_problem(404);
    let problem = api.stats("unknown", &[]).await;
    assert_eq!(problem.is_problem(404)["detail"], "there is no quiz unknown");
    api.stats("unknown", &[("if-none-match", "*")]).await.is_problem(404);
    for table in ["InteractionsTable", "StateTable", "StatsTable"] {
        assert_eq!(api.app.items(table), 0, "something was written to {table}");
    }
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_identity_from_token() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let claim = |mut body: Value| {
        for field in ["userId", "user", "sub", "role", "creatorId"] {
            body[field] = json!("sue");
        }
        body.to_string()
    };
    assert_eq!(api.post(SAM, LIKE, "capitals", claim(json!({}))).await.body["changed"], true);
    let (rating, report) = (json!({"rating": 3}), json!({"attemptId": "a", "score": 1, "maxScore": 2}));
    for (route, body) in [(RATE, &rating), (ATTEMPT, &report)] {
        let claimed = api.post(SAM, route, "capitals", claim(body.clone())).await;
        assert_eq!(claimed.is_problem(422)["errors"].as_array().unwrap().len(), 5, "{claimed:?}");
    }
    assert_eq!(api.post(SAM, RATE, "capitals", rating.to_string()).await.body["changed"], true);
    assert_eq!(api.post(SAM, ATTEMPT, "capitals", report.to_string()).await.status, 201);
    let facts = api.facts();
    assert_eq!(facts.len(), 3);
    assert!(facts.iter().all(|fact| is_of(fact, SAM)), "{facts:?}");

    // So what Sue does is the first that she does.
    assert_eq!(api.like(SUE, "capitals").await.body["changed"], true);
    assert_eq!(api.rate(SUE, "capitals", 5).await.body["previousRating"], Value::Null);
    assert_eq!(api.attempt(SUE, "capitals", &attempt("a", 2.0, 2.0)).await.status, 201);
    let expected = Numbers { attempts: 2, likes: 2, ratings: 2, rating: Some(4.0), score: Some(75.0) };
    assert_eq!(api.numbers("capitals").await, expected);
    // A person of several roles is one person.
    assert_eq!(api.like(Person("sam", "teacher"), "capitals").await.body["changed"], false);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quizzes_require_valid_token() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let written = api.app.items("StateTable");
    let forged = forged(&api.token(SAM));
    for (method, route, body) in [
        (Method::PUT, QUIZ, json!({"title": "a"})),
        (Method::POST, LIKE, json!({})),
        (Method::DELETE, LIKE, json!({})),
        (Method::POST, RATE, json!({"rating": 5})),
        (Method::POST, ATTEMPT, attempt("a", 1.0, 1.0)),
    ] {
        for credentials in [forged.as_str(), "Bearer a.b.c", "Bearer ", "x"] {
            let headers = [JSON, ("authorization", credentials)];
            let answer = api.send((method.clone(), route), "capitals", &headers, body.to_string()).await;
            answer.is_problem(401);
        }
        for headers in [vec![JSON], vec![JSON, ("x-write-key", api.app.cloud.write_key())]] {
            let path = route.replace("{quizId}", "capitals");
            let answer = api.app.send(method.clone(), &path, &headers, body.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
        }
    }
    assert_eq!((api.app.items("StateTable"), api.count()), (written, 0));
    // Any caller reads the stats, with any credentials.
    for headers in [vec![], vec![("authorization", forged.as_str())]] {
        assert_eq!(Numbers::of(&api.stats("capitals", &headers).await.body), NOTHING);
    }
    api.finish().await;
}
