//! The HTTP API ([reference](https://pusher.com/docs/channels/library_auth_reference/rest-api/)).
//!
//! | status | when |
//! |---|---|
//! | 400 | the body is not what the API takes |
//! | 401 | the request is not signed by the application |
//! | 404 | the application is another |
//! | 413 | the data of an event, or the body, is too large |

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use super::hub::Event;
use super::protocol::is_channel;
use super::signature::Unsigned;

/// The limits of Pusher.
const MAX_EVENTS: usize = 10;
const MAX_CHANNELS: usize = 100;
const MAX_NAME: usize = 200;
const MAX_DATA: usize = 10 * 1024;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("there is no application {0:?}")]
    UnknownApplication(String),
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    TooLarge(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::UnknownApplication(_) => StatusCode::NOT_FOUND,
            Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        };
        tracing::warn!("channels: a request is refused with {}: {self}", status.as_u16());
        answer(status, &json!({"error": self.to_string()}))
    }
}

/// `POST /apps/{app}/events`: one event, on one channel or several.
pub(super) async fn event(
    State(server): State<Arc<Server>>,
    Path(app): Path<String>,
    uri: Uri,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    #[derive(Deserialize)]
    struct Published {
        name: String,
        data: String,
        #[serde(default)]
        channel: Option<String>,
        #[serde(default)]
        channels: Vec<String>,
        #[serde(default)]
        socket_id: Option<String>,
    }
    let publish = || {
        server.check(&app, &uri, query.as_deref(), &body)?;
        let Published { name, data, channel, channels, socket_id } = parse(&body)?;
        let channels: Vec<String> = channel.into_iter().chain(channels).collect();
        if !(1..=MAX_CHANNELS).contains(&channels.len()) {
            return Err(Refused::Malformed(format!("an event goes to 1 to {MAX_CHANNELS} channels")));
        }
        let on = |channel| Event { channel, name: name.clone(), data: data.clone(), except: socket_id.clone() };
        server.publish(channels.into_iter().map(on).collect())
    };
    answered(publish())
}

/// `POST /apps/{app}/batch_events`: several events, each on one channel. All are published, or none.
pub(super) async fn batch(
    State(server): State<Arc<Server>>,
    Path(app): Path<String>,
    uri: Uri,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    #[derive(Deserialize)]
    struct Batch {
        batch: Vec<Published>,
    }
    #[derive(Deserialize)]
    struct Published {
        channel: String,
        name: String,
        data: String,
        #[serde(default)]
        socket_id: Option<String>,
    }
    let publish = || {
        server.check(&app, &uri, query.as_deref(), &body)?;
        let Batch { batch } = parse(&body)?;
        if batch.len() > MAX_EVENTS {
            return Err(Refused::Malformed(format!("a batch has at most {MAX_EVENTS} events")));
        }
        let event = |Published { channel, name, data, socket_id }| Event { channel, name, data, except: socket_id };
        server.publish(batch.into_iter().map(event).collect())
    };
    answered(publish())
}

fn answered(published: Result<(), Refused>) -> Response {
    published.map_or_else(IntoResponse::into_response, |()| answer(StatusCode::OK, &json!({})))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn parse<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Malformed(format!("the body: {error}")))
}

impl Server {
    /// Checks whose request it is.
    fn check(&self, app: &str, uri: &Uri, query: Option<&str>, body: &[u8]) -> Result<(), Refused> {
        if app != self.application.app {
            return Err(Refused::UnknownApplication(app.to_owned()));
        }
        let now = self.clock.now().timestamp();
        Ok(self.application.check_request(uri.path(), query.unwrap_or_default(), body, now)?)
    }

    /// Publishes events if each of them may be.
    fn publish(&self, events: Vec<Event>) -> Result<(), Refused> {
        for Event { channel, name, data, .. } in &events {
            if !is_channel(channel) {
                return Err(Refused::Malformed(format!("{channel:?} is no name of a channel")));
            }
            if !(1..=MAX_NAME).contains(&name.len()) || name.starts_with("pusher") {
                let rule = format!("a name of an event has 1 to {MAX_NAME} bytes and does not begin with \"pusher\"");
                return Err(Refused::Malformed(rule));
            }
            if data.len() > MAX_DATA {
                return Err(Refused::TooLarge(format!("the data of an event has at most {MAX_DATA} bytes")));
            }
        }
        self.hub.publish(&events);
        Ok(())
    }
}
