//! Scores: who may record and correct them, and the events that pages receive.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, EVE, ROOT, SAM, SCORE, SCORES, SUE, TIM, TOM, assert_invalid, is_told, with};

const CHANNELS: [&str; 3] = ["private-user-sam", "private-student-dashboard-sam", "private-teacher-dashboard-tim"];

/// A score of 17.5 of 20 for Sam in algebra.
fn score() -> Value {
    json!({"courseId": "algebra", "studentId": "sam", "title": "First test", "score": 17.5, "maxScore": 20})
}

#[tokio::test(flavor = "multi_thread")]
async fn score_is_recorded_once_and_corrected() {
    let api = Api::start().await;
    api.enroll(SAM, &json!({"courseId": "algebra"})).await;
    api.takes("sam", "active").await;
    api.told().await;
    let given = api.give(TIM, "k", &score()).await;
    assert_eq!(given.status, 201, "{given:?}");
    let (id, at) = (given.body["scoreId"].as_str().unwrap().to_owned(), &given.body["givenAt"]);
    let expected = json!({
        "scoreId": id, "courseId": "algebra", "courseTitle": "All of algebra", "teacherId": "tim", "studentId": "sam",
        "studentName": "sam the student", "title": "First test", "score": 17.5, "maxScore": 20, "scorePercent": 87.5,
        "givenAt": at, "changedAt": at,
    });
    assert_eq!(given.body, expected);
    is_told(&api.told().await, "new-score", &CHANNELS, at, &expected);
    let again = api.give(TIM, "k", &score()).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &given.bytes));
    assert_invalid(&api.give(TIM, "k", &with(&score(), &json!({"score": 1}))).await, 422, &["Idempotency-Key"]);
    assert_eq!(api.told().await, []);

    let right = json!({"title": "First test", "score": 18, "maxScore": 20});
    let tag = given.header("etag").to_owned();
    let changed = api.change(TIM, &id, &[("if-match", &tag)], &right).await;
    let time = &changed.body["changedAt"];
    assert!(time.as_str() > at.as_str(), "{changed:?}");
    assert_eq!(changed.body, with(&expected, &json!({"score": 18, "scorePercent": 90.0, "changedAt": time})));
    is_told(&api.told().await, "score-update", &CHANNELS, time, &changed.body);
    // A repeated request has the same answer, and a stale version changes nothing.
    let same = api.change(ROOT, &id, &[("if-match", changed.header("etag"))], &right).await;
    assert_eq!((same.status.as_u16(), &same.bytes, same.header("etag")), (200, &changed.bytes, changed.header("etag")));
    for stale in [tag.as_str(), "\"other\""] {
        api.change(TIM, &id, &[("if-match", stale)], &with(&right, &json!({"score": 1}))).await.is_problem(412);
    }
    assert_eq!(api.told().await, []);
    // Another key is another score; the first key is answered as then.
    assert_eq!(api.give(TIM, "k", &score()).await.bytes, given.bytes);
    assert_eq!(api.give(TIM, "other", &score()).await.status, 201);
    let all = api.pages(SCORES, "scores", SAM, "").await.concat();
    assert_eq!((all.len(), &all[1]), (2, &changed.body));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scoring_requires_teacher_or_admin_and_enrolled_student() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    for person in [SAM, SUE, TOM, EVE] {
        api.give(person, "k", &score()).await.is_problem(403);
    }
    for person in [TIM, ROOT, SAM] {
        api.give(person, "k", &with(&score(), &json!({"courseId": "latin"}))).await.is_problem(404);
    }
    assert_invalid(&api.give(TIM, "k", &with(&score(), &json!({"studentId": "nobody"}))).await, 422, &["studentId"]);
    for (status, expected) in [("pending", 422), ("dropped", 422), ("completed", 201), ("active", 201)] {
        api.takes("sam", status).await;
        assert_eq!(api.give(TIM, status, &score()).await.status, expected, "{status}");
    }
    let made = api.give(ROOT, "k", &score()).await;
    assert_eq!(made.status, 201);
    let id = made.body["scoreId"].as_str().unwrap();
    // A student who dropped the course keeps the score, and it can be corrected.
    api.takes("sam", "dropped").await;
    let right = json!({"title": "Test", "score": 0, "maxScore": 0.001});
    assert_eq!(api.change(TIM, id, &[], &right).await.body["scorePercent"], 0.0);
    for person in [SAM, SUE, TOM, EVE] {
        api.change(person, id, &[], &right).await.is_problem(404);
    }
    for person in [TIM, ROOT, TOM] {
        api.change(person, "never", &[], &right).await.is_problem(404);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_scores_are_recorded_once() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    api.told().await;
    let body = score();
    let given = join_all((0..8).map(|_| api.give(TIM, "k", &body))).await;
    assert!(given.iter().all(|answer| answer.status == 201 && answer.bytes == given[0].bytes), "{given:?}");
    is_told(&api.told().await, "new-score", &CHANNELS, &given[0].body["givenAt"], &given[0].body);
    let id = given[0].body["scoreId"].as_str().unwrap();
    let bodies: Vec<Value> = (0..8).map(|score| json!({"title": "Test", "score": score, "maxScore": 8})).collect();
    let changed = join_all(bodies.iter().map(|body| api.change(TIM, id, &[], body))).await;
    assert!(changed.iter().all(|answer| answer.status == 200), "{changed:?}");
    // The event that was published last matches the state, and so do the lists.
    let told = api.told().await;
    for channel in CHANNELS {
        let last = &told.iter().rfind(|told| told.channel == channel).unwrap().data;
        for (person, query) in [(TIM, "?courseId=algebra"), (SAM, "")] {
            let listed = api.pages(SCORES, "scores", person, query).await.concat();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0], last["score"]);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_paged_newest_first() {
    let api = Api::start().await;
    for student in ["sam", "sue"] {
        api.takes(student, "active").await;
    }
    for number in 0..7 {
        let student = if number % 3 == 2 { "sue" } else { "sam" };
        let body = with(&score(), &json!({"title": format!("t{number}"), "studentId": student}));
        assert_eq!(api.give(TIM, &number.to_string(), &body).await.status, 201);
    }
    for (person, query, expected) in [
        (TIM, "?courseId=algebra&limit=3", "t6 t5 t4 t3 t2 t1 t0"),
        (ROOT, "?courseId=algebra&limit=7", "t6 t5 t4 t3 t2 t1 t0"),
        (SAM, "?limit=2", "t6 t4 t3 t1 t0"),
        (ROOT, "?studentId=sue&limit=1", "t5 t2"),
        (EVE, "?limit=1", ""),
    ] {
        let all = api.pages(SCORES, "scores", person, query).await.concat();
        let titles: Vec<&str> = all.iter().map(|one| one["title"].as_str().unwrap()).collect();
        assert_eq!(titles.join(" "), expected, "{query}");
        assert!(all.iter().all(|one| one["courseTitle"] == "All of algebra" && one["teacherId"] == "tim"), "{all:?}");
    }
    for person in [SUE, TIM, TOM, EVE] {
        api.get(SCORES, person, "?studentId=sam").await.is_problem(403);
    }
    for person in [SAM, TOM] {
        api.get(SCORES, person, "?courseId=algebra").await.is_problem(403);
    }
    api.get(SCORES, ROOT, "?courseId=latin").await.is_problem(404);
    for (query, field) in
        [("?courseId=algebra&studentId=sam", "studentId"), ("?limit=0", "limit"), ("?cursor=x", "cursor")]
    {
        assert_invalid(&api.get(SCORES, ROOT, query).await, 400, &[field]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_score_fields() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    let all = ["courseId", "studentId", "title", "score", "maxScore"];
    assert_invalid(&api.give(TIM, "k", &json!({})).await, 422, &all);
    assert_invalid(&api.give(TIM, "k", &json!([])).await, 422, &["body"]);
    let made = api.give(TIM, "k", &score()).await;
    let id = made.body["scoreId"].as_str().unwrap();
    for (patch, field) in [
        (json!({"title": " "}), "title"),
        (json!({"score": -1}), "score"),
        (json!({"score": 21}), "score"),
        (json!({"score": "17"}), "score"),
        (json!({"maxScore": 0}), "maxScore"),
        (json!({"maxScore": null}), "maxScore"),
    ] {
        assert_invalid(&api.give(TIM, "l", &with(&score(), &patch)).await, 422, &[field]);
        let right = json!({"title": "First test", "score": 17.5, "maxScore": 20});
        assert_invalid(&api.change(TIM, id, &[], &with(&right, &patch)).await, 422, &[field]);
    }
    assert_invalid(&api.change(TIM, id, &[], &json!({})).await, 422, &all[2..]);
    assert_invalid(&api.change(TIM, "a%20b", &[], &score()).await, 422, &["scoreId"]);
    api.call((Method::POST, SCORES), "", TIM, &[], &score()).await.is_problem(400);
    let token = api.token(TIM);
    let (json_type, authorized) = (("content-type", "application/json"), ("authorization", token.as_str()));
    for (to, of) in [((Method::POST, SCORES), ""), ((Method::PUT, SCORE), id)] {
        api.send(to.clone(), of, &[json_type, authorized], "{").await.is_problem(400);
        api.send(to.clone(), of, &[json_type, authorized], " ".repeat(5_000)).await.is_problem(413);
        api.send(to.clone(), of, &[("content-type", "image/png"), authorized], "{}").await.is_problem(415);
        let forged = [json_type, ("authorization", "Bearer a.b.c")];
        api.send(to, of, &forged, score().to_string()).await.is_problem(401);
    }
    api.send((Method::GET, SCORES), "", &[("authorization", "Bearer a.b.c")], "").await.is_problem(401);
    api.app.finish().await;
}
