//! Sends rollup tasks to the workers: every few minutes, by hand, and through `POST /api/admin/rollups`.

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
use store::{Dispatcher, RollupTask, StoreError};
use tokio::time::Instant;

use request::RecomputeRequest;

/// The function.
pub const FUNCTION: Function = Function { name: "rollup-dispatcher", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

/// How many tasks are recorded as sent at once.
const CONCURRENCY: usize = 16;

/// The time before the deadline that is left for recording what was sent.
const RECORDING_TIME: Duration = Duration::from_secs(10);

fn start(context: &FunctionContext) -> StartResult {
    task::start_with_http(context, FUNCTION, Access::SignedIn, |setup| RollupDispatcher {
        dispatcher: Dispatcher::open(setup),
        calendar: setup.calendar(),
        queue: setup.queue("ROLLUP_QUEUE_URL"),
        metrics: context.metrics(FUNCTION.name),
    })
}

#[derive(Clone)]
struct RollupDispatcher {
    dispatcher: Dispatcher,
    calendar: Calendar,
    queue: Arc<dyn Queue>,
    metrics: Metrics,
}

/// Why not all tasks were sent.
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
            Self::Queue(reason) => write!(f, "not all tasks were sent: {reason}"),
        }
    }
}

impl RollupDispatcher {
    /// Sends tasks to the queue and records which were sent, so that the next run does not send them again.
    async fn send(&self, tasks: &[RollupTask], deadline: Instant) -> Result<(), NotSent> {
        let bodies: Vec<String> = tasks.iter().map(|task| json!(task).to_string()).collect();
        let until = deadline.checked_sub(RECORDING_TIME).unwrap_or(deadline);
        let sent = self.queue.send_all(&bodies, until).await;
        let unsent: &[usize] = sent.as_ref().err().map(|unsent| unsent.places.as_slice()).unwrap_or_default();
        let sent_tasks = tasks.iter().enumerate().filter(|(place, _)| unsent.binary_search(place).is_err());
        let recorded: Vec<_> = sent_tasks.map(|(_, task)| self.dispatcher.record_sent(task)).collect();
        let recorded: Vec<Result<(), StoreError>> =
            stream::iter(recorded).buffer_unordered(CONCURRENCY).collect().await;
        for error in recorded.into_iter().filter_map(Result::err) {
            // The task will be sent twice, which changes nothing.
            tracing::warn!(error = %error, "a sent task was not recorded: {error}");
        }
        sent.map_err(|unsent| NotSent::Queue(unsent.reason))
    }

    /// Emits the age of the watermark and how many periods are set aside. The alarm on the age takes silence for an old one.
    async fn report_watermark(&self) {
        match self.dispatcher.watermark().await {
            Ok((age, aside)) => self.metrics.emit(&[
                Measure::seconds(Metric::WatermarkAge, age.num_seconds()),
                Measure::count(Metric::PeriodsAside, aside),
            ]),
            Err(error) => tracing::warn!(error = %error, "the watermark could not be read: {error}"),
        }
    }

    async fn run(&self, recompute: Option<RecomputeRequest>, deadline: Instant) -> Result<Value, NotSent> {
        let (tasks, resume_at) = match recompute {
            Some(request) => {
                let plan = self.dispatcher.plan_recompute(request.level, request.span).await?;
                (plan.tasks, plan.resume_at)
            }
            None => (self.dispatcher.due_tasks().await?, None),
        };
        self.send(&tasks, deadline).await?;
        let tracks: usize = tasks.iter().map(RollupTask::tracks).sum();
        tracing::info!(messages = tasks.len(), tracks, "{} tasks for {tracks} tracks", tasks.len());
        Ok(json!({"messages": tasks.len(), "tracks": tracks, "resumeAt": resume_at}))
    }
}

impl TaskHandler for RollupDispatcher {
    fn run<'a>(&'a self, input: Value, invocation: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>> {
        Box::pin(async move {
            // The input of a schedule has no interval: then every due task is sent.
            let recompute = match input.get("interval") {
                Some(_) => {
                    let request = RecomputeRequest::parse(&input, &self.calendar).map_err(Problem::Invalid);
                    Some(request.map_err(|problem| InvocationError { message: problem.to_string() })?)
                }
                None => None,
            };
            let done = Self::run(self, recompute, invocation.deadline).await;
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
            let recompute = RecomputeRequest::parse(&body, &self.calendar).map_err(Problem::Invalid)?;
            match Self::run(self, Some(recompute), request.deadline).await {
                Ok(done) => Ok(Response::json(StatusCode::ACCEPTED, &done)),
                Err(NotSent::Store(error)) => Err(error.into()),
                Err(NotSent::Queue(_)) => Err(Problem::Unavailable),
            }
        })
    }
}
