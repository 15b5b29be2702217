//! The cost of course stats and dashboards.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::table::{Table, ms, percentile};
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use crate::options::Options;
use crate::staged::{Staged, used};

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// Students. Each is enrolled in all courses.
const STUDENTS: usize = 100;

/// Courses, each of another teacher; and one that all students meet in.
const COURSES: [usize; 2] = [50, 1];

/// More courses of the teacher whose dashboard is read: more than a dashboard lists.
const FURTHER: usize = 30;

/// Days on which it is noted who was there, at the most.
const DAYS: usize = 28;

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let mut marks =
        Table::new(["attendance records", "courses", "per second", "p50 ms", "p99 ms", "writes each", "reads each"]);
    let mut dashboards = Table::new(["dashboard", "p50 ms", "p99 ms", "read units"]);
    for courses in COURSES {
        let cloud = Staged::start(now, options.patience).await?;
        enroll(&cloud, courses, options).await?;
        mark(&cloud, courses, options, &mut marks).await?;
        if courses > 1 {
            read(&cloud, courses, options, &mut dashboards).await?;
        }
        cloud.stop().await;
    }
    Ok(vec![("Attendance, noted and counted", marks), ("Dashboards of classrooms", dashboards)])
}

/// Sends a request that must be done; how long it took.
async fn send(cloud: &Staged, method: Method, path: String, body: Value) -> anyhow::Result<Duration> {
    let sent = Instant::now();
    let answer = cloud.api.send(method, &path, body.to_string().into()).await?;
    ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(sent.elapsed())
}

async fn enroll(cloud: &Staged, courses: usize, options: &Options) -> anyhow::Result<()> {
    for course in 0..courses {
        describe(cloud, &format!("course-{course}"), &format!("teacher-{course}")).await?;
    }
    let enrollments: Vec<_> = (0..STUDENTS * courses)
        .map(|number| json!({"courseId": course(number, courses), "studentId": student(number, courses)}))
        .map(|body| send(cloud, Method::POST, "/api/enrollments".to_owned(), body))
        .collect();
    stream::iter(enrollments).buffer_unordered(options.connections).try_collect::<Vec<_>>().await?;
    cloud.drained().await
}

async fn describe(cloud: &Staged, course: &str, teacher: &str) -> anyhow::Result<()> {
    let body = json!({"title": course, "teacherId": teacher});
    send(cloud, Method::PUT, format!("/api/courses/{course}"), body).await.map(drop)
}

fn course(number: usize, courses: usize) -> String {
    format!("course-{}", number % courses)
}

fn student(number: usize, courses: usize) -> String {
    format!("student-{}", number / courses % STUDENTS)
}

/// Notes who was there, each student in each course and on each day once, as fast as the API takes it.
async fn mark(cloud: &Staged, courses: usize, options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let number = options.interactions.min(STUDENTS * courses * DAYS);
    let marks: Vec<_> = (0..number)
        .map(|number| {
            let day = number / (STUDENTS * courses) + 1;
            json!({
                "courseId": course(number, courses), "studentId": student(number, courses),
                "date": format!("2026-10-{day:02}"), "status": "present",
            })
        })
        .map(|body| send(cloud, Method::POST, "/api/attendance".to_owned(), body))
        .collect();
    cloud.metered();
    let began = Instant::now();
    let mut latencies: Vec<Duration> = stream::iter(marks).buffer_unordered(options.connections).try_collect().await?;
    let took = began.elapsed();
    let usage = used(&cloud.metered(), &["RecordAttendance"]);
    latencies.sort_unstable();
    table.row([
        format!("{number}"),
        format!("{courses}"),
        format!("{:.0}", number as f64 / took.as_secs_f64()),
        ms(percentile(&latencies, 50)),
        ms(percentile(&latencies, 99)),
        format!("{:.1}", usage.write_units / number as f64),
        format!("{:.1}", usage.read_units / number as f64),
    ]);
    cloud.drained().await
}

async fn read(cloud: &Staged, courses: usize, options: &Options, table: &mut Table) -> anyhow::Result<()> {
    for further in 0..FURTHER {
        describe(cloud, &format!("further-{further}"), "teacher-0").await?;
    }
    for (name, path, function) in [
        (
            format!("a student's, of {courses} courses"),
            "/api/student/dashboard?studentId=student-7",
            "GetStudentDashboard",
        ),
        (
            format!("a teacher's, of {} courses", FURTHER + 1),
            "/api/teacher/dashboard?teacherId=teacher-0",
            "GetTeacherDashboard",
        ),
        ("an admin's".to_owned(), "/api/admin/dashboard", "GetAdminDashboard"),
    ] {
        let asked = cloud.ask(path, options.requests, function).await?;
        table.row([name, ms(asked.p50), ms(asked.p99), format!("{:.1}", asked.read_units)]);
    }
    Ok(())
}
