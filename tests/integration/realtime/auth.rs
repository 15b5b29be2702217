//! Leave to listen, as pages ask for it.

use http::Method;

use super::api::{AUTH, Api, Person};
use super::server::{KEY, signature};
use crate::support::app::Answer;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A connection.
pub(super) const SOCKET: &str = "123456.7890123";

/// A form, with everything that may stand for something else written out.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    fields.join("&")
}

/// Asks with a form, as `pusher-js` does.
pub(super) async fn asks_with(api: &Api, token: &str, fields: &[(&str, &str)]) -> Answer {
    api.send((Method::POST, AUTH), "", &[FORM, ("authorization", token)], form(fields)).await
}

pub(super) async fn asks(api: &Api, person: Person<'_>, socket: &str, channel: &str) -> Answer {
    asks_with(api, &api.token(person), &[("socket_id", socket), ("channel_name", channel)]).await
}

/// Whether a user may subscribe to a channel. Checks the signature.
pub(super) async fn may(api: &Api, person: Person<'_>, channel: &str) -> bool {
    let answer = asks(api, person, SOCKET, channel).await;
    if answer.status == 403 {
        is_refused(&answer, 403);
        return false;
    }
    is_signed(&answer, channel);
    true
}

/// Asserts that an answer is an authorization. Returns the channel data.
#[track_caller]
pub(super) fn is_signed(answer: &Answer, channel: &str) -> Option<String> {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"), "{answer:?}");
    let data = answer.body["channel_data"].as_str().map(str::to_owned);
    assert_eq!(data.is_some(), channel.starts_with("presence-"), "{answer:?}");
    let signed = data.as_ref().map_or(format!("{SOCKET}:{channel}"), |data| format!("{SOCKET}:{channel}:{data}"));
    assert_eq!(answer.body["auth"], format!("{KEY}:{}", signature(&signed)), "{channel}");
    data
}

/// Asserts that an answer is a problem, with nothing in it that could be a leave.
#[track_caller]
pub(super) fn is_refused(answer: &Answer, status: u16) {
    answer.is_problem(status);
    let text = String::from_utf8_lossy(&answer.bytes);
    assert!(!text.contains("auth") && !text.contains(KEY), "{answer:?}");
}
