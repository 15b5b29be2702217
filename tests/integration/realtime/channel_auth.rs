//! Authorization of channels.

use domain::course::{Course, Enrollment, EnrollmentStatus};
use http::Method;
use serde_json::{Value, json};
use store::{CourseStats, Courses, Outbox, Versioned};

use super::api::{ANN, AUTH, Api, COURSE, EVE, JSON, Person, ROOT, SAM, SUE, TIM, TOM};
use super::auth::{SOCKET, asks_with, form, is_signed, may};
use crate::support::client::forged;

/// Sets the status of an enrollment.
async fn enrolls(
    api: &Api,
    course: &str,
    person: Person<'_>,
    status: EnrollmentStatus,
    held: Option<&Versioned<Enrollment>>,
) -> Versioned<Enrollment> {
    let outbox = api.app.open(Outbox::open);
    let numbers = api.app.open(CourseStats::open);
    let courses = api.app.open(Courses::open);
    let (id, student, now) = (course.parse().unwrap(), person.0.parse().unwrap(), api.now());
    // Also without a description of the course.
    let course = Course { title: "Logic".to_owned(), teacher: TIM.0.parse().unwrap() };
    let document = Enrollment {
        course: id,
        student,
        student_name: None,
        status,
        is_agreed: true,
        enrolled_at: now,
        changed_at: now,
    };
    let version = courses.enroll((&document, &course), held, &numbers, (Some(&outbox), &[])).await.unwrap();
    Versioned { version, document }
}

