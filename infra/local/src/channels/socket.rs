//! One connection.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::Server;
use super::protocol::{
    Member, Message, ProtocolError, Subscription, check_version, has_presence, is_channel, is_restricted, message,
};

/// The most bytes of a client's message.
const LARGEST_MESSAGE: usize = 32 * 1024;

/// How long a client may take to make room for one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// `GET /app/{key}`: opens a connection. Errors are sent on the connection, because a browser shows nothing else.
pub(super) async fn connect(
    State(server): State<Arc<Server>>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let query = query.unwrap_or_default();
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    let version = parameters.find_map(|(name, value)| (name == "protocol").then_some(value));
    let allowed = match key == server.application.key {
        true => check_version(version.as_deref()),
        false => Err(ProtocolError::UnknownKey),
    };
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let mut client = Client { socket };
        let end = match allowed {
            Ok(()) => {
                let (id, waiting) = server.hub.connect();
                let end = client.converse(&server, &id, waiting).await;
                server.hub.disconnect(&id);
                end
            }
            Err(refused) => End::Because(refused),
        };
        match end {
            End::Gone => {}
            End::Because(error) => client.close(&error).await,
        }
    })
}

/// How a connection ends.
enum End {
    /// The client is gone.
    Gone,
    /// The server ends it.
    Because(ProtocolError),
}

struct Client {
    socket: WebSocket,
}

impl Client {
    /// Answers a client until the connection ends.
    async fn converse(&mut self, server: &Server, id: &str, mut waiting: mpsc::Receiver<Utf8Bytes>) -> End {
        let timing = server.timing;
        let established = json!({"socket_id": id, "activity_timeout": timing.activity.as_secs()}).to_string();
        if self.send(message("pusher:connection_established", None, &established)).await.is_err() {
            return End::Gone;
        }
        let mut stopping = server.stopping.clone();
        let (mut deadline, mut is_pinged) = (Instant::now() + timing.activity, false);
        loop {
            let sent = tokio::select! {
            // An error means that the server is gone, which is a stop too.
                            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => return End::Because(ProtocolError::Stopping),
                            told = waiting.recv() => match told {
                                Some(text) => self.send(text).await,
                                None => return End::Because(ProtocolError::OverCapacity),
                            },
                            received = timeout_at(deadline, self.socket.recv()) => match received {
                                Ok(Some(Ok(Frame::Text(text)))) => {
                                    (deadline, is_pinged) = (Instant::now() + timing.activity, false);
                                    match answer(server, id, &text) {
                                        Some(answer) => self.send(answer).await,
                                        None => Ok(()),
                                    }
                                }
                                Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) => {
                                    (deadline, is_pinged) = (Instant::now() + timing.activity, false);
                                    Ok(())
                                }
                                Ok(Some(Ok(Frame::Binary(_)))) => {
                                    self.send(ProtocolError::Malformed("messages are text".to_owned()).message()).await
                                }
                                Ok(Some(Ok(Frame::Close(_)) | Err(_)) | None) => return End::Gone,
                                Err(_) if is_pinged => return End::Because(ProtocolError::PongMissing),
                                Err(_) => {
                                    (deadline, is_pinged) = (Instant::now() + timing.pong, true);
                                    self.send(message("pusher:ping", None, "{}")).await
                                }
                            },
                        };
            if sent.is_err() {
                return End::Gone;
            }
        }
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), Unreachable> {
        match timeout(PATIENCE, self.socket.send(Frame::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unreachable),
        }
    }

    /// Sends the reason and closes.
    async fn close(mut self, error: &ProtocolError) {
        tracing::debug!("a connection of channels ends: {error}");
        let frame = CloseFrame { code: error.code(), reason: error.to_string().into() };
        let closing = async {
            self.socket.send(Frame::Text(error.message())).await?;
            self.socket.send(Frame::Close(Some(frame))).await?;
            // The client's own close comes last.
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), axum::Error>(())
        };
        match timeout(PATIENCE, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("a client left before it received the reason: {error}"),
            Err(_) => tracing::debug!("a client of channels does not close"),
        }
    }
}

/// The client takes no more messages.
struct Unreachable;

/// The direct reply to a message; the hub sends the rest.
fn answer(server: &Server, id: &str, text: &str) -> Option<Utf8Bytes> {
    let done = match Message::parse(text) {
        Ok(Message::Ping) => return Some(message("pusher:pong", None, "{}")),
        Ok(Message::Pong) => Ok(()),
        Ok(Message::Subscribe(subscription)) => subscribe(server, id, subscription),
        Ok(Message::Unsubscribe { channel }) => {
            server.hub.unsubscribe(id, &channel);
            Ok(())
        }
        Err(error) => Err(error),
    };
    done.err().map(|error| {
        tracing::warn!("channels: a message of connection {id} is refused with {}: {error}", error.code());
        error.message()
    })
}

fn subscribe(server: &Server, id: &str, subscription: Subscription) -> Result<(), ProtocolError> {
    let Subscription { channel, auth, channel_data } = subscription;
    if !is_channel(&channel) {
        return Err(ProtocolError::Malformed(format!("{channel:?} is no name of a channel")));
    }
    let (auth, data) = (auth.unwrap_or_default(), channel_data.as_deref());
    if is_restricted(&channel) && !server.application.allows(&auth, id, &channel, data) {
        return Err(ProtocolError::Unauthorized(channel));
    }
    let member = match data {
        Some(data) if has_presence(&channel) => Some(Member::parse(data)?),
        None if has_presence(&channel) => {
            return Err(ProtocolError::Malformed("a presence channel needs channel_data".to_owned()));
        }
        _ => None,
    };
    server.hub.subscribe(id, &channel, member)
}
