//! Functions in `cargo lambda watch`, which rebuilds them when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{Event, FunctionConfig, InvokeFailure, Invoker};
use crate::trace;

/// How long a function may take to be built before its first answer.
pub const BUILDING: Duration = Duration::from_secs(600);

/// How much longer than its timeout a function may take that has answered before: it may be built again after an edit.
/// `cargo lambda watch` restarts all functions after every edit, and an invocation that the old process took is never
/// answered; it fails after this time, and its caller retries.
const REBUILDING: Duration = Duration::from_secs(60);

/// Functions that `cargo lambda watch` runs.
pub struct CargoLambda {
    url: String,
    functions: BTreeMap<String, (String, Duration)>,
    answered: Mutex<BTreeSet<String>>,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl CargoLambda {
    /// Functions behind the invocation API at a URL such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn new(url: &str, functions: &BTreeMap<String, FunctionConfig>) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            functions: functions
                .iter()
                .map(|(id, config)| (id.clone(), (config.crate_name.clone(), config.timeout)))
                .collect(),
            answered: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// How long to wait for an answer.
    fn patience(&self, function: &str, timeout: Duration) -> Duration {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.contains(function) { timeout + REBUILDING } else { BUILDING }
    }

    async fn call(&self, function: &str, event: Event) -> anyhow::Result<Result<String, InvokeFailure>> {
        let Some((name, timeout)) = self.functions.get(function) else { return Ok(Err(InvokeFailure::Unavailable)) };
        let patience = self.patience(function, *timeout);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/2015-03-31/functions/{name}/invocations", self.url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(trace::HEADER, event.trace.to_string())
            .body(Full::from(event.payload))?;
        let response = tokio::time::timeout(patience, self.client.request(request)).await??;
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(function.to_owned());
        let status = response.status();
        let failed = response.headers().contains_key("x-amz-function-error");
        let body = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
        if status == StatusCode::OK && !failed {
            return Ok(Ok(body));
        }
        let error = serde_json::from_str::<Value>(&body).unwrap_or_default();
        let message = error.get("errorMessage").or_else(|| error.get("detail")).and_then(Value::as_str);
        Ok(Err(InvokeFailure::Failed { message: message.unwrap_or(&body).to_owned() }))
    }
}

impl Invoker for CargoLambda {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let outcome = match self.call(function, event).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::error!(function, "{function} cannot be reached at {}: {error:#}", self.url);
                    Err(InvokeFailure::Unavailable)
                }
            };
            if let Err(failure @ InvokeFailure::Failed { .. }) = &outcome {
                tracing::error!(function, "{function}: {failure}");
            }
            outcome
        }
        .boxed()
    }
}

/// The variables of every function, by its crate: `cargo lambda watch` knows functions by their binaries.
#[must_use]
pub fn environments<'a>(
    functions: impl IntoIterator<Item = &'a FunctionConfig>,
    endpoints: &[(&str, &str)],
) -> BTreeMap<String, BTreeMap<String, String>> {
    let with_endpoints = |function: &FunctionConfig| {
        let mut variables = function.variables();
        variables.extend(endpoints.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        variables
    };
    functions.into_iter().map(|function| (function.crate_name.clone(), with_endpoints(function))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Policy;

    fn config(id: &str, environment: [(&str, &str); 1]) -> FunctionConfig {
        FunctionConfig {
            logical_id: id.to_owned(),
            name: format!("tally-{id}"),
            crate_name: id.to_lowercase(),
            memory: 128,
            timeout: Duration::from_secs(1),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            policy: Policy::default(),
            may_loop: false,
        }
    }

    #[test]
    fn the_build_timeout_ends_with_the_first_answer() {
        let functions = BTreeMap::from([("A".to_owned(), config("A", [("QUEUE", "a")]))]);
        let functions = CargoLambda::new("http://127.0.0.1:1", &functions);
        let patience = || functions.patience("A", Duration::from_secs(10));
        assert_eq!(patience(), BUILDING);
        functions.answered.lock().unwrap().insert("A".to_owned());
        assert_eq!(patience(), Duration::from_secs(70));
    }

    #[test]
    fn every_function_has_its_own_value_of_a_variable() {
        let functions = [config("A", [("QUEUE", "a")]), config("B", [("QUEUE", "b")])];
        let environments = environments(&functions, &[("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")]);
        let value = |function: &str, name: &str| environments[function][name].clone();
        assert_eq!((value("a", "QUEUE"), value("b", "QUEUE")), ("a".to_owned(), "b".to_owned()));
        assert_eq!(value("b", "AWS_LAMBDA_FUNCTION_NAME"), "tally-B");
        assert_eq!(value("b", "AWS_ENDPOINT_URL_SQS"), "http://127.0.0.1:1");
    }

    #[test]
    fn every_function_of_the_workspace_has_variables() {
        let surroundings = crate::template::Surroundings {
            stack: "tally".to_owned(),
            sqs_url: "http://127.0.0.1:1".to_owned(),
            parameters: BTreeMap::from([
                ("AllowedOrigins".to_owned(), "https://www.example.com".to_owned()),
                ("JwtSecretArn".to_owned(), crate::cloud::JWT_SECRET_ARN.to_owned()),
            ]),
        };
        let template = crate::template::read_template(crate::functions::TEMPLATE, &surroundings).unwrap();
        let environments = environments(template.functions.values(), &[]);
        for function in crate::functions::all() {
            assert!(environments.contains_key(function.name), "{}", function.name);
        }
    }
}
