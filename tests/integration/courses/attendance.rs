//! Attendance per day, and the events that pages receive.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{ATTENDANCE, Api, EVE, ROOT, SAM, SUE, TIM, TOM, assert_invalid, is_told, with};

const CHANNELS: [&str; 3] = ["private-user-sam", "private-student-dashboard-sam", "private-teacher-dashboard-tim"];

fn mark(student: &str, date: &str, status: &str) -> Value {
    json!({"courseId": "algebra", "studentId": student, "date": date, "status": status})
}

#[tokio::test(flavor = "multi_thread")]
async fn attendance_is_unique_per_student_and_day() {
    let api = Api::start().await;
    api.enroll(SAM, &json!({"courseId": "algebra"})).await;
    api.takes("sam", "active").await;
    api.told().await;
    let first = api.mark(TIM, &mark("sam", "2026-01-31", "absent")).await;
    assert_eq!(first.status, 201, "{first:?}");
    let expected = json!({
        "courseId": "algebra", "courseTitle": "All of algebra", "teacherId": "tim", "studentId": "sam",
        "studentName": "sam the student", "date": "2026-01-31", "status": "absent", "markedAt": first.body["markedAt"],
    });
    assert_eq!(first.body, expected);
    is_told(&api.told().await, "attendance-marked", &CHANNELS, &first.body["markedAt"], &expected);
    let same = api.mark(ROOT, &mark("sam", "2026-01-31", "absent")).await;
    assert_eq!((same.status.as_u16(), &same.bytes), (201, &first.bytes));
    assert_eq!(api.told().await, []);
    let late = api.mark(TIM, &mark("sam", "2026-01-31", "late")).await;
    assert!(late.body["markedAt"].as_str() > first.body["markedAt"].as_str(), "{late:?}");
    let expected = with(&expected, &json!({"status": "late", "markedAt": late.body["markedAt"]}));
    assert_eq!((late.status.as_u16(), &late.body), (201, &expected));
    is_told(&api.told().await, "attendance-marked", &CHANNELS, &late.body["markedAt"], &expected);
    for (person, query) in [(SAM, ""), (TIM, "?courseId=algebra")] {
        assert_eq!(api.pages(ATTENDANCE, "attendance", person, query).await, [[expected.clone()]]);
    }
    // Another day is another note.
    assert_eq!(api.mark(TIM, &mark("sam", "2026-02-01", "present")).await.status, 201);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_attendance_requires_teacher_or_admin_and_enrolled_student() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    let body = mark("sam", "2026-01-31", "present");
    for person in [SAM, SUE, TOM, EVE] {
        api.mark(person, &body).await.is_problem(403);
    }
    for person in [TIM, ROOT, SAM] {
        api.mark(person, &with(&body, &json!({"courseId": "latin"}))).await.is_problem(404);
    }
    assert_invalid(&api.mark(TIM, &mark("nobody", "2026-01-31", "present")).await, 422, &["studentId"]);
    for (day, status, expected) in [(1, "pending", 422), (2, "dropped", 422), (3, "completed", 201), (4, "active", 201)]
    {
        api.takes("sam", status).await;
        let answer = api.mark(ROOT, &mark("sam", &format!("2026-01-0{day}"), "excused")).await;
        assert_eq!(answer.status, expected, "{status}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_marks_are_recorded_once() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    api.told().await;
    let body = mark("sam", "2026-01-31", "present");
    let marked = join_all((0..8).map(|_| api.mark(TIM, &body))).await;
    assert!(marked.iter().all(|answer| answer.bytes == marked[0].bytes), "{marked:?}");
    assert!(marked.iter().all(|answer| answer.status == 201), "{marked:?}");
    is_told(&api.told().await, "attendance-marked", &CHANNELS, &marked[0].body["markedAt"], &marked[0].body);
    let bodies = ["absent", "late", "excused", "present", "absent", "late"].map(|word| mark("sam", "2026-01-31", word));
    let marked = join_all(bodies.iter().map(|body| api.mark(TIM, body))).await;
    assert!(marked.iter().all(|answer| answer.status == 201), "{marked:?}");
    let told = api.told().await;
    let last = &told.iter().rfind(|told| told.channel == CHANNELS[0]).unwrap().data;
    for (person, query) in [(TIM, "?courseId=algebra"), (SAM, "")] {
        let listed = api.pages(ATTENDANCE, "attendance", person, query).await.concat();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0], last["attendance"]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attendance_is_paged_latest_day_first() {
    let api = Api::start().await;
    for student in ["sam", "sue"] {
        api.takes(student, "active").await;
        for day in [3, 1, 2] {
            api.mark(TIM, &mark(student, &format!("2026-01-0{day}"), "present")).await;
        }
    }
    for (person, query, expected) in [
        (TIM, "?courseId=algebra&limit=2", "3sue 3sam 2sue 2sam 1sue 1sam"),
        (ROOT, "?courseId=algebra&date=2026-01-02&limit=1", "2sue 2sam"),
        (TIM, "?courseId=algebra&date=2026-01-04", ""),
        (SAM, "?limit=1", "3sam 2sam 1sam"),
        (ROOT, "?studentId=sue&date=2026-01-01", "1sue"),
        (EVE, "?limit=1", ""),
    ] {
        let all = api.pages(ATTENDANCE, "attendance", person, query).await.concat();
        let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
        let found: Vec<String> =
            all.iter().map(|one| format!("{}{}", &text(one, "date")[9..], text(one, "studentId"))).collect();
        assert_eq!(found.join(" "), expected, "{query}");
    }
    for person in [SUE, TIM, TOM, EVE] {
        api.get(ATTENDANCE, person, "?studentId=sam").await.is_problem(403);
    }
    for person in [SAM, TOM] {
        api.get(ATTENDANCE, person, "?courseId=algebra").await.is_problem(403);
    }
    api.get(ATTENDANCE, ROOT, "?courseId=latin").await.is_problem(404);
    let page = api.get(ATTENDANCE, TIM, "?courseId=algebra&limit=1").await;
    let foreign = format!("?courseId=algebra&date=2026-01-01&cursor={}", page.body["cursor"].as_str().unwrap());
    assert_invalid(&api.get(ATTENDANCE, TIM, &foreign).await, 400, &["cursor"]);
    for (query, field) in [
        ("?courseId=algebra&studentId=sam", "studentId"),
        ("?date=2026-1-31", "date"),
        ("?date=2026-02-30", "date"),
        ("?limit=0", "limit"),
        ("?cursor=x", "cursor"),
    ] {
        assert_invalid(&api.get(ATTENDANCE, ROOT, query).await, 400, &[field]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_attendance_fields() {
    let api = Api::start().await;
    api.takes("sam", "active").await;
    assert_invalid(&api.mark(TIM, &json!({})).await, 422, &["courseId", "studentId", "date", "status"]);
    assert_invalid(&api.mark(TIM, &json!([])).await, 422, &["body"]);
    for date in
        ["", "2026-02-30", "2026-1-31", "31.01.2026", "2026-01-31T00:00:00Z", "12026-01-31", "1969-12-31", "0001-01-01"]
    {
        assert_invalid(&api.mark(TIM, &mark("sam", date, "present")).await, 422, &["date"]);
    }
    assert_invalid(&api.mark(TIM, &mark("a b", "2026-01-31", "there")).await, 422, &["studentId", "status"]);
    let token = api.token(TIM);
    let (json_type, authorized) = (("content-type", "application/json"), ("authorization", token.as_str()));
    let to = || (Method::POST, ATTENDANCE);
    api.send(to(), "", &[json_type, authorized], "{").await.is_problem(400);
    api.send(to(), "", &[json_type, authorized], " ".repeat(5_000)).await.is_problem(413);
    api.send(to(), "", &[("content-type", "image/png"), authorized], "{}").await.is_problem(415);
    let forged = [json_type, ("authorization", "Bearer a.b.c")];
    api.send(to(), "", &forged, mark("sam", "2026-01-31", "late").to_string()).await.is_problem(401);
    api.send((Method::GET, ATTENDANCE), "", &forged[1..], "").await.is_problem(401);
    api.app.finish().await;
}
