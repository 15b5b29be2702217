//! The way of a request through the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use system::clock::Clock;
use system::ids::Ids;
use tokio::time::Instant;
use url::Url;

use super::answer::{self, Refusal};
use super::authorizer::{Authorizers, Decision};
use super::config::ApiConfig;
use super::contract;
use super::event::{RequestFacts, text};
use super::log::{Entry, who};
use super::routes;
use super::throttle::Throttles;
use crate::lambda::{InvokeFailure, Invoker, LARGEST_PAYLOAD};
use crate::listener::{self, NoBody};
use crate::loopback::Hosts;

/// The most bytes of a request's body.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// The most bytes of a body that are read only to answer that it is too large.
const LARGEST_DRAINED: usize = 8 * LARGEST_BODY;
/// The most bytes of a request's first line and headers.
const LARGEST_HEAD: usize = 10_240;
/// The header that names a request in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");

/// The gateway: an API, and the functions behind it.
pub struct Gateway {
    api: ApiConfig,
    functions: Arc<dyn Invoker>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    authorizers: Authorizers,
    throttles: Throttles,
    port: u16,
    patience: Duration,
    hosts: Option<Hosts>,
}

/// What becomes known of a request on its way, for the log.
struct Told {
    who: String,
    refusal: Option<Refusal>,
}

impl Told {
    /// The gateway's own refusal.
    fn refuse(&mut self, status: StatusCode, message: &str, reason: impl Into<String>) -> Response<Body> {
        self.refusal = Some(Refusal::because(reason));
        answer::message(status, message)
    }

    fn broken(&mut self, reason: impl Into<String>) -> Response<Body> {
        self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", reason)
    }

    fn unavailable(&mut self, reason: String) -> Response<Body> {
        self.refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", reason)
    }

    fn no_body(&mut self, no_body: NoBody) -> Response<Body> {
        match no_body {
            NoBody::TooLarge => {
                let reason = "the body is larger than 10 MB, or than Lambda's 6 MB as an event";
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large", reason)
            }
            NoBody::Broken => self.refuse(StatusCode::BAD_REQUEST, "Bad Request", "the body breaks off"),
            NoBody::Slow => {
                self.refuse(StatusCode::REQUEST_TIMEOUT, "Request Timeout", "the body did not arrive in time")
            }
        }
    }
}

impl Gateway {
    /// A gateway that listens on a port.
    #[must_use]
    pub fn new(
        api: ApiConfig,
        functions: Arc<dyn Invoker>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        port: u16,
    ) -> Self {
        let (authorizers, throttles, patience) = (Authorizers::default(), Throttles::default(), Duration::ZERO);
        Self { api, functions, clock, ids, authorizers, throttles, port, patience, hosts: None }
    }

    /// Takes requests for these hosts alone.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Option<Hosts>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Waits at least this long for functions, for they may have to be built first.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn answer(
        &self,
        request: Request<Body>,
        caller: SocketAddr,
        request_id: &str,
        told: &mut Told,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if head_size(&parts) > LARGEST_HEAD {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            let reason = format!("the request line and headers are larger than {LARGEST_HEAD} bytes");
            return told.refuse(status, "Request Header Fields Too Large", reason);
        }
        if !is_well_formed(&parts) {
            let reason = "the Host header is not a host, or the path is not percent-encoded UTF-8";
            return told.refuse(StatusCode::BAD_REQUEST, "Bad Request", reason);
        }
        if let Some(host) = self.hosts.as_ref().and_then(|hosts| hosts.stranger(&parts.headers)) {
            let reason = format!("the Host header names {host}, not this machine; --allow-host allows it");
            return told.refuse(StatusCode::FORBIDDEN, "Forbidden", reason);
        }
        let body = match listener::read(body, LARGEST_BODY, LARGEST_DRAINED).await {
            Ok(body) => body,
            Err(no_body) => return told.no_body(no_body),
        };
        let Some(matched) = routes::find(&self.api.routes, &parts.method, parts.uri.path()) else {
            let contract = contract::answer(&parts.method, parts.uri.path());
            return contract.unwrap_or_else(|| {
                let reason = format!("there is no route {} {}", parts.method, parts.uri.path());
                told.refuse(StatusCode::NOT_FOUND, "Not Found", reason)
            });
        };
        if !self.throttles.admit(&self.api.throttles, &matched.route.target.key()) {
            let reason = format!("{} is throttled", matched.route.target.key());
            return told.refuse(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", reason);
        }
        let facts = RequestFacts {
            request_id: request_id.to_owned(),
            received: self.clock.now(),
            caller,
            port: self.port,
            api_id: self.api.id.clone(),
            route_key: matched.route.target.key(),
            path_parameters: matched.parameters,
        };
        let context = match self.authorize(matched.route.authorizer.as_deref(), &facts, &parts, told).await {
            Ok(context) => context,
            Err(refusal) => return refusal,
        };
        told.who = who(context.as_ref());
        let event = facts.for_function(&parts, &body, context.as_ref());
        if event.len() > LARGEST_PAYLOAD {
            return told.no_body(NoBody::TooLarge);
        }
        let function = &matched.route.function;
        let invocation = self.functions.invoke(function, event.into());
        match tokio::time::timeout(matched.route.timeout.max(self.patience), invocation).await {
            Ok(Ok(answer)) => match answer::of_function(&answer) {
                Some(response) => {
                    if response.status().as_u16() >= 400 {
                        told.refusal = Some(Refusal::of_function(&answer));
                    }
                    response
                }
                None => told.broken(format!("{function} did not return an HTTP response")),
            },
            Ok(Err(failure @ InvokeFailure::Unavailable)) => told.unavailable(format!("{function}: {failure}")),
            Ok(Err(failure)) => told.broken(format!("{function}: {failure}")),
            Err(_) => told.unavailable(format!("{function} exceeded the timeout of the gateway")),
        }
    }

