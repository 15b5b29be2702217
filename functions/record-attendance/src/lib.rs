//! `POST /api/attendance`: records a student's attendance on a day.

use domain::attendance::Mark;
use domain::live::LiveEventName;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::course_service::CourseService;
use runtime::function::{Function, StartResult};
use runtime::http::courses::{run_by, takes_part};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Attendances;

/// The function.
pub const FUNCTION: Function = Function { name: "record-attendance", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| RecordAttendance {
        attendances: Attendances::open(setup),
        service: CourseService::open(setup),
    })
}

struct RecordAttendance {
    attendances: Attendances,
    service: CourseService,
}

impl HttpHandler for RecordAttendance {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let mark = Mark::parse(&body).map_err(Problem::Invalid)?;
            store::update(request.deadline, || async {
                let course = run_by(&self.service.courses, &mark.course, &request).await?;
                let enrollment = takes_part(&self.service.courses, &mark.course, &mark.student).await?;
                let stored = self.attendances.attendance(&mark.course, &mark.date, &mark.student).await?;
                let (before, now) = (stored.as_ref().map(|stored| &stored.document), self.service.now());
                let attendance = mark.apply(enrollment.student_name, before, now);
                let body = bodies::attendance(&attendance, Some(&course));
                if before == Some(&attendance) {
                    return Ok(Ok(Response::json(StatusCode::CREATED, &body)));
                }
                let (channels, since) = (attendance.channels(&course), attendance.marked_at);
                let events =
                    self.service.events(channels, LiveEventName::AttendanceMarked, since, ("attendance", &body));
                let outbox_events = self.service.outbox_events(&events);
                let written = self
                    .attendances
                    .put((&attendance, &course), stored.as_ref(), &self.service.stats, outbox_events)
                    .await;
                Ok(written.map(|()| Response::json(StatusCode::CREATED, &body)))
            })
            .await
        })
    }
}
