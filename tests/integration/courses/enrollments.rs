//! Enrollments: who may request, accept and drop one, and the events that pages receive.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, ENROLLMENTS, EVE, Person, ROOT, SAM, SUE, TIM, TOM, assert_invalid, is_told, with};
use crate::support::client::forged;

const OF_SAM: [&str; 4] = [
    "private-course-enrollments-algebra",
    "private-teacher-dashboard-tim",
    "private-student-dashboard-sam",
    "private-admin-dashboard",
];

fn algebra() -> Value {
    json!({"courseId": "algebra"})
}

fn of(student: &str, status: &str) -> Value {
    json!({"courseId": "algebra", "studentId": student, "status": status})
}

#[tokio::test(flavor = "multi_thread")]
async fn student_requests_is_accepted_drops_and_requests_again() {
    let api = Api::start().await;
    let asked = api.enroll(SAM, &algebra()).await;
    assert_eq!(asked.status, 201, "{asked:?}");
    let at = &asked.body["enrolledAt"];
    let expected = json!({
        "courseId": "algebra", "courseTitle": "All of algebra", "teacherId": "tim", "studentId": "sam",
        "studentName": "sam the student", "status": "pending", "enrolledAt": at, "changedAt": at,
    });
    assert_eq!(asked.body, expected);
    is_told(&api.told().await, "new-enrollment", &OF_SAM, at, &expected);

    let again = api.enroll(SAM, &json!({"courseId": "algebra", "studentId": "sam"})).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &asked.bytes));
    assert_eq!(again.header("etag"), asked.header("etag"));
    assert_eq!(api.told().await, []);

    let mut before = asked;
    for (person, body, status) in [
        (TIM, of("sam", "active"), "active"),
        (TIM, of("sam", "completed"), "completed"),
        (SAM, of("sam", "dropped"), "dropped"),
    ] {
        let changed = api.update(person, &[], &body).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        let time = &changed.body["changedAt"];
        assert!(time.as_str() > before.body["changedAt"].as_str(), "{time}");
        assert_eq!(changed.body, with(&before.body, &json!({"status": status, "changedAt": time})));
        assert_ne!(changed.header("etag"), before.header("etag"));
        is_told(&api.told().await, "enrollment-update", &OF_SAM, time, &changed.body);
        // A repeated request changes nothing and publishes nothing.
        let same = api.update(person, &[], &body).await;
        assert_eq!((&same.bytes, same.header("etag")), (&changed.bytes, changed.header("etag")));
        assert_eq!(api.told().await, []);
        before = changed;
    }

    // After dropping it, the student needs a new acceptance.
    let anew = api.enroll(SAM, &algebra()).await;
    assert_eq!((anew.status.as_u16(), &anew.body["status"]), (201, &json!("pending")));
    assert_eq!(anew.body["enrolledAt"], anew.body["changedAt"]);
    is_told(&api.told().await, "enrollment-update", &OF_SAM, &anew.body["changedAt"], &anew.body);
    let taken = api.enroll(TIM, &json!({"courseId": "algebra", "studentId": "sam"})).await;
    assert_eq!((taken.status.as_u16(), &taken.body["status"]), (201, &json!("active")));
    assert_eq!(taken.body["studentName"], "sam the student");
    is_told(&api.told().await, "enrollment-update", &OF_SAM, &taken.body["changedAt"], &taken.body);
    let again = api.enroll(SAM, &algebra()).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &taken.bytes), "who takes it asks for nothing");
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn student_accepts_invitation_of_teacher() {
    let api = Api::start().await;
    let sams = json!({"courseId": "algebra", "studentId": "sam"});
    let invited = api.enroll(TIM, &sams).await;
    assert_eq!((invited.status.as_u16(), &invited.body["status"]), (201, &json!("invited")));
    is_told(&api.told().await, "new-enrollment", &OF_SAM, &invited.body["changedAt"], &invited.body);
    // Only the student or an admin can accept an invitation.
    for status in ["active", "completed", "pending"] {
        api.update(TIM, &[], &of("sam", status)).await.is_problem(403);
    }
    let score = json!({"courseId": "algebra", "studentId": "sam", "title": "Test", "score": 1, "maxScore": 2});
    assert_invalid(&api.give(TIM, "k", &score).await, 422, &["studentId"]);
    let mark = json!({"courseId": "algebra", "studentId": "sam", "date": "2026-01-31", "status": "absent"});
    assert_invalid(&api.mark(TIM, &mark).await, 422, &["studentId"]);
    api.notify(TIM, &json!({"userId": "sam"})).await.is_problem(403);
    assert_eq!(api.told().await, []);
    let accepted = api.enroll(SAM, &algebra()).await;
    assert_eq!((accepted.status.as_u16(), &accepted.body["status"]), (201, &json!("active")));
    assert_eq!(accepted.body["studentName"], "sam the student");
    is_told(&api.told().await, "enrollment-update", &OF_SAM, &accepted.body["changedAt"], &accepted.body);
    assert_eq!(api.give(TIM, "k", &score).await.status, 201);
    // A student who left can be invited again, and a student who requests is accepted, too.
    assert_eq!(api.update(SAM, &[], &of("sam", "dropped")).await.status, 200);
    api.update(TIM, &[], &of("sam", "active")).await.is_problem(403);
    assert_eq!(api.enroll(TIM, &sams).await.body["status"], "invited");
    assert_eq!(api.update(SAM, &[], &of("sam", "active")).await.body["status"], "active");
    // A declined invitation cannot be accepted by the teacher.
    assert_eq!(api.enroll(TIM, &json!({"courseId": "algebra", "studentId": "sue"})).await.body["status"], "invited");
    assert_eq!(api.update(SUE, &[], &of("sue", "dropped")).await.body["status"], "dropped");
    api.update(TIM, &[], &of("sue", "active")).await.is_problem(403);
    assert_eq!(api.update(ROOT, &[], &of("sue", "active")).await.body["status"], "active");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teacher_notifies_only_students_of_own_courses() {
    let api = Api::start().await;
    api.teaches(TOM, "latin").await;
    for (person, body, status) in [
        (TIM, json!({"userId": "sam"}), 403),
        (TIM, json!({"userId": "sam", "courseId": "algebra"}), 403),
        (ROOT, json!({"userId": "sam"}), 201),
    ] {
        assert_eq!(api.notify(person, &body).await.status, status, "{body}");
    }
    api.takes("sam", "active").await;
    for (person, body, status) in [
        (TIM, json!({"userId": "sam"}), 201),
        (TIM, json!({"userId": "sam", "courseId": "algebra"}), 201),
        (TIM, json!({"userId": "sam", "courseId": "latin"}), 403),
        (TIM, json!({"userId": "sue"}), 403),
        (TOM, json!({"userId": "sam"}), 403),
        (TOM, json!({"userId": "sam", "courseId": "algebra"}), 403),
        (TIM, json!({"userId": "sam", "link": "https://evil.example/a"}), 422),
        (TIM, json!({"userId": "sam", "link": "/courses/algebra"}), 201),
    ] {
        assert_eq!(api.notify(person, &body).await.status, status, "{body}");
    }
    api.takes("sam", "dropped").await;
    api.notify(TIM, &json!({"userId": "sam"})).await.is_problem(403);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_enrolls_any_student() {
    let api = Api::start().await;
    for (person, student) in [(ROOT, "sam"), (ROOT, "sue")] {
        let body = json!({"courseId": "algebra", "studentId": student});
        let made = api.enroll(person, &body).await;
        assert_eq!((made.status.as_u16(), &made.body["status"]), (201, &json!("active")));
        assert_eq!(made.body["studentName"], Value::Null, "only a token tells what its person is called");
        let again = api.enroll(person, &body).await;
        assert_eq!((again.status.as_u16(), &again.bytes), (201, &made.bytes));
        // An admin must name the student.
        assert_invalid(&api.enroll(person, &algebra()).await, 422, &["studentId"]);
    }
    assert_invalid(&api.enroll(TIM, &algebra()).await, 422, &["studentId"]);
    // A teacher enrolls in another teacher's course like any user.
    let toms = api.enroll(TOM, &algebra()).await;
    assert_eq!((toms.status.as_u16(), &toms.body["status"]), (201, &json!("pending")));
    for person in [SAM, TOM, EVE] {
        api.enroll(person, &json!({"courseId": "algebra", "studentId": "sue"})).await.is_problem(403);
    }
    for person in [SAM, TIM, ROOT] {
        api.enroll(person, &json!({"courseId": "latin", "studentId": "sam"})).await.is_problem(404);
    }
    let told = api.told().await;
    assert_eq!(told.iter().filter(|told| told.channel == "private-admin-dashboard").count(), 3, "{told:#?}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn student_may_only_drop_own_enrollment() {
    let api = Api::start().await;
    api.enroll(SAM, &algebra()).await;
    api.told().await;
    for status in ["pending", "active", "completed"] {
        api.update(SAM, &[], &of("sam", status)).await.is_problem(403);
    }
    for person in [SUE, TOM, EVE, Person("sue", "teacher")] {
        for status in ["active", "dropped"] {
            api.update(person, &[], &of("sam", status)).await.is_problem(403);
        }
    }
    // The answer does not reveal who is enrolled.
    api.update(SUE, &[], &of("nobody", "dropped")).await.is_problem(403);
    api.update(SUE, &[], &of("sue", "dropped")).await.is_problem(404);
    for person in [TIM, ROOT] {
        api.update(person, &[], &of("nobody", "active")).await.is_problem(404);
        api.update(person, &[], &with(&of("sam", "active"), &json!({"courseId": "latin"}))).await.is_problem(404);
    }
    assert_eq!(api.told().await, []);
    for person in [TIM, ROOT] {
        for status in ["active", "completed", "dropped", "pending"] {
            assert_eq!(api.update(person, &[], &of("sam", status)).await.body["status"], status);
        }
    }
    assert_eq!(api.update(SAM, &[], &of("sam", "dropped")).await.body["status"], "dropped");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrollment_requires_valid_token() {
    let api = Api::start().await;
    let json_type = ("content-type", "application/json");
    let forged = forged(&api.token(TIM));
    for (method, body) in [(Method::POST, algebra()), (Method::PATCH, of("sam", "active")), (Method::GET, json!(""))] {
        let headers = [json_type, ("authorization", forged.as_str())];
        api.send((method.clone(), ENROLLMENTS), "", &headers, body.to_string()).await.is_problem(401);
        for headers in [vec![json_type], vec![json_type, ("x-write-key", api.app.cloud.write_key())]] {
            assert_eq!(api.app.send(method.clone(), ENROLLMENTS, &headers, body.to_string()).await.status, 401);
        }
    }
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_enrollment_fields() {
    let api = Api::start().await;
    for (body, fields) in [
        (json!({}), vec!["courseId"]),
        (json!([]), vec!["body"]),
        (json!({"courseId": "a b"}), vec!["courseId"]),
        (json!({"courseId": 7, "studentId": ""}), vec!["courseId", "studentId"]),
        (json!({"courseId": "algebra", "studentId": 7}), vec!["studentId"]),
    ] {
        assert_invalid(&api.enroll(SAM, &body).await, 422, &fields);
    }
    for (body, fields) in [
        (json!({}), vec!["courseId", "studentId", "status"]),
        (of("sam", "gone"), vec!["status"]),
        (of("a b", "Active"), vec!["studentId", "status"]),
        (with(&of("sam", "active"), &json!({"courseId": null})), vec!["courseId"]),
    ] {
        assert_invalid(&api.update(TIM, &[], &body).await, 422, &fields);
    }
    let token = api.token(SAM);
    let authorized = ("authorization", token.as_str());
    for method in [Method::POST, Method::PATCH] {
        let json_type = [("content-type", "application/json"), authorized];
        api.send((method.clone(), ENROLLMENTS), "", &json_type, "{").await.is_problem(400);
        api.send((method.clone(), ENROLLMENTS), "", &json_type, " ".repeat(5_000)).await.is_problem(413);
        let png = [("content-type", "image/png"), authorized];
        api.send((method, ENROLLMENTS), "", &png, "{}").await.is_problem(415);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrollment_update_honours_version() {
    let api = Api::start().await;
    let first = api.enroll(SAM, &algebra()).await;
    let tag = first.header("etag");
    let changed = api.update(TIM, &[("if-match", tag)], &of("sam", "active")).await;
    assert_eq!(changed.status, 200);
    for stale in [tag, "\"other\""] {
        api.update(TIM, &[("if-match", stale)], &of("sam", "dropped")).await.is_problem(412);
        api.update(TIM, &[("if-match", stale)], &of("sam", "active")).await.is_problem(412);
    }
    for tag in [changed.header("etag"), "*"] {
        let same = api.update(TIM, &[("if-match", tag)], &of("sam", "active")).await;
        assert_eq!((same.status.as_u16(), &same.bytes), (200, &changed.bytes));
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_enroll_once() {
    let api = Api::start().await;
    let body = algebra();
    let asked = join_all((0..8).map(|_| api.enroll(SAM, &body))).await;
    assert!(asked.iter().all(|answer| answer.status == 201), "{asked:?}");
    assert!(asked.iter().all(|answer| answer.bytes == asked[0].bytes), "{asked:?}");
    is_told(&api.told().await, "new-enrollment", &OF_SAM, &asked[0].body["changedAt"], &asked[0].body);

    // The event that was published last matches the state, and so do the lists.
    let statuses = ["active", "completed", "dropped", "active", "completed", "pending", "active", "dropped"];
    let bodies = statuses.map(|status| of("sam", status));
    let changed = join_all(bodies.iter().map(|body| api.update(TIM, &[], body))).await;
    assert!(changed.iter().all(|answer| answer.status == 200), "{changed:?}");
    let told = api.told().await;
    let of_sam: Vec<&Value> = told
        .iter()
        .filter(|told| told.channel == OF_SAM[2])
        .map(|told| &told.data["enrollment"]["changedAt"])
        .collect();
    assert!(of_sam.is_sorted_by(|one, other| one.as_str() < other.as_str()), "{of_sam:?}");
    let last = &told.iter().rfind(|told| told.channel == OF_SAM[2]).unwrap().data;
    for (person, query) in [(TIM, "?courseId=algebra"), (SAM, "?studentId=sam")] {
        let listed = api.pages(ENROLLMENTS, "enrollments", person, query).await.concat();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0], last["enrollment"]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolled_student_may_subscribe_to_course_channel() {
    let api = Api::start().await;
    let body = json!({"socket_id": "1.1", "channel_name": "private-course-algebra"});
    let status = async || api.call((Method::POST, "/api/pusher/auth"), "", SAM, &[], &body).await.status.as_u16();
    assert_eq!(status().await, 403);
    api.enroll(SAM, &algebra()).await;
    assert_eq!(status().await, 403, "who waits does not take part");
    for (state, expected) in [("active", 200), ("completed", 200), ("dropped", 403)] {
        api.update(TIM, &[], &of("sam", state)).await;
        assert_eq!(status().await, expected, "{state}");
    }
    api.app.finish().await;
}