    /// The context of the caller, if the route has an authorizer; the rejection if it does not allow the request.
    async fn authorize(
        &self,
        authorizer: Option<&str>,
        facts: &RequestFacts,
        parts: &Parts,
        told: &mut Told,
    ) -> Result<Option<Value>, Response<Body>> {
        let Some(name) = authorizer else { return Ok(None) };
        let Some(config) = self.api.authorizers.get(name) else {
            return Err(told.broken(format!("there is no authorizer {name}")));
        };
        match self.authorizers.ask(name, config, facts, parts, self.functions.as_ref(), self.patience).await {
            Decision::Allowed(context) => Ok(Some(context)),
            Decision::Denied => {
                Err(told.refuse(StatusCode::FORBIDDEN, "Forbidden", format!("{name} denies the request")))
            }
            Decision::Anonymous => {
                let reason = "credentials are missing, such as the Authorization header";
                Err(told.refuse(StatusCode::UNAUTHORIZED, "Unauthorized", reason))
            }
            Decision::Broken => Err(told.broken(format!("{name} failed, or its response is invalid"))),
        }
    }
}

/// Answers a request.
pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    let began = Instant::now();
    let request_id = gateway.ids.fresh();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut told = Told { who: who(None), refusal: None };
    let mut response = match gateway.api.cors.as_ref().and_then(|cors| cors.preflight(&request)) {
        Some(headers) => {
            if headers.is_empty() {
                let origin = text(request.headers().get(header::ORIGIN));
                let reason = format!("CORS does not allow {origin} this method, or one of these headers");
                told.refusal = Some(Refusal::because(reason));
            }
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            response
        }
        None => {
            let origin = request.headers().get(header::ORIGIN).cloned();
            let mut response = Box::pin(gateway.answer(request, caller, &request_id, &mut told)).await;
            if let Some(cors) = &gateway.api.cors {
                cors.apply(origin.as_ref(), response.headers_mut());
            }
            response
        }
    };
    let entry = Entry {
        method: &method,
        path: &path,
        status: response.status(),
        took: began.elapsed(),
        who: &told.who,
        request_id: &request_id,
        refusal: told.refusal.as_ref(),
    };
    entry.log();
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

fn head_size(parts: &Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.path_and_query().map_or(0, |line| line.as_str().len());
    line + parts.headers.values().map(HeaderValue::len).sum::<usize>()
}

/// Whether the host is one, and the path decodes to text.
fn is_well_formed(parts: &Parts) -> bool {
    let host = text(parts.headers.get(header::HOST));
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8();
    let is_host = !host.contains(['/', '?', '#', '@', '\\']) && Url::parse(&format!("http://{host}/")).is_ok();
    (host.is_empty() || is_host) && path.is_ok()
}
