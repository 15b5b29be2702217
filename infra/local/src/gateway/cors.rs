//! Calls from web pages of other origins.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request};

use super::config::CorsConfig;
use crate::loopback;

const CORS_HEADERS: [header::HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

impl CorsConfig {
    /// The headers of a preflight's answer, if the request is one. They are empty for an origin, method
    /// or header that is not allowed.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<HeaderMap> {
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN)?;
        let method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if request.method() != Method::OPTIONS {
            return None;
        }
        let mut answer = HeaderMap::new();
        let wanted_headers = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
        let mut wanted_headers =
            wanted_headers.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let allowed = listed(&self.allow_methods, method.to_str().unwrap_or_default())
            && wanted_headers.all(|name| listed(&self.allow_headers, name));
        if let Some(allowed_origin) = self.allowed_origin(origin).filter(|_| allowed) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed_origin);
            put(&mut answer, header::ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods);
            put(&mut answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers);
            self.put_credentials(&mut answer);
            if let Some(age) = self.max_age {
                answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age));
            }
        }
        Some(answer)
    }

    /// Replaces the CORS headers of the function with those for the caller's origin.
    pub(super) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        for name in CORS_HEADERS {
            answer.remove(name);
        }
        if let Some(allowed_origin) = origin.and_then(|origin| self.allowed_origin(origin)) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed_origin);
            put(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose_headers);
            self.put_credentials(answer);
        }
    }

    fn allowed_origin(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?;
        if self.allow_this_machine && loopback::is_origin(text) {
            return Some(origin.clone());
        }
        self.allow_origins.iter().find_map(|allowed| match allowed.as_str() {
            "*" => Some(HeaderValue::from_static("*")),
            pattern => {
                let matches = match pattern.strip_suffix('*') {
                    Some(scheme) => text.starts_with(scheme),
                    None => text == pattern,
                };
                matches.then(|| origin.clone())
            }
        })
    }

    fn put_credentials(&self, answer: &mut HeaderMap) {
        if self.allow_credentials {
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

fn listed(list: &[String], item: &str) -> bool {
    list.iter().any(|listed| listed == "*" || listed.eq_ignore_ascii_case(item))
}

fn put(answer: &mut HeaderMap, name: header::HeaderName, values: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&values.join(","))
        && !values.is_empty()
    {
        answer.insert(name, value);
    }
}
