//! What the headers of a request say, read once, before its handler sees it. A header that means something and cannot be read
//! is an error and never an absent one: whoever guards a deletion by a precondition wants it held, whatever became of it
//! on the way.

use http::HeaderMap;
use http::header::{self, HeaderName};

use super::etag::Tags;
use super::problem::Problem;
use domain::id::IdempotencyKey;

/// The header that names a request ([draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The coding of a body that is sent as it is ([RFC 9110, section 8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)).
const IDENTITY: &str = "identity";

/// The headers that mean something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Headers {
    /// Which versions are to be changed.
    pub(super) if_match: Option<Tags>,
    /// Which versions the caller has, or which are not to be changed.
    pub(super) if_none_match: Option<Tags>,
    /// What makes it one request however often it is sent.
    pub(super) idempotency_key: Option<IdempotencyKey>,
    /// The type of the body, without its parameters.
    pub(super) content_type: Option<String>,
    /// Whether the body is coded in some way.
    pub(super) is_coded: bool,
}

impl Headers {
    /// Reads them.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let tags = |name| text(headers, name)?.map(|text| tags(name, text)).transpose();
        let key = text(headers, &IDEMPOTENCY_KEY)?.map(key).transpose()?;
        let content_type = text(headers, &header::CONTENT_TYPE)?.map(essence).transpose()?;
        let coding = text(headers, &header::CONTENT_ENCODING)?;
        Ok(Self {
            if_match: tags(&header::IF_MATCH)?,
            if_none_match: tags(&header::IF_NONE_MATCH)?,
            idempotency_key: key,
            content_type,
            is_coded: coding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case(IDENTITY)),
        })
    }
}

/// The text of a header that may be there once. The gateway joins those of one name by commas.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(unreadable(name, "must be sent only once"));
    }
    value.to_str().map(Some).map_err(|_| unreadable(name, "must have only visible ASCII characters"))
}

fn unreadable(name: &HeaderName, reason: impl std::fmt::Display) -> Problem {
    let name: Vec<String> = name.as_str().split('-').map(capitalized).collect();
    Problem::Header { name: name.join("-"), reason: reason.to_string() }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn tags(name: &HeaderName, text: &str) -> Result<Tags, Problem> {
    Tags::parse(text).map_err(|error| unreadable(name, error))
}

/// A key; the draft has it as a quoted string, most clients send it bare.
fn key(text: &str) -> Result<IdempotencyKey, Problem> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    bare.parse().map_err(|error| unreadable(&IDEMPOTENCY_KEY, error))
}

/// A media type without its parameters. One that nobody knows is unknown; two of them are none.
fn essence(text: &str) -> Result<String, Problem> {
    // Commas may stand in a parameter that is quoted.
    let is_list = text.split('"').step_by(2).any(|unquoted| unquoted.contains(','));
    if is_list {
        return Err(unreadable(&header::CONTENT_TYPE, "must be sent only once"));
    }
    Ok(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(name: &HeaderName, values: &[&[u8]]) -> Result<Headers, Problem> {
        let values = values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        Headers::read(&headers)
    }

    #[test]
    fn a_header_that_cannot_be_read_is_an_error_and_not_absent() {
        let unreadable: [(HeaderName, &[&[u8]]); 14] = [
            (header::IF_MATCH, &["“v1”".as_bytes()]),
            (header::IF_MATCH, &[b"v1"]),
            (header::IF_MATCH, &[b"\"v1"]),
            (header::IF_MATCH, &[b""]),
            (header::IF_MATCH, &[b"\"v1\"", b"\"v2\""]),
            (header::IF_NONE_MATCH, &[b"w/\"v1\""]),
            (header::IF_NONE_MATCH, &[b"*, \"v1\""]),
            (IDEMPOTENCY_KEY, &["ключ-1".as_bytes()]),
            (IDEMPOTENCY_KEY, &[b"\"k"]),
            (IDEMPOTENCY_KEY, &[b"k,k"]),
            (IDEMPOTENCY_KEY, &[b"k", b"k"]),
            (header::CONTENT_TYPE, &[b"application/json,application/json"]),
            (header::CONTENT_TYPE, &["application/jsön".as_bytes()]),
            (header::CONTENT_ENCODING, &[b"\xff"]),
        ];
        for (name, values) in unreadable {
            let Err(Problem::Header { name: named, .. }) = read(&name, values) else { panic!("{name}: {values:?}") };
            assert!(named.eq_ignore_ascii_case(name.as_str()), "{named}");
        }
    }

    #[test]
    fn what_can_be_read_is() {
        assert_eq!(Headers::read(&HeaderMap::new()).unwrap(), Headers::default());
        let key = |text: &[u8]| read(&IDEMPOTENCY_KEY, &[text]).unwrap().idempotency_key.unwrap().to_string();
        assert_eq!((key(b"k-1").as_str(), key(b" \"k-1\" ").as_str()), ("k-1", "k-1"));
        let kind = read(&header::CONTENT_TYPE, &[b"Application/JSON; charset=utf-8"]).unwrap().content_type;
        assert_eq!(kind.as_deref(), Some("application/json"));
        let quoted = read(&header::CONTENT_TYPE, &[b"text/plain; a=\"b,c\""]).unwrap().content_type;
        assert_eq!(quoted.as_deref(), Some("text/plain"));
        for (coding, is_coded) in [("identity", false), ("Identity", false), ("gzip", true), ("br, identity", true)] {
            assert_eq!(read(&header::CONTENT_ENCODING, &[coding.as_bytes()]).unwrap().is_coded, is_coded, "{coding}");
        }
    }
}
