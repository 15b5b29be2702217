//! Signatures of the Channels protocol: HMAC-SHA256 in hexadecimal digits
//! ([subscriptions](https://pusher.com/docs/channels/library_auth_reference/auth-signatures/),
//! [requests](https://pusher.com/docs/channels/library_auth_reference/rest-api/#authentication)).

use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

/// The credentials that a channel server and Tally share.
#[derive(Clone)]
pub struct Credentials {
    /// The application on the channel server.
    pub app: String,
    /// The public part.
    pub key: String,
    /// The secret.
    pub secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("app", &self.app).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A connection id of the channel server: two numbers with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketId(String);

/// A text that names no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be two numbers separated by a dot")]
pub struct InvalidSocketId;

impl FromStr for SocketId {
    type Err = InvalidSocketId;

    fn from_str(text: &str) -> Result<Self, InvalidSocketId> {
        let is_number = |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, part) = text.split_once('.').ok_or(InvalidSocketId)?;
        if is_number(whole) && is_number(part) { Ok(Self(text.to_owned())) } else { Err(InvalidSocketId) }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

impl Credentials {
    fn sign(&self, text: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).ok()?;
        mac.update(text.as_bytes());
        Some(hexadecimal(&mac.finalize().into_bytes()))
    }

    /// The signature that lets a connection subscribe to a channel, with the user data of a presence channel. `None` if
    /// the secret is empty.
    #[must_use]
    pub fn subscription(&self, socket: &SocketId, channel: &str, data: Option<&str>) -> Option<String> {
        let SocketId(socket) = socket;
        let signed = match data {
            Some(data) => format!("{socket}:{channel}:{data}"),
            None => format!("{socket}:{channel}"),
        };
        Some(format!("{}:{}", self.key, self.sign(&signed)?))
    }

    /// The query of a request that posts this body to a path, at a time in seconds since 1970.
    #[must_use]
    pub fn query(&self, path: &str, body: &[u8], now: i64) -> Option<String> {
        let digest = hexadecimal(&Md5::digest(body));
        let query = format!("auth_key={}&auth_timestamp={now}&auth_version=1.0&body_md5={digest}", self.key);
        let signature = self.sign(&format!("POST\n{path}\n{query}"))?;
        Some(format!("{query}&auth_signature={signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials of the examples that Pusher publishes.
    fn published() -> Credentials {
        Credentials {
            app: "3".to_owned(),
            key: "278d425bdf160c739803".to_owned(),
            secret: "7ad3773142a6692b25b8".to_owned(),
        }
    }

    #[test]
    fn subscription_signature_matches_published_example() {
        let socket = "1234.1234".parse().unwrap();
        let of = |channel, data| published().subscription(&socket, channel, data).unwrap();
        assert_eq!(
            of("private-foobar", None),
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
        assert_eq!(
            of("presence-foobar", Some(r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#)),
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
        );
    }

    #[test]
    fn request_signature_matches_published_example() {
        let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(
            published().query("/apps/3/events", body, 1_353_088_179).unwrap(),
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
             &body_md5=ec365a775a4cd0599faeb73354201b6f\
             &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
    }

    #[test]
    fn socket_id_is_two_numbers() {
        for text in ["1.2", "123.456", "18446744073709551615.0"] {
            assert!(text.parse::<SocketId>().is_ok(), "{text}");
        }
        for text in ["", ".", "1", "1.", ".1", "1.2.3", "1.2:private-x", "a.b", "1.2\n", "-1.2", "+1.2", "٣.1"] {
            assert!(text.parse::<SocketId>().is_err(), "{text}");
        }
    }
}
