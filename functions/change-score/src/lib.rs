//! `PUT /api/scores/{scoreId}`: a score is put right.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::id::ScoreId;
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::score::ScoreDescription;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::classroom::run_by;
use shared::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{ClassNumbers, Classroom, Outbox, Scores, StoreError};

/// The function.
pub const FUNCTION: Function = Function { name: "change-score", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, ids) = (boot.dynamodb(), Arc::clone(&boot.ids));
    let handler = ChangeScore {
        classroom: Classroom::new(client.clone(), state.clone(), Arc::clone(&ids)),
        scores: Scores::new(client.clone(), state, Arc::clone(&ids)),
        numbers: ClassNumbers::new(client, stats),
        outbox,
        clock: Arc::clone(&boot.clock),
        ids,
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct ChangeScore {
    classroom: Classroom,
    scores: Scores,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for ChangeScore {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ScoreId = request.path("scoreId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = ScoreDescription::parse(&body).map_err(Problem::Invalid)?;
            let wanted = Preconditions::of(&request);
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let held = self.scores.score(&id).await?;
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no score {id}")))?;
                let course = run_by(&self.classroom, &held.document.course, &request).await?;
                if !wanted.hold(Some(&held.version)) {
                    return Err(Problem::PreconditionFailed);
                }
                let score = held.document.described(description.clone(), Time::from(self.clock.now()));
                let body = bodies::score(&score, Some(&course));
                if score == held.document {
                    return Ok(Response::json(StatusCode::OK, &body).with_etag(&held.version.0));
                }
                let told = (self.ids.fresh(), score.changed_at);
                let name = LiveEventName::ScoreUpdate;
                let events = LiveEvent::on(score.channels(&course), name, (&told.0, told.1), ("score", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.scores.put((&score, &course), Some(&held), None, &self.numbers, telling).await {
                    Ok(version) => return Ok(Response::json(StatusCode::OK, &body).with_etag(&version.0)),
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
