//! `PUT /api/scores/{scoreId}`: a score is put right.

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
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ChangeScore {
        scores: Scores::open(setup),
        desk: CourseService::open(setup),
    })
}

struct ChangeScore {
    scores: Scores,
    desk: CourseService,
}

impl HttpHandler for ChangeScore {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ScoreId = request.path("scoreId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = ScoreDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let held = self.scores.score(&id).await?;
                let none = || Problem::NotFound(format!("there is no score {id}"));
                let held = held.ok_or_else(none)?;
                // That somebody was given a score is for nobody to know but who runs the course.
                let course = self.desk.classroom.course(&held.document.course).await?.map(|course| course.document);
                let course = course.filter(|course| course.is_run_by(&request.caller)).ok_or_else(none)?;
                preconditions.check(Some(&held.version))?;
                let score = held.document.described(description.clone(), self.desk.now());
                let body = bodies::score(&score, Some(&course));
                if score == held.document {
                    return Ok(Ok(Response::json(StatusCode::OK, &body).with_etag(&held.version.0)));
                }
                let (channels, since) = (score.channels(&course), score.changed_at);
                let events = self.desk.events(channels, LiveEventName::ScoreUpdate, since, ("score", &body));
                let telling = self.desk.telling(&events);
                let written = self.scores.put((&score, &course), Some(&held), None, &self.desk.numbers, telling).await;
                Ok(written.map(|version| Response::json(StatusCode::OK, &body).with_etag(&version.0)))
            })
            .await
        })
    }
}
