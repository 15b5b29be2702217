//! Responses: those of functions, as API Gateway converts them, and its own.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Headers that the gateway sets by itself.
const OWN_HEADERS: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// An answer in payload format 2.0. Format 1.0's `multiValueHeaders` are passed over, as API Gateway does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    status_code: u16,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// Why a request was rejected, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// The request id that the caller knows, if the function returned one.
    pub(super) request_id: Option<String>,
}

impl Refusal {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), request_id: None }
    }

    /// The reason in a response of a function: the detail and errors of a problem, or the message of the body.
    pub(super) fn of_function(answer: &str) -> Self {
        let body = serde_json::from_str::<Structured>(answer).ok().and_then(|answer| answer.body).unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut reason = ["detail", "title", "message"].into_iter().find_map(|name| text(&body, name));
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let errors: Vec<String> =
            errors.filter_map(|error| Some(format!("{} {}", text(error, "field")?, text(error, "reason")?))).collect();
        if !errors.is_empty() {
            let detail = reason.unwrap_or_default();
            reason = Some(format!("{detail}: {}", errors.join("; ")));
        }
        let reason = reason.unwrap_or_else(|| "the function gives no reason".to_owned());
        Self { reason, request_id: text(&body, "requestId") }
    }
}

/// An answer of the gateway itself.
pub(super) fn message(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The response that a function's JSON describes; `None` if it is not a response.
pub(super) fn of_function(answer: &str) -> Option<Response<Body>> {
    let value: Value = serde_json::from_str(answer).ok()?;
    if value.get("statusCode").is_some() {
        return structured(serde_json::from_value(value).ok()?);
    }
    // Without a status code, the whole is taken for the body.
    let body = match value {
        Value::String(text) => text,
        _ => answer.to_owned(),
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

fn structured(answer: Structured) -> Option<Response<Body>> {
    let status = StatusCode::from_u16(answer.status_code).ok().filter(|status| status.as_u16() >= 200)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded.unwrap_or(false) { STANDARD.decode(body).ok()? } else { body.into_bytes() };
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers.unwrap_or_default() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        if !OWN_HEADERS.contains(&name) {
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).ok()?);
    }
    if !body.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Some(response)
}
