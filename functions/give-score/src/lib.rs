//! `POST /api/scores`: a student is given a score.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::id::ScoreId;
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::score::NewScore;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::classroom::{run_by, takes_part};
use shared::http::{Access, HttpHandler, Once, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{Answers, ClassNumbers, Classroom, Outbox, Scores};

/// The function.
pub const FUNCTION: Function = Function { name: "give-score", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, ids) = (boot.dynamodb(), Arc::clone(&boot.ids));
    let handler = GiveScore {
        answers: Answers::new(client.clone(), state.clone()),
        classroom: Classroom::new(client.clone(), state.clone(), Arc::clone(&ids)),
        scores: Scores::new(client.clone(), state, Arc::clone(&ids)),
        numbers: ClassNumbers::new(client, stats),
        outbox,
        clock: Arc::clone(&boot.clock),
        ids,
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct GiveScore {
    answers: Answers,
    classroom: Classroom,
    scores: Scores,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for GiveScore {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let new = NewScore::parse(&body).map_err(Problem::Invalid)?;
            let once = Once::required(&request, FUNCTION.name, body)?;
            let id: ScoreId = once.id().parse().map_err(|_| Problem::Internal)?;
            let now = Time::from(self.clock.now());
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let course = run_by(&self.classroom, &new.course, &request).await?;
                let held = self.scores.score(&id).await?;
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(response);
                }
                if let Some(held) = held {
                    // Its answer was kept for as long as it is; the score is kept for ever.
                    return Ok(Response::json(StatusCode::OK, &bodies::score(&held.document, Some(&course))));
                }
                let enrollment = takes_part(&self.classroom, &new.course, &new.student).await?;
                let score = new.given(id.clone(), enrollment.student_name, now);
                let body = bodies::score(&score, Some(&course));
                let answer = once.answer(StatusCode::CREATED, &body, now);
                let told = self.ids.fresh();
                let events =
                    LiveEvent::on(score.channels(&course), LiveEventName::NewScore, (&told, now), ("score", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.scores.put((&score, &course), None, Some(&answer), &self.numbers, telling).await {
                    Ok(version) => return Ok(Response::json(StatusCode::CREATED, &body).with_etag(&version.0)),
                    Err(error) if error.may_pass() && backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
