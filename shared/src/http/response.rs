//! What an HTTP function answers.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::request::Request;
use crate::domain::time::Time;
use crate::obs::metrics::Measure;
use crate::store::Version;

/// Milliseconds as a number of seconds.
#[must_use]
pub fn seconds(millis: u64) -> Value {
    ones(millis)
}

/// Thousandths as a number, whole where it can be.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "2^53 thousandths are more than anything that is counted in them")]
pub(super) fn ones(thousandths: u64) -> Value {
    if thousandths.is_multiple_of(1000) {
        Value::from(thousandths / 1000)
    } else {
        Value::from(thousandths as f64 / 1000.0)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Option<String>,
    pub(super) measures: Vec<Measure>,
}

fn digest(body: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Response {
    /// An answer in JSON.
    #[must_use]
    pub fn json(status: StatusCode, body: &Value) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status, headers, body: Some(body.to_string()), measures: Vec::new() }
    }

    /// An answer in JSON that was written before.
    #[must_use]
    pub fn text(status: StatusCode, body: String) -> Self {
        Self { body: Some(body), ..Self::json(status, &Value::Null) }
    }

    /// What was read, as of a time: tagged with a digest of all but that time, and left out if the caller has it already.
    /// For whoever asked alone, and to be asked for again each time.
    #[must_use]
    pub fn read(request: &Request, body: Value, as_of: Time) -> Self {
        let tag = digest(&body);
        Self::tagged(request, &tag, body, as_of)
    }

    /// A document with what was read beside it: the tag begins with the document's version, and so is good for changing it.
    #[must_use]
    pub fn read_with(request: &Request, version: &Version, body: Value, as_of: Time) -> Self {
        let tag = format!("{}.{}", version.0, digest(&body));
        Self::tagged(request, &tag, body, as_of)
    }

    fn tagged(request: &Request, tag: &str, mut body: Value, as_of: Time) -> Self {
        let response = if request.tags(&header::IF_NONE_MATCH).is_some_and(|tags| tags.include(tag)) {
            Self::not_modified()
        } else {
            if let Some(body) = body.as_object_mut() {
                body.insert("asOf".to_owned(), Value::from(as_of.to_string()));
            }
            Self::json(StatusCode::OK, &body)
        };
        response.with_etag(tag).with_header(header::CACHE_CONTROL, "private, no-cache")
    }

    /// It is done, and there is nothing to say of it.
    #[must_use]
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: None, measures: Vec::new() }
    }

    /// What the caller has already is still so.
    #[must_use]
    pub fn not_modified() -> Self {
        Self { status: StatusCode::NOT_MODIFIED, headers: HeaderMap::new(), body: None, measures: Vec::new() }
    }

    /// With a header, in place of one of the same name; one that no header can hold is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With an entity tag.
    #[must_use]
    pub fn with_etag(self, tag: &str) -> Self {
        self.with_header(header::ETAG, &format!("\"{tag}\""))
    }

    /// With something measured on the way.
    #[must_use]
    pub fn with_measure(mut self, measure: Measure) -> Self {
        self.measures.push(measure);
        self
    }

    /// The answer as API Gateway takes it.
    pub(super) fn into_payload(self) -> Result<String, serde_json::Error> {
        let mut payload = ApiGatewayV2httpResponse::default();
        payload.status_code = i64::from(self.status.as_u16());
        payload.headers = self.headers;
        payload.body = self.body.map(Body::Text);
        serde_json::to_string(&payload)
    }
}
