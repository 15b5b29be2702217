//! Functions in this process.
//!
//! As on Lambda, a sandbox is a started function that handles one event at a time: an invocation takes
//! an idle one or starts another, and gives it back. A sandbox whose function panicked or ran into its
//! timeout is gone. An invocation runs to its end in a task of its own, whether or not anybody still
//! waits for its answer.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, Invoke};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Event, InvokeFailure, Invoker, LARGEST_PAYLOAD};
use crate::capacity::Meter;
use crate::trace;

/// How long after the deadline an invocation is waited for that does not let itself be interrupted.
const GRACE: Duration = Duration::from_millis(200);

/// A function with everything that surrounds it.
#[derive(Clone)]
pub struct Deployment {
    /// The function.
    pub function: Function,
    /// What it is started with.
    pub boot: FunctionContext,
    /// How long an invocation may take.
    pub timeout: Duration,
}

/// Functions that run in this process.
pub struct InProcess {
    functions: BTreeMap<String, Arc<Deployed>>,
    under_way: watch::Sender<usize>,
    meter: Option<Arc<Meter>>,
}

struct Deployed {
    deployment: Deployment,
    idle: Mutex<Vec<Box<dyn Invoke>>>,
}

impl InProcess {
    /// Starts one sandbox of every function, by logical id.
    ///
    /// # Errors
    /// The function that does not start, and why.
    pub fn start(deployments: BTreeMap<String, Deployment>) -> anyhow::Result<Self> {
        let mut functions = BTreeMap::new();
        for (id, deployment) in deployments {
            let deployed = Deployed { deployment, idle: Mutex::default() };
            let sandbox = deployed.fresh().map_err(|problem| anyhow::anyhow!("{id} does not start: {problem}"))?;
            deployed.put_back(sandbox);
            functions.insert(id, Arc::new(deployed));
        }
        Ok(Self { functions, under_way: watch::Sender::new(0), meter: None })
    }

    /// The same with a meter that counts invocations.
    #[must_use]
    pub fn metered(self, meter: Option<Arc<Meter>>) -> Self {
        Self { meter, ..self }
    }

    /// Waits until no invocation is under way.
    pub async fn idle(&self) {
        // The sender lives in self, so waiting cannot fail.
        drop(self.under_way.subscribe().wait_for(|count| *count == 0).await);
    }
}

impl Invoker for InProcess {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let deployed = self.functions.get(function).ok_or(InvokeFailure::Unavailable)?;
            if event.payload.len() > LARGEST_PAYLOAD {
                return Err(InvokeFailure::Failed {
                    message: format!("an event of {} bytes is too large", event.payload.len()),
                });
            }
            let deadline = Instant::now() + deployed.deployment.timeout;
            let under_way = UnderWay::begin(&self.under_way);
            let deployed = Arc::clone(deployed);
            let request_id = deployed.deployment.boot.ids.fresh();
            let span = tracing::info_span!("invocation", function, requestId = request_id);
            let invocation = Invocation { request_id: request_id.clone(), deadline };
            let metered = self.meter.clone().map(|meter| (meter, function.to_owned()));
            let run = async move {
                let began = Instant::now();
                let outcome = trace::within(&event.trace, deployed.run(&event.payload, &invocation)).await;
                if let Some((meter, function)) = metered {
                    meter.invoked(&function, began.elapsed());
                }
                drop(under_way);
                outcome
            };
            let task = tokio::spawn(run.instrument(span));
            let outcome = match tokio::time::timeout_at(deadline + GRACE, task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(InvokeFailure::Unavailable),
                Err(_) => Err(InvokeFailure::TimedOut),
            };
            if let Err(failure) = &outcome {
                tracing::error!(function, requestId = request_id, "{function}: {failure} [{request_id}]");
            }
            outcome
        }
        .boxed()
    }
}

impl Deployed {
    async fn run(&self, payload: &str, invocation: &Invocation) -> Result<String, InvokeFailure> {
        let sandbox = self.take().map_err(|problem| {
            tracing::error!("{} does not start: {problem}", self.deployment.function.name);
            InvokeFailure::Unavailable
        })?;
        let handling = AssertUnwindSafe(async { sandbox.invoke(payload, invocation).await }).catch_unwind();
        // An early return drops the sandbox.
        let handled = match tokio::time::timeout_at(invocation.deadline, handling).await {
            Ok(Ok(handled)) => handled,
            Ok(Err(panic)) => return Err(InvokeFailure::Panicked(message(panic.as_ref()))),
            Err(_) => return Err(InvokeFailure::TimedOut),
        };
        self.put_back(sandbox);
        match handled {
            Ok(answer) if answer.len() > LARGEST_PAYLOAD => {
                Err(InvokeFailure::Failed { message: format!("an answer of {} bytes is too large", answer.len()) })
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(InvokeFailure::Failed { message: error.message }),
        }
    }

    fn take(&self) -> Result<Box<dyn Invoke>, String> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.fresh(), Ok)
    }

    fn put_back(&self, sandbox: Box<dyn Invoke>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sandbox);
    }

    fn fresh(&self) -> Result<Box<dyn Invoke>, String> {
        let Deployment { function, boot, .. } = &self.deployment;
        match std::panic::catch_unwind(AssertUnwindSafe(|| (function.start)(boot))) {
            Ok(started) => started.map_err(|error| error.to_string()),
            Err(panic) => Err(format!("it panicked: {}", message(panic.as_ref()))),
        }
    }
}

