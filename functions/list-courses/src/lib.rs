//! `GET /api/courses`: the courses of a teacher, with their numbers.

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, courses};
use serde_json::json;
use store::{CourseStats, Courses};

/// The function.
pub const FUNCTION: Function = Function { name: "list-courses", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetCourses {
        courses: Courses::open(setup),
        numbers: CourseStats::open(setup),
    })
}

struct GetCourses {
    courses: Courses,
    numbers: CourseStats,
}

impl HttpHandler for GetCourses {
    fn parameters(&self) -> &'static [&'static str] {
        &["teacherId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let teacher = courses::teacher(&request)?;
            let mut query = request.asked();
            let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
            query.done()?;
            let limit = limit.unwrap_or_default();
            let scope = courses::taught_by(&teacher);
            let after: Option<String> = cursor.map(|cursor| cursor.after(&request.caller, &scope)).transpose()?;
            let page = (after.as_deref(), limit.items());
            let stores = (&self.courses, &self.numbers);
            let (courses, cursor) = courses::courses(stores, &teacher, page, &request).await?;
            Ok(Response::json(StatusCode::OK, &json!({"courses": courses, "cursor": cursor})))
        })
    }
}
