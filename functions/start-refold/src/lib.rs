//! `POST /api/admin/refolds` refolds numbers from their facts. `GET` of the returned location reports the progress.

mod failure;

use std::sync::Arc;

use domain::id::RefoldId;
use domain::refold::Scope;
use domain::validation::InvalidField;
use http::{Method, StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::job::{JobError, enqueue};
use runtime::messaging::Queue;
use runtime::refold::Updaters;
use serde_json::{Value, json};
use store::{RefoldProgress, ScanPart, StreamedRecords, ToRefold};

use failure::Failure;

/// The function.
pub const FUNCTION: Function = Function { name: "start-refold", start };

/// The largest body, in bytes: a message of a queue.
const MAX_BODY: usize = 256 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| StartRefold {
        updaters: Updaters::open(setup),
        streams: StreamedRecords::new(context.streams()),
        queue: setup.queue("REFOLD_QUEUE_URL"),
    })
}

struct StartRefold {
    updaters: Updaters,
    streams: StreamedRecords,
    queue: Arc<dyn Queue>,
}

impl StartRefold {
    async fn start(&self, request: &Request) -> Result<Response, Problem> {
        let body = request.json(MAX_BODY, &["application/json"])?;
        let refold = match Scope::parse(&body).map_err(Problem::Invalid)? {
            Scope::Units(units) => self.refold(&ToRefold::of(&units), request).await?,
            Scope::Failure(message) => {
                let found = self.units_of(&message, request).await?;
                self.refold(&found, request).await?
            }
            Scope::Day(system, day) => {
                let parts = usize::try_from(ScanPart::SEGMENTS).unwrap_or_default();
                let refold = self.updaters.refolds.start(parts).await?;
                let day = day.to_string();
                let parts: Vec<ScanPart> = ScanPart::all(&refold, system, &day).collect();
                let sent = enqueue(self.queue.as_ref(), &parts, request.deadline).await;
                sent.map_err(|unsent| not_started(&refold, &unsent.into()))?;
                refold
            }
        };
        let response = Response::json(StatusCode::ACCEPTED, &json!({"refoldId": refold}));
        Ok(response.with_header(header::LOCATION, &format!("/api/admin/refolds/{refold}")))
    }

    async fn refold(&self, found: &ToRefold, request: &Request) -> Result<RefoldId, Problem> {
        let refold = self.updaters.refolds.start(0).await?;
        let sent = self.updaters.send(&refold, found, request.deadline).await;
        sent.map_err(|error| not_started(&refold, &error))?;
        Ok(refold)
    }

    /// The units of a failure message.
    async fn units_of(&self, message: &Value, request: &Request) -> Result<ToRefold, Problem> {
        let wrong = |reason: &str| Problem::Invalid(vec![InvalidField::new("failure", reason)]);
        let found = match Failure::of(message) {
            Some(Failure::Records(keys)) => {
                let mut found = ToRefold::default();
                keys.iter().filter(|(pk, sk)| !found.add(pk, sk)).for_each(drop);
                found
            }
            Some(Failure::Range(range)) => {
                let found = self.streams.read(&range, request.deadline).await?;
                found.ok_or_else(|| {
                    let days = "refold the days of the facts that arrived at that time";
                    Problem::ConflictingState(format!("the stream no longer has the records of this message; {days}"))
                })?
            }
            None => return Err(wrong("must be the body of a message from an updater's failure queue")),
        };
        if found.is_empty() {
            return Err(wrong("refers to nothing that is folded from facts"));
        }
        Ok(found)
    }

    async fn progress(&self, refold: &RefoldId) -> Result<Response, Problem> {
        let progress = self.updaters.refolds.progress(refold).await?;
        let progress = progress.ok_or_else(|| Problem::NotFound(format!("there is no refold {refold}")))?;
        Ok(Response::json(StatusCode::OK, &body(refold, &progress)))
    }
}

fn not_started(refold: &RefoldId, error: &JobError) -> Problem {
    tracing::warn!(refoldId = refold.as_str(), error = %error, "refold not started: {error}");
    Problem::Unavailable
}

impl HttpHandler for StartRefold {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may start and read refolds".to_owned()));
            }
            if request.method() == Method::POST {
                self.start(&request).await
            } else {
                self.progress(&request.path("refoldId")?).await
            }
        })
    }
}

fn body(refold: &RefoldId, progress: &RefoldProgress) -> Value {
    json!({
        "refoldId": refold,
        "status": if progress.is_done() { "done" } else { "running" },
        "startedAt": progress.started_at,
        "asOf": progress.as_of,
        "units": {"found": progress.found, "folded": progress.folded, "failed": progress.failed},
        "parts": {"ended": progress.parts_ended, "of": progress.parts},
    })
}
