//! Problems: how an HTTP function says no ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). `docs/problems.md` describes
//! every kind.

use http::StatusCode;
use http::header::{self, HeaderName};
use serde_json::{Value, json};

use super::identity::Fault;
use super::response::Response;
use domain::id::PurchaseId;
use domain::rejection::Rejection;
use domain::validation::InvalidField;
use store::StoreError;

/// How long a caller should wait before trying again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// What the type of every problem begins with.
const TYPES: &str = "urn:tally:problem:";

macro_rules! kinds {
    ($($name:ident = $slug:literal, $title:literal;)+) => {
        /// What kind of problem it is: the same type and title wherever it happens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the title says it")]
        pub enum Kind {
            $($name),+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its type: a URI that identifies it and cannot be fetched.
            #[must_use]
            pub fn uri(self) -> String {
                let slug = match self {
                    $(Self::$name => $slug),+
                };
                format!("{TYPES}{slug}")
            }

            /// What it is in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title),+
                }
            }
        }
    };
}

kinds! {
    MalformedRequest = "malformed-request", "Malformed request";
    UnreadableHeader = "unreadable-header", "Invalid header";
    InvalidQuery = "invalid-query", "Invalid query parameters";
    CredentialsRequired = "credentials-required", "Credentials required";
    WriteKeyRefused = "write-key-refused", "Invalid write key";
    TokenRefused = "token-refused", "Invalid token";
    TokenExpired = "token-expired", "Token expired";
    TokenNotYetValid = "token-not-yet-valid", "Token not yet valid";
    Forbidden = "forbidden", "Permission denied";
    NotFound = "not-found", "Not found";
    ConflictingState = "conflicting-state", "Conflict with the current state";
    AlreadyOwned = "already-owned", "Item already owned";
    ConcurrentChange = "concurrent-change", "Concurrent change";
    PreconditionFailed = "precondition-failed", "Precondition failed";
    BodyTooLarge = "body-too-large", "Body too large";
    UnsupportedMediaType = "unsupported-media-type", "Unsupported media type";
    UnsupportedContentCoding = "unsupported-content-coding", "Unsupported content coding";
    InvalidFields = "invalid-fields", "Invalid fields";
    KeyReused = "idempotency-key-reused", "Idempotency key reused";
    TooManyRequests = "too-many-requests", "Too many requests";
    Unavailable = "unavailable", "Temporarily unavailable";
    InternalError = "internal-error", "Internal error";
}

/// What is wrong with a request: the only invalid field with its reason, several by name.
fn summary(what: &str, wrong: &[InvalidField]) -> String {
    if let [only] = wrong {
        return format!("{} {}", only.field, only.reason);
    }
    let mut names: Vec<&str> = Vec::new();
    for invalid in wrong {
        if !names.contains(&invalid.field.as_ref()) {
            names.push(&invalid.field);
        }
    }
    match names.as_slice() {
        [name] => format!("1 {what} is invalid: {name}"),
        names => format!("{} {what}s are invalid: {}", names.len(), names.join(", ")),
    }
}

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The body is not what its content type says.
    #[error("{0}")]
    Malformed(String),
    /// A header that means something cannot be read, or is missing.
    #[error("{name} {reason}")]
    Header {
        /// Which.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Parameters of the query are not what the route takes.
    #[error("{}", summary("query parameter", .0))]
    Query(Vec<InvalidField>),
    /// It is not known who calls.
    #[error("{0}")]
    Unauthenticated(Fault),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It does not go with how things stand.
    #[error("{0}")]
    ConflictingState(String),
    /// The buyer has it already, by this purchase.
    #[error("the buyer already owns this item through purchase {0}")]
    Owned(PurchaseId),
    /// It was changed in between.
    #[error("another request changed the resource at the same time; read it again and retry")]
    Conflict,
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the version of the resource does not match If-Match or If-None-Match; read the resource again")]
    PreconditionFailed,
    /// The body is larger than the route takes.
    #[error("the body must be at most {limit} bytes")]
    TooLarge {
        /// How much it takes, in bytes.
        limit: usize,
    },
    /// The body is of a kind that the route does not take.
    #[error("the Content-Type must be one of {0}")]
    UnsupportedMediaType(String),
    /// The body is coded in some way.
    #[error("the body must be sent uncompressed, without Content-Encoding")]
    UnsupportedCoding,
    /// The body can be read but breaks rules.
    #[error("{}", summary("field", .0))]
    Invalid(Vec<InvalidField>),
    /// Its key was used for another request.
    #[error("the Idempotency-Key was already used for a different request; send a new key")]
    KeyReused,
    /// It was asked for too often for now.
    #[error("too many {what}; retry after the seconds in Retry-After")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// After how long there may be more, at the latest, in seconds.
        retry_after_s: u32,
    },
    /// It may work later.
    #[error("temporarily unavailable; send the same request again")]
    Unavailable,
    /// The program is wrong.
    #[error("internal error; report the requestId")]
    Internal,
}

