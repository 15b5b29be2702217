//! Problems: how an HTTP function says no ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use http::StatusCode;
use http::header::{self, HeaderName};
use serde_json::{Value, json};

use super::identity::Fault;
use super::response::Response;
use crate::domain::fields::Invalid;
use crate::domain::id::PurchaseId;
use crate::domain::track::Refused;
use crate::domain::{authorship, classroom, playlist, product, purchase};
use crate::store::StoreError;

/// How long a caller should wait before trying again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The body is not what its content type says.
    #[error("{0}")]
    Malformed(String),
    /// Parameters of the query are not what the route takes.
    #[error("{} of the query's parameters break a rule", .0.len())]
    Query(Vec<Invalid>),
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
    Unfit(String),
    /// The buyer has it already, by this purchase.
    #[error("it was bought already, with purchase {0}")]
    Owned(PurchaseId),
    /// It was changed in between.
    #[error("it was changed in between; read it again")]
    Conflict,
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("it is not of the version that the request asks for")]
    PreconditionFailed,
    /// The body is larger than the route takes.
    #[error("the body must be at most {limit} bytes")]
    TooLarge {
        /// How much it takes, in bytes.
        limit: usize,
    },
    /// The body is of a kind that the route does not take.
    #[error("the content type must be one of {0}")]
    UnsupportedMediaType(String),
    /// The body can be read but breaks rules.
    #[error("{} of its fields break a rule", .0.len())]
    Invalid(Vec<Invalid>),
    /// It was asked for too often for now.
    #[error("too many {what}; try again later")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// After how long there may be more, at the latest, in seconds.
        retry_after_s: u32,
    },
    /// It may work later.
    #[error("not available at the moment; try again")]
    Unavailable,
    /// The program is wrong.
    #[error("something went wrong here")]
    Internal,
}

impl Problem {
    /// A parameter of the query that is not what the route takes.
    #[must_use]
    pub fn query(invalid: Invalid) -> Self {
        Self::Query(vec![invalid])
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unfit(_) | Self::Owned(_) | Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
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
            _ => Vec::<Value>::new(),
        };
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
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

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotTheirs => Self::Forbidden(refused.to_string()),
            Refused::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<authorship::Refused> for Problem {
    fn from(refused: authorship::Refused) -> Self {
        Self::Forbidden(refused.to_string())
    }
}

impl From<purchase::Refused> for Problem {
    fn from(refused: purchase::Refused) -> Self {
        match refused {
            purchase::Refused::NotAdmin => Self::Forbidden(refused.to_string()),
            purchase::Refused::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<product::Refused> for Problem {
    fn from(refused: product::Refused) -> Self {
        match refused {
            product::Refused::NotTheirs(reason) => Self::Forbidden(reason.to_owned()),
            product::Refused::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<classroom::Refused> for Problem {
    fn from(refused: classroom::Refused) -> Self {
        match refused {
            classroom::Refused::NotTheirs(reason) => Self::Forbidden(reason.to_owned()),
            classroom::Refused::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<purchase::Unfit> for Problem {
    fn from(unfit: purchase::Unfit) -> Self {
        match unfit {
            purchase::Unfit::Is(_) => Self::Unfit(unfit.to_string()),
            purchase::Unfit::TooMuch { .. } | purchase::Unfit::Unknown => Invalid::new("amount", unfit).into(),
        }
    }
}

impl From<playlist::Refused> for Problem {
    fn from(refused: playlist::Refused) -> Self {
        match refused {
            playlist::Refused::NotTheOwner | playlist::Refused::NotTheArtist => Self::Forbidden(refused.to_string()),
            playlist::Refused::Closed => Self::Unfit(refused.to_string()),
        }
    }
}
