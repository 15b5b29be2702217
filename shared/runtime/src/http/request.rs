//! What an HTTP function is asked.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use http::Method;
use http::header::{self, HeaderName};
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::etag::Tag;
use super::function::Access;
use super::headers::Headers;
use super::identity::{Fault, Verdict};
use super::problem::Problem;
use domain::caller::Caller;
use domain::country::Country;
use domain::fact::{MAX_USER_AGENT, Origin};
use domain::id::UserId;
use domain::validation::{InvalidField, nearest};

/// The client program and its network, as the request alone states them.
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
    headers: Headers,
    parameters: &'static [&'static str],
    /// Who calls.
    pub caller: Caller,
    /// The id that logs and problems carry.
    pub id: String,
    /// Until when an answer must be ready to arrive in time.
    pub deadline: Instant,
}

impl Request {
    /// A request of a route that takes these parameters in its query.
    ///
    /// # Errors
    /// If it has other parameters, or a header that means something and cannot be read.
    pub(super) fn read(
        inner: lambda_http::Request,
        caller: Caller,
        (id, deadline): (String, Instant),
        (access, parameters): (Access, &'static [&'static str]),
    ) -> Result<Self, Problem> {
        let headers = Headers::read(inner.headers())?;
        unknown_parameters(&inner, access, parameters)?;
        Ok(Self { inner, headers, parameters, caller, id, deadline })
    }

    pub(super) fn headers(&self) -> &Headers {
        &self.headers
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
    /// The caller is not signed in.
    pub fn user(&self) -> Result<&UserId, Problem> {
        self.caller.user().ok_or(Problem::Unauthenticated(Fault::Missing))
    }

    /// A parameter of the path, parsed.
    ///
    /// # Errors
    /// If it is not what the route needs.
    pub fn path<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<T, Problem> {
        let parameters: QueryMap = self.inner.path_parameters();
        let text = parameters.first(name).ok_or_else(|| InvalidField::new(name, "is required"))?;
        Ok(text.parse().map_err(|error: T::Err| InvalidField::new(name, error))?)
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
        self.declares(name)?;
        let parameters = self.inner.query_string_parameters();
        match parameters.all(name).unwrap_or_default().as_slice() {
            [] => Ok(None),
            [text] => parsed(name, text).map(Some),
            _ => Err(Problem::query(InvalidField::new(name, "must be given only once"))),
        }
    }

    /// Every value of a parameter of the query, parsed; it may be there several times, and hold several values with
    /// commas between them.
    ///
    /// # Errors
    /// If one of them is not what the route needs.
    pub fn query_list<T: FromStr<Err: ToString>>(&self, name: &'static str) -> Result<Vec<T>, Problem> {
        self.declares(name)?;
        let parameters = self.inner.query_string_parameters();
        let values = parameters.all(name).unwrap_or_default();
        values.into_iter().flat_map(|value| value.split(',')).map(|text| parsed(name, text)).collect()
    }

    /// The query, read parameter by parameter.
    #[must_use]
    pub fn query_reader(&self) -> QueryReader<'_> {
        QueryReader { request: self, wrong: Vec::new(), unknown: false }
    }

    /// The write key that an anonymous caller shows, as the authorizer reads it.
    #[must_use]
    pub fn write_key(&self) -> Option<String> {
        let in_query = || self.inner.query_string_parameters().first(WRITE_KEY).map(str::to_owned);
        let in_header = self.described(&HeaderName::from_static("x-write-key")).map(Cow::into_owned);
        in_header.or_else(in_query)
    }

    /// A function declares the parameters that it reads: one that it forgot could never be given.
    fn declares(&self, name: &str) -> Result<(), Problem> {
        if self.parameters.contains(&name) {
            return Ok(());
        }
        tracing::error!(parameter = name, "the parameter {name} is read and not declared");
        Err(Problem::Internal)
    }

    /// Whether the caller has what has this tag already.
    #[must_use]
    pub fn has(&self, tag: &Tag) -> bool {
        self.headers.if_none_match.as_ref().is_some_and(|tags| tags.include_weakly(tag))
    }

    /// A header that only describes the caller, if it is there; what cannot be read of it is replaced.
    fn described(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        self.inner.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// The body as JSON, of at most `limit` bytes.
    ///
    /// # Errors
    /// If it is larger, of another content type, or no JSON.
    pub fn json(&self, limit: usize, content_types: &[&str]) -> Result<Value, Problem> {
        if self.headers.content_type.as_deref().is_some_and(|essence| !content_types.contains(&essence)) {
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
        if self.headers.content_type.as_deref().is_some_and(|essence| !content_types.contains(&essence)) {
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
        if self.headers.content_type.as_deref() == Some(FORM) {
            let fields = form_urlencoded::parse(self.bytes(limit)?);
            return Ok(fields.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect());
        }
        match self.json(limit, &[FORM, "application/json"])? {
            Value::Object(fields) => Ok(fields),
            _ => Err(InvalidField::new("body", "must be an object").into()),
        }
    }

    fn bytes(&self, limit: usize) -> Result<&[u8], Problem> {
        if self.headers.is_coded {
            return Err(Problem::UnsupportedCoding);
        }
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
        let user_agent = self.described(&header::USER_AGENT).filter(|agent| !agent.is_empty());
        Client {
            origin: Origin {
                user_agent: user_agent.as_ref().map(|agent| agent.chars().take(MAX_USER_AGENT).collect()),
                network: address.and_then(|address| address.parse().ok()).map(network),
                country: None,
            },
            user_agent: user_agent.map(Cow::into_owned),
        }
    }

    /// The country that the edge in front of the API says the client is in. Anybody can send that header, so it is worth
    /// something only where nothing but the edge reaches the API.
    #[must_use]
    pub fn viewer_country(&self) -> Option<Country> {
        self.described(&HeaderName::from_static("cloudfront-viewer-country"))?.parse().ok()
    }
}

/// A query that is read parameter by parameter, so that all its errors are reported at once.
#[derive(Debug)]
pub struct QueryReader<'a> {
    request: &'a Request,
    wrong: Vec<InvalidField>,
    /// Whether a parameter is read that was not declared.
    unknown: bool,
}

impl QueryReader<'_> {
    /// A parameter, parsed, if it is there and right.
    pub fn one<T: FromStr<Err: ToString>>(&mut self, name: &'static str) -> Option<T> {
        let read = self.request.query(name);
        self.keep(read)
    }

    /// Every value of a parameter, parsed, if all of them are right.
    pub fn list<T: FromStr<Err: ToString>>(&mut self, name: &'static str) -> Vec<T> {
        let read = self.request.query_list(name).map(Some);
        self.keep(read).unwrap_or_default()
    }

    /// Whether a parameter was found wrong.
    #[must_use]
    pub fn has_refused(&self, name: &str) -> bool {
        self.wrong.iter().any(|wrong| wrong.field == name)
    }

    /// One more rule that is broken.
    pub fn refuse(&mut self, name: &'static str, reason: impl ToString) {
        self.wrong.push(InvalidField::new(name, reason));
    }

    fn keep<T>(&mut self, read: Result<Option<T>, Problem>) -> Option<T> {
        match read {
            Ok(value) => value,
            Err(Problem::Query(wrong)) => {
                self.wrong.extend(wrong);
                None
            }
            Err(_) => {
                self.unknown = true;
                None
            }
        }
    }

    /// That all of it was right.
    ///
    /// # Errors
    /// Everything that was not.
    pub fn done(self) -> Result<(), Problem> {
        match (self.unknown, self.wrong) {
            (true, _) => Err(Problem::Internal),
            (false, wrong) if wrong.is_empty() => Ok(()),
            (false, wrong) => Err(Problem::Query(wrong)),
        }
    }
}

