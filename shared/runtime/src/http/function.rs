//! Turns a handler into a function: the payload read, the caller judged, the outcome logged and measured.

use std::time::Duration;

use futures::future::BoxFuture;
use http::Method;
use tokio::time::Instant;

use super::identity::Fault;
use super::problem::Problem;
use super::request::{self, Request};
use super::response::Response;
use crate::context::{FunctionContext, Setup};
use crate::function::{Function, Invocation, InvocationError, Invoke, StartResult};
use crate::obs::Reporter;
use domain::caller::Caller;

/// What is kept of the deadline for the answer to be sent.
const TO_ANSWER: Duration = Duration::from_millis(750);

/// Who may call a function. The handler checks what a caller may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any caller; the route has no authorizer.
    Public,
    /// A caller with a token or a write key.
    WriteKey,
    /// A caller with a token.
    SignedIn,
}

/// Answers requests of one route.
pub trait HttpHandler: Send + Sync {
    /// The query parameters that the function takes: a request with any other is refused before the handler sees it.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Those of them that a request with this method takes: all, unless the function serves routes that differ in them.
    fn parameters_of(&self, _method: &Method) -> &'static [&'static str] {
        self.parameters()
    }

    /// Answers one request.
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>>;
}

/// Starts a function that serves a route.
///
/// # Errors
/// The environment lacks what the handler needs.
pub fn start<H: HttpHandler + 'static>(
    context: &FunctionContext,
    function: Function,
    access: Access,
    open: impl FnOnce(&mut Setup<'_>) -> H,
) -> StartResult {
    Ok(self::function(function.name, access, context, context.open(open)?))
}

/// A function that serves a route.
#[must_use]
pub fn function(
    name: &'static str,
    access: Access,
    context: &FunctionContext,
    handler: impl HttpHandler + 'static,
) -> Box<dyn Invoke> {
    Box::new(HttpFunction { access, reporter: context.reporter(name), handler: Box::new(handler) })
}

struct HttpFunction {
    access: Access,
    reporter: Reporter,
    handler: Box<dyn HttpHandler>,
}

impl HttpFunction {
    fn admit(&self, request: &lambda_http::Request) -> Result<Caller, Problem> {
        if self.access == Access::Public {
            return Ok(Caller::Anonymous);
        }
        match request::verdict(request).and_then(|verdict| verdict.judge(self.reporter.now())) {
            Ok(Caller::Anonymous) if self.access == Access::SignedIn => Err(Problem::Unauthenticated(Fault::Missing)),
            Ok(caller) => Ok(caller),
            Err(Fault::Unchecked) => Err(Problem::Unavailable),
            Err(fault) => Err(Problem::Unauthenticated(fault)),
        }
    }
}

impl Invoke for HttpFunction {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            let request = lambda_http::request::from_str(payload)
                .map_err(|error| InvocationError { message: format!("not a request of an HTTP API: {error}") })?;
            let deadline = invocation.deadline.checked_sub(TO_ANSWER).unwrap_or(invocation.deadline);
            let takes = (self.access, self.handler.parameters_of(request.method()));
            let read = self
                .admit(&request)
                .and_then(|caller| Request::read(request, caller, (invocation.request_id.clone(), deadline), takes));
            let answer = match read {
                Ok(request) => self.handler.handle(request).await,
                Err(problem) => Err(problem),
            };
            let response = answer.unwrap_or_else(|problem| problem.into_response(&invocation.request_id));
            let response = response.kept_by(self.access);
            let outcome = match response.status.as_u16() {
                ..400 => "ok",
                400..500 => "refused",
                _ => "failed",
            };
            let status = response.status.as_str();
            let detail = response.note.as_ref().map_or_else(|| status.to_owned(), |note| format!("{status}, {note}"));
            self.reporter.ended(&invocation.request_id, began, (outcome, &detail), &response.measures);
            response.into_payload().map_err(|error| InvocationError { message: error.to_string() })
        })
    }
}
