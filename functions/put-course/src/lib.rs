//! `PUT /api/courses/{courseId}`: describes a course.

use domain::course::CourseDescription;
use domain::id::CourseId;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::{CourseStats, Courses};

/// The function.
pub const FUNCTION: Function = Function { name: "put-course", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutCourse {
        courses: Courses::open(setup),
        numbers: CourseStats::open(setup),
    })
}

struct PutCourse {
    courses: Courses,
    numbers: CourseStats,
}

impl HttpHandler for PutCourse {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: CourseId = request.path("courseId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = CourseDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.courses.course(&id).await?;
                let before = stored.as_ref().map(|stored| &stored.document);
                let course = description.clone().apply(&id, before, &request.caller)?;
                let version = stored.as_ref().map(|stored| &stored.version);
                preconditions.check(version)?;
                let status = if stored.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let written = self.courses.put_course((&id, &course), stored.as_ref(), &self.numbers).await;
                Ok(written.map(|version| Response::json(status, &bodies::course(&id, &course)).with_etag(&version.0)))
            })
            .await
        })
    }
}
