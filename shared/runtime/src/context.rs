//! The context of a function, and the setup that opens what the function needs.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

use crate::cached::Cached;
use crate::messaging::{self, Queue};
use crate::obs::Reporter;
use crate::obs::metrics::{Metrics, Sink};
use crate::secrets::{self, Secret};
use system::clock::Clock;
use system::environment::{ConfigError, Environment};
use system::ids::Ids;

/// The environment, AWS configuration, clock and id source of a function.
#[derive(Clone)]
pub struct FunctionContext {
    /// The variables that the template gives the function.
    pub environment: Environment,
    /// Region, endpoint, credentials and HTTP client of every AWS client.
    pub aws: SdkConfig,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of new ids.
    pub ids: Arc<dyn Ids>,
    /// The destination of metrics.
    pub metrics: Arc<dyn Sink>,
}

impl FunctionContext {
    /// Opens what a function needs.
    ///
    /// # Errors
    /// Every variable of the environment that is missing or malformed.
    pub fn open<T>(&self, open: impl FnOnce(&mut Setup<'_>) -> T) -> Result<T, ConfigError> {
        let injected = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        let store = store::Setup::new(self.dynamodb(), injected, &self.environment);
        let mut setup = Setup { store, context: self };
        let opened = open(&mut setup);
        setup.store.finish(opened)
    }

    /// The secret with this ARN, cached.
    #[must_use]
    pub fn secret(&self, arn: String) -> Cached<Secret> {
        Cached::new(secrets::secrets_manager(self.secrets_manager(), arn))
    }

    /// The reporter of a function.
    #[must_use]
    pub fn reporter(&self, function: &'static str) -> Reporter {
        Reporter::new(function, Arc::clone(&self.clock), self.metrics(function))
    }

    /// The metrics of a function.
    #[must_use]
    pub fn metrics(&self, function: &'static str) -> Metrics {
        Metrics::new(function, &self.environment, Arc::clone(&self.clock), Arc::clone(&self.metrics))
    }

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

/// Opens what a function needs: the types of the store, as [`store::Setup`] does, queues, secrets and metrics.
pub struct Setup<'a> {
    store: store::Setup<'a>,
    context: &'a FunctionContext,
}

impl<'a> Setup<'a> {
    /// The context that everything is opened in.
    #[must_use]
    pub fn context(&self) -> &'a FunctionContext {
        self.context
    }

    /// The queue whose URL this variable holds.
    pub fn queue(&mut self, variable: &str) -> Arc<dyn Queue> {
        let url = self.required(variable);
        messaging::sqs(self.context.sqs(), url)
    }

    /// The queue whose URL this variable holds, if it is set.
    pub fn optional_queue(&mut self, variable: &str) -> Option<Arc<dyn Queue>> {
        let url = self.optional(variable)?;
        Some(messaging::sqs(self.context.sqs(), url))
    }

    /// The secret with this ARN, cached.
    #[must_use]
    pub fn secret(&self, arn: String) -> Cached<Secret> {
        self.context.secret(arn)
    }
}

impl<'a> Deref for Setup<'a> {
    type Target = store::Setup<'a>;

    fn deref(&self) -> &store::Setup<'a> {
        &self.store
    }
}

impl DerefMut for Setup<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.store
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
