//! The events that API Gateway makes of a request, in payload format 2.0.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{self, HeaderMap};
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::routes::decoded;
use crate::wire::{ACCOUNT, REGION};

/// The stage that everything is served from.
const STAGE: &str = "$default";

/// Headers that concern the connection alone.
const CONNECTION_HEADERS: [header::HeaderName; 5] =
    [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE];

/// The part that the events for the authorizer and for the function share.
pub(super) struct RequestFacts {
    pub(super) request_id: String,
    pub(super) received: DateTime<Utc>,
    pub(super) caller: SocketAddr,
    pub(super) port: u16,
    pub(super) api_id: String,
    pub(super) route_key: String,
    pub(super) path_parameters: BTreeMap<String, String>,
}

impl RequestFacts {
    /// The event for the function that the route leads to.
    pub(super) fn for_function(&self, parts: &Parts, body: &[u8], context: Option<&Value>) -> String {
        let (body, is_base64) = encode(&parts.headers, body);
        let mut event = self.common(parts);
        if let Some(request_context) = event.get_mut("requestContext")
            && let Some(context) = context
        {
            request_context["authorizer"] = json!({ "lambda": context });
        }
        if let Some(body) = body {
            event.insert("body".to_owned(), Value::String(body));
        }
        event.insert("isBase64Encoded".to_owned(), Value::Bool(is_base64));
        Value::Object(event).to_string()
    }

    /// The event for an authorizer; `identity` is what it knows callers by.
    pub(super) fn for_authorizer(&self, parts: &Parts, identity: &[String]) -> String {
        let mut event = self.common(parts);
        event.insert("type".to_owned(), Value::from("REQUEST"));
        event.insert(
            "routeArn".to_owned(),
            Value::from(format!(
                "arn:aws:execute-api:{REGION}:{ACCOUNT}:{}/{STAGE}/{}{}",
                self.api_id,
                parts.method,
                parts.uri.path()
            )),
        );
        let identity = if identity.is_empty() { Value::Null } else { Value::from(identity) };
        event.insert("identitySource".to_owned(), identity);
        Value::Object(event).to_string()
    }

    fn common(&self, parts: &Parts) -> Map<String, Value> {
        let path = decoded(parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let host = text(parts.headers.get(header::HOST));
        let domain = host.rsplit_once(':').map_or(host.as_str(), |(domain, _)| domain);
        let caller = self.caller.ip().to_string();
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("version", Value::from("2.0"));
        put("routeKey", Value::from(self.route_key.as_str()));
        put("rawPath", Value::from(path.as_str()));
        put("rawQueryString", Value::from(query));
        let cookies = cookies(&parts.headers);
        if !cookies.is_empty() {
            put("cookies", Value::from(cookies));
        }
        put("headers", Value::Object(self.headers(&parts.headers, &caller)));
        let parameters = query_parameters(query);
        if !parameters.is_empty() {
            put("queryStringParameters", Value::Object(parameters));
        }
        if !self.path_parameters.is_empty() {
            put("pathParameters", json!(self.path_parameters));
        }
        put(
            "requestContext",
            json!({
                "accountId": ACCOUNT,
                "apiId": self.api_id,
                "domainName": domain,
                "domainPrefix": domain.split('.').next(),
                "http": {
                    "method": parts.method.as_str(),
                    "path": path,
                    "protocol": format!("{:?}", parts.version),
                    "sourceIp": caller,
                    "userAgent": text(parts.headers.get(header::USER_AGENT)),
                },
                "requestId": self.request_id,
                "routeKey": self.route_key,
                "stage": STAGE,
                "time": self.received.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
                "timeEpoch": self.received.timestamp_millis(),
            }),
        );
        event
    }

    fn headers(&self, headers: &HeaderMap, caller: &str) -> Map<String, Value> {
        let mut event = Map::new();
        for name in headers.keys().filter(|name| **name != header::COOKIE && !CONNECTION_HEADERS.contains(name)) {
            let values: Vec<String> = headers.get_all(name).iter().map(|value| text(Some(value))).collect();
            event.insert(name.as_str().to_owned(), Value::from(values.join(",")));
        }
        let forwarded = match event.get("x-forwarded-for").and_then(Value::as_str) {
            Some(before) => format!("{before}, {caller}"),
            None => caller.to_owned(),
        };
        event.insert("x-forwarded-for".to_owned(), Value::from(forwarded));
        event.insert("x-forwarded-proto".to_owned(), Value::from("http"));
        event.insert("x-forwarded-port".to_owned(), Value::from(self.port.to_string()));
        event
    }
}

/// The parameters of a query, decoded; values of the same name are joined by commas.
pub(super) fn query_parameters(query: &str) -> Map<String, Value> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters.into_iter().map(|(name, values)| (name, Value::from(values.join(",")))).collect()
}

/// The text of a header. Invalid UTF-8 is replaced.
pub(super) fn text(value: Option<&header::HeaderValue>) -> String {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::COOKIE).iter().map(|value| text(Some(value)));
    values.flat_map(|value| value.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()).collect()
}

/// The body as an event carries it, and whether it is base64: as API Gateway does it, all but text, JSON,
/// XML and JavaScript is, form data and bodies without a content type included.
fn encode(headers: &HeaderMap, body: &[u8]) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = text(headers.get(header::CONTENT_TYPE)).to_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = essence.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&essence);
    match std::str::from_utf8(body) {
        Ok(body) if is_text => (Some(body.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}