/// The query parameter in which a write key may stand, where a route takes one.
const WRITE_KEY: &str = "writeKey";

/// How many unknown parameters are named at most.
const MAX_NAMED: usize = 10;

/// The longest name of an unknown parameter that is repeated in full, in characters.
const MAX_NAME: usize = 64;

/// Whoever mistypes a filter would otherwise be answered everything.
fn unknown_parameters(request: &lambda_http::Request, access: Access, known: &[&'static str]) -> Result<(), Problem> {
    let parameters = request.query_string_parameters();
    let given: BTreeSet<&str> = parameters.iter().map(|(name, _)| name).collect();
    let is_key = |name: &str| access == Access::WriteKey && name == WRITE_KEY;
    let unknown = given.into_iter().filter(|name| !known.contains(name) && !is_key(name));
    let wrong: Vec<InvalidField> = unknown.take(MAX_NAMED).map(|name| unknown_parameter(name, known)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Query(wrong)) }
}

fn unknown_parameter(name: &str, known: &[&'static str]) -> InvalidField {
    let reason = match nearest(name, known) {
        Some(meant) => {
            format!("is not a parameter of this route; did you mean {meant}? The route accepts {}", known.join(", "))
        }
        None if known.is_empty() => "is not a parameter of this route, which accepts none".to_owned(),
        None => format!("is not a parameter of this route, which accepts {}", known.join(", ")),
    };
    InvalidField::new(name.chars().take(MAX_NAME).collect::<String>(), reason)
}

fn parsed<T: FromStr<Err: ToString>>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::query(InvalidField::new(name, error)))
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
    use domain::event::Source;
    use domain::id::TrackId;

    fn read(query: &str, access: Access, known: &'static [&'static str]) -> Result<Request, Problem> {
        let parameters: QueryMap = query.parse().unwrap();
        let inner = lambda_http::Request::new(Body::Empty).with_query_string_parameters(parameters);
        Request::read(inner, Caller::Anonymous, (String::new(), Instant::now()), (access, known))
    }

    fn asked(query: &str) -> Request {
        read(query, Access::Public, &["q", "other"]).unwrap()
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_refused_and_the_known_ones_are_named() {
        for (query, access, named) in [
            ("nonsense=1", Access::Public, Some("accepts from, to")),
            ("form=1&to=2", Access::SignedIn, Some("did you mean from? The route accepts from, to")),
            ("From=1", Access::SignedIn, Some("did you mean from?")),
            ("=", Access::Public, Some("accepts from, to")),
            ("writeKey=k", Access::Public, Some("accepts from, to")),
            ("writeKey=k", Access::SignedIn, Some("accepts from, to")),
            ("writeKey=k&from=1", Access::WriteKey, None),
            ("", Access::Public, None),
        ] {
            match (read(query, access, &["from", "to"]), named) {
                (Ok(_), None) => {}
                (Err(Problem::Query(wrong)), Some(named)) => {
                    assert!(wrong.len() == 1 && wrong[0].reason.contains(named), "{query}: {wrong:?}");
                }
                (read, _) => panic!("{query}: {read:?}"),
            }
        }
        let Err(Problem::Query(wrong)) = read("a=1&b=2&a=3", Access::Public, &[]) else { panic!() };
        assert_eq!(wrong.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_parameter_that_is_read_must_be_declared() {
        assert!(matches!(asked("q=a").query::<TrackId>("undeclared"), Err(Problem::Internal)));
    }

    #[track_caller]
    fn is_refused<T: std::fmt::Debug>(asked: Result<T, Problem>) {
        let Err(Problem::Query(wrong)) = asked else { panic!("{asked:?}") };
        assert_eq!(wrong.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(), ["q"]);
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
    fn all_that_is_wrong_with_a_query_is_told_at_once() {
        let request = asked("q=a%20b&other=");
        let mut query = request.query_reader();
        assert_eq!((query.one::<TrackId>("q"), query.list::<Source>("other")), (None, vec![]));
        let Err(Problem::Query(wrong)) = query.done() else { panic!() };
        assert_eq!(wrong.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(), ["q", "other"]);
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
