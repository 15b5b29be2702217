//! The expected dashboards: a plain count of all documents.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::actions::{COUNTED, COURSES, PRESENCES, STUDENTS, ask};
use crate::support::stage::{Item, Stage};

/// What there is of a course, a student, a teacher or all.
#[derive(Default)]
struct Count {
    courses: u64,
    enrollments: BTreeMap<String, u64>,
    eighths: Vec<u64>,
    attendance: BTreeMap<String, u64>,
    payments: BTreeMap<String, (u64, BTreeMap<String, u64>)>,
}

impl Count {
    fn numbers(&self) -> Value {
        let of = |map: &BTreeMap<String, u64>, words: &[&str]| -> Map<String, Value> {
            let count = |word: &&str| ((*word).to_owned(), json!(map.get(*word).copied().unwrap_or_default()));
            words.iter().map(count).collect()
        };
        let percent = |part: u64, whole: u64| (whole > 0).then(|| part as f64 * 100.0 / whole as f64);
        let mut attendance = of(&self.attendance, &PRESENCES);
        let times = |word: &str| self.attendance.get(word).copied().unwrap_or_default();
        let there = times("present") + times("late");
        attendance.insert("rate".to_owned(), json!(percent(there, there + times("absent"))));
        let average = percent(self.eighths.iter().sum(), 8 * self.eighths.len() as u64);
        json!({
            "enrollments": of(&self.enrollments, &COUNTED),
            "scores": {"count": self.eighths.len(), "averageScore": average},
            "attendance": attendance,
        })
    }

    fn payments(&self, status: &str) -> Value {
        let (count, amounts) = self.payments.get(status).cloned().unwrap_or_default();
        json!({"count": count, "amounts": amounts})
    }
}

fn text(item: &Item, name: &str) -> String {
    item[name].as_s().unwrap().clone()
}

fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

/// Whose count a course's part of the keys belongs to: the course, its teacher and all.
fn whose(course: &str, student: Option<&str>) -> Vec<String> {
    let teacher = COURSES.iter().find(|(id, _)| *id == course).unwrap().1;
    let student = student.map(|student| format!("student {student}"));
    [format!("course {course}"), format!("teacher {teacher}"), "all".to_owned()].into_iter().chain(student).collect()
}

/// The plain count of all documents, and the expected lists of each student.
async fn counted(stage: &Stage) -> (BTreeMap<String, Count>, BTreeMap<String, u64>) {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut listed: BTreeMap<String, u64> = BTreeMap::new();
    for ((pk, sk), item) in stage.items("State").await {
        let (kind, id) = pk.split_once('#').unwrap();
        let what = sk.split('#').next().unwrap();
        if kind == "USER" && ["ENROLLED", "SCORE", "ATTENDED"].contains(&what) {
            *listed.entry(format!("student {id}")).or_default() += 1;
        }
        let of = match (kind, what) {
            ("PAYMENT", "DOC") => vec!["all".to_owned()],
            ("COURSE", "DOC") => whose(id, None).split_off(1),
            ("COURSE", _) => whose(id, Some(&text(&item, "student"))),
            _ => continue,
        };
        for of in of {
            let count = counts.entry(of).or_default();
            match what {
                "DOC" if kind == "COURSE" => count.courses += 1,
                "DOC" => {
                    let (payments, amounts) = count.payments.entry(text(&item, "status")).or_default();
                    *payments += 1;
                    *amounts.entry(text(&item, "currency")).or_default() += number(&item, "amount");
                }
                "ENROLLED" => *count.enrollments.entry(text(&item, "status")).or_default() += 1,
                "SCORE" => count.eighths.push(number(&item, "reached") / 1000),
                "ATTENDED" => *count.attendance.entry(text(&item, "status")).or_default() += 1,
                _ => panic!("{pk} {sk}"),
            }
        }
    }
    (counts, listed)
}

