//! `POST /api/enrollments`: a student requests an enrollment, or a teacher or an admin enrolls one.

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
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreateEnrollment {
        service: CourseService::open(setup),
    })
}

struct CreateEnrollment {
    service: CourseService,
}

impl HttpHandler for CreateEnrollment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let wanted = NewEnrollment::parse(&body).map_err(Problem::Invalid)?;
            let id = &wanted.course;
            store::update(request.deadline, || async {
                let course = self.service.courses.course(id).await?;
                let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
                let (student, by) = wanted.student_and_actor(&course, &request.caller)?;
                // A token names its own user only.
                let name = request.caller_name().filter(|_| request.caller.user() == Some(&student));
                let stored = self.service.courses.enrollment(id, &student).await?;
                let (before, now) = (stored.as_ref().map(|stored| &stored.document), self.service.now());
                let enrollment = Enrollment::after_request(id, &student, (name, by), before, now);
                let body = bodies::enrollment(&enrollment, Some(&course));
                if let Some(stored) = stored.as_ref().filter(|stored| stored.document == enrollment) {
                    return Ok(Ok(Response::json(StatusCode::CREATED, &body).with_etag(&stored.version.0)));
                }
                let name = match &stored {
                    Some(_) => LiveEventName::EnrollmentUpdate,
                    None => LiveEventName::NewEnrollment,
                };
                let (channels, since) = (enrollment.channels(&course), enrollment.changed_at);
                let events = self.service.events(channels, name, since, ("enrollment", &body));
                let outbox_events = self.service.outbox_events(&events);
                let written = self
                    .service
                    .courses
                    .enroll((&enrollment, &course), stored.as_ref(), &self.service.stats, outbox_events)
                    .await;
                Ok(written.map(|version| Response::json(StatusCode::CREATED, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
