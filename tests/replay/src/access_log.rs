//! Lines of an Apache access log in the combined format.
//!
//! `address identity user [time] "request" status bytes "referrer" "user agent"`, where a quoted
//! field writes a quote as `\"` and a backslash as `\\`. Fields keep these escapes.

use chrono::{DateTime, Utc};

/// A request of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its line in the file, from 1.
    pub number: usize,
    /// The whole line.
    pub line: &'a str,
    /// The client's address or host name.
    pub address: &'a str,
    /// When the server got it.
    pub time: DateTime<Utc>,
    /// The path, without the query.
    pub path: &'a str,
    /// Bytes of the answer's body; absent where it had none.
    pub bytes: Option<u64>,
    /// The referrer.
    pub referrer: Option<&'a str>,
}

/// A malformed line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub struct Unreadable {
    /// The line in the file, from 1.
    pub number: usize,
    /// The problem.
    pub reason: &'static str,
}

/// Reads a log: its requests, and the lines that tell of none. Empty lines are neither.
#[must_use]
pub fn read(text: &str) -> (Vec<Request<'_>>, Vec<Unreadable>) {
    let mut requests = Vec::new();
    let mut unreadable = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        match parse(number, line) {
            Ok(request) => requests.push(request),
            Err(reason) => unreadable.push(Unreadable { number, reason }),
        }
    }
    (requests, unreadable)
}

fn parse(number: usize, line: &str) -> Result<Request<'_>, &'static str> {
    let (address, rest) = line.split_once(' ').ok_or("no client address")?;
    let (_, rest) = rest.split_once('[').ok_or("no time")?;
    let (time, rest) = rest.split_once(']').ok_or("no time")?;
    let time = DateTime::parse_from_str(time, "%d/%b/%Y:%H:%M:%S %z").map_err(|_| "malformed time")?;
    let (request, rest) = quoted(rest).ok_or("no request")?;
    let (numbers, rest) = rest.split_at(rest.find('"').ok_or("no referrer")?);
    let (referrer, _) = quoted(rest).ok_or("no referrer")?;

    let [_method, target, protocol] = words(request).ok_or("malformed request")?;
    if !protocol.starts_with("HTTP/") {
        return Err("malformed request");
    }
    let [_status, bytes] = words(numbers).ok_or("no status and bytes")?;
    Ok(Request {
        number,
        line,
        address,
        time: time.to_utc(),
        path: target.split_once('?').map_or(target, |(path, _query)| path),
        bytes: if bytes == "-" { None } else { Some(bytes.parse().map_err(|_| "malformed bytes")?) },
        referrer: (!matches!(referrer, "" | "-")).then_some(referrer),
    })
}

/// The words of a text, if there are exactly so many.
fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split_ascii_whitespace().collect::<Vec<_>>().try_into().ok()
}

/// The quoted field that comes next, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"83.149.9.216 - - [17/May/2015:12:05:03 +0200] "GET /images/a.png?x=1 HTTP/1.1" 200 203023 "http://example.com/" "Mozilla/5.0 (X11)""#;

    #[test]
    fn reads_every_field() {
        let (requests, unreadable) = read(LINE);
        assert_eq!(unreadable, []);
        assert_eq!(
            requests,
            [Request {
                number: 1,
                line: LINE,
                address: "83.149.9.216",
                time: "2015-05-17T10:05:03Z".parse().unwrap(),
                path: "/images/a.png",
                bytes: Some(203_023),
                referrer: Some("http://example.com/"),
            }]
        );
    }

    #[test]
    fn reads_what_is_absent_escaped_or_cut_off() {
        let line = r#"::1 - - [17/May/2015:10:05:03 +0000] "HEAD /a\"b HTTP/1.0" 304 - "-" "no end"#;
        let (requests, unreadable) = read(line);
        assert_eq!(unreadable, []);
        assert_eq!(requests[0].path, r#"/a\"b"#);
        assert_eq!((requests[0].bytes, requests[0].referrer), (None, None));
    }

    #[test]
    fn names_each_line_that_tells_of_no_request() {
        let bad = [
            "one-word",
            r#"1.2.3.4 - - "GET / HTTP/1.1" 200 1 "-" "-""#,
            r#"1.2.3.4 - - [yesterday] "GET / HTTP/1.1" 200 1 "-" "-""#,
            r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-""#,
            r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200"#,
            r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 many "-" "-""#,
        ];
        let text = format!("{}\n\n{LINE}\n", bad.join("\n"));
        let (requests, unreadable) = read(&text);
        assert_eq!(requests.iter().map(|request| request.number).collect::<Vec<_>>(), [8]);
        assert_eq!(unreadable.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(unreadable[3].to_string(), "line 4: malformed request");
    }
}
