//! The context of a function: configuration, AWS clients, clock and id source.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::obs::metrics::Sink;
use system::clock::Clock;
use system::environment::Environment;
use system::ids::Ids;

/// What surrounds a function: its environment, AWS, the time and fresh ids.
#[derive(Clone)]
pub struct FunctionContext {
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

impl FunctionContext {
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
