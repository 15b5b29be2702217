//! `PATCH /api/enrollments`: changes the status of an enrollment.

use domain::course::EnrollmentChange;
use domain::live::LiveEventName;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::course_service::CourseService;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};

/// The function.
pub const FUNCTION: Function = Function { name: "update-enrollment", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| UpdateEnrollment {
        service: CourseService::open(setup),
    })
}

struct UpdateEnrollment {
    service: CourseService,
}

impl HttpHandler for UpdateEnrollment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let change = EnrollmentChange::parse(&body).map_err(Problem::Invalid)?;
            let (id, student) = (&change.course, &change.student);
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let course = self.service.courses.course(id).await?;
                let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
                // Checked first, so that other callers do not learn whether the enrollment exists.
                let by = change.actor(&course, &request.caller)?;
                let stored = self.service.courses.enrollment(id, student).await?;
                let none = || Problem::NotFound(format!("student {student} is not enrolled in course {id}"));
                let stored = stored.ok_or_else(none)?;
                preconditions.check(Some(&stored.version))?;
                let enrollment = stored.document.with_status(change.status, by, self.service.now())?;
                let body = bodies::enrollment(&enrollment, Some(&course));
                if enrollment == stored.document {
                    return Ok(Ok(Response::json(StatusCode::OK, &body).with_etag(&stored.version.0)));
                }
                let (channels, since) = (enrollment.channels(&course), enrollment.changed_at);
                let events =
                    self.service.events(channels, LiveEventName::EnrollmentUpdate, since, ("enrollment", &body));
                let outbox_events = self.service.outbox_events(&events);
                let written = self
                    .service
                    .courses
                    .enroll((&enrollment, &course), Some(&stored), &self.service.stats, outbox_events)
                    .await;
                Ok(written.map(|version| Response::json(StatusCode::OK, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
