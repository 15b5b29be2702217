//! Checks signatures: HMAC-SHA256 with the application's secret
//! ([subscriptions](https://pusher.com/docs/channels/library_auth_reference/auth-signatures/),
//! [requests](https://pusher.com/docs/channels/library_auth_reference/rest-api/#authentication)).

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::Application;

/// How far the time of a request may be from the server's, in seconds.
const MAX_SKEW: u64 = 600;

/// Why a signature is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsigned {
    #[error("auth_key is not the application's key")]
    Key,
    #[error("auth_version must be 1.0")]
    Version,
    #[error("auth_timestamp must be within 600 seconds of the server's time")]
    Timestamp,
    #[error("body_md5 does not match the body")]
    Body,
    #[error("auth_signature does not match the request")]
    Signature,
}

/// The bytes of an even number of lower-case hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let decoded = pairs.iter().map(|[high, low]| Some((digit(high)? << 4) | digit(low)?)).collect();
    if rest.is_empty() { decoded } else { None }
}

impl Application {
    /// Whether a signature is one of this text. The comparison takes the same time wherever they differ.
    fn has_signed(&self, text: &str, signature: &str) -> bool {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes());
        let (Ok(mut mac), Some(signature)) = (mac, bytes(signature)) else { return false };
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).is_ok()
    }

    /// Whether `auth` lets a connection listen to a channel, as the member that `data` describes.
    pub(super) fn allows(&self, auth: &str, socket: &str, channel: &str, data: Option<&str>) -> bool {
        let text = match data {
            Some(data) => format!("{socket}:{channel}:{data}"),
            None => format!("{socket}:{channel}"),
        };
        let signature = auth.split_once(':').filter(|(key, _)| *key == self.key);
        signature.is_some_and(|(_, signature)| self.has_signed(&text, signature))
    }

    /// Checks that a `POST` of this body to a path is signed with this query, at a time in seconds since 1970.
    pub(super) fn check_request(&self, path: &str, query: &str, body: &[u8], now: i64) -> Result<(), Unsigned> {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let mut parameters: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect();
        let signature = parameters.remove("auth_signature").ok_or(Unsigned::Signature)?;
        let given = |name: &str| parameters.get(name).map(String::as_str);
        if given("auth_key") != Some(&self.key) {
            return Err(Unsigned::Key);
        }
        if given("auth_version") != Some("1.0") {
            return Err(Unsigned::Version);
        }
        let timestamp = given("auth_timestamp").and_then(|timestamp| timestamp.parse::<i64>().ok());
        if timestamp.is_none_or(|timestamp| timestamp.abs_diff(now) > MAX_SKEW) {
            return Err(Unsigned::Timestamp);
        }
        if given("body_md5") != Some(&format!("{:x}", Md5::digest(body))) {
            return Err(Unsigned::Body);
        }
        let signed: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = format!("POST\n{path}\n{}", signed.join("&"));
        if self.has_signed(&text, &signature) { Ok(()) } else { Err(Unsigned::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The application of the examples that Pusher publishes.
    fn published() -> Application {
        Application {
            app: "3".to_owned(),
            key: "278d425bdf160c739803".to_owned(),
            secret: "7ad3773142a6692b25b8".to_owned(),
        }
    }

    const OF_CHANNEL: &str = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
    const OF_MEMBER: &str = "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
    const MEMBER: &str = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;

    #[test]
    fn accepts_the_published_signatures_of_subscriptions() {
        let application = published();
        assert!(application.allows(OF_CHANNEL, "1234.1234", "private-foobar", None));
        assert!(application.allows(OF_MEMBER, "1234.1234", "presence-foobar", Some(MEMBER)));
    }

    #[test]
    fn a_signature_covers_connection_channel_member_and_secret() {
        let application = published();
        for (auth, socket, channel, data) in [
            (OF_CHANNEL, "1234.1235", "private-foobar", None),
            (OF_CHANNEL, "1234.1234", "private-foobaz", None),
            (OF_CHANNEL, "1234.1234", "private-foobar", Some("")),
            (OF_MEMBER, "1234.1234", "presence-foobar", Some(r#"{"user_id":11}"#)),
            (OF_MEMBER, "1234.1234", "presence-foobar", None),
            (&OF_CHANNEL.replace("278d", "378d"), "1234.1234", "private-foobar", None),
            (&OF_CHANNEL.to_uppercase(), "1234.1234", "private-foobar", None),
            (OF_CHANNEL.split_once(':').unwrap().1, "1234.1234", "private-foobar", None),
            ("278d425bdf160c739803:", "1234.1234", "private-foobar", None),
            ("278d425bdf160c739803:5", "1234.1234", "private-foobar", None),
            ("", "1234.1234", "private-foobar", None),
        ] {
            assert!(!application.allows(auth, socket, channel, data), "{auth} {socket} {channel} {data:?}");
        }
        let other = Application { secret: "7ad3773142a6692b25b9".to_owned(), ..published() };
        assert!(!other.allows(OF_CHANNEL, "1234.1234", "private-foobar", None));
    }

    const PATH: &str = "/apps/3/events";
    const BODY: &[u8] = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    const QUERY: &str = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
                         &body_md5=ec365a775a4cd0599faeb73354201b6f\
                         &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    const TIME: i64 = 1_353_088_179;

    #[test]
    fn accepts_the_published_signature_of_a_request() {
        for now in [TIME, TIME - 600, TIME + 600] {
            assert_eq!(published().check_request(PATH, QUERY, BODY, now), Ok(()), "{now}");
        }
        let reversed = QUERY.split('&').rev().collect::<Vec<_>>().join("&");
        assert_eq!(published().check_request(PATH, &reversed, BODY, TIME), Ok(()));
    }

    #[test]
    fn names_the_first_problem_of_a_request() {
        for (path, query, body, now, wrong) in [
            (PATH, "", BODY, TIME, Unsigned::Signature),
            (PATH, &QUERY.replace("278d", "378d"), BODY, TIME, Unsigned::Key),
            (PATH, &QUERY.replace("version=1.0", "version=2.0"), BODY, TIME, Unsigned::Version),
            (PATH, QUERY, BODY, TIME + 601, Unsigned::Timestamp),
            (PATH, QUERY, BODY, TIME - 601, Unsigned::Timestamp),
            (PATH, &QUERY.replace("1353088179", "now"), BODY, TIME, Unsigned::Timestamp),
            (PATH, QUERY, b"{}", TIME, Unsigned::Body),
            (PATH, &QUERY.replace("&body_md5=ec365a775a4cd0599faeb73354201b6f", ""), BODY, TIME, Unsigned::Body),
            ("/apps/3/batch_events", QUERY, BODY, TIME, Unsigned::Signature),
            (PATH, &format!("{QUERY}&info=user_count"), BODY, TIME, Unsigned::Signature),
            (PATH, &QUERY.replace("da454824", "ea454824"), BODY, TIME, Unsigned::Signature),
        ] {
            assert_eq!(published().check_request(path, query, body, now), Err(wrong), "{path}?{query}");
        }
    }
}
