//! Messages of the protocol, its error codes, and the names of channels.

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// The protocol versions that the server speaks.
const VERSIONS: std::ops::RangeInclusive<u32> = 5..=7;

/// The longest name of a channel, in bytes.
const MAX_CHANNEL: usize = 164;

/// Why a connection ends, or a message on it is refused
/// ([codes](https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/#error-codes)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("there is no application with this key")]
    UnknownKey,
    #[error("the presence channel is full: it has {0} members")]
    ChannelFull(usize),
    #[error("the protocol version is not a number")]
    MalformedVersion,
    #[error("the protocol version is not supported; the server speaks 5 to 7")]
    UnsupportedVersion,
    #[error("no protocol version supplied")]
    MissingVersion,
    #[error("the signature does not allow this connection to listen to {0}")]
    Unauthorized(String),
    #[error("the connection reads too slowly")]
    OverCapacity,
    #[error("the server stops; reconnect")]
    Stopping,
    #[error("no answer to a ping in time")]
    PongMissing,
    #[error("{0}")]
    Malformed(String),
    #[error("client events are not supported")]
    ClientEvent,
}

impl ProtocolError {
    /// The code that clients act on: 4000 to 4099 never reconnect, 4100 to 4199 reconnect later, 4200 to 4299 at once.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::UnknownKey => 4001,
            Self::ChannelFull(_) => 4004,
            Self::MalformedVersion => 4006,
            Self::UnsupportedVersion => 4007,
            Self::MissingVersion => 4008,
            Self::Unauthorized(_) => 4009,
            Self::OverCapacity => 4100,
            Self::Stopping => 4200,
            Self::PongMissing => 4201,
            Self::Malformed(_) => 4300,
            Self::ClientEvent => 4301,
        }
    }

    /// The error as a message to a client.
    pub(super) fn message(&self) -> Utf8Bytes {
        json!({"event": "pusher:error", "data": {"code": self.code(), "message": self.to_string()}}).to_string().into()
    }
}

/// Checks the version that a client names in its URL.
pub(super) fn check_version(version: Option<&str>) -> Result<(), ProtocolError> {
    let version = version.ok_or(ProtocolError::MissingVersion)?;
    let version: u32 = version.parse().map_err(|_| ProtocolError::MalformedVersion)?;
    if VERSIONS.contains(&version) { Ok(()) } else { Err(ProtocolError::UnsupportedVersion) }
}

/// Whether a channel may have this name.
pub(super) fn is_channel(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte);
    (1..=MAX_CHANNEL).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Whether subscriptions to a channel need a signature.
pub(super) fn is_restricted(channel: &str) -> bool {
    channel.starts_with("private-") || has_presence(channel)
}

/// Whether the members of a channel see each other.
pub(super) fn has_presence(channel: &str) -> bool {
    channel.starts_with("presence-")
}

/// A message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Ping,
    Pong,
    Subscribe(Subscription),
    Unsubscribe { channel: String },
}

/// A request to subscribe to a channel.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Subscription {
    pub(super) channel: String,
    /// The key and the signature, with a colon between them.
    #[serde(default)]
    pub(super) auth: Option<String>,
    /// The signed member.
    #[serde(default)]
    pub(super) channel_data: Option<String>,
}

impl Message {
    pub(super) fn parse(text: &str) -> Result<Self, ProtocolError> {
        #[derive(Deserialize)]
        struct Envelope {
            event: String,
            #[serde(default)]
            data: Value,
        }
        #[derive(Deserialize)]
        struct Unsubscription {
            channel: String,
        }
        fn payload<T: for<'a> Deserialize<'a>>(data: Value) -> Result<T, ProtocolError> {
            // Clients send an object, or an object in a string.
            let parsed = match &data {
                Value::String(text) => serde_json::from_str(text),
                _ => serde_json::from_value(data),
            };
            parsed.map_err(|error| ProtocolError::Malformed(format!("data: {error}")))
        }
        let Envelope { event, data } =
            serde_json::from_str(text).map_err(|error| ProtocolError::Malformed(format!("not a message: {error}")))?;
        match event.as_str() {
            "pusher:ping" => Ok(Self::Ping),
            "pusher:pong" => Ok(Self::Pong),
            "pusher:subscribe" => payload(data).map(Self::Subscribe),
            "pusher:unsubscribe" => payload(data).map(|Unsubscription { channel }| Self::Unsubscribe { channel }),
            name if name.starts_with("client-") => Err(ProtocolError::ClientEvent),
            name => Err(ProtocolError::Malformed(format!("unknown event {name:?}"))),
        }
    }
}

