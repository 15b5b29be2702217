//! `GET /api/attendance`: the attendance of a course or of a student, the latest day first.

use domain::attendance::Date;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses::Part;
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::{Attendances, Courses};

/// The function.
pub const FUNCTION: Function = Function { name: "list-attendance", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListAttendance {
        courses: Courses::open(setup),
        attendances: Attendances::open(setup),
    })
}

struct ListAttendance {
    attendances: Attendances,
    courses: Courses,
}

impl HttpHandler for ListAttendance {
    fn parameters(&self) -> &'static [&'static str] {
        &["courseId", "studentId", "date", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = Part::of(&request, &self.courses).await?;
            let mut query = request.query_reader();
            let date: Option<Date> = query.one("date");
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, asked.scope(&format!("attendance on {date:?}")))?;
            let page = match &asked {
                Part::Course(course, _) => {
                    self.attendances.in_course(course, date.as_ref(), list.after(), list.limit()).await?
                }
                Part::Student(student) => {
                    self.attendances.of_student(student, date.as_ref(), list.after(), list.limit()).await?
                }
            };
            let found = page.items.iter().map(|one| one.course.clone()).collect();
            let courses = asked.courses(found, (&self.courses, &request)).await?;
            let attendance: Vec<Value> =
                page.items.iter().map(|one| bodies::attendance(one, courses.get(&one.course))).collect();
            let cursor = list.cursor(page.next.as_deref());
            Ok(Response::json(StatusCode::OK, &json!({"attendance": attendance, "cursor": cursor})))
        })
    }
}