impl Problem {
    /// A parameter of the query that is not what the route takes.
    #[must_use]
    pub fn query(invalid: InvalidField) -> Self {
        Self::Query(vec![invalid])
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) => Kind::MalformedRequest,
            Self::Header { .. } => Kind::UnreadableHeader,
            Self::Query(_) => Kind::InvalidQuery,
            Self::Unauthenticated(fault) => match fault {
                Fault::Missing => Kind::CredentialsRequired,
                Fault::WriteKey => Kind::WriteKeyRefused,
                Fault::Invalid | Fault::Foreign | Fault::Claims => Kind::TokenRefused,
                Fault::Expired => Kind::TokenExpired,
                Fault::Early => Kind::TokenNotYetValid,
                Fault::Unchecked => Kind::Unavailable,
            },
            Self::Forbidden(_) => Kind::Forbidden,
            Self::NotFound(_) => Kind::NotFound,
            Self::ConflictingState(_) => Kind::ConflictingState,
            Self::Owned(_) => Kind::AlreadyOwned,
            Self::Conflict => Kind::ConcurrentChange,
            Self::PreconditionFailed => Kind::PreconditionFailed,
            Self::TooLarge { .. } => Kind::BodyTooLarge,
            Self::UnsupportedMediaType(_) => Kind::UnsupportedMediaType,
            Self::UnsupportedCoding => Kind::UnsupportedContentCoding,
            Self::Invalid(_) => Kind::InvalidFields,
            Self::KeyReused => Kind::KeyReused,
            Self::TooMany { .. } => Kind::TooManyRequests,
            Self::Unavailable => Kind::Unavailable,
            Self::Internal => Kind::InternalError,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Header { .. } | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::ConflictingState(_) | Self::Owned(_) | Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) | Self::UnsupportedCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
            // RFC 9110, section 15.5.16: what would have been taken.
            Self::UnsupportedCoding => Some((header::ACCEPT_ENCODING, "identity".to_owned())),
            Self::Unavailable => Some((header::RETRY_AFTER, RETRY_AFTER_S.to_string())),
            Self::TooMany { retry_after_s, .. } => Some((header::RETRY_AFTER, retry_after_s.to_string())),
            Self::Unauthenticated(Fault::Missing | Fault::WriteKey) => {
                Some((header::WWW_AUTHENTICATE, "Bearer".to_owned()))
            }
            // RFC 6750, section 3: a token that was sent and is not good.
            Self::Unauthenticated(_) => Some((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"".to_owned())),
            _ => None,
        }
    }

    /// The answer that says so.
    pub(super) fn into_response(self, request_id: &str) -> Response {
        let status = self.status();
        let errors = match &self {
            Self::Invalid(fields) | Self::Query(fields) => {
                fields.iter().map(|i| json!({"field": i.field, "reason": i.reason})).collect()
            }
            Self::KeyReused => {
                vec![json!({"field": "Idempotency-Key", "reason": "was already used for a different request"})]
            }
            _ => Vec::<Value>::new(),
        };
        let mut body = json!({
            "type": self.kind().uri(),
            "title": self.kind().title(),
            "status": status.as_u16(),
            "detail": self.to_string(),
            "requestId": request_id,
        });
        if let (false, Some(body)) = (errors.is_empty(), body.as_object_mut()) {
            body.insert("errors".to_owned(), Value::Array(errors));
        }
        if let (Self::Owned(purchase), Some(body)) = (&self, body.as_object_mut()) {
            body.insert("purchaseId".to_owned(), json!(purchase));
        }
        let response = Response::json(status, &body).with_header(header::CONTENT_TYPE, "application/problem+json");
        match self.header() {
            Some((name, value)) => response.with_header(name, &value),
            None => response,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::Throttled | StoreError::Unavailable { .. } => {
                tracing::warn!(error = %error, "store: {error}");
                Self::Unavailable
            }
            StoreError::Refused { .. } | StoreError::Corrupt { .. } | StoreError::OverBudget { .. } => {
                tracing::error!(error = %error, "store: {error}");
                Self::Internal
            }
        }
    }
}

impl From<InvalidField> for Problem {
    fn from(invalid: InvalidField) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Forbidden(rule) => Self::Forbidden(rule.to_owned()),
            Rejection::ConflictingState(state) => Self::ConflictingState(state),
            Rejection::Invalid(invalid) => invalid.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_gives_one_field_with_its_reason_and_names_several() {
        let invalid = |fields: &[&'static str]| {
            Problem::Invalid(fields.iter().map(|field| InvalidField::new(*field, "is wrong")).collect()).to_string()
        };
        assert_eq!(invalid(&["amount"]), "amount is wrong");
        assert_eq!(invalid(&["amount", "currency"]), "2 fields are invalid: amount, currency");
        assert_eq!(invalid(&["quizIds", "quizIds"]), "1 field is invalid: quizIds");
        let query = Problem::query(InvalidField::new("from", "is wrong"));
        assert_eq!(query.to_string(), "from is wrong");
    }

    #[test]
    fn every_kind_has_its_own_type() {
        let types: std::collections::BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
        assert_eq!(types.len(), Kind::ALL.len());
    }
}
