//! Access to courses.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, Api, COURSE, EVE, JSON, Person, ROOT, SAM, TIM, TOM, assert_invalid};
use crate::support::app::Answer;

async fn put(api: &Api, person: Person<'_>, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    api.call((Method::PUT, COURSE), id, person, headers, body).await
}

fn is_course(answer: &Answer, status: u16, expected: &Value) {
    assert_eq!((answer.status.as_u16(), &answer.body), (status, expected), "{answer:?}");
    assert!(!answer.header("etag").is_empty(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn course_requires_its_teacher_or_admin() {
    let api = Api::start().await;
    let (logic, course) =
        (json!({"title": "Logic"}), json!({"courseId": "logic", "title": "Logic", "teacherId": "tim"}));
    for person in [EVE, SAM, ANN] {
        put(&api, person, "logic", &[], &logic).await.is_problem(403);
    }
    put(&api, TIM, "logic", &[], &json!({"title": "Logic", "teacherId": "tom"})).await.is_problem(403);
    is_course(&put(&api, TIM, "logic", &[], &logic).await, 201, &course);
    is_course(&put(&api, TIM, "logic", &[], &json!({"title": "Logic", "teacherId": "tim"})).await, 200, &course);
    for (person, teacher) in [(TOM, json!(null)), (TOM, json!("tom")), (TOM, json!("tim")), (TIM, json!("tom"))] {
        put(&api, person, "logic", &[], &json!({"title": "Mine", "teacherId": teacher})).await.is_problem(403);
    }
    for person in [EVE, SAM, ANN] {
        put(&api, person, "logic", &[], &logic).await.is_problem(403);
    }
    let named = json!({"courseId": "logic", "title": "Logic II", "teacherId": "tim"});
    for teacher in [json!(null), json!("tom")] {
        let changed = put(&api, ROOT, "logic", &[], &json!({"title": "Logic II", "teacherId": teacher})).await;
        is_course(&changed, 200, &named);
    }
    let made = put(&api, ROOT, "law", &[], &json!({"title": "Law", "teacherId": "tom"})).await;
    is_course(&made, 201, &json!({"courseId": "law", "title": "Law", "teacherId": "tom"}));
    put(&api, TIM, "law", &[], &logic).await.is_problem(403);
    let own = put(&api, ROOT, "own", &[], &json!({"title": "Own"})).await;
    is_course(&own, 201, &json!({"courseId": "own", "title": "Own", "teacherId": "root"}));
    let forged = [JSON, ("authorization", "Bearer a.b.c")];
    api.send((Method::PUT, COURSE), "logic", &forged, logic.to_string()).await.is_problem(401);
    assert_eq!(api.app.send(Method::PUT, "/api/courses/logic", &[JSON], logic.to_string()).await.status, 401);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn course_update_honours_version() {
    let api = Api::start().await;
    let logic = json!({"title": "Logic"});
    put(&api, TIM, "logic", &[("if-match", "*")], &logic).await.is_problem(412);
    put(&api, TIM, "logic", &[("if-match", "\"x\"")], &logic).await.is_problem(412);
    let answers = join_all((0..8).map(|_| put(&api, TIM, "logic", &[("if-none-match", "*")], &logic))).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.is_problem(412);
    }
    let first = made[0].header("etag").to_owned();
    put(&api, TIM, "logic", &[("if-match", "\"x\"")], &logic).await.is_problem(412);
    let held = [("if-match", first.as_str())];
    let answers = join_all((0..8).map(|_| put(&api, TIM, "logic", &held, &logic))).await;
    let changed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(changed.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.is_problem(412);
    }
    let second = changed[0].header("etag");
    assert_ne!(second, first);
    put(&api, TIM, "logic", &[("if-match", &first)], &logic).await.is_problem(412);
    assert_eq!(put(&api, TIM, "logic", &[("if-match", second)], &logic).await.status, 200);
    assert_eq!(put(&api, TIM, "logic", &[("if-match", "*")], &logic).await.status, 200);
    // Whose it is comes first.
    put(&api, TOM, "logic", &[("if-match", "*")], &logic).await.is_problem(403);
    let answers = join_all((0..6).map(|_| put(&api, TIM, "logic", &[], &logic))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_courses() {
    let api = Api::start().await;
    let logic = json!({"title": "Logic"});
    for id in ["enrollments-", "enrollments-logic", "enrollments-enrollments", "a%20b", "a%23b", &"x".repeat(65)] {
        for person in [TIM, ROOT] {
            assert_invalid(&put(&api, person, id, &[], &logic).await, 422, &["courseId"]);
        }
    }
    for id in ["enrollments", "enrollment-s", "my-enrollments-1", "auth0:7"] {
        assert_eq!(put(&api, TIM, id, &[], &logic).await.status, 201, "{id}");
    }
    for (body, fields) in [
        (json!({}), &["title"][..]),
        (json!({"title": " "}), &["title"]),
        (json!({"title": "x".repeat(301)}), &["title"]),
        (json!({"title": 7, "teacherId": "a b"}), &["teacherId", "title"]),
        (json!({"title": "Logic", "teacherId": 7}), &["teacherId"]),
        (json!([]), &["body"]),
    ] {
        assert_invalid(&put(&api, TIM, "logic", &[], &body).await, 422, fields);
    }
    let huge = json!({"title": "Logic", "x": "x".repeat(33_000)});
    put(&api, TIM, "logic", &[], &huge).await.is_problem(413);
    let token = api.token(TIM);
    for (kind, body, status) in [(JSON.1, "{", 400), ("text/plain", "{}", 415)] {
        let headers = [("content-type", kind), ("authorization", token.as_str())];
        api.send((Method::PUT, COURSE), "logic", &headers, body).await.is_problem(status);
    }
    put(&api, TIM, "logic", &[("if-match", "*")], &logic).await.is_problem(412);
    api.app.finish().await;
}
