//! Hands what is to be closed to the workers: every few minutes, by hand, and through `POST /api/admin/rollups`.

mod request;

use std::sync::Arc;
use std::time::Duration;

use domain::calendar::Calendar;
use futures::stream::{self, StreamExt};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, InvocationError, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::messaging::Queue;
use runtime::obs::metrics::{Measure, Metric, Metrics};
use runtime::task::{self, TaskHandler};
use serde_json::{Value, json};
use store::{Dispatcher, StoreError, Work};
use tokio::time::Instant;

use request::RecomputeRequest;

/// The function.
pub const FUNCTION: Function = Function { name: "rollup-dispatcher", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

/// How many pieces of work are noted as handed over at once.
const AT_ONCE: usize = 16;

/// What is kept of the deadline for noting what was handed over.
const TO_NOTE: Duration = Duration::from_secs(10);

fn start(context: &FunctionContext) -> StartResult {
    task::start_with_http(context, FUNCTION, Access::SignedIn, |setup| RollupDispatcher {
        dispatch: Dispatcher::open(setup),
        calendar: setup.calendar(),
        queue: setup.queue("ROLLUP_QUEUE_URL"),
        metrics: context.metrics(FUNCTION.name),
    })
}

#[derive(Clone)]
struct RollupDispatcher {
    dispatch: Dispatcher,
    calendar: Calendar,
    queue: Arc<dyn Queue>,
    metrics: Metrics,
}

/// Why not all work was handed over.
enum NotSent {
    Store(StoreError),
    Queue(String),
}

impl From<StoreError> for NotSent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Display for NotSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Queue(reason) => write!(f, "not all work was sent: {reason}"),
        }
    }
}

impl RollupDispatcher {
    /// Sends work to the queue and notes what was sent, so that the next run does not send it again.
    async fn hand_over(&self, work: &[Work], deadline: Instant) -> Result<(), NotSent> {
        let bodies: Vec<String> = work.iter().map(|work| json!(work).to_string()).collect();
        let until = deadline.checked_sub(TO_NOTE).unwrap_or(deadline);
        let sent = self.queue.send_all(&bodies, until).await;
        let unsent: &[usize] = sent.as_ref().err().map(|unsent| unsent.places.as_slice()).unwrap_or_default();
        let sent_work = work.iter().enumerate().filter(|(place, _)| unsent.binary_search(place).is_err());
        let noted: Vec<_> = sent_work.map(|(_, work)| self.dispatch.handed_over(work)).collect();
        let noted: Vec<Result<(), StoreError>> = stream::iter(noted).buffer_unordered(AT_ONCE).collect().await;
        for error in noted.into_iter().filter_map(Result::err) {
            // It will be handed over twice, which changes nothing.
            tracing::warn!(error = %error, "work handed over was not noted: {error}");
        }
        sent.map_err(|unsent| NotSent::Queue(unsent.reason))
    }

    /// Emits the age of the watermark and how many periods are set aside. The alarm on the age takes silence for an old one.
    async fn report_watermark(&self) {
        match self.dispatch.watermark().await {
            Ok((age, aside)) => self.metrics.emit(&[
                Measure::seconds(Metric::WatermarkAge, age.num_seconds()),
                Measure::count(Metric::PeriodsAside, aside),
            ]),
            Err(error) => tracing::warn!(error = %error, "the watermark could not be read: {error}"),
        }
    }

    async fn run(&self, again: Option<RecomputeRequest>, deadline: Instant) -> Result<Value, NotSent> {
        let (work, resume_at) = match again {
            Some(again) => {
                let found = self.dispatch.again(again.level, again.span).await?;
                (found.due, found.resume_at)
            }
            None => (self.dispatch.due().await?, None),
        };
        self.hand_over(&work, deadline).await?;
        let tracks: usize = work.iter().map(Work::tracks).sum();
        tracing::info!(messages = work.len(), tracks, "{} pieces of work for {tracks} tracks", work.len());
        Ok(json!({"messages": work.len(), "tracks": tracks, "resumeAt": resume_at}))
    }
}

impl TaskHandler for RollupDispatcher {
    fn run<'a>(&'a self, input: Value, invocation: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>> {
        Box::pin(async move {
            // A schedule says nothing of periods: then everything that is due is handed over.
            let again = match input.get("interval") {
                Some(_) => {
                    let again = RecomputeRequest::parse(&input, &self.calendar).map_err(Problem::Invalid);
                    Some(again.map_err(|problem| InvocationError { message: problem.to_string() })?)
                }
                None => None,
            };
            let done = Self::run(self, again, invocation.deadline).await;
            self.report_watermark().await;
            done.map_err(|error| InvocationError { message: error.to_string() })
        })
    }
}

impl HttpHandler for RollupDispatcher {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may recompute rollups".to_owned()));
            }
            let body = request.json(MAX_BODY, &["application/json"])?;
            let again = RecomputeRequest::parse(&body, &self.calendar).map_err(Problem::Invalid)?;
            match Self::run(self, Some(again), request.deadline).await {
                Ok(done) => Ok(Response::json(StatusCode::ACCEPTED, &done)),
                Err(NotSent::Store(error)) => Err(error.into()),
                Err(NotSent::Queue(_)) => Err(Problem::Unavailable),
            }
        })
    }
}