/// A member of a presence channel, as signed by the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) info: Value,
}

impl Member {
    pub(super) fn parse(channel_data: &str) -> Result<Self, ProtocolError> {
        #[derive(Deserialize)]
        struct ChannelData {
            user_id: Value,
            #[serde(default)]
            user_info: Value,
        }
        let malformed = |reason: String| ProtocolError::Malformed(format!("channel_data: {reason}"));
        let ChannelData { user_id, user_info } =
            serde_json::from_str(channel_data).map_err(|error| malformed(error.to_string()))?;
        let id = match user_id {
            Value::String(id) => id,
            Value::Number(id) => id.to_string(),
            _ => return Err(malformed("user_id is neither text nor a number".to_owned())),
        };
        Ok(Self { id, info: user_info })
    }
}

/// A message to a client. Its data is JSON in a string, as the protocol requires.
pub(super) fn message(event: &str, channel: Option<&str>, data: &str) -> Utf8Bytes {
    let message = match channel {
        Some(channel) => json!({"event": event, "channel": channel, "data": data}),
        None => json!({"event": event, "data": data}),
    };
    message.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_data_as_an_object_and_as_text() {
        let subscription = |channel: &str| Subscription { channel: channel.to_owned(), auth: None, channel_data: None };
        for (text, expected) in [
            (r#"{"event":"pusher:ping","data":{}}"#, Message::Ping),
            (r#"{"event":"pusher:pong"}"#, Message::Pong),
            (r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, Message::Subscribe(subscription("a"))),
            (r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}"#, Message::Subscribe(subscription("a"))),
            (
                r#"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#,
                Message::Unsubscribe { channel: "a".to_owned() },
            ),
        ] {
            assert_eq!(Message::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_unknown_messages_and_client_events() {
        for (text, code) in [
            ("", 4300),
            ("[]", 4300),
            (r#"{"event":"pusher:subscribe"}"#, 4300),
            (r#"{"event":"pusher:signin","data":{}}"#, 4300),
            (r#"{"event":"client-typing","channel":"private-a","data":{}}"#, 4301),
        ] {
            assert_eq!(Message::parse(text).map_err(|error| error.code()), Err(code), "{text}");
        }
    }

    #[test]
    fn names_the_reason_why_a_version_is_refused() {
        for (version, code) in [(None, 4008), (Some("seven"), 4006), (Some("4"), 4007), (Some("8"), 4007)] {
            assert_eq!(check_version(version).map_err(|error| error.code()), Err(code), "{version:?}");
        }
        assert_eq!(check_version(Some("7")), Ok(()));
    }

    #[test]
    fn accepts_channel_names_of_the_documented_characters_only() {
        for name in ["a", "presence-course-x", "private-user-auth0;7", &"x".repeat(164)] {
            assert!(is_channel(name), "{name}");
        }
        for name in ["", "a b", "a:b", "ä", "#a", &"x".repeat(165)] {
            assert!(!is_channel(name), "{name}");
        }
    }

    #[test]
    fn member_ids_are_text_or_numbers() {
        let member = |id: &str, info| Ok(Member { id: id.to_owned(), info });
        assert_eq!(Member::parse(r#"{"user_id":"a","user_info":{"name":"A"}}"#), member("a", json!({"name": "A"})));
        assert_eq!(Member::parse(r#"{"user_id":7}"#), member("7", Value::Null));
        for data in ["", "{}", r#"{"user_id":null}"#, r#"{"user_id":["a"]}"#] {
            assert_eq!(Member::parse(data).map_err(|error| error.code()), Err(4300), "{data}");
        }
    }
}