async fn teaches(api: &Api, person: Person<'_>, course: &str) {
    let answer = api.call((Method::PUT, COURSE), course, person, &[], &json!({"title": "Logic"})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_channels_require_their_user() {
    let api = Api::start().await;
    for kind in ["user", "student-dashboard", "teacher-dashboard", "artist-dashboard", "seller-dashboard"] {
        for owner in [EVE, SAM, ROOT] {
            for person in [EVE, SAM, SUE, TIM, ANN, ROOT] {
                let channel = format!("private-{kind}-{}", owner.0);
                assert_eq!(may(&api, person, &channel).await, person == owner, "{person:?} {channel}");
            }
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_channel_requires_admin_and_unknown_channels_are_denied() {
    let api = Api::start().await;
    for person in [EVE, SAM, TIM, ANN, ROOT] {
        assert_eq!(may(&api, person, "private-admin-dashboard").await, person == ROOT, "{person:?}");
        assert!(may(&api, person, "private-leaderboard").await, "{person:?}");
        // Public channels need no authorization, and unknown private ones have none.
        for channel in [
            "public-leaderboard",
            "public-announcements",
            "public-track-song",
            "private-admin-dashboard-",
            "private-leaderboards",
            "private-encrypted-user-eve",
            "presence-user-eve",
            "presence-leaderboard",
            "private-users-eve",
            "private-course-",
            "private-user-",
            "cache-private-user-eve",
            "eve",
        ] {
            assert!(!may(&api, person, channel).await, "{person:?} {channel}");
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn course_channels_require_teacher_or_enrolled_student() {
    let api = Api::start().await;
    teaches(&api, TIM, "logic").await;
    teaches(&api, TOM, "other").await;
    let [active, completed, pending, dropped, elsewhere] =
        ["active", "completed", "pending", "dropped", "elsewhere"].map(|name| Person(name, "student"));
    for (person, status) in [
        (active, EnrollmentStatus::Active),
        (completed, EnrollmentStatus::Completed),
        (pending, EnrollmentStatus::Pending),
        (dropped, EnrollmentStatus::Dropped),
    ] {
        enrolls(&api, "logic", person, status, None).await;
    }
    enrolls(&api, "other", elsewhere, EnrollmentStatus::Active, None).await;
    for person in [active, completed, pending, dropped, elsewhere, SAM, TIM, TOM, ANN, ROOT] {
        let is_told = [active, completed, TIM, ROOT].contains(&person);
        for channel in ["private-course-logic", "presence-course-logic"] {
            assert_eq!(may(&api, person, channel).await, is_told, "{person:?} {channel}");
        }
        let is_in_charge = [TIM, ROOT].contains(&person);
        assert_eq!(may(&api, person, "private-course-enrollments-logic").await, is_in_charge, "{person:?}");
        for channel in ["private-course-none", "presence-course-none", "private-course-enrollments-none"] {
            assert_eq!(may(&api, person, channel).await, person == ROOT, "{person:?} {channel}");
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_student_loses_course_channels() {
    let api = Api::start().await;
    let asked = enrolls(&api, "logic", SAM, EnrollmentStatus::Pending, None).await;
    assert!(!may(&api, SAM, "private-course-logic").await);
    let taken = enrolls(&api, "logic", SAM, EnrollmentStatus::Active, Some(&asked)).await;
    assert!(may(&api, SAM, "private-course-logic").await);
    enrolls(&api, "logic", SAM, EnrollmentStatus::Dropped, Some(&taken)).await;
    assert!(!may(&api, SAM, "private-course-logic").await && !may(&api, SAM, "presence-course-logic").await);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_names_cannot_collide() {
    let api = Api::start().await;
    teaches(&api, TIM, "logic").await;
    let (a, a_b, other) = (Person("a", "student"), Person("a:b", "student"), Person("c1", "student"));
    for (person, channel, expected) in [
        (a, "private-user-a", true),
        (a, "private-user-a;b", false),
        (a_b, "private-user-a;b", true),
        (a_b, "private-user-a", false),
        (a, "private-user-a;", false),
        (a, "private-user-a,b", false),
        (a, "private-user-a=", false),
        (a, "private-user-A", false),
        (a, "private-user-private-user-a", false),
        (other, "private-user-enrollments-c1", false),
    ] {
        assert_eq!(may(&api, person, channel).await, expected, "{person:?} {channel}");
    }
    // Even if a course with such an id had a student, the channel would belong to the enrollments.
    enrolls(&api, "enrollments-logic", SUE, EnrollmentStatus::Active, None).await;
    enrolls(&api, "enrollments", SUE, EnrollmentStatus::Active, None).await;
    assert!(!may(&api, SUE, "private-course-enrollments-logic").await);
    assert!(!may(&api, SUE, "private-course-enrollments-enrollments").await);
    assert!(may(&api, SUE, "private-course-enrollments").await);
    let token = api.token(EVE);
    for (first, last, expected) in [("eve", "sam", 403), ("sam", "eve", 200)] {
        let [first, last] = [first, last].map(|name| format!("private-user-{name}"));
        let fields = [("channel_name", first.as_str()), ("socket_id", SOCKET), ("channel_name", &last)];
        let answer = asks_with(&api, &token, &fields).await;
        assert_eq!(answer.status, expected, "{answer:?}");
        if expected == 200 {
            is_signed(&answer, &last);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_data_contains_user_name() {
    let api = Api::start().await;
    teaches(&api, TIM, "logic").await;
    enrolls(&api, "logic", SAM, EnrollmentStatus::Active, None).await;
    let channel = "presence-course-logic";
    let long = "\u{fc}".repeat(300);
    for (person, more, name) in [
        (SAM, json!({}), "sam"),
        (SAM, json!({"name": "Sam \"the\" \\ Sl\u{fc}mmer\u{1f600}:x"}), "Sam \"the\" \\ Sl\u{fc}mmer\u{1f600}:x"),
        (SAM, json!({"name": 7}), "sam"),
        (SAM, json!({"name": null}), "sam"),
        (SAM, json!({"name": long}), &long[..200]),
        (TIM, json!({"name": "Tim"}), "Tim"),
        (ROOT, json!({}), "root"),
    ] {
        let token = api.token_with(person, &more);
        let fields = [("socket_id", SOCKET), ("channel_name", channel)];
        let data = is_signed(&asks_with(&api, &token, &fields).await, channel).unwrap();
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data, json!({"user_id": person.0, "user_info": {"id": person.0, "name": name}}));
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_form_and_json_bodies() {
    let api = Api::start().await;
    let (token, channel) = (api.token(EVE), "private-user-eve");
    let object = json!({"socket_id": SOCKET, "channel_name": channel, "more": 7}).to_string();
    let form = form(&[("socket_id", SOCKET), ("channel_name", channel), ("more", "7")]);
    for (kind, body) in [
        ("application/json", &object),
        ("application/json; charset=utf-8", &object),
        ("application/x-www-form-urlencoded", &form),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", &form),
    ] {
        let headers = [("content-type", kind), ("authorization", token.as_str())];
        is_signed(&api.send((Method::POST, AUTH), "", &headers, body.clone()).await, channel);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_requires_valid_token() {
    let api = Api::start().await;
    let body = json!({"socket_id": SOCKET, "channel_name": "private-leaderboard"}).to_string();
    let forged = forged(&api.token(EVE));
    let expired = api.token_with(EVE, &json!({"exp": api.now().seconds() - 1}));
    for credentials in [forged.as_str(), expired.as_str(), "Bearer a.b.c", "x"] {
        let answer = api.send((Method::POST, AUTH), "", &[JSON, ("authorization", credentials)], body.clone()).await;
        answer.is_problem(401);
        assert!(answer.body["auth"].is_null(), "{answer:?}");
    }
    for headers in [vec![JSON], vec![JSON, ("x-write-key", api.app.cloud.write_key())]] {
        let answer = api.app.send(Method::POST, AUTH, &headers, body.clone()).await;
        assert!(answer.status == 401 && answer.body["auth"].is_null(), "{answer:?}");
    }
    api.app.finish().await;
}
