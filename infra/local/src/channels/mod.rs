//! A small server of channels for development: what `pusher-js` and the project's publisher need of the
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
//! It keeps nothing: who reconnects subscribes again.

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

/// An application of a server of channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id, part of the HTTP API's paths.
    pub app: String,
    /// Its public key.
    pub key: String,
    /// What signatures are made with.
    pub secret: String,
}

impl Application {
    /// An application with a secret of its own.
    #[must_use]
    pub fn fresh() -> Self {
        Self { app: APP.to_owned(), key: KEY.to_owned(), secret: system::ids::random().fresh() }
    }

    /// Puts its secret into the local Secrets Manager, and names it, at this URL, in the template's parameters.
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

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// After this much silence the server sends a ping. Clients are told it, and send pings of their own before.
    pub activity: Duration,
    /// A ping must be answered within this.
    pub pong: Duration,
}

/// Pusher's own.
impl Default for Timing {
    fn default() -> Self {
        Self { activity: Duration::from_secs(120), pong: Duration::from_secs(30) }
    }
}

/// What all connections and requests share.
struct Server {
    application: Application,
    timing: Timing,
    clock: Arc<dyn Clock>,
    hub: Hub,
    /// True when connections are to be closed.
    stopping: watch::Receiver<bool>,
}

/// Serves an application until the future ends; then tells connected pages to reconnect, and closes. Clients that call it by
/// another name than these are refused: a page of another machine must not listen to what is public here.
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
