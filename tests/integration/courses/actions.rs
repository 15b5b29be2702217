//! What teachers, students and admins do, each through its function.

use std::sync::Arc;

use local::wire::Faults;
use runtime::function::Function;
use serde_json::{Value, json};

use crate::support::stage::{Stage, http, invoke, person, start};

/// The courses and their teachers.
pub(super) const COURSES: [(&str, &str); 3] = [("algebra", "tim"), ("biology", "tim"), ("cooking", "tom")];
pub(super) const STUDENTS: [&str; 3] = ["sam", "sue", "sid"];
pub(super) const STATUSES: [&str; 4] = ["pending", "active", "completed", "dropped"];
/// All of these, and the one that only invitations have.
pub(super) const COUNTED: [&str; 5] = ["invited", "pending", "active", "completed", "dropped"];
pub(super) const PRESENCES: [&str; 4] = ["present", "absent", "late", "excused"];

/// An action of a client, which it repeats until it is answered. Courses and students are indices.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Describe(usize, String),
    Ask(usize, usize),
    Invite(usize, usize),
    Leave(usize, usize),
    Status(usize, usize, &'static str),
    Give { key: String, student: usize, course: usize, eighths: u8 },
    PutRight { score: String, teacher: &'static str, eighths: u8 },
    Mark { student: usize, course: usize, day: u8, presence: &'static str },
    Order { key: String, student: usize, currency: &'static str },
    Pay { key: String, student: usize, purchase: String },
    Approve(String),
    Complete(String),
    End(String),
}

/// The status and the body of an answer.
pub(super) type Answer = (u64, Value);

/// Invokes a function as a user.
pub(super) async fn ask(
    stage: &Stage,
    (name, faults): (&str, Option<Arc<dyn Faults>>),
    function: Function,
    route: &str,
    (who, role): (&str, &str),
    (path, key, body): (&Value, Option<&str>, &Value),
) -> Answer {
    let mut request = http(route, &person(who, role), path, None, body);
    if let Some(key) = key {
        request["headers"]["idempotency-key"] = json!(key);
    }
    let answer = invoke(&*start(&stage.boot(name, faults, "UTC"), function), &request).await.unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

/// Performs an action once. Returns the answer; `None` if the action must be repeated.
pub(super) async fn act(stage: Stage, faults: Option<Arc<dyn Faults>>, name: String, action: Action) -> Option<Answer> {
    let none = json!({});
    let of_score = |eighths: u8| json!({"title": "Test", "score": eighths, "maxScore": 8});
    let (function, route, who, path, key, body) = match &action {
        Action::Describe(course, title) => {
            let (id, teacher) = COURSES[*course];
            let path = json!({"courseId": id});
            (
                put_course::FUNCTION,
                "PUT /api/courses/{courseId}",
                (teacher, "teacher"),
                path,
                None,
                json!({"title": title}),
            )
        }
        Action::Ask(student, course) => {
            let who = (STUDENTS[*student], "student");
            (
                create_enrollment::FUNCTION,
                "POST /api/enrollments",
                who,
                none,
                None,
                json!({"courseId": COURSES[*course].0}),
            )
        }
        Action::Invite(student, course) => {
            let (id, teacher) = COURSES[*course];
            let body = json!({"courseId": id, "studentId": STUDENTS[*student]});
            (create_enrollment::FUNCTION, "POST /api/enrollments", (teacher, "teacher"), none, None, body)
        }
        Action::Leave(student, course) => {
            let body = json!({"courseId": COURSES[*course].0, "studentId": STUDENTS[*student], "status": "dropped"});
            let who = (STUDENTS[*student], "student");
            (update_enrollment::FUNCTION, "PATCH /api/enrollments", who, none, None, body)
        }
        Action::Status(student, course, status) => {
            let (id, teacher) = COURSES[*course];
            let body = json!({"courseId": id, "studentId": STUDENTS[*student], "status": status});
            (update_enrollment::FUNCTION, "PATCH /api/enrollments", (teacher, "teacher"), none, None, body)
        }
        Action::Give { key, student, course, eighths } => {
            let (id, teacher) = COURSES[*course];
            let mut body = of_score(*eighths);
            (body["courseId"], body["studentId"]) = (json!(id), json!(STUDENTS[*student]));
            (create_score::FUNCTION, "POST /api/scores", (teacher, "teacher"), none, Some(key), body)
        }
        Action::PutRight { score, teacher, eighths } => {
            let path = json!({"scoreId": score});
            let who = (*teacher, "teacher");
            (update_score::FUNCTION, "PUT /api/scores/{scoreId}", who, path, None, of_score(*eighths))
        }
        Action::Mark { student, course, day, presence } => {
            let (id, teacher) = COURSES[*course];
            let date = format!("2026-01-{:02}", 10 + day);
            let body = json!({"courseId": id, "studentId": STUDENTS[*student], "date": date, "status": presence});
            (record_attendance::FUNCTION, "POST /api/attendance", (teacher, "teacher"), none, None, body)
        }
        Action::Order { key, student, currency } => {
            let body = json!({
                "itemType": "course", "itemId": key, "amount": 250, "currency": currency, "paymentMethod": "card",
                "status": "pending",
            });
            let who = (STUDENTS[*student], "student");
            (create_purchase::FUNCTION, "POST /api/purchases", who, none, Some(key), body)
        }
        Action::Pay { key, student, purchase } => {
            let who = (STUDENTS[*student], "student");
            (create_payment::FUNCTION, "POST /api/payments", who, none, Some(key), json!({"purchaseId": purchase}))
        }
        Action::Approve(payment) => {
            let path = json!({"paymentId": payment});
            let route = "POST /api/payments/{paymentId}/approve";
            (approve_payment::FUNCTION, route, ("root", "admin"), path, None, none)
        }
        Action::Complete(purchase) => {
            let path = json!({"purchaseId": purchase});
            let route = "POST /api/purchases/{purchaseId}/complete";
            (complete_purchase::FUNCTION, route, ("root", "admin"), path, None, none)
        }
        Action::End(purchase) => {
            let path = json!({"purchaseId": purchase});
            let route = "DELETE /api/purchases/{purchaseId}";
            (refund_purchase::FUNCTION, route, ("root", "admin"), path, None, none)
        }
    };
    let key = key.map(String::as_str);
    let (status, body) = ask(&stage, (&name, faults), function, route, who, (&path, key, &body)).await;
    match (status, &action) {
        (503, _) => None,
        (200 | 201, _)
        // The course has no student yet, or none who can get a score.
        | (404, Action::Status(..) | Action::Leave(..))
        // They have not agreed.
        | (403, Action::Status(..))
        // The purchase has ended meanwhile.
        | (409, Action::Pay { .. } | Action::Approve(_) | Action::Complete(_))
        | (422, Action::Give { .. } | Action::Mark { .. }) => Some((status, body)),
        _ => panic!("{action:?}: {status} {body}"),
    }
}
