//! What an HTTP function answers.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::digest::digest;
use super::etag::Tag;
use super::function::Access;
use super::request::Request;
use crate::obs::metrics::Measure;
use domain::time::Time;
use store::Version;

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
    /// What the log says of it beside its status.
    pub(super) note: Option<String>,
    pub(super) measures: Vec<Measure>,
}

fn insert(body: &mut Value, name: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(name.to_owned(), value);
    }
}

fn digest_of(body: &Value) -> String {
    format!("{:016x}", digest(&[&body.to_string()]))
}

impl Response {
    /// An answer in JSON.
    #[must_use]
    pub fn json(status: StatusCode, body: &Value) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { status, headers, body: Some(body.to_string()), note: None, measures: Vec::new() }
    }

    /// An answer in JSON that was written before.
    #[must_use]
    pub fn text(status: StatusCode, body: String) -> Self {
        Self { body: Some(body), ..Self::json(status, &Value::Null) }
    }

    /// What was read, as of a time: tagged weakly with a digest of all but that time, and left out if the caller has it
    /// already. For whoever asked alone, and to be asked for again each time.
    #[must_use]
    pub fn read(request: &Request, body: Value, as_of: Time) -> Self {
        let tag = Tag::weak(digest_of(&body));
        Self::tagged(request, &tag, body, as_of)
    }

    fn tagged(request: &Request, tag: &Tag, mut body: Value, as_of: Time) -> Self {
        let response = if request.has(tag) {
            Self::not_modified()
        } else {
            insert(&mut body, "asOf", Value::from(as_of.to_string()));
            Self::json(StatusCode::OK, &body)
        };
        response.with_tag(tag)
    }

    /// A document with what was read beside it. The body names the document's version, which is good for changing it: the
    /// tag of all this is weak, and no condition of a change.
    #[must_use]
    pub fn read_with(request: &Request, version: Option<&Version>, mut body: Value, as_of: Time) -> Self {
        insert(&mut body, "version", Value::from(version.map(|version| version.0.as_str())));
        let tag = Tag::of_more(version, &digest_of(&body));
        Self::tagged(request, &tag, body, as_of)
    }

    /// A document with what is counted beside it, and no time: its tag is no condition of a change either.
    #[must_use]
    pub fn counted(request: &Request, version: &Version, body: &Value) -> Self {
        let tag = Tag::of_more(Some(version), &digest_of(body));
        let response = if request.has(&tag) { Self::not_modified() } else { Self::json(StatusCode::OK, body) };
        response.with_tag(&tag)
    }

    /// A document and nothing else: its version is its tag, which is good for changing it.
    #[must_use]
    pub fn document(request: &Request, version: &Version, body: &Value) -> Self {
        let tag = Tag::strong(&*version.0);
        let response = if request.has(&tag) { Self::not_modified() } else { Self::json(StatusCode::OK, body) };
        response.with_tag(&tag)
    }

    /// It is done, and there is nothing to say of it.
    #[must_use]
    pub fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// What the caller has already is still so.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::empty(StatusCode::NOT_MODIFIED)
    }

    fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: None, note: None, measures: Vec::new() }
    }

    /// With a header, in place of one of the same name; one that no header can hold is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With the version of a document as its strong entity tag.
    #[must_use]
    pub fn with_etag(self, version: &str) -> Self {
        self.with_tag(&Tag::strong(version))
    }

    fn with_tag(self, tag: &Tag) -> Self {
        self.with_header(header::ETAG, &tag.to_string())
    }

    /// With the headers that every answer has. What has a tag may be kept, and is asked for again each time; everything else
    /// is not kept. What is not for everybody is for its caller's cache alone. No answer is taken for anything but what
    /// its content type says.
    pub(super) fn kept_by(self, access: Access) -> Self {
        let is_tagged = self.headers.contains_key(header::ETAG);
        let kept = match (access, is_tagged) {
            (Access::Public, true) => "no-cache",
            (Access::WriteKey | Access::SignedIn, true) => "private, no-cache",
            (Access::Public, false) => "no-store",
            (Access::WriteKey | Access::SignedIn, false) => "private, no-store",
        };
        let response = self.with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        response.with_header(header::CACHE_CONTROL, kept)
    }

    /// With something that the log says of it beside its status; nothing personal.
    #[must_use]
    pub fn with_note(mut self, note: String) -> Self {
        self.note = Some(note);
        self
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
