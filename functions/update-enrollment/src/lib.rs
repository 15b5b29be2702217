//! `PATCH /api/enrollments`: somebody takes a course otherwise than before, or drops it.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::classroom::EnrollmentChange;
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{ClassNumbers, Classroom, Outbox, StoreError};

/// The function.
pub const FUNCTION: Function = Function { name: "update-enrollment", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let handler = UpdateEnrollment {
        classroom: Classroom::new(boot.dynamodb(), state, Arc::clone(&boot.ids)),
        numbers: ClassNumbers::new(boot.dynamodb(), stats),
        outbox,
        clock: Arc::clone(&boot.clock),
        ids: Arc::clone(&boot.ids),
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct UpdateEnrollment {
    classroom: Classroom,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for UpdateEnrollment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let change = EnrollmentChange::parse(&body).map_err(Problem::Invalid)?;
            let (id, student) = (&change.course, &change.student);
            let wanted = Preconditions::of(&request);
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let course = self.classroom.course(id).await?;
                let course = course.ok_or_else(|| Problem::NotFound(format!("there is no course {id}")))?.document;
                // Before anything is said of the enrollment: whether there is one is not for everybody to know.
                change.may(&course, &request.caller)?;
                let held = self.classroom.enrollment(id, student).await?;
                let none = || Problem::NotFound(format!("{student} is not enrolled in {id}"));
                let held = held.ok_or_else(none)?;
                if !wanted.hold(Some(&held.version)) {
                    return Err(Problem::PreconditionFailed);
                }
                let enrollment = held.document.with_status(change.status, Time::from(self.clock.now()));
                let body = bodies::enrollment(&enrollment, Some(&course));
                if enrollment == held.document {
                    return Ok(Response::json(StatusCode::OK, &body).with_etag(&held.version.0));
                }
                let told = (self.ids.fresh(), enrollment.changed_at);
                let name = LiveEventName::EnrollmentUpdate;
                let events =
                    LiveEvent::on(enrollment.channels(&course), name, (&told.0, told.1), ("enrollment", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.classroom.enroll((&enrollment, &course), Some(&held), &self.numbers, telling).await {
                    Ok(version) => return Ok(Response::json(StatusCode::OK, &body).with_etag(&version.0)),
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
