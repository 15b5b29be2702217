//! Converts requests of the log into plays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::access_log::Request;

/// Letters of an id at most.
const ID_LENGTH: usize = 64;
/// Stands between the readable part of an id and its hash; no other id contains it.
const HASH_MARK: &str = "::";
/// Hexadecimal digits of a path's hash: 64 bits.
const HASH_LENGTH: usize = 16;

/// Words in the host name of a search engine.
const SEARCH_ENGINES: [&str; 14] = [
    "aol",
    "ask",
    "baidu",
    "bing",
    "duckduckgo",
    "ecosia",
    "google",
    "naver",
    "qwant",
    "seznam",
    "sogou",
    "startpage",
    "yahoo",
    "yandex",
];

/// One event, as the API takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Play {
    /// The line of the log that it comes from.
    #[serde(skip)]
    pub line: usize,
    /// Hash of the line and its number.
    pub id: String,
    /// Always `play`.
    pub r#type: &'static str,
    /// The path's id, as [`track_id`] gives it.
    pub track_id: String,
    /// Hash of the client's address.
    pub session_id: String,
    /// RFC 3339, in UTC.
    pub timestamp: String,
    /// Where the listener came from.
    pub source: Source,
    /// Seconds; the answer's bytes taken as milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
}

/// Where a listener came from, by the referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The site's own front page.
    Landing,
    /// A listing of the site: its path ends in a slash.
    Playlist,
    /// A search engine.
    Search,
    /// No referrer.
    Direct,
    /// Any other site.
    Share,
    /// Any other page of the site.
    Player,
}

/// Options of the conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The prefix of track ids, so that several logs can coexist.
    pub track_prefix: String,
    /// The host that served the log, without `www.`; empty if unknown.
    pub site: String,
}

impl Reading {
    /// The play of a request.
    #[must_use]
    pub fn play(&self, request: &Request<'_>) -> Play {
        Play {
            line: request.number,
            id: hash(&[&request.number.to_string(), request.line], 32),
            r#type: "play",
            track_id: track_id(&self.track_prefix, request.path),
            session_id: hash(&["address", request.address], 32),
            timestamp: request.time.to_rfc3339_opts(SecondsFormat::Millis, true),
            source: Source::of(request.referrer, &self.site),
            duration: request.bytes.map(seconds),
        }
    }
}

impl Source {
    /// Reads a referrer of a log that `site` served.
    #[must_use]
    pub fn of(referrer: Option<&str>, site: &str) -> Self {
        let Some(referrer) = referrer else { return Self::Direct };
        let Some((host, path)) = host_and_path(referrer) else { return Self::Share };
        if host == site {
            return match path {
                "" | "/" => Self::Landing,
                listing if listing.ends_with('/') => Self::Playlist,
                _ => Self::Player,
            };
        }
        if host.split('.').any(|word| SEARCH_ENGINES.contains(&word)) { Self::Search } else { Self::Share }
    }
}

