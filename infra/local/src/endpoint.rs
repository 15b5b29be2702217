//! The services over HTTP, for clients outside this process: other programs' SDKs, and functions that
//! `cargo lambda watch` runs. Callers from this machine may do everything; web pages of other machines may not call at all.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tokio::net::TcpListener;

use crate::listener::{self, NoBody};
use crate::loopback::Hosts;
use crate::trace;
use crate::wire::{Answer, ClientOptions, Services};

/// The most bytes of a request: more than any service takes.
const LARGEST_REQUEST: usize = 20 * 1024 * 1024;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

struct Endpoint {
    services: Services,
    hosts: Hosts,
}

/// Serves services until the future ends, and finishes what is under way.
pub async fn serve(
    services: Services,
    hosts: Hosts,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new().fallback(handle).with_state(Arc::new(Endpoint { services, hosts }));
    listener::serve(router, listener, shutdown).await;
}

async fn handle(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap, body: Body) -> Response<Body> {
    if let Some(host) = endpoint.hosts.stranger(&headers) {
        tracing::warn!("a client called for the host {host:?} was refused: it is not this machine");
        let message = format!("the Host header names {host:?}, which is not this machine");
        return respond(Answer::error(403, "AccessDeniedException", &message));
    }
    respond(match listener::read(body, LARGEST_REQUEST, LARGEST_REQUEST).await {
        Ok(body) => endpoint.call(&headers, &body).await,
        Err(NoBody::TooLarge) => Answer::error(413, "RequestEntityTooLargeException", "the request is too large"),
        Err(NoBody::Slow) => Answer::error(408, "RequestTimeoutException", "the body did not arrive in time"),
        Err(NoBody::Broken) => Answer::error(400, "SerializationException", "the body breaks off"),
    })
}

impl Endpoint {
    async fn call(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
        let trace = headers.get(trace::HEADER).and_then(|trace| trace.to_str().ok()).map(str::to_owned);
        let caller = ClientOptions { function: "a client".to_owned(), trace, ..ClientOptions::default() };
        match std::str::from_utf8(body) {
            Ok(body) => self.services.call(target, body, &caller).await,
            Err(_) => Answer::error(400, "com.amazon.coral.service#SerializationException", "the body is not UTF-8"),
        }
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(Ok(code)) = answer.query_error.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(QUERY_ERROR, code);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::dynamodb::Database;

    async fn answer(host: &str) -> (StatusCode, String) {
        let services = Services { dynamodb: Some(Database::memory().unwrap()), ..Services::default() };
        let endpoint = Arc::new(Endpoint { services, hosts: Hosts::default() });
        let request = Request::post("/").header("host", host).header("x-amz-target", "DynamoDB_20120810.ListTables");
        let (parts, body) = request.body(Body::from("{}")).unwrap().into_parts();
        let answer = handle(State(endpoint), parts.headers, body).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn rejects_requests_with_a_foreign_host_name() {
        for host in ["127.0.0.1:8256", "localhost:8256", "[::1]:8256"] {
            assert_eq!(answer(host).await, (StatusCode::OK, r#"{"TableNames":[]}"#.to_owned()), "{host}");
        }
        for host in ["evil.example:8256", "127.0.0.1.evil.example", "10.0.0.1:8256"] {
            let (status, body) = answer(host).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{host}");
            assert!(body.contains("AccessDeniedException"), "{body}");
        }
    }
}
