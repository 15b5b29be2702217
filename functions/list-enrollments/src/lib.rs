//! `GET /api/enrollments`: the enrollments of a course or of a student.

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses::Part;
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Courses;

/// The function.
pub const FUNCTION: Function = Function { name: "list-enrollments", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetEnrollments { courses: Courses::open(setup) })
}

struct GetEnrollments {
    courses: Courses,
}

impl HttpHandler for GetEnrollments {
    fn parameters(&self) -> &'static [&'static str] {
        &["courseId", "studentId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = Part::of(&request, &self.courses).await?;
            let mut query = request.asked();
            let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
            query.done()?;
            let limit = limit.unwrap_or_default();
            let scope = asked.scope("enrollments");
            let after: Option<String> = cursor.map(|cursor| cursor.after(&request.caller, &scope)).transpose()?;
            let page = match &asked {
                Part::Course(course, _) => self.courses.students(course, after.as_deref(), limit.items()).await?,
                Part::Student(student) => self.courses.courses_of(student, after.as_deref(), limit.items()).await?,
            };
            let found = page.items.iter().map(|one| one.course.clone()).collect();
            let courses = asked.courses(found, (&self.courses, &request)).await?;
            let enrollments: Vec<Value> =
                page.items.iter().map(|one| bodies::enrollment(one, courses.get(&one.course))).collect();
            let cursor = page.next.map(|next| Cursor::new(&request.caller, &scope, &next).to_string());
            Ok(Response::json(StatusCode::OK, &json!({"enrollments": enrollments, "cursor": cursor})))
        })
    }
}
