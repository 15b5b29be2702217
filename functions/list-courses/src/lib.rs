//! `GET /api/courses`: the courses of a teacher, with their numbers.

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, courses};
use serde_json::json;
use store::{CourseStats, Courses};

/// The function.
pub const FUNCTION: Function = Function { name: "list-courses", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListCourses {
        courses: Courses::open(setup),
        numbers: CourseStats::open(setup),
    })
}

struct ListCourses {
    courses: Courses,
    numbers: CourseStats,
}

impl HttpHandler for ListCourses {
    fn parameters(&self) -> &'static [&'static str] {
        &["teacherId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let teacher = courses::teacher(&request)?;
            let mut query = request.query_reader();
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, courses::taught_by(&teacher))?;
            let page = (list.after(), list.limit());
            let stores = (&self.courses, &self.numbers);
            let (courses, cursor) = courses::courses(stores, &teacher, page, &request).await?;
            Ok(Response::json(StatusCode::OK, &json!({"courses": courses, "cursor": cursor})))
        })
    }
}
