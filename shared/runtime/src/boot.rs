//! Start-up: what surrounds a function, and the loop that serves it on Lambda.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::function::{Function, Invocation};
use crate::obs::{self, metrics::Sink};
use system::clock::{self, Clock};
use system::environment::Environment;
use system::ids::{self, Ids};

/// The longest that any function runs
/// ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const LONGEST: Duration = Duration::from_secs(900);

/// What surrounds a function: its environment, AWS, the time and fresh ids.
#[derive(Clone)]
pub struct Boot {
    /// The variables that the template gives the function.
    pub environment: Environment,
    /// Region, endpoint, credentials and HTTP client of every AWS client.
    pub aws: SdkConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Where metrics go.
    pub metrics: Arc<dyn Sink>,
}

impl Boot {
    /// A client of DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.aws);
        aws_sdk_dynamodb::Client::from_conf(config.timeout_config(timeouts()).retry_config(retries()).build())
    }

    /// A client of DynamoDB Streams.
    #[must_use]
    pub fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        let config = aws_sdk_dynamodbstreams::config::Builder::from(&self.aws);
        aws_sdk_dynamodbstreams::Client::from_conf(config.timeout_config(timeouts()).retry_config(retries()).build())
    }

    /// A client of Secrets Manager.
    #[must_use]
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::config::Builder::from(&self.aws);
        aws_sdk_secretsmanager::Client::from_conf(config.timeout_config(timeouts()).retry_config(retries()).build())
    }

    /// A client of SQS.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.aws);
        aws_sdk_sqs::Client::from_conf(config.timeout_config(timeouts()).retry_config(retries()).build())
    }
}

/// A request that takes longer has met a fault: these services answer in milliseconds.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(4))
        .build()
}

/// The SDK tries again at once; who calls it tries again with the rest of the deadline in view.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(25))
}

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
        let boot = Boot {
            environment: Environment::of_process(),
            aws: aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
            clock: clock::system(),
            ids: ids::random(),
            metrics: Arc::new(obs::metrics::StandardOutput),
        };
        let started = (function.start)(&boot)?;
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
