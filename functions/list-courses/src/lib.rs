//! `GET /api/courses`: the courses that somebody teaches, with their numbers.

use std::sync::Arc;

use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, courses};
use serde_json::json;
use store::{Classroom, CourseStats};

/// The function.
pub const FUNCTION: Function = Function { name: "list-courses", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    reader.finish(())?;
    let handler = GetCourses {
        classroom: Classroom::new(boot.dynamodb(), state, Arc::clone(&boot.ids)),
        numbers: CourseStats::new(boot.dynamodb(), stats),
    };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct GetCourses {
    classroom: Classroom,
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
            let after: Option<String> = cursor.map(|cursor| cursor.after(&scope)).transpose()?;
            let page = (after.as_deref(), limit.items());
            let stores = (&self.classroom, &self.numbers);
            let (courses, cursor) = courses::courses(stores, &teacher, page, &request).await?;
            Ok(Response::json(StatusCode::OK, &json!({"courses": courses, "cursor": cursor})))
        })
    }
}
