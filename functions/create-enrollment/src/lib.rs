//! `POST /api/enrollments`: somebody asks to take a course, or is enrolled in it.

use domain::course::{Enrollment, NewEnrollment};
use domain::live::LiveEventName;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::course_service::CourseService;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};

/// The function.
pub const FUNCTION: Function = Function { name: "create-enrollment", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| Enroll { desk: CourseService::open(setup) })
}

struct Enroll {
    desk: CourseService,
}

impl HttpHandler for Enroll {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let wanted = NewEnrollment::parse(&body).map_err(Problem::Invalid)?;
            let id = &wanted.course;
            store::update(request.deadline, || async {
                let course = self.desk.classroom.course(id).await?;
                let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
                let (student, by) = wanted.whom(&course, &request.caller)?;
                // A token tells what its own person is called, nobody else.
                let name = request.caller_name().filter(|_| request.caller.user() == Some(&student));
                let held = self.desk.classroom.enrollment(id, &student).await?;
                let (before, now) = (held.as_ref().map(|held| &held.document), self.desk.now());
                let enrollment = Enrollment::begun(id, &student, (name, by), before, now);
                let body = bodies::enrollment(&enrollment, Some(&course));
                if let Some(held) = held.as_ref().filter(|held| held.document == enrollment) {
                    return Ok(Ok(Response::json(StatusCode::CREATED, &body).with_etag(&held.version.0)));
                }
                let name = match &held {
                    Some(_) => LiveEventName::EnrollmentUpdate,
                    None => LiveEventName::NewEnrollment,
                };
                let (channels, since) = (enrollment.channels(&course), enrollment.changed_at);
                let events = self.desk.events(channels, name, since, ("enrollment", &body));
                let telling = self.desk.telling(&events);
                let written = self
                    .desk
                    .classroom
                    .enroll((&enrollment, &course), held.as_ref(), &self.desk.numbers, telling)
                    .await;
                Ok(written.map(|version| Response::json(StatusCode::CREATED, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
