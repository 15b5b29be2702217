//! The dashboards of students, teachers and admins, and the courses of a teacher.

use http::Method;
use serde_json::{Value, json};

use super::api::{
    ADMIN_DASHBOARD, Api, COURSES, ENROLLMENTS, EVE, Person, ROOT, SAM, STUDENT_DASHBOARD, SUE, TEACHER_DASHBOARD, TIM,
    TOM, with,
};
use crate::support::app::Answer;

const NOTIFICATIONS: &str = "/api/notifications";

async fn read(api: &Api, route: &str, person: Person<'_>, query: &str) -> Value {
    api.app.settled().await;
    let answer = api.get(route, person, query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Asserts that some fields are these.
#[track_caller]
fn has(told: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(told[name], *value, "{name} of {told:#}");
    }
}

fn nothing() -> Value {
    json!({
        "enrollments": {"invited": 0, "pending": 0, "active": 0, "completed": 0, "dropped": 0},
        "scores": {"count": 0, "averageScore": null},
        "attendance": {"present": 0, "absent": 0, "late": 0, "excused": 0, "rate": null},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_dashboards_have_zeros_and_nulls() {
    let api = Api::start().await;
    let told = read(&api, STUDENT_DASHBOARD, SAM, "").await;
    has(&told, &nothing());
    let lists = json!({
        "studentId": "sam", "unread": 0, "courses": [], "coursesCursor": null, "recentScores": [],
        "recentAttendance": [], "receivedPayments": [],
    });
    has(&told, &lists);
    let told = read(&api, TEACHER_DASHBOARD, TOM, "").await;
    has(
        &told,
        &with(&nothing(), &json!({"teacherId": "tom", "totalCourses": 0, "courses": [], "coursesCursor": null})),
    );
    let told = read(&api, ADMIN_DASHBOARD, ROOT, "").await;
    has(&told, &with(&nothing(), &json!({"totalCourses": 1, "receivedPayments": []})));
    has(&told["payments"], &json!({"received": {"count": 0, "amounts": {}}, "approved": {"count": 0, "amounts": {}}}));
    has(&told["revenue"]["day"], &json!({"purchases": 0, "currencies": []}));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_follow_changes_and_corrections() {
    let api = Api::start().await;
    let both = |of: &Value| (of["enrollments"].clone(), of["scores"].clone(), of["attendance"].clone());
    let student = async || both(&read(&api, STUDENT_DASHBOARD, SAM, "").await);
    let everybody = async || {
        let teacher = read(&api, TEACHER_DASHBOARD, TIM, "").await;
        assert_eq!(both(&teacher), both(&teacher["courses"][0]), "Tim teaches nothing else");
        assert_eq!(both(&teacher), both(&read(&api, ADMIN_DASHBOARD, ROOT, "").await));
        both(&teacher)
    };
    let enrolled = |pending: u8, active: u8, completed: u8, dropped: u8| json!({"invited": 0, "pending": pending, "active": active, "completed": completed, "dropped": dropped});
    api.enroll(SAM, &json!({"courseId": "algebra"})).await;
    api.enroll(SAM, &json!({"courseId": "algebra"})).await;
    assert_eq!(student().await.0, enrolled(1, 0, 0, 0));
    api.takes("sam", "active").await;
    api.takes("sue", "active").await;
    assert_eq!((student().await.0, everybody().await.0), (enrolled(0, 1, 0, 0), enrolled(0, 2, 0, 0)));
    api.takes("sue", "dropped").await;
    assert_eq!(everybody().await.0, enrolled(0, 1, 0, 1));
    api.takes("sue", "completed").await;

    let score = json!({"courseId": "algebra", "studentId": "sam", "title": "Test", "score": 1, "maxScore": 2});
    let given = api.give(TIM, "a", &score).await;
    api.give(TIM, "a", &score).await;
    api.give(TIM, "b", &with(&score, &json!({"studentId": "sue", "score": 1, "maxScore": 1}))).await;
    let averages = |of: u8, percent: f64| json!({"count": of, "averageScore": percent});
    // Over all scores, each in percent of its own maximum.
    assert_eq!((student().await.1, everybody().await.1), (averages(1, 50.0), averages(2, 75.0)));
    let id = given.body["scoreId"].as_str().unwrap();
    api.change(TIM, id, &[], &json!({"title": "Test", "score": 2, "maxScore": 8})).await;
    assert_eq!((student().await.1, everybody().await.1), (averages(1, 25.0), averages(2, 62.5)));

    let mark = |day: u8, status: &str| json!({"courseId": "algebra", "studentId": "sam", "date": format!("2026-01-{day:02}"), "status": status});
    for (day, status) in [(1, "present"), (2, "late"), (3, "absent"), (4, "excused"), (5, "absent"), (5, "absent")] {
        assert!(api.mark(TIM, &mark(day, status)).await.status.is_success());
    }
    let attended = |present: u8, absent: u8, rate: f64| json!({"present": present, "absent": absent, "late": 1, "excused": 1, "rate": rate});
    assert_eq!((student().await.2, everybody().await.2), (attended(1, 2, 50.0), attended(1, 2, 50.0)));
    api.mark(TIM, &mark(5, "present")).await;
    assert_eq!((student().await.2, everybody().await.2), (attended(2, 1, 75.0), attended(2, 1, 75.0)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn student_dashboard_shows_latest_and_continues_in_lists() {
    let api = Api::start().await;
    let courses: Vec<String> = (0..22).map(|number| format!("c{number:02}")).collect();
    for course in &courses {
        api.teaches(TOM, course).await;
        api.enroll(ROOT, &json!({"courseId": course, "studentId": "sam"})).await;
    }
    for (number, course) in courses.iter().enumerate().take(12) {
        let score =
            json!({"courseId": course, "studentId": "sam", "title": format!("t{number}"), "score": 1, "maxScore": 2});
        assert_eq!(api.give(TOM, &format!("k{number}"), &score).await.status, 201);
        let mark = json!({
            "courseId": course, "studentId": "sam", "date": format!("2026-01-{:02}", number + 1), "status": "late",
        });
        assert_eq!(api.mark(TOM, &mark).await.status, 201);
    }
    let waits = api.orders(SAM, "test", "entry").await;
    let payment = api.pay(SAM, "p", &waits).await.body;
    let notice = json!({"userId": "sam", "title": "Hello", "message": "m", "type": "info"});
    api.call((Method::POST, NOTIFICATIONS), "", TOM, &[("idempotency-key", "n")], &notice).await;

    let told = read(&api, STUDENT_DASHBOARD, SAM, "").await;
    let names = |list: &str, field: &str| -> Vec<String> {
        told[list].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("courses", "courseId"), courses[..20]);
    assert_eq!(names("courses", "courseTitle")[0], "All of c00");
    assert_eq!(names("recentScores", "title"), (2..12).rev().map(|number| format!("t{number}")).collect::<Vec<_>>());
    let days = (3..13).rev().map(|day| format!("2026-01-{day:02}")).collect::<Vec<_>>();
    assert_eq!(names("recentAttendance", "date"), days);
    has(&told, &json!({"receivedPayments": [payment], "unread": 1}));
    has(&told["scores"], &json!({"count": 12, "averageScore": 50.0}));
    has(&told["enrollments"], &json!({"active": 22}));
    // The cursor is one of the list itself.
    let cursor = told["coursesCursor"].as_str().unwrap();
    let rest = read(&api, ENROLLMENTS, SAM, &format!("?cursor={cursor}")).await;
    let rest: Vec<&Value> = rest["enrollments"].as_array().unwrap().iter().map(|one| &one["courseId"]).collect();
    assert_eq!(rest, ["c20", "c21"]);
    api.get(ENROLLMENTS, SUE, &format!("?cursor={cursor}")).await.is_problem(400);
    // An approved payment is no longer pending.
    api.approve(ROOT, payment["paymentId"].as_str().unwrap()).await;
    has(&read(&api, STUDENT_DASHBOARD, ROOT, "?studentId=sam").await, &json!({"receivedPayments": []}));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teacher_courses_are_paged_with_figures() {
    let api = Api::start().await;
    let courses: Vec<String> = (0..23).map(|number| format!("c{number:02}")).collect();
    for course in &courses {
        api.teaches(TOM, course).await;
    }
    // Described again, it is the same course.
    api.teaches(TOM, "c07").await;
    for (student, course) in [(SAM, "c07"), (SUE, "c07"), (SAM, "c21")] {
        api.enroll(student, &json!({"courseId": course})).await;
    }
    for (limit, expected) in [(10, vec![10, 10, 3]), (23, vec![23]), (22, vec![22, 1])] {
        let pages = api.pages(COURSES, "courses", TOM, &format!("?limit={limit}")).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        let all = pages.concat();
        let ids: Vec<&str> = all.iter().map(|course| course["courseId"].as_str().unwrap()).collect();
        assert_eq!(ids, courses);
        let asked: Vec<u64> = all.iter().map(|course| course["enrollments"]["pending"].as_u64().unwrap()).collect();
        assert_eq!((asked[7], asked[21], asked.iter().sum::<u64>()), (2, 1, 3));
        has(&all[0], &with(&nothing(), &json!({"courseId": "c00", "title": "All of c00", "teacherId": "tom"})));
    }
    let told = read(&api, TEACHER_DASHBOARD, TOM, "").await;
    has(
        &told,
        &json!({"totalCourses": 23, "enrollments": {"invited": 0, "pending": 3, "active": 0, "completed": 0, "dropped": 0}}),
    );
    let first = read(&api, COURSES, TOM, "").await;
    has(&told, &json!({"courses": first["courses"], "coursesCursor": first["cursor"]}));
    let cursor = told["coursesCursor"].as_str().unwrap();
    let rest = read(&api, COURSES, TOM, &format!("?cursor={cursor}")).await;
    assert_eq!(rest["courses"].as_array().unwrap().len(), 3);
    api.get(COURSES, ROOT, &format!("?teacherId=tom&cursor={cursor}")).await.is_problem(400);
    let foreign = format!("?cursor={}", first["cursor"].as_str().unwrap());
    api.get(COURSES, TIM, &foreign).await.is_problem(400);
    for query in ["?limit=0", "?limit=101", "?cursor=x", "?teacherId=%23"] {
        api.get(COURSES, TOM, query).await.is_problem(400);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_dashboard_shows_pending_payments_and_revenue() {
    let api = Api::start().await;
    let mut payments = Vec::new();
    for number in 0..12 {
        let order = api.orders(SAM, "product", &format!("book{number}")).await;
        payments.push(api.pay(SAM, &format!("k{number}"), &order).await.body);
    }
    let yen = api.buys(SUE, "product", "lamp", &json!({"status": "pending", "currency": "JPY", "amount": 5_000})).await;
    let yen = api.pay(SUE, "y", &yen).await.body;
    let told = read(&api, ADMIN_DASHBOARD, ROOT, "").await;
    let received = json!({"count": 13, "amounts": {"USD": 12 * 999, "JPY": 5_000}});
    has(&told["payments"], &json!({"received": received, "approved": {"count": 0, "amounts": {}}}));
    let newest: Vec<&Value> = std::iter::once(&yen).chain(payments.iter().rev()).take(10).collect();
    assert_eq!(told["receivedPayments"].as_array().unwrap().iter().collect::<Vec<_>>(), newest);
    has(&told["revenue"]["month"], &json!({"purchases": 0}));
    let id = yen["paymentId"].as_str().unwrap();
    assert_eq!(api.approve(ROOT, id).await.status, 200);
    assert_eq!(api.approve(ROOT, id).await.status, 200);
    api.buys(SAM, "course", "algebra", &json!({})).await;
    let told = read(&api, ADMIN_DASHBOARD, ROOT, "").await;
    has(&told["payments"]["approved"], &json!({"count": 1, "amounts": {"JPY": 5_000}}));
    has(&told["payments"]["received"], &json!({"count": 12, "amounts": {"USD": 12 * 999}}));
    for period in ["day", "month"] {
        has(&told["revenue"][period], &json!({"purchases": 2, "units": 2}));
        let earned = told["revenue"][period]["currencies"].as_array().unwrap();
        let net = |currency: &str| earned.iter().find(|of| of["currency"] == currency).unwrap()["net"].clone();
        assert_eq!((net("USD"), net("JPY")), (json!(999), json!(5_000)));
    }
    let now = crate::support::app::now();
    has(&told["revenue"]["day"], &json!({"period": &now[..10]}));
    has(&told["revenue"]["month"], &json!({"period": &now[..7]}));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_require_their_owner_or_admin() {
    let api = Api::start().await;
    for (route, query, person, status) in [
        (STUDENT_DASHBOARD, "", EVE, 200),
        (STUDENT_DASHBOARD, "?studentId=sam", SAM, 200),
        (STUDENT_DASHBOARD, "?studentId=sam", ROOT, 200),
        (STUDENT_DASHBOARD, "?studentId=sam", SUE, 403),
        (STUDENT_DASHBOARD, "?studentId=sam", TIM, 403),
        (STUDENT_DASHBOARD, "?studentId=", ROOT, 400),
        (STUDENT_DASHBOARD, "?studentId=sam&studentId=sue", ROOT, 400),
        (TEACHER_DASHBOARD, "", TIM, 200),
        (TEACHER_DASHBOARD, "", ROOT, 200),
        (TEACHER_DASHBOARD, "?teacherId=tim", ROOT, 200),
        (TEACHER_DASHBOARD, "?teacherId=tim", TOM, 403),
        (TEACHER_DASHBOARD, "", SAM, 403),
        (TEACHER_DASHBOARD, "", EVE, 403),
        (COURSES, "?teacherId=tim", ROOT, 200),
        (COURSES, "?teacherId=tim", TOM, 403),
        (COURSES, "", SAM, 403),
        (ADMIN_DASHBOARD, "", ROOT, 200),
        (ADMIN_DASHBOARD, "", TIM, 403),
        (ADMIN_DASHBOARD, "", SAM, 403),
    ] {
        let answer = api.get(route, person, query).await;
        if status == 200 {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            answer.is_problem(status);
        }
    }
    for route in [STUDENT_DASHBOARD, TEACHER_DASHBOARD, COURSES, ADMIN_DASHBOARD] {
        api.send((Method::GET, route), "", &[("authorization", "Bearer x")], "").await.is_problem(401);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_dashboard_is_not_modified() {
    let api = Api::start().await;
    let ask = async |route: &str, person: Person<'_>, tag: Option<&str>| -> Answer {
        api.app.settled().await;
        let token = api.token(person);
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(tag.map(|tag| ("if-none-match", tag)));
        api.send((Method::GET, route), "", &headers, "").await
    };
    for (route, person) in [(STUDENT_DASHBOARD, SAM), (TEACHER_DASHBOARD, TIM), (ADMIN_DASHBOARD, ROOT)] {
        let first = ask(route, person, None).await;
        let tag = first.header("etag").to_owned();
        assert_eq!(ask(route, person, Some(&tag)).await.status, 304);
    }
    let tag = ask(TEACHER_DASHBOARD, TIM, None).await.header("etag").to_owned();
    api.enroll(SAM, &json!({"courseId": "algebra"})).await;
    assert_eq!(ask(TEACHER_DASHBOARD, TIM, Some(&tag)).await.status, 200);
    api.app.finish().await;
}
