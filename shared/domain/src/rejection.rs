//! Rejections: why a rule of the domain does not allow a request.

use super::validation::InvalidField;

/// Why a request is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The caller is not allowed to do this: HTTP status 403.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The request conflicts with the present state: HTTP status 409.
    #[error("{0}")]
    ConflictingState(String),
    /// A field breaks a rule: HTTP status 422.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}
