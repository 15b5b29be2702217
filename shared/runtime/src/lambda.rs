//! The loop that serves a function on Lambda.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use system::environment::Environment;
use system::{clock, ids};
use tokio::time::Instant;

use crate::context::FunctionContext;
use crate::function::{Function, Invocation};
use crate::obs;

/// The longest that any function runs
/// ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const LONGEST: Duration = Duration::from_secs(900);

/// Serves a function on Lambda until the sandbox ends; the whole of a function's `main`.
#[must_use]
pub fn run(function: Function) -> ExitCode {
    obs::log::start();
    match serve(function) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(function = function.name, error = %error, "{} ended: {error}", function.name);
            ExitCode::FAILURE
        }
    }
}

fn serve(function: Function) -> Result<(), lambda_runtime::Error> {
    // One event at a time is all a sandbox ever gets, so one thread serves it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let context = FunctionContext {
            environment: Environment::of_process(),
            aws: aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
            clock: clock::system(),
            ids: ids::random(),
            metrics: Arc::new(obs::metrics::StandardOutput),
        };
        let started = (function.start)(&context)?;
        let started = started.as_ref();
        lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
            let invocation = Invocation {
                deadline: Instant::now() + remaining(event.context.deadline()),
                request_id: event.context.request_id,
            };
            let answer = started.invoke(event.payload.get(), &invocation).await?;
            Ok::<_, lambda_runtime::Error>(RawValue::from_string(answer)?)
        }))
        .await
    })
}

/// How long is left until a deadline. `cargo lambda watch` counts its deadlines from the invocation on, not from 1970.
fn remaining(deadline: SystemTime) -> Duration {
    deadline
        .duration_since(system_time())
        .or_else(|_| deadline.duration_since(SystemTime::UNIX_EPOCH))
        .unwrap_or_default()
        .min(LONGEST)
}

#[allow(clippy::disallowed_methods, reason = "the platform gives its deadline in the system's time")]
fn system_time() -> SystemTime {
    SystemTime::now()
}