/// The host that most referrers name: the site itself, for its pages link to each other.
#[must_use]
pub fn likely_site(requests: &[Request<'_>]) -> String {
    let mut named = BTreeMap::<String, usize>::new();
    for (host, _) in requests.iter().filter_map(|request| request.referrer).filter_map(host_and_path) {
        *named.entry(host).or_default() += 1;
    }
    // The first of those named equally often.
    named.into_iter().rev().max_by_key(|(_, times)| *times).map(|(host, _)| host).unwrap_or_default()
}

/// The id of a path: `prefix`, then the path with colons for slashes if that is unambiguous.
///
/// A path that is too long or has other letters is shortened to what an id may hold, and a hash of
/// it follows after two colons, which no other id contains. So two paths have one id only if their
/// 64-bit hashes collide.
#[must_use]
pub fn track_id(prefix: &str, path: &str) -> String {
    let plain = path.starts_with('/')
        && !path.contains("//")
        && prefix.len() + path.len() <= ID_LENGTH
        && path.bytes().all(|byte| byte == b'/' || is_plain(byte));
    if plain {
        return format!("{prefix}{}", path.replace('/', ":"));
    }
    let room = ID_LENGTH.saturating_sub(prefix.len() + HASH_MARK.len() + HASH_LENGTH);
    let mut readable = String::with_capacity(room);
    for byte in path.bytes() {
        let letter = match byte {
            b'/' => ':',
            byte if is_plain(byte) => char::from(byte),
            _ => '-',
        };
        let repeated = matches!(letter, ':' | '-') && readable.ends_with(letter);
        if !repeated && readable.len() < room {
            readable.push(letter);
        }
    }
    format!("{prefix}{}{HASH_MARK}{}", readable.trim_end_matches(':'), hash(&["path", path], HASH_LENGTH))
}

/// Whether a prefix leaves room for paths, and ids made of it stay apart and are taken by the API.
#[must_use]
pub fn is_track_prefix(prefix: &str) -> bool {
    prefix.len() <= 32 && prefix.bytes().all(is_plain)
}

/// Letters that an id may hold, the colon aside.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[allow(clippy::cast_precision_loss, reason = "exact below 2^53 bytes, 9 petabytes")]
fn seconds(bytes: u64) -> f64 {
    bytes as f64 / 1000.0
}

/// The host in lower case, without `www.` and port, and the path without the query.
fn host_and_path(url: &str) -> Option<(String, &str)> {
    let (_scheme, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.split(':').next()?.to_ascii_lowercase();
    Some((host.strip_prefix("www.").map_or_else(|| host.clone(), str::to_owned), path))
}

/// The first `length` hexadecimal digits of the parts' SHA-256.
pub(crate) fn hash(parts: &[&str], length: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        // Writing to a string cannot fail.
        if digits.len() >= length || write!(digits, "{byte:02x}").is_err() {
            break;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log;

    fn is_id(id: &str) -> bool {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte == b':' || is_plain(byte))
    }

    #[test]
    fn plain_paths_stay_readable() {
        assert_eq!(track_id("log", "/"), "log:");
        assert_eq!(track_id("log", "/blog/x.html"), "log:blog:x.html");
        assert_eq!(track_id("", "/a/"), ":a:");
    }

    #[test]
    fn every_path_has_an_id_of_its_own() {
        let long = format!("/{}", "x".repeat(600));
        let paths = [
            "",
            "/",
            "//",
            "/:",
            "/a",
            "/a/",
            "//a",
            "/a//b",
            "/a/b",
            "/a:b",
            "/a::b",
            "/a b",
            "/a%20b",
            "/a-b",
            "/A",
            "*",
            "/ü",
            "http://elsewhere/",
            "/../..",
            &long,
            &long[..63],
            &long[..62],
            &long[..61],
            &long[..60],
        ];
        let ids: std::collections::BTreeSet<String> = paths.iter().map(|path| track_id("log", path)).collect();
        assert_eq!(ids.len(), paths.len(), "{ids:#?}");
        assert!(ids.iter().all(|id| is_id(id)), "{ids:#?}");
        // What a plain path becomes never looks like a hashed one.
        assert_eq!(ids.iter().filter(|id| id.contains(HASH_MARK)).count(), 15);
    }

    #[test]
    fn sources_follow_the_referrer() {
        let of = |referrer| Source::of(referrer, "example.com");
        assert_eq!(of(None), Source::Direct);
        assert_eq!(of(Some("http://www.example.com")), Source::Landing);
        assert_eq!(of(Some("https://Example.com:8080/?flav=rss")), Source::Landing);
        assert_eq!(of(Some("http://example.com/blog/tags/")), Source::Playlist);
        assert_eq!(of(Some("http://example.com/blog/tags/x?y=/")), Source::Player);
        assert_eq!(of(Some("https://www.google.co.uk/url?q=example.com")), Source::Search);
        assert_eq!(of(Some("http://notgoogle.com/")), Source::Share);
        assert_eq!(of(Some("example.com")), Source::Share);
    }

    #[test]
    fn a_play_says_what_the_line_says_and_always_the_same() {
        let text = r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "http://example.com/b" "-"
2001:db8::1 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 304 - "-" "-"
2001:db8::1 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 304 - "-" "-""#;
        let (requests, _) = access_log::read(text);
        let reading = Reading { track_prefix: "log".to_owned(), site: likely_site(&requests) };
        let plays: Vec<Play> = requests.iter().map(|request| reading.play(request)).collect();
        assert_eq!(
            serde_json::to_value(&plays[0]).unwrap(),
            serde_json::json!({
                "id": hash(&["1", requests[0].line], 32),
                "type": "play",
                "trackId": "log:a.png",
                "sessionId": hash(&["address", "83.149.9.216"], 32),
                "timestamp": "2015-05-17T10:05:03.000Z",
                "source": "player",
                "duration": 203.023,
            })
        );
        assert_eq!(plays[1].duration, None);
        assert_eq!(plays[1].session_id, plays[2].session_id);
        assert_ne!(plays[1].id, plays[2].id, "equal lines are different plays");
        assert!(plays.iter().all(|play| is_id(&play.id) && is_id(&play.session_id)));
        assert_eq!(plays, requests.iter().map(|request| reading.play(request)).collect::<Vec<_>>());
    }
}
