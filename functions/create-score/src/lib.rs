//! `POST /api/scores`: gives a student a score.

use domain::id::ScoreId;
use domain::live::LiveEventName;
use domain::score::NewScore;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::course_service::CourseService;
use runtime::function::{Function, StartResult};
use runtime::http::courses::{run_by, takes_part};
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response, bodies};
use store::{IdempotencyStore, Scores};

/// The function.
pub const FUNCTION: Function = Function { name: "create-score", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreateScore {
        answers: IdempotencyStore::open(setup),
        scores: Scores::open(setup),
        service: CourseService::open(setup),
    })
}

struct CreateScore {
    answers: IdempotencyStore,
    scores: Scores,
    service: CourseService,
}

impl HttpHandler for CreateScore {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let new = NewScore::parse(&body).map_err(Problem::Invalid)?;
            let once = IdempotentRequest::required(&request, FUNCTION.name, body)?;
            let id: ScoreId = once.id().parse().map_err(|_| Problem::Internal)?;
            let now = self.service.now();
            store::update_idempotent(request.deadline, || async {
                let course = run_by(&self.service.courses, &new.course, &request).await?;
                let stored = self.scores.score(&id).await?;
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(Ok(response));
                }
                let done = once.done(&self.answers).await?;
                if let Some(stored) = stored {
                    // The stored response has expired; the score is kept for good, with the course and the student it
                    // was given for.
                    let is_same = stored.document.course == new.course && stored.document.student == new.student;
                    if done.is_none() && !is_same {
                        return Err(Problem::KeyReused);
                    }
                    return Ok(Ok(Response::json(
                        StatusCode::CREATED,
                        &bodies::score(&stored.document, Some(&course)),
                    )));
                }
                let enrollment = takes_part(&self.service.courses, &new.course, &new.student).await?;
                let score = new.given(id.clone(), enrollment.student_name, now);
                let body = bodies::score(&score, Some(&course));
                let answer = once.lasting_answer(StatusCode::CREATED, &body, now);
                let events =
                    self.service.events(score.channels(&course), LiveEventName::NewScore, now, ("score", &body));
                let outbox_events = self.service.outbox_events(&events);
                let written =
                    self.scores.put((&score, &course), None, Some(&answer), &self.service.stats, outbox_events).await;
                Ok(written.map(|version| Response::json(StatusCode::CREATED, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
