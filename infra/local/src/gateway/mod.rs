//! The HTTP API, as API Gateway serves it.
//!
//! A request goes through the limits, CORS, the routes, their throttles, the authorizer and the function, in this order.
//! Where the answers are API Gateway's own they are JSON of the form `{"message": "…"}`:
//!
//! | status | when |
//! |---|---|
//! | 400 | the `Host` header is not one, the path is not percent-encoded UTF-8, or the body breaks off |
//! | 401 | a part of the request that the authorizer knows callers by is missing |
//! | 403 | the authorizer denies the request, or its host name is not one of this machine |
//! | 404 | no route matches; HTTP APIs return it for a wrong method too, never 405 |
//! | 408 | the body does not arrive in time |
//! | 413 | the body is larger than 10 MB, or the event made of the request larger than Lambda's 6 MB |
//! | 429 | the route takes no more requests at the moment; like API Gateway, without `Retry-After` |
//! | 431 | request line and headers are larger than 10,240 bytes |
//! | 500 | the function or the authorizer failed, or its answer is not one |
//! | 503 | the function takes longer than the integration's timeout, or cannot be reached |

mod answer;
mod authorizer;
mod config;
mod contract;
mod cors;
mod event;
mod handle;
mod log;
mod routes;
mod throttle;

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

pub use config::{ApiConfig, AuthorizerConfig, CorsConfig, IdentitySource, RouteConfig, Segment, Target};
pub use handle::Gateway;
pub use throttle::{Throttle, ThrottleConfig};

/// Serves the API until the future ends, and finishes what is under way.
pub async fn serve(gateway: Gateway, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) {
    let router = Router::new().fallback(handle::handle).with_state(Arc::new(gateway));
    crate::listener::serve(router, listener, shutdown).await;
}

#[cfg(test)]
mod tests;
