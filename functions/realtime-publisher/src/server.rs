//! The Channels HTTP API ([reference](https://pusher.com/docs/channels/library_auth_reference/rest-api/)).

use std::sync::Arc;
use std::time::Duration;

use domain::live::Credentials;
use domain::time::Time;
use http::{Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use runtime::BoxFuture;
use runtime::context::Setup;
use runtime::pusher::{self, PusherConfig};
use serde_json::{Value, json};
use store::PendingEvent;
use system::clock::Clock;
use tokio::time::timeout;

use crate::publisher::{PublishError, Server};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Opens the server that the environment names, or none where live updates are off.
pub(crate) fn open(setup: &mut Setup<'_>) -> Box<dyn Server> {
    match (pusher::keys(setup), pusher::origin(setup)) {
        (Some(keys), Some(origin)) => match Http::new(&origin, keys, setup.clock()) {
            Ok(server) => return Box::new(server),
            Err(problem) => setup.reject(format!("PUSHER_HOST {problem}")),
        },
        (Some(_), None) => setup.reject("PUSHER_HOST or PUSHER_CLUSTER is missing"),
        (None, _) => {
            tracing::warn!("live updates are off: PUSHER_APP_ID, PUSHER_KEY and PUSHER_SECRET_ARN are not set");
        }
    }
    Box::new(Nowhere)
}

/// Where live updates are off: all is taken, and goes nowhere.
struct Nowhere;

impl Server for Nowhere {
    fn send<'a>(&'a self, _: &'a [PendingEvent]) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A server that is reached by HTTP.
struct Http {
    origin: String,
    path: String,
    keys: PusherConfig,
    clock: Arc<dyn Clock>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// The server there.
    fn new(origin: &str, keys: PusherConfig, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let path = format!("/apps/{}/batch_events", keys.app());
        let _: Uri = format!("{origin}{path}").parse().map_err(|error| format!("is no URL: {error}"))?;
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| format!("cannot be reached without root certificates: {error}"))?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { origin: origin.to_owned(), path, keys, clock, client })
    }

    async fn post(&self, body: String, credentials: &Credentials) -> Result<(), PublishError> {
        let broken = |error: &dyn std::fmt::Display| PublishError::Unavailable(error.to_string());
        let now = Time::from(self.clock.now()).seconds();
        let query = credentials.query(&self.path, body.as_bytes(), now);
        let query = query.ok_or_else(|| PublishError::Unavailable("nothing can be signed".to_owned()))?;
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(format!("{}{}?{query}", self.origin, self.path))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error))?;
        let answer = self.client.request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        let said = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let said = said.map(|said| String::from_utf8_lossy(&said.to_bytes()).into_owned()).unwrap_or_default();
        let told = || format!("{status} {}", said.chars().take(200).collect::<String>());
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(PublishError::Rejected(told()))
            }
            // The credentials are not good. That can be put right, and may have been since they were fetched.
            StatusCode::UNAUTHORIZED => {
                self.keys.invalidate(credentials).await;
                Err(PublishError::Unavailable(told()))
            }
            _ => Err(PublishError::Unavailable(told())),
        }
    }
}

impl Server for Http {
    fn send<'a>(&'a self, events: &'a [PendingEvent]) -> BoxFuture<'a, Result<(), PublishError>> {
        let one = |event: &PendingEvent| json!({"channel": event.channel, "name": event.name, "data": event.data});
        let batch: Vec<Value> = events.iter().map(one).collect();
        let body = json!({"batch": batch}).to_string();
        Box::pin(async move {
            let credentials = self.keys.credentials().await;
            let credentials = credentials.map_err(|error| PublishError::Unavailable(error.to_string()))?;
            let sent = timeout(PATIENCE, self.post(body, &credentials)).await;
            sent.unwrap_or_else(|_| Err(PublishError::Unavailable("no answer in time".to_owned())))
        })
    }
}
