//! `GET /api/student/dashboard`: all that a student wants to see at a glance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::course::Course;
use domain::course_stats::CourseStatsScope;
use domain::id::{CourseId, UserId};
use domain::payment::PaymentStatus;
use domain::purchase::Buyer;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses::{self, Part};
use runtime::http::{Access, Cursor, HttpHandler, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::{Attendances, CourseStats, Courses, Inbox, Payments, Scores};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-student-dashboard", start };

/// The number of courses that are listed; the cursor leads to the others.
const COURSES: usize = 20;

/// The number of recent scores, attendances and payments that are listed.
const RECENT: usize = 10;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetStudentDashboard {
        attendances: Attendances::open(setup),
        courses: Courses::open(setup),
        payments: Payments::open(setup),
        scores: Scores::open(setup),
        numbers: CourseStats::open(setup),
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct GetStudentDashboard {
    attendances: Attendances,
    courses: Courses,
    payments: Payments,
    scores: Scores,
    numbers: CourseStats,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl GetStudentDashboard {
    async fn body(&self, student: UserId, request: &Request) -> Result<Value, Problem> {
        let (whose, buyer) = (CourseStatsScope::Student(student.clone()), Buyer::User(student.clone()));
        let (figures, enrollments, scores, attendance, payments, unread) = futures::try_join!(
            self.numbers.of(&whose, request.deadline),
            self.courses.courses_of(&student, None, COURSES),
            self.scores.of_student(&student, None, RECENT),
            self.attendances.of_student(&student, None, None, RECENT),
            self.payments.page(Some(&buyer), Some(PaymentStatus::Received), None, RECENT),
            self.inbox.unread(&student),
        )?;
        let of_scores = scores.items.iter().map(|score| &score.course);
        let of_attendance = attendance.items.iter().map(|attendance| &attendance.course);
        let of_enrollments = enrollments.items.iter().map(|enrollment| &enrollment.course);
        let found: BTreeSet<CourseId> = of_enrollments.chain(of_scores).chain(of_attendance).cloned().collect();
        let known: BTreeMap<CourseId, Course> = self.courses.courses(&found, request.deadline).await?;
        let scope = Part::Student(student.clone()).scope("enrollments");
        let cursor = enrollments.next.map(|next| Cursor::new(&request.caller, &scope, &next).to_string());
        let courses = enrollments.items.iter().map(|one| bodies::enrollment(one, known.get(&one.course)));
        let scores = scores.items.iter().map(|one| bodies::score(one, known.get(&one.course)));
        let attendance = attendance.items.iter().map(|one| bodies::attendance(one, known.get(&one.course)));
        let mut body = json!({
            "studentId": student,
            "unread": unread,
            "courses": courses.collect::<Vec<_>>(),
            "coursesCursor": cursor,
            "recentScores": scores.collect::<Vec<_>>(),
            "recentAttendance": attendance.collect::<Vec<_>>(),
            "receivedPayments": payments.items.iter().map(bodies::payment).collect::<Vec<_>>(),
        });
        courses::merge(&mut body, bodies::class(&figures));
        Ok(body)
    }
}

impl HttpHandler for GetStudentDashboard {
    fn parameters(&self) -> &'static [&'static str] {
        &["studentId"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            let body = self.body(courses::whose(&request, "studentId")?, &request).await?;
            Ok(Response::read(&request, body, now))
        })
    }
}
