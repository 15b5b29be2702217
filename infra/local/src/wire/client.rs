//! The SDK's way to the services, without sockets.

use std::fmt;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::answer::Answer;
use super::faults::{Call, Fault, Faults, Service};
use super::{REGION, unprocessed};
use crate::capacity::Meter;
use crate::dynamodb::Database;
use crate::iam::Policy;
use crate::secrets::SecretsManager;
use crate::sqs::Queues;
use crate::trace;

/// Who calls, with what rights, and what is to go wrong.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// The function that calls.
    pub function: String,
    /// What it may do; none allows everything.
    pub policy: Option<Arc<Policy>>,
    /// What adds up the units it uses.
    pub meter: Option<Arc<Meter>>,
    /// What goes wrong.
    pub faults: Option<Arc<dyn Faults>>,
    /// The trace header of the request.
    pub trace: Option<String>,
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions").field("function", &self.function).finish_non_exhaustive()
    }
}

/// The services that clients reach.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// DynamoDB and its streams.
    pub dynamodb: Option<Database>,
    /// SQS.
    pub sqs: Option<Queues>,
    /// Secrets Manager.
    pub secrets: Option<SecretsManager>,
}

impl Services {
    /// An HTTP client for the SDK that calls these services in process.
    #[must_use]
    pub fn http_client(&self, options: ClientOptions) -> SharedHttpClient {
        SharedHttpClient::new(InProcess(Arc::new(Caller { services: self.clone(), options })))
    }

    /// What a function's AWS clients are made of, for calls in process.
    #[must_use]
    pub fn sdk_config(&self, options: ClientOptions) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys("local", "local", None)))
            .http_client(self.http_client(options))
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .build()
    }

    /// Carries out a call and answers it; `target` is the request's `x-amz-target`.
    pub async fn call(&self, target: &str, body: &str, options: &ClientOptions) -> Answer {
        match parse_target(target) {
            Some((Service::DynamoDb | Service::DynamoDbStreams, operation)) => match &self.dynamodb {
                Some(database) => database.call(operation, body, options),
                None => Answer::unknown_operation(),
            },
            Some((Service::Sqs, operation)) => match &self.sqs {
                Some(queues) => queues.call(operation, body, options).await,
                None => Answer::unknown_operation(),
            },
            Some((Service::SecretsManager, operation)) => match &self.secrets {
                Some(secrets) => secrets.call(operation, body, options),
                None => Answer::unknown_operation(),
            },
            None => Answer::unknown_operation(),
        }
    }
}

fn parse_target(target: &str) -> Option<(Service, &str)> {
    match target.split_once('.')? {
        ("DynamoDB_20120810", operation) => Some((Service::DynamoDb, operation)),
        ("DynamoDBStreams_20120810", operation) => Some((Service::DynamoDbStreams, operation)),
        ("AmazonSQS", operation) => Some((Service::Sqs, operation)),
        ("secretsmanager", operation) => Some((Service::SecretsManager, operation)),
        _ => None,
    }
}

struct Caller {
    services: Services,
    options: ClientOptions,
}

impl Caller {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request
            .body()
            .bytes()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or_else(|| ConnectorError::user("the request's body is not a text in memory".into()))?;
        let trace = request.headers().get(trace::HEADER).map(str::to_owned).or_else(trace::current);
        let options = ClientOptions { trace, ..self.options.clone() };
        let answer = match (&self.options.faults, parse_target(target)) {
            (Some(faults), Some((service, operation))) => {
                let call = Call {
                    function: self.options.function.clone(),
                    service,
                    operation: operation.to_owned(),
                    body: body.to_owned(),
                };
                self.call_with_faults(faults.as_ref(), &call, target, &options).await?
            }
            _ => self.services.call(target, body, &options).await,
        };
        respond(answer)
    }

    async fn call_with_faults(
        &self,
        faults: &dyn Faults,
        call: &Call,
        target: &str,
        options: &ClientOptions,
    ) -> Result<Answer, ConnectorError> {
        let fault = faults.before(call).await;
        let answer = match fault {
            Fault::Unprocessed(mask) => match unprocessed::split(&call.operation, &call.body, mask) {
                Some(split) => {
                    let answer = match &split.carried_out {
                        Some(body) => Some(self.services.call(target, body, options).await),
                        None => None,
                    };
                    Some(split.merge(answer))
                }
                None => Some(self.services.call(target, &call.body, options).await),
            },
            fault if fault.is_carried_out() => Some(self.services.call(target, &call.body, options).await),
            _ => None,
        };
        // Until the caller hears of it, others may see a part of a transaction.
        let under_way = self.services.dynamodb.as_ref().and_then(Database::under_way);
        if answer.is_some() {
            faults.after(call).await;
        }
        let answer = match (fault, answer) {
            (Fault::None | Fault::Unprocessed(_), Some(answer)) => Ok(answer),
            (Fault::DropBefore | Fault::DropAfter, _) => Err(ConnectorError::io("connection reset".into())),
            (Fault::TimeoutBefore | Fault::TimeoutAfter, _) => Err(ConnectorError::timeout("timed out".into())),
            (Fault::Throttle, _) => Ok(Answer::throttled(call.service)),
            (Fault::TransactionConflict, _) => Ok(Answer::transaction_conflict(&call.body)),
            (Fault::CrashBefore | Fault::CrashAfter, _) => std::future::pending().await,
            (Fault::ServerError | Fault::ServerErrorAfter | Fault::None | Fault::Unprocessed(_), _) => {
                Ok(Answer::server_error(call.service))
            }
        };
        drop(under_way);
        answer
    }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    if let Some(code) = answer.query_error {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    Ok(response)
}

#[derive(Clone)]
struct InProcess(Arc<Caller>);

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcess").field(&self.0.options).finish()
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let caller = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { caller.call(request).await })
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
