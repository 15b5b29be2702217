//! A small Pusher server for development: what `pusher-js` and the project's publisher need of the
//! [Channels protocol](https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/), and no more.
//!
//! | file | what it does |
//! |---|---|
//! | `protocol` | messages on a connection, error codes, names of channels |
//! | `signature` | checks the signatures of subscriptions and requests |
//! | `hub` | who is connected, who listens to which channel, members of presence channels; no I/O |
//! | `socket` | one connection: subscriptions, pings, and its end |
//! | `requests` | the HTTP API: `POST /apps/{id}/events` and `/apps/{id}/batch_events` |
//!
//! Deliberately absent: client events, signing in, webhooks, cache channels, queries about channels, and TLS.
//! It stores nothing: a client that reconnects subscribes again.

mod hub;
mod protocol;
mod requests;
mod signature;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::StatusCode;
use system::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::listener;
use crate::loopback::Hosts;
use crate::secrets::SecretsManager;
use hub::Hub;

/// The application's id and public key. Both are fixed, so that a page's configuration survives a restart.
const APP: &str = "local";
const KEY: &str = "local";

/// Where the application's secret is in the local Secrets Manager.
pub const CHANNELS_SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tally-channels-a1B2c3";

/// The most bytes of a request: ten events of 10 kB, each byte escaped.
const LARGEST_REQUEST: usize = 1024 * 1024;

/// An application of a Pusher server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id, part of the HTTP API's paths.
    pub app: String,
    /// Its public key.
    pub key: String,
    /// The secret that signs subscriptions and requests.
    pub secret: String,
}

impl Application {
    /// An application with a new secret.
    #[must_use]
    pub fn fresh() -> Self {
        Self { app: APP.to_owned(), key: KEY.to_owned(), secret: system::ids::random().fresh() }
    }

    /// Stores its secret in the local Secrets Manager, and returns the template parameters that name it at this URL.
    #[must_use]
    pub fn parameters(&self, url: &str, secrets: &SecretsManager) -> [(String, String); 4] {
        secrets.put(CHANNELS_SECRET_ARN, &self.secret);
        [
            ("PusherAppId", self.app.as_str()),
            ("PusherKey", &self.key),
            ("PusherSecretArn", CHANNELS_SECRET_ARN),
            ("PusherHost", url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    }
}

/// Limits on the silence of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Silence after which the server sends a ping. Clients learn it when they connect, and ping earlier.
    pub activity: Duration,
    /// Time within which a ping must be answered.
    pub pong: Duration,
}

/// The values of Pusher.
impl Default for Timing {
    fn default() -> Self {
        Self { activity: Duration::from_secs(120), pong: Duration::from_secs(30) }
    }
}

/// The state that connections and requests share.
struct Server {
    application: Application,
    timing: Timing,
    clock: Arc<dyn Clock>,
    hub: Hub,
    /// True when connections are to be closed.
    stopping: watch::Receiver<bool>,
}

/// Serves an application until the future ends, then asks connected pages to reconnect and closes. It rejects requests for
/// hosts other than `hosts`: pages of other machines must not read public channels.
pub async fn serve(
    application: Application,
    hosts: Hosts,
    timing: Timing,
    clock: Arc<dyn Clock>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (stop, stopping) = watch::channel(false);
    let server = Arc::new(Server { application, timing, clock, hub: Hub::default(), stopping });
    let service = Router::new()
        .route("/app/{key}", get(socket::connect))
        .route("/apps/{app}/events", post(requests::event))
        .route("/apps/{app}/batch_events", post(requests::batch))
        .layer(middleware::from_fn(|request: Request, next: Next| listener::whole(request, LARGEST_REQUEST, next)))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), only_for))
        .with_state(server);
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    listener::serve(service, listener, shutdown).await;
}

/// Refuses requests for other hosts.
async fn only_for(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts.stranger(request.headers()) {
        Some(host) => {
            tracing::warn!(
                "a client called the server of channels for the host {host:?} and was refused; --allow-host allows it"
            );
            StatusCode::FORBIDDEN.into_response()
        }
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests;
