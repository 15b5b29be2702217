//! What an HTTP function is asked.

use std::net::IpAddr;
use std::str::FromStr;

use http::Method;
use http::header::{self, HeaderName};
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::etag::Tags;
use super::identity::{Fault, Verdict};
use super::problem::Problem;
use crate::domain::caller::Caller;
use crate::domain::country::Country;
use crate::domain::fact::{MAX_USER_AGENT, Origin};
use crate::domain::fields::Invalid;
use crate::domain::id::UserId;

/// The client program and its network, as the request alone tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The `User-Agent` header, as it came.
    pub user_agent: Option<String>,
    /// What may be kept of it all.
    pub origin: Origin,
}

/// A request whose caller is known.
#[derive(Debug)]
pub struct Request {
    inner: lambda_http::Request,
    /// Who calls.
    pub caller: Caller,
    /// The id that logs and problems carry.
    pub id: String,
    /// Until when an answer must be ready to arrive in time.
    pub deadline: Instant,
}

impl Request {
    pub(super) fn new(inner: lambda_http::Request, caller: Caller, id: String, deadline: Instant) -> Self {
        Self { inner, caller, id, deadline }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.inner.method()
    }

    /// What the person who calls is called, if the token says so.
    #[must_use]
    pub fn caller_name(&self) -> Option<String> {
        verdict(&self.inner).ok()?.name().map(str::to_owned)
    }

    /// The person who calls.
    ///
    /// # Errors
    /// If nobody is signed in.
    pub fn user(&self) -> Result<&UserId, Problem> {
        self.caller.user().ok_or(Problem::Unauthenticated(Fault::Missing))
    }

    /// A parameter of the path, parsed.
    ///
    /// # Errors
    /// If it is not what the route needs.
    pub fn path<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<T, Problem> {
        let parameters: QueryMap = self.inner.path_parameters();
        let text = parameters.first(name).ok_or_else(|| Invalid::new(name, "is missing"))?;
        Ok(text.parse().map_err(|error: T::Err| Invalid::new(name, error))?)
    }

    /// Whether the path has a parameter.
    #[must_use]
    pub fn has_path(&self, name: &str) -> bool {
        self.inner.path_parameters().first(name).is_some()
    }

    /// A parameter of the query, parsed, if it is there.
    ///
    /// # Errors
    /// If it is there twice, or not what the route needs.
    pub fn query<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<Option<T>, Problem> {
        let parameters = self.inner.query_string_parameters();
        match parameters.all(name).unwrap_or_default().as_slice() {
            [] => Ok(None),
            [text] => parsed(name, text).map(Some),
            _ => Err(Problem::query(Invalid::new(name, "must be given once"))),
        }
    }

    /// Every value of a parameter of the query, parsed; it may be there several times, and hold several values with
    /// commas between them.
    ///
    /// # Errors
    /// If one of them is not what the route needs.
    pub fn query_list<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<Vec<T>, Problem> {
        let parameters = self.inner.query_string_parameters();
        let values = parameters.all(name).unwrap_or_default();
        values.into_iter().flat_map(|value| value.split(',')).map(|text| parsed(name, text)).collect()
    }

    /// A header, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The write key that an anonymous caller shows, as the authorizer reads it.
    #[must_use]
    pub fn write_key(&self) -> Option<String> {
        let in_query = || self.inner.query_string_parameters().first("writeKey").map(str::to_owned);
        let in_header = self.header(&HeaderName::from_static("x-write-key")).map(str::to_owned);
        in_header.or_else(in_query)
    }

    /// The entity tags of a precondition, if there is one.
    #[must_use]
    pub fn tags(&self, name: &HeaderName) -> Option<Tags> {
        self.header(name).map(Tags::parse)
    }

    /// The body as JSON, of at most `limit` bytes.
    ///
    /// # Errors
    /// If it is larger, of another content type, or no JSON.
    pub fn json(&self, limit: usize, content_types: &[&str]) -> Result<Value, Problem> {
        if let Some(essence) = self.content_type()
            && !content_types.iter().any(|taken| essence.eq_ignore_ascii_case(taken))
        {
            return Err(Problem::UnsupportedMediaType(content_types.join(", ")));
        }
        let body = self.bytes(limit)?;
        serde_json::from_slice(body).map_err(|error| Problem::Malformed(format!("the body is not JSON: {error}")))
    }

    /// The body as text, of at most `limit` bytes.
    ///
    /// # Errors
    /// If it is larger, of another content type, or no UTF-8.
    pub fn text(&self, limit: usize, content_types: &[&str]) -> Result<&str, Problem> {
        if let Some(essence) = self.content_type()
            && !content_types.iter().any(|taken| essence.eq_ignore_ascii_case(taken))
        {
            return Err(Problem::UnsupportedMediaType(content_types.join(", ")));
        }
        let body = self.bytes(limit)?;
        std::str::from_utf8(body).map_err(|error| Problem::Malformed(format!("the body is not UTF-8: {error}")))
    }

