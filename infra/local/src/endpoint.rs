//! The services over HTTP, for clients outside this process: other programs' SDKs, and functions that
//! `cargo lambda watch` runs. Whoever calls may do everything.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::serve::ListenerExt as _;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tokio::net::TcpListener;

use crate::wire::{Answer, ClientOptions, Services};

/// The most bytes of a request: more than any service takes.
const LARGEST_REQUEST: usize = 20 * 1024 * 1024;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// Serves services until the future ends, and finishes what is under way.
///
/// # Errors
/// The listener breaks.
pub async fn serve(
    services: Services,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("a connection keeps its delay: {error}");
        }
    });
    let service = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(Arc::new(services))
        .into_make_service();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}

async fn handle(State(services): State<Arc<Services>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    let caller = ClientOptions { function: "a client".to_owned(), ..ClientOptions::default() };
    let answer = match std::str::from_utf8(&body) {
        Ok(body) => services.call(target, body, &caller).await,
        Err(_) => Answer::error(400, "com.amazon.coral.service#SerializationException", "the body is not UTF-8"),
    };
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(Ok(code)) = answer.query_error.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(QUERY_ERROR, code);
    }
    response
}
