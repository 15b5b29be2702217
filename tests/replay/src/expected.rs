//! The expected answers of the API, counted from the file independently.
//!
//! Architecture invariant: this module uses nothing of `access_log` and `play`; what one of them
//! reads wrongly must not be expected just as wrongly here. It reads a line as a one-line script
//! would: quotes cut it in parts, blanks cut these in words.

use std::collections::BTreeMap;

/// Bytes, read as milliseconds, of a play that counts as qualified.
const QUALIFIED_MILLISECONDS: u64 = 20_000;

/// The numbers of one track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// All plays.
    pub plays: u64,
    /// Plays that were not skipped.
    pub qualified: u64,
    /// Plays of less than 20 seconds; one of unknown duration is none.
    pub skipped: u64,
    /// Sum of the durations.
    pub milliseconds: u64,
    /// Plays by source; without those sources that have none.
    pub by_source: BTreeMap<String, u64>,
}

/// The expected counters of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The numbers of each path.
    pub paths: BTreeMap<String, Numbers>,
    /// Lines, other than empty ones, that are no request.
    pub unreadable: usize,
}

impl Expected {
    /// Plays of all paths.
    #[must_use]
    pub fn plays(&self) -> u64 {
        self.paths.values().map(|numbers| numbers.plays).sum()
    }
}

/// Counts a log that `site` served (its host, without `www.`).
#[must_use]
pub fn count(text: &str, site: &str) -> Expected {
    let mut expected = Expected::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match fields(line) {
            Some((path, bytes, referrer)) => {
                let numbers = expected.paths.entry(path).or_default();
                numbers.plays += 1;
                match bytes {
                    Some(milliseconds) if milliseconds < QUALIFIED_MILLISECONDS => numbers.skipped += 1,
                    _ => numbers.qualified += 1,
                }
                numbers.milliseconds += bytes.unwrap_or(0);
                *numbers.by_source.entry(source(&referrer, site).to_owned()).or_default() += 1;
            }
            None => expected.unreadable += 1,
        }
    }
    expected
}

/// Path, bytes and referrer of a line.
fn fields(line: &str) -> Option<(String, Option<u64>, String)> {
    // A letter that no log contains takes the place of escaped quotes.
    let line = line.replace("\\\\", "\u{1}").replace("\\\"", "\u{2}");
    let unescaped = |text: &str| text.replace('\u{2}', "\\\"").replace('\u{1}', "\\\\");
    let parts: Vec<&str> = line.split('"').collect();
    let [head, request, numbers, referrer, ..] = parts[..] else { return None };
    let time = head.split('[').nth(1)?.split(']').next()?;
    if time.matches([':', '/', ' ', '+', '-']).count() != 7 || !head.contains(' ') || parts.len() < 5 {
        return None;
    }
    let request: Vec<&str> = request.split_ascii_whitespace().collect();
    let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
    let (&[_, target, protocol], &[_, bytes]) = (&request[..], &numbers[..]) else { return None };
    if !protocol.starts_with("HTTP/") {
        return None;
    }
    let bytes = if bytes == "-" { None } else { Some(bytes.parse().ok()?) };
    Some((unescaped(target.split('?').next()?), bytes, unescaped(referrer)))
}

fn source(referrer: &str, site: &str) -> &'static str {
    let referrer = referrer.to_lowercase();
    if referrer.is_empty() || referrer == "-" {
        return "direct";
    }
    // scheme, nothing, host, path …
    let parts: Vec<&str> = referrer.splitn(4, '/').collect();
    let host = match parts[..] {
        [scheme, "", host, ..] if scheme.ends_with(':') => host.split(['?', '#', ':']).next().unwrap_or_default(),
        _ => return "share",
    };
    let host = host.strip_prefix("www.").unwrap_or(host);
    let page = parts.get(3).map(|page| page.split(['?', '#']).next().unwrap_or_default());
    match page {
        None | Some("") if host == site => "landing",
        Some(page) if host == site && page.ends_with('/') => "playlist",
        _ if host == site => "player",
        _ if host.split('.').any(is_search_engine) => "search",
        _ => "share",
    }
}

fn is_search_engine(word: &str) -> bool {
    matches!(
        word,
        "google"
            | "bing"
            | "yahoo"
            | "duckduckgo"
            | "baidu"
            | "yandex"
            | "ask"
            | "aol"
            | "ecosia"
            | "startpage"
            | "qwant"
            | "sogou"
            | "naver"
            | "seznam"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log;
    use crate::play::Source;

    #[test]
    fn counts_by_path() {
        let line = |path: &str, bytes: &str, referrer: &str| {
            format!(r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET {path} HTTP/1.1" 200 {bytes} "{referrer}" "agent"#)
        };
        let text = [
            line("/a", "19999", "-"),
            line("/a?x", "20000", "http://example.com/"),
            line("/a", "-", "http://www.example.com/list/"),
            line("/b", "1", "http://www.bing.com/?q=a"),
            "no request".to_owned(),
        ]
        .join("\n");
        let expected = count(&text, "example.com");
        assert_eq!((expected.unreadable, expected.plays()), (1, 4));
        assert_eq!(
            expected.paths["/a"],
            Numbers {
                plays: 3,
                qualified: 2,
                skipped: 1,
                milliseconds: 39_999,
                by_source: [("direct", 1), ("landing", 1), ("playlist", 1)].map(|(key, n)| (key.to_owned(), n)).into(),
            }
        );
        assert_eq!(expected.paths["/b"].by_source["search"], 1);
    }

    /// Two readings written apart agree, also on what is unusual.
    #[test]
    fn agrees_with_the_events() {
        let referrers = [
            "-",
            "",
            "http://example.com",
            "http://www.example.com/",
            "http://example.com/?a/",
            "http://example.com/#top",
            "HTTP://EXAMPLE.COM/a/b/",
            "http://example.com:81/a/b",
            "http://example.com/a/?b",
            "//example.com/",
            "example.com/",
            "https://google.de",
            "https://www.google.com/search?q=/",
            "http://ask.example.org/",
            "http://example.com.evil.net/",
            "android-app://com.google.android.gm",
            r#"http://a/\"b\\"#,
        ];
        for referrer in referrers {
            let line =
                format!(r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a\\b\"c HTTP/1.1" 200 7 "{referrer}" "-""#);
            let (requests, unreadable) = access_log::read(&line);
            let expected = count(&line, "example.com");
            assert_eq!(unreadable.len(), expected.unreadable, "{line}");
            let request = requests.first().unwrap();
            let numbers = &expected.paths[request.path];
            let source = serde_json::to_value(Source::of(request.referrer, "example.com")).unwrap();
            assert_eq!(numbers.by_source.keys().collect::<Vec<_>>(), [source.as_str().unwrap()], "{line}");
        }
    }
}
