//! `POST /api/attendance`: it is noted whether a student was there on a day.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::attendance::Mark;
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::classroom::{run_by, takes_part};
use shared::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{Attendances, ClassNumbers, Classroom, Outbox, StoreError};

/// The function.
pub const FUNCTION: Function = Function { name: "mark-attendance", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, ids) = (boot.dynamodb(), Arc::clone(&boot.ids));
    let handler = MarkAttendance {
        attendances: Attendances::new(client.clone(), state.clone(), Arc::clone(&ids)),
        classroom: Classroom::new(client.clone(), state, Arc::clone(&ids)),
        numbers: ClassNumbers::new(client, stats),
        outbox,
        clock: Arc::clone(&boot.clock),
        ids,
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct MarkAttendance {
    attendances: Attendances,
    classroom: Classroom,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for MarkAttendance {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let mark = Mark::parse(&body).map_err(Problem::Invalid)?;
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let course = run_by(&self.classroom, &mark.course, &request).await?;
                let enrollment = takes_part(&self.classroom, &mark.course, &mark.student).await?;
                let held = self.attendances.attendance(&mark.course, &mark.date, &mark.student).await?;
                let (before, now) = (held.as_ref().map(|held| &held.document), Time::from(self.clock.now()));
                let attendance = mark.apply(enrollment.student_name, before, now);
                let body = bodies::attendance(&attendance, Some(&course));
                if before == Some(&attendance) {
                    return Ok(Response::json(StatusCode::OK, &body));
                }
                let code = if held.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let told = (self.ids.fresh(), attendance.marked_at);
                let name = LiveEventName::AttendanceMarked;
                let events =
                    LiveEvent::on(attendance.channels(&course), name, (&told.0, told.1), ("attendance", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.attendances.put((&attendance, &course), held.as_ref(), &self.numbers, telling).await {
                    Ok(()) => return Ok(Response::json(code, &body)),
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
