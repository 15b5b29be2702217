//! `GET /api/enrollments`: the enrollments of a course or of a student.

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses::Part;
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Courses;

/// The function.
pub const FUNCTION: Function = Function { name: "list-enrollments", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListEnrollments { courses: Courses::open(setup) })
}

struct ListEnrollments {
    courses: Courses,
}

impl HttpHandler for ListEnrollments {
    fn parameters(&self) -> &'static [&'static str] {
        &["courseId", "studentId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = Part::of(&request, &self.courses).await?;
            let mut query = request.query_reader();
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, asked.scope("enrollments"))?;
            let page = match &asked {
                Part::Course(course, _) => self.courses.students(course, list.after(), list.limit()).await?,
                Part::Student(student) => self.courses.courses_of(student, list.after(), list.limit()).await?,
            };
            let found = page.items.iter().map(|one| one.course.clone()).collect();
            let courses = asked.courses(found, (&self.courses, &request)).await?;
            let enrollments: Vec<Value> =
                page.items.iter().map(|one| bodies::enrollment(one, courses.get(&one.course))).collect();
            let cursor = list.cursor(page.next.as_deref());
            Ok(Response::json(StatusCode::OK, &json!({"enrollments": enrollments, "cursor": cursor})))
        })
    }
}
