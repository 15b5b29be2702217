//! `PUT /api/scores/{scoreId}`: corrects a score.

use domain::id::ScoreId;
use domain::live::LiveEventName;
use domain::score::ScoreDescription;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::course_service::CourseService;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::Scores;

/// The function.
pub const FUNCTION: Function = Function { name: "update-score", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| UpdateScore {
        scores: Scores::open(setup),
        service: CourseService::open(setup),
    })
}

struct UpdateScore {
    scores: Scores,
    service: CourseService,
}

impl HttpHandler for UpdateScore {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ScoreId = request.path("scoreId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = ScoreDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.scores.score(&id).await?;
                let none = || Problem::NotFound(format!("there is no score {id}"));
                let stored = stored.ok_or_else(none)?;
                // Only those who run the course may learn that the score exists.
                let course = self.service.courses.course(&stored.document.course).await?.map(|course| course.document);
                let course = course.filter(|course| course.is_run_by(&request.caller)).ok_or_else(none)?;
                preconditions.check(Some(&stored.version))?;
                let score = stored.document.described(description.clone(), self.service.now());
                let body = bodies::score(&score, Some(&course));
                if score == stored.document {
                    return Ok(Ok(Response::json(StatusCode::OK, &body).with_etag(&stored.version.0)));
                }
                let (channels, since) = (score.channels(&course), score.changed_at);
                let events = self.service.events(channels, LiveEventName::ScoreUpdate, since, ("score", &body));
                let outbox_events = self.service.outbox_events(&events);
                let written =
                    self.scores.put((&score, &course), Some(&stored), None, &self.service.stats, outbox_events).await;
                Ok(written.map(|version| Response::json(StatusCode::OK, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
