//! `POST /api/enrollments`: somebody asks to take a course, or is enrolled in it.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::classroom::{Enrollment, NewEnrollment};
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{ClassNumbers, Classroom, Outbox, StoreError};

/// The function.
pub const FUNCTION: Function = Function { name: "enroll", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let handler = Enroll {
        classroom: Classroom::new(boot.dynamodb(), state, Arc::clone(&boot.ids)),
        numbers: ClassNumbers::new(boot.dynamodb(), stats),
        outbox,
        clock: Arc::clone(&boot.clock),
        ids: Arc::clone(&boot.ids),
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct Enroll {
    classroom: Classroom,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for Enroll {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let wanted = NewEnrollment::parse(&body).map_err(Problem::Invalid)?;
            let id = &wanted.course;
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let course = self.classroom.course(id).await?;
                let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
                let (student, status) = wanted.whom(&course, &request.caller)?;
                // A token tells what its own person is called, nobody else.
                let name = request.caller_name().filter(|_| request.caller.user() == Some(&student));
                let held = self.classroom.enrollment(id, &student).await?;
                let (before, now) = (held.as_ref().map(|held| &held.document), Time::from(self.clock.now()));
                let enrollment = Enrollment::begun(id, &student, (name, status), before, now);
                let body = bodies::enrollment(&enrollment, Some(&course));
                if let Some(held) = held.as_ref().filter(|held| held.document == enrollment) {
                    return Ok(Response::json(StatusCode::OK, &body).with_etag(&held.version.0));
                }
                let (code, name) = match &held {
                    Some(_) => (StatusCode::OK, LiveEventName::EnrollmentUpdate),
                    None => (StatusCode::CREATED, LiveEventName::NewEnrollment),
                };
                let told = (self.ids.fresh(), enrollment.changed_at);
                let events =
                    LiveEvent::on(enrollment.channels(&course), name, (&told.0, told.1), ("enrollment", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.classroom.enroll((&enrollment, &course), held.as_ref(), &self.numbers, telling).await {
                    Ok(version) => return Ok(Response::json(code, &body).with_etag(&version.0)),
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