/// Every payment that does not stand as its purchase does, or not where it is listed.
async fn apart(stage: &Stage) -> Vec<String> {
    let purchases = stage.items("Purchases").await;
    let state = stage.items("State").await;
    let mut wrong = Vec::new();
    for ((pk, _), payment) in state.iter().filter(|((pk, sk), _)| pk.starts_with("PAYMENT#") && sk == "DOC") {
        let id = text(payment, "purchase");
        let purchase = &purchases[&(format!("PURCHASE#{id}"), "DOC".to_owned())];
        let (status, of_purchase) = (text(payment, "status"), text(purchase, "status"));
        let (expected, ended, named) = match of_purchase.as_str() {
            "pending" => ("received", "none", "none"),
            "cancelled" => ("cancelled", "cancelledAt", "endedAt"),
            _ => ("approved", "approvedAt", "completedAt"),
        };
        if status != expected || payment.get(ended) != purchase.get(named) {
            wrong.push(format!("{pk} is {status} although its purchase is {of_purchase}"));
        }
        let listed = state.keys().filter(|(pk, sk)| pk.starts_with("PAYMENTS#") && sk.ends_with(&format!("#{id}")));
        let listed: Vec<&String> = listed.map(|(pk, _)| pk).collect();
        let list = expected.to_ascii_uppercase();
        if listed.len() != 2 || !listed.iter().all(|pk| pk.ends_with(&list)) {
            wrong.push(format!("{pk} is listed in {listed:?}"));
        }
    }
    wrong
}

/// Whether a number is the one expected; averages to the last place but a few.
fn is_like(told: &Value, expected: &Value) -> bool {
    match (told, expected) {
        (Value::Number(told), Value::Number(expected)) => {
            (told.as_f64().unwrap() - expected.as_f64().unwrap()).abs() < 1e-9
        }
        (Value::Object(told), Value::Object(expected)) => {
            told.len() == expected.len()
                && expected.iter().all(|(name, value)| told.get(name).is_some_and(|told| is_like(told, value)))
        }
        _ => told == expected,
    }
}

/// Every number of every dashboard that is not the count.
pub(super) async fn wrong(stage: &Stage) -> Vec<String> {
    let (mut counts, listed) = counted(stage).await;
    let mut wrong = apart(stage).await;
    let mut compare = |what: &str, told: &Value, expected: Value| {
        for (name, expected) in expected.as_object().unwrap() {
            if !is_like(&told[name], expected) {
                wrong.push(format!("{what}: {name} is {}, not {expected}", told[name]));
            }
        }
    };
    let read = async |function, route: &str, who: (&str, &str)| {
        let (status, body) = ask(stage, ("look", None), function, route, who, (&json!({}), None, &json!(null))).await;
        assert_eq!(status, 200, "{body}");
        body
    };
    for student in STUDENTS {
        let told = read(get_student_dashboard::FUNCTION, "GET /api/student/dashboard", (student, "student")).await;
        let count = counts.entry(format!("student {student}")).or_default();
        compare(student, &told, count.numbers());
        let all = count.enrollments.values().chain(count.attendance.values()).sum::<u64>() + count.eighths.len() as u64;
        let is_listed = listed.get(&format!("student {student}")).copied().unwrap_or_default();
        compare(student, &json!({"listed": is_listed}), json!({"listed": all}));
    }
    for teacher in ["tim", "tom"] {
        let told = read(get_teacher_dashboard::FUNCTION, "GET /api/teacher/dashboard", (teacher, "teacher")).await;
        let count = &counts[&format!("teacher {teacher}")];
        compare(teacher, &told, count.numbers());
        compare(teacher, &told, json!({"totalCourses": count.courses}));
        let list = read(list_courses::FUNCTION, "GET /api/courses", (teacher, "teacher")).await;
        compare(teacher, &told, json!({"courses": list["courses"]}));
        let theirs: Vec<&str> = COURSES.iter().filter(|(_, of)| *of == teacher).map(|(id, _)| *id).collect();
        let courses = told["courses"].as_array().unwrap();
        assert_eq!(courses.iter().map(|course| course["courseId"].as_str().unwrap()).collect::<Vec<_>>(), theirs);
        for (id, told) in theirs.iter().zip(courses) {
            compare(
                id,
                told,
                counts.get(&format!("course {id}")).map(Count::numbers).unwrap_or_else(|| Count::default().numbers()),
            );
        }
    }
    let told = read(get_admin_dashboard::FUNCTION, "GET /api/admin/dashboard", ("root", "admin")).await;
    let all = &counts["all"];
    compare("all", &told, all.numbers());
    compare(
        "all",
        &told,
        json!({
            "totalCourses": all.courses,
            "payments": {"received": all.payments("received"), "approved": all.payments("approved")},
        }),
    );
    wrong
}