/// Counts an invocation for as long as it lives.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn begin(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{boot, function, start_of};

    fn running(timeout: Duration) -> InProcess {
        let function = function(
            "odd",
            start_of!(|payload, invocation| {
                match payload {
                    "panic" => panic!("scripted"),
                    "hang" => std::future::pending().await,
                    "fail" => Err("scripted".to_owned()),
                    "warn" => {
                        tracing::warn!("careful");
                        Err(format!("scripted in {}", invocation.request_id))
                    }
                    "large" => Ok("x".repeat(LARGEST_PAYLOAD + 1)),
                    "left" => Ok((invocation.deadline - Instant::now()).as_secs().to_string()),
                    "id" => Ok(invocation.request_id.clone()),
                    other => Ok(other.to_owned()),
                }
            }),
        );
        let deployment = Deployment { function, boot: boot([]), timeout };
        InProcess::start(BTreeMap::from([("Odd".to_owned(), deployment)])).unwrap()
    }

    fn invoke<'a>(functions: &'a InProcess, payload: &str) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        functions.invoke("Odd", payload.to_owned().into())
    }

    #[tokio::test]
    async fn failures_are_distinguished_and_isolated() {
        let functions = running(Duration::from_millis(50));
        let invoke = |payload: &str| functions.invoke("Odd", payload.to_owned().into());
        assert_eq!(invoke("x").await, Ok("x".to_owned()));
        assert_eq!(invoke("panic").await, Err(InvokeFailure::Panicked("scripted".to_owned())));
        assert_eq!(invoke("hang").await, Err(InvokeFailure::TimedOut));
        assert_eq!(invoke("fail").await, Err(InvokeFailure::Failed { message: "scripted".to_owned() }));
        assert!(matches!(invoke("large").await, Err(InvokeFailure::Failed { .. })));
        assert!(matches!(invoke(&"x".repeat(LARGEST_PAYLOAD + 1)).await, Err(InvokeFailure::Failed { .. })));
        assert_eq!(functions.invoke("Nobody", Event::default()).await, Err(InvokeFailure::Unavailable));
        assert_eq!(invoke("y").await, Ok("y".to_owned()));
        functions.idle().await;
    }

    #[tokio::test]
    async fn a_failure_carries_the_request_id_of_the_function() {
        let captured = crate::testing::Captured::start();
        let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(captured.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let functions = running(Duration::from_secs(5));
        let id = invoke(&functions, "warn").await.unwrap_err().to_string();
        let id = id.rsplit(' ').next().unwrap();
        let text = captured.text();
        let logged = |level: &str, part: &str| {
            text.lines().any(|line| line.trim_start().starts_with(level) && line.contains(part) && line.contains(id))
        };
        assert!(logged("WARN", "careful") && logged("ERROR", "Odd: the function failed"), "{text}");
    }

    #[tokio::test]
    async fn sandboxes_are_kept_after_answers_and_errors_but_not_after_panics_and_timeouts() {
        let functions = running(Duration::from_millis(50));
        let idle = || functions.functions["Odd"].idle.lock().unwrap().len();
        for (payload, left) in [("x", 1), ("fail", 1), ("panic", 0), ("x", 1), ("hang", 0), ("x", 1)] {
            drop(invoke(&functions, payload).await);
            assert_eq!(idle(), left, "{payload}");
        }
        let both = tokio::join!(invoke(&functions, "x"), invoke(&functions, "y"));
        assert_eq!(both, (Ok("x".to_owned()), Ok("y".to_owned())));
    }

    #[tokio::test]
    async fn every_invocation_has_its_own_id_and_deadline() {
        let functions = running(Duration::from_secs(5));
        let ids = [invoke(&functions, "id").await, invoke(&functions, "id").await];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(invoke(&functions, "left").await, Ok("4".to_owned()));
    }

    #[tokio::test]
    async fn an_invocation_continues_when_its_caller_leaves() {
        let functions = running(Duration::from_millis(50));
        let waiting = invoke(&functions, "hang");
        assert!(tokio::time::timeout(Duration::from_millis(10), waiting).await.is_err());
        assert_eq!(*functions.under_way.borrow(), 1);
        functions.idle().await;
    }

    #[tokio::test]
    async fn start_errors_are_reported_immediately() {
        let broken = Function {
            name: "broken",
            start: |boot| {
                let mut reader = boot.environment.reader();
                let table = reader.required("TABLE");
                reader.finish(table)?;
                unreachable!()
            },
        };
        let deployment = Deployment { function: broken, boot: boot([]), timeout: Duration::from_secs(1) };
        let error = InProcess::start(BTreeMap::from([("Broken".to_owned(), deployment)])).err().unwrap();
        assert_eq!(error.to_string(), "Broken does not start: environment: TABLE is missing");
    }
}
