//! Functions that are invoked with an input of their own: by a schedule of EventBridge, or by hand.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::time::Instant;

use crate::context::{FunctionContext, Setup};
use crate::function::{Function, Invocation, InvocationError, Invoke, StartResult};
use crate::http::{self, Access, HttpHandler};
use crate::obs::Reporter;

/// Does a task.
pub trait TaskHandler: Send + Sync {
    /// Does it once. An error makes Lambda try a scheduled task twice more, so doing it again must do no harm
    /// ([asynchronous invocation](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html)).
    fn run<'a>(&'a self, input: Value, invocation: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>>;
}

/// Starts a function that serves routes and does a task, both with the same handler.
///
/// # Errors
/// The environment lacks what the handler needs.
pub fn start_with_http<H: TaskHandler + HttpHandler + Clone + 'static>(
    context: &FunctionContext,
    function: Function,
    access: Access,
    open: impl FnOnce(&mut Setup<'_>) -> H,
) -> StartResult {
    let handler = context.open(open)?;
    let http = http::function(function.name, access, context, handler.clone());
    Ok(with_http(http, self::function(function.name, context, handler)))
}

/// A function that does a task.
#[must_use]
pub fn function(name: &'static str, context: &FunctionContext, handler: impl TaskHandler + 'static) -> Box<dyn Invoke> {
    Box::new(TaskFunction { reporter: context.reporter(name), handler: Box::new(handler) })
}

/// A function that serves routes and does a task: requests of the HTTP API go to `http`, all other inputs to `task`.
///
/// The gateway gives every request its `requestContext`, so no client reaches the task.
#[must_use]
pub fn with_http(http: Box<dyn Invoke>, task: Box<dyn Invoke>) -> Box<dyn Invoke> {
    Box::new(Both { http, task })
}

struct TaskFunction {
    reporter: Reporter,
    handler: Box<dyn TaskHandler>,
}

impl Invoke for TaskFunction {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            let result = match serde_json::from_str(payload) {
                Ok(input) => self.handler.run(input, invocation).await,
                Err(error) => Err(InvocationError { message: format!("the input is not JSON: {error}") }),
            };
            let ended = match &result {
                Ok(_) => ("ok", "task done"),
                Err(error) => ("failed", error.message.as_str()),
            };
            self.reporter.ended(&invocation.request_id, began, ended, &[]);
            Ok(result?.to_string())
        })
    }
}

struct Both {
    http: Box<dyn Invoke>,
    task: Box<dyn Invoke>,
}

impl Invoke for Both {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        let fields = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(payload);
        if fields.is_ok_and(|fields| fields.contains_key("requestContext")) {
            self.http.invoke(payload, invocation)
        } else {
            self.task.invoke(payload, invocation)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::{Problem, Request, Response};
    use crate::testing::{Lines, invocation};

    struct Double;

    impl TaskHandler for Double {
        fn run<'a>(&'a self, input: Value, _: &'a Invocation) -> BoxFuture<'a, Result<Value, InvocationError>> {
            let number = input["number"].as_i64();
            let doubled = number.map(|number| json!(number * 2));
            Box::pin(async move { doubled.ok_or_else(|| InvocationError { message: "no number".to_owned() }) })
        }
    }

    struct Absent;

    impl HttpHandler for Absent {
        fn handle(&self, _: Request) -> BoxFuture<'_, Result<Response, Problem>> {
            Box::pin(async { Err(Problem::NotFound("nothing is here".to_owned())) })
        }
    }

    fn both(lines: &Lines) -> Box<dyn Invoke> {
        let context = lines.context();
        let http = crate::http::function("double", Access::Public, &context, Absent);
        with_http(http, function("double", &context, Double))
    }

    #[tokio::test]
    async fn a_task_answers_and_its_failure_fails_the_invocation() {
        let function = function("double", &Lines::default().context(), Double);
        assert_eq!(function.invoke(r#"{"number":2}"#, &invocation()).await, Ok("4".to_owned()));
        for (payload, message) in [("{}", "no number"), ("no JSON", "the input is not JSON")] {
            let error = function.invoke(payload, &invocation()).await.unwrap_err();
            assert!(error.message.starts_with(message), "{error}");
        }
    }

    #[tokio::test]
    async fn requests_are_told_from_inputs() {
        let request = json!({
            "version": "2.0", "routeKey": "GET /double", "rawPath": "/double", "rawQueryString": "", "headers": {},
            "requestContext": {"http": {"method": "GET", "path": "/double"}}, "isBase64Encoded": false,
        });
        let answer = both(&Lines::default()).invoke(&request.to_string(), &invocation()).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["statusCode"], 404);

        for input in [r#"{"number":2}"#, r#"{"number":2,"body":"{\"requestContext\":{}}"}"#] {
            assert_eq!(both(&Lines::default()).invoke(input, &invocation()).await, Ok("4".to_owned()), "{input}");
        }
        for input in ["", "null", "[]", "[{}]", "\"requestContext\"", "[\"requestContext\"]"] {
            assert!(both(&Lines::default()).invoke(input, &invocation()).await.is_err(), "{input}");
        }
    }
}