    /// The fields of a form, or of an object of JSON, of at most `limit` bytes; the last of those of one name counts.
    ///
    /// # Errors
    /// If it is larger, of another content type, or neither.
    pub fn form(&self, limit: usize) -> Result<Map<String, Value>, Problem> {
        const FORM: &str = "application/x-www-form-urlencoded";
        if self.content_type().is_some_and(|essence| essence.eq_ignore_ascii_case(FORM)) {
            let fields = form_urlencoded::parse(self.bytes(limit)?);
            return Ok(fields.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect());
        }
        match self.json(limit, &[FORM, "application/json"])? {
            Value::Object(fields) => Ok(fields),
            _ => Err(Invalid::new("body", "must be an object").into()),
        }
    }

    fn content_type(&self) -> Option<&str> {
        self.header(&header::CONTENT_TYPE).map(|given| given.split(';').next().unwrap_or_default().trim())
    }

    fn bytes(&self, limit: usize) -> Result<&[u8], Problem> {
        let body = match self.inner.body() {
            Body::Empty => &[],
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes.as_slice(),
            _ => return Err(Problem::Malformed("the body cannot be read".to_owned())),
        };
        if body.len() > limit {
            return Err(Problem::TooLarge { limit });
        }
        Ok(body)
    }

    /// The client program and its network.
    #[must_use]
    pub fn client(&self) -> Client {
        let address = match self.inner.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
            _ => None,
        };
        let user_agent = self.header(&header::USER_AGENT).filter(|agent| !agent.is_empty());
        Client {
            user_agent: user_agent.map(str::to_owned),
            origin: Origin {
                user_agent: user_agent.map(|agent| agent.chars().take(MAX_USER_AGENT).collect()),
                network: address.and_then(|address| address.parse().ok()).map(network),
                country: None,
            },
        }
    }

    /// The country that the edge in front of the API says the client is in. Anybody can send that header, so it is worth
    /// something only where nothing but the edge reaches the API.
    #[must_use]
    pub fn viewer_country(&self) -> Option<Country> {
        self.header(&HeaderName::from_static("cloudfront-viewer-country"))?.parse().ok()
    }
}

fn parsed<T: FromStr<Err: ToString>>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::query(Invalid::new(name, error)))
}

/// The network of an address: its first 24 bits, or 48 of IPv6. An address itself is never kept.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// What the authorizer said of the caller of a request.
pub(super) fn verdict(request: &lambda_http::Request) -> Result<Verdict, Fault> {
    let context: Map<String, Value> = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            let authorizer = context.authorizer.as_ref();
            authorizer.map(|authorizer| authorizer.fields.clone().into_iter().collect()).unwrap_or_default()
        }
        _ => Map::new(),
    };
    Verdict::from_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Source;
    use crate::domain::id::TrackId;

    fn asked(query: &str) -> Request {
        let parameters: QueryMap = query.parse().unwrap();
        let inner = lambda_http::Request::new(Body::Empty).with_query_string_parameters(parameters);
        Request::new(inner, Caller::Anonymous, String::new(), Instant::now())
    }

    #[track_caller]
    fn is_refused<T: std::fmt::Debug>(asked: Result<T, Problem>) {
        let Err(Problem::Query(wrong)) = asked else { panic!("{asked:?}") };
        assert_eq!(wrong.iter().map(|invalid| invalid.field).collect::<Vec<_>>(), ["q"]);
    }

    #[test]
    fn a_parameter_of_the_query_is_there_once_or_not_at_all() {
        assert_eq!(asked("q=a%3Ab&other=x").query::<TrackId>("q").unwrap().unwrap().as_str(), "a:b");
        assert_eq!(asked("other=x").query::<TrackId>("q").unwrap(), None);
        for query in ["q=", "q", "q=a%20b", "q=a,b", "q=a&q=a"] {
            is_refused(asked(query).query::<TrackId>("q"));
        }
    }

    #[test]
    fn a_list_comes_in_pieces_or_with_commas() {
        let expected = [Source::Search, Source::Share, Source::Direct];
        assert_eq!(asked("q=search&q=share,direct").query_list::<Source>("q").unwrap(), expected);
        assert_eq!(asked("other=x").query_list::<Source>("q").unwrap(), []);
        for query in ["q=", "q=search,", "q=search&q=radio"] {
            is_refused(asked(query).query_list::<Source>("q"));
        }
    }

    #[test]
    fn addresses_are_cut_to_their_network() {
        for (address, expected) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected);
        }
    }
}
