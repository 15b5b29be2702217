//! Functions in `cargo lambda watch`, which rebuilds them when they change.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{FunctionConfig, InvokeFailure, Invoker};

/// How long a function may take to be built before its first answer.
pub const BUILDING: Duration = Duration::from_secs(600);

/// Functions that `cargo lambda watch` runs.
pub struct CargoLambda {
    url: String,
    crates: BTreeMap<String, String>,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl CargoLambda {
    /// Functions behind the invocation API at a URL such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn new(url: &str, functions: &BTreeMap<String, FunctionConfig>) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            crates: functions.iter().map(|(id, config)| (id.clone(), config.crate_name.clone())).collect(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn call(&self, function: &str, payload: String) -> anyhow::Result<Result<String, InvokeFailure>> {
        let Some(name) = self.crates.get(function) else { return Ok(Err(InvokeFailure::Unavailable)) };
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/2015-03-31/functions/{name}/invocations", self.url))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(payload))?;
        let response = tokio::time::timeout(BUILDING, self.client.request(request)).await??;
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
    fn invoke<'a>(&'a self, function: &'a str, payload: String) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let outcome = match self.call(function, payload).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::warn!(function, "{function} cannot be reached at {}: {error:#}", self.url);
                    Err(InvokeFailure::Unavailable)
                }
            };
            if let Err(failure @ InvokeFailure::Failed { .. }) = &outcome {
                tracing::warn!(function, "{function}: {failure}");
            }
            outcome
        }
        .boxed()
    }
}

/// The variables of all functions together, for `cargo lambda watch` gives every function the same.
///
/// # Errors
/// The variable that two functions want to have different values.
pub fn union_of_environments<'a>(
    functions: impl IntoIterator<Item = &'a FunctionConfig>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut union: BTreeMap<String, (String, &str)> = BTreeMap::new();
    for function in functions {
        for (name, value) in &function.environment {
            match union.get(name) {
                Some((other, by)) if other != value => anyhow::bail!(
                    "{name} has one value for {by} and another for {}: cargo lambda gives all functions the same",
                    function.logical_id
                ),
                Some(_) => {}
                None => {
                    union.insert(name.clone(), (value.clone(), &function.logical_id));
                }
            }
        }
    }
    Ok(union.into_iter().map(|(name, (value, _))| (name, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Policy;

    fn config(id: &str, environment: [(&str, &str); 1]) -> FunctionConfig {
        FunctionConfig {
            logical_id: id.to_owned(),
            name: id.to_owned(),
            crate_name: id.to_owned(),
            memory: 128,
            timeout: Duration::from_secs(1),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            policy: Policy::default(),
        }
    }

    #[test]
    fn variables_must_agree() {
        let same = [config("A", [("TABLE", "t")]), config("B", [("TABLE", "t")])];
        assert_eq!(union_of_environments(&same).unwrap(), BTreeMap::from([("TABLE".to_owned(), "t".to_owned())]));
        let other = [config("A", [("TABLE", "t")]), config("B", [("TABLE", "u")])];
        let error = union_of_environments(&other).unwrap_err().to_string();
        assert!(error.starts_with("TABLE has one value for A and another for B"));
    }
}
