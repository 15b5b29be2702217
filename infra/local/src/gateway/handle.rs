//! The way of a request through the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use futures::StreamExt;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use shared::clock::Clock;
use shared::ids::Ids;
use url::Url;

use super::answer;
use super::authorizer::{Authorizers, Decision};
use super::config::ApiConfig;
use super::contract;
use super::event::{RequestFacts, text};
use super::routes;
use super::throttle::Throttles;
use crate::runtime::{InvokeFailure, Invoker, LARGEST_PAYLOAD};

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
        let (authorizers, throttles) = (Authorizers::default(), Throttles::default());
        Self { api, functions, clock, ids, authorizers, throttles, port, patience: Duration::ZERO }
    }

    /// Waits at least this long for functions, for they may have to be built first.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn answer(&self, request: Request<Body>, caller: SocketAddr, request_id: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if head_size(&parts) > LARGEST_HEAD {
            return answer::message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        if !is_well_formed(&parts) {
            return answer::message(StatusCode::BAD_REQUEST, "Bad Request");
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(NoBody::TooLarge) => {
                return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
            }
            Err(NoBody::Broken) => return answer::message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let Some(matched) = routes::find(&self.api.routes, &parts.method, parts.uri.path()) else {
            let contract = contract::answer(&parts.method, parts.uri.path());
            return contract.unwrap_or_else(|| answer::message(StatusCode::NOT_FOUND, "Not Found"));
        };
        if !self.throttles.admit(&self.api.throttles, &matched.route.target.key()) {
            return answer::message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
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
        let context = match self.authorize(matched.route.authorizer.as_deref(), &facts, &parts).await {
            Ok(context) => context,
            Err(refusal) => return refusal,
        };
        let event = facts.for_function(&parts, &body, context.as_ref());
        if event.len() > LARGEST_PAYLOAD {
            return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let invocation = self.functions.invoke(&matched.route.function, event);
        match tokio::time::timeout(matched.route.timeout.max(self.patience), invocation).await {
            Ok(Ok(answer)) => answer::of_function(&answer).unwrap_or_else(|| {
                tracing::warn!("{}: the answer of {} is not one", facts.route_key, matched.route.function);
                broken()
            }),
            Ok(Err(InvokeFailure::Unavailable)) | Err(_) => {
                answer::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Ok(Err(_)) => broken(),
        }
    }

    /// What the authorizer says of the caller, if the route has one; the refusal if it does not let it pass.
    async fn authorize(
        &self,
        authorizer: Option<&str>,
        facts: &RequestFacts,
        parts: &Parts,
    ) -> Result<Option<Value>, Response<Body>> {
        let Some(name) = authorizer else { return Ok(None) };
        let Some(config) = self.api.authorizers.get(name) else { return Err(broken()) };
        match self.authorizers.ask(name, config, facts, parts, self.functions.as_ref(), self.patience).await {
            Decision::Allowed(context) => Ok(Some(context)),
            Decision::Denied => Err(answer::message(StatusCode::FORBIDDEN, "Forbidden")),
            Decision::Anonymous => Err(answer::message(StatusCode::UNAUTHORIZED, "Unauthorized")),
            Decision::Broken => Err(broken()),
        }
    }
}

/// Answers a request.
pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    let request_id = gateway.ids.fresh();
    let mut response = match gateway.api.cors.as_ref().and_then(|cors| cors.preflight(&request)) {
        Some(headers) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            response
        }
        None => {
            let origin = request.headers().get(header::ORIGIN).cloned();
            let mut response = Box::pin(gateway.answer(request, caller, &request_id)).await;
            if let Some(cors) = &gateway.api.cors {
                cors.apply(origin.as_ref(), response.headers_mut());
            }
            response
        }
    };
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

fn broken() -> Response<Body> {
    answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
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

/// Why there is no body to go on with.
enum NoBody {
    TooLarge,
    /// The caller did not send all that it promised.
    Broken,
}

/// The body, unless it is too large; one that is not very much too large is read to its end, so that the
/// caller gets to hear of it.
async fn read(body: Body) -> Result<Bytes, NoBody> {
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| NoBody::Broken)?;
        size += chunk.len();
        if size > LARGEST_DRAINED {
            break;
        }
        if size <= LARGEST_BODY {
            read.extend_from_slice(&chunk);
        }
    }
    if size <= LARGEST_BODY { Ok(Bytes::from(read)) } else { Err(NoBody::TooLarge) }
}
