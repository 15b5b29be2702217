//! The students of a course, and the courses of a student.

use domain::caller::{Caller, Role};
use runtime::http::Cursor;
use serde_json::{Value, json};

use super::api::{Api, ENROLLMENTS, EVE, Person, ROOT, SAM, SUE, TIM, TOM, assert_invalid};

fn names<'a>(enrollments: &'a [Value], field: &str) -> Vec<&'a str> {
    enrollments.iter().map(|one| one[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn enrollments_of_course_are_paged() {
    let api = Api::start().await;
    let students: Vec<String> = (0..25).map(|number| format!("s{number:02}")).collect();
    for student in &students {
        api.enroll(Person(student, "student"), &json!({"courseId": "algebra"})).await;
    }
    for (person, limit, expected) in
        [(TIM, 10, vec![10, 10, 5]), (ROOT, 25, vec![25]), (TIM, 24, vec![24, 1]), (ROOT, 100, vec![25])]
    {
        let query = format!("?courseId=algebra&limit={limit}");
        let pages = api.pages(ENROLLMENTS, "enrollments", person, &query).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        assert_eq!(names(&pages.concat(), "studentId"), students);
    }
    for person in [SAM, TOM, EVE, Person("s01", "student")] {
        api.get(ENROLLMENTS, person, "?courseId=algebra").await.is_problem(403);
    }
    for person in [ROOT, TIM, SAM] {
        api.get(ENROLLMENTS, person, "?courseId=latin").await.is_problem(404);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrollments_of_student_require_student_or_admin() {
    let api = Api::start().await;
    for course in ["latin", "zoology", "biology"] {
        api.teaches(TOM, course).await;
        api.enroll(SAM, &json!({"courseId": course})).await;
    }
    api.takes("sam", "completed").await;
    api.takes("sue", "active").await;
    let expected = ["algebra", "biology", "latin", "zoology"];
    for (person, query) in [(SAM, "?limit=3"), (SAM, "?studentId=sam&limit=1"), (ROOT, "?studentId=sam")] {
        let all = api.pages(ENROLLMENTS, "enrollments", person, query).await.concat();
        assert_eq!(names(&all, "courseId"), expected, "{query}");
        assert_eq!(names(&all, "status"), ["completed", "pending", "pending", "pending"]);
        assert_eq!(names(&all, "teacherId"), ["tim", "tom", "tom", "tom"]);
        assert_eq!(all[2]["courseTitle"], "All of latin");
    }
    assert_eq!(api.get(ENROLLMENTS, EVE, "").await.body, json!({"enrollments": [], "cursor": null}));
    for person in [SUE, TIM, TOM, EVE] {
        api.get(ENROLLMENTS, person, "?studentId=sam").await.is_problem(403);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::start().await;
    for (query, field) in [
        ("?courseId=algebra&studentId=sam", "studentId"),
        ("?courseId=a%20b", "courseId"),
        ("?studentId=", "studentId"),
        ("?courseId=algebra&limit=0", "limit"),
        ("?courseId=algebra&limit=101", "limit"),
        ("?courseId=algebra&cursor=x", "cursor"),
        ("?courseId=algebra&courseId=latin", "courseId"),
    ] {
        assert_invalid(&api.get(ENROLLMENTS, ROOT, query).await, 400, &[field]);
    }
    for student in ["a", "b", "c"] {
        api.takes(student, "active").await;
    }
    api.teaches(TIM, "latin").await;
    let page = api.get(ENROLLMENTS, TIM, "?courseId=algebra&limit=1").await;
    let cursor = page.body["cursor"].as_str().unwrap();
    for query in ["?courseId=latin&limit=1", "?studentId=tim"] {
        assert_invalid(&api.get(ENROLLMENTS, TIM, &format!("{query}&cursor={cursor}")).await, 400, &["cursor"]);
    }
    let of_another = format!("?courseId=algebra&limit=1&cursor={cursor}");
    assert_invalid(&api.get(ENROLLMENTS, ROOT, &of_another).await, 400, &["cursor"]);
    // A forged cursor continues this list alone.
    let tim = Caller::User { id: TIM.0.parse().unwrap(), role: Role::Teacher };
    for place in ["", "A", "DOC", "ENROLLED#", "ENROLLED#~", "ENROLLED#\u{e9}", "~", &"x".repeat(2_000)] {
        let cursor = Cursor::new(&tim, "enrollments in algebra", place);
        let page = api.get(ENROLLMENTS, TIM, &format!("?courseId=algebra&cursor={cursor}")).await;
        assert_eq!(names(page.body["enrollments"].as_array().unwrap(), "studentId"), ["a", "b", "c"], "{place}");
    }
    api.app.finish().await;
}
