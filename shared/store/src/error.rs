//! Errors of the store.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

/// Why a request to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another write came between: read again and decide again.
    #[error("written by another in between")]
    Conflict,
    /// The table takes no more for the moment.
    #[error("throttled")]
    Throttled,
    /// DynamoDB did not answer, or answered with a server error. The request may or may not have been executed.
    #[error("unavailable: {source}")]
    Unavailable {
        /// The error of the SDK.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// DynamoDB refused the request itself; trying again cannot help.
    #[error("refused: {code}")]
    Refused {
        /// The error code.
        code: String,
    },
    /// A bucket takes more reads than the caller has for it; another is to fold it.
    #[error("more than {facts} facts, or slower than {} s, in one bucket", .time.as_secs())]
    OverBudget {
        /// The budget of facts.
        facts: usize,
        /// The budget of time.
        time: Duration,
    },
    /// An item is not what this program writes.
    #[error("corrupt item {item}: {reason}")]
    Corrupt {
        /// The key of the item.
        item: String,
        /// What is wrong with the item.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict | Self::Throttled | Self::Unavailable { .. })
    }

    /// Whether no retry can succeed while the stored items stay as they are: an item is corrupt, or DynamoDB rejects
    /// the item that would be written. All other refusals (a missing permission, a missing table) end with the next
    /// deployment.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Refused { code } => REFUSED_FOR_CONTENT.contains(&code.as_str()),
            Self::Conflict | Self::Throttled | Self::Unavailable { .. } | Self::OverBudget { .. } => false,
        }
    }

    pub(super) fn corrupt(item: impl Into<String>, reason: impl ToString) -> Self {
        Self::Corrupt { item: item.into(), reason: reason.to_string() }
    }
}

/// The codes of requests that DynamoDB rejects because of their content: an operand of the wrong type, or an item above
/// 400 KB. The shorter codes are cancellation reasons of a transaction
/// ([TransactionCanceledException](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
const REFUSED_FOR_CONTENT: [&str; 4] = [
    "ValidationException",
    "ValidationError",
    "ItemCollectionSizeLimitExceededException",
    "ItemCollectionSizeLimitExceeded",
];

/// The error codes of the [DynamoDB
/// API](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).
fn by_code(code: &str) -> Option<StoreError> {
    match code {
        "ConditionalCheckFailedException" | "TransactionConflictException" | "TransactionInProgressException" => {
            Some(StoreError::Conflict)
        }
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "ThrottlingError" => Some(StoreError::Throttled),
        "InternalServerError" | "ServiceUnavailable" | "ServiceUnavailableException" => None,
        _ => Some(StoreError::Refused { code: code.to_owned() }),
    }
}

impl From<tokio::time::error::Elapsed> for StoreError {
    fn from(elapsed: tokio::time::error::Elapsed) -> Self {
        Self::Unavailable { source: elapsed.into() }
    }
}

impl<E> From<SdkError<E>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        match error.code().and_then(by_code) {
            Some(known) => known,
            None => Self::Unavailable { source: Box::new(error) },
        }
    }
}

/// A cancelled transaction, judged by its reasons: a conflict if any of them is one.
pub(super) fn of_transaction(error: SdkError<TransactWriteItemsError>) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return error.into();
    };
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    let mut verdict = StoreError::Unavailable { source: "transaction cancelled".into() };
    for code in codes.filter(|code| *code != "None") {
        match code {
            "ConditionalCheckFailed" | "TransactionConflict" => return StoreError::Conflict,
            "ThrottlingError" | "ProvisionedThroughputExceeded" => verdict = StoreError::Throttled,
            other => verdict = StoreError::Refused { code: other.to_owned() },
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_throttling_is_transient() {
        // A table on demand at its maximum throughput, a hot partition and the account's quota have codes of their own.
        for code in
            ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingError"]
        {
            let error = by_code(code).unwrap();
            assert!(matches!(error, StoreError::Throttled) && error.is_transient(), "{code}");
        }
        assert!(!by_code("ValidationException").unwrap().is_transient());
    }

    #[test]
    fn refusal_is_lasting_only_because_of_stored_items() {
        let refused = |code: &str| StoreError::Refused { code: code.to_owned() };
        for code in REFUSED_FOR_CONTENT {
            assert!(refused(code).is_lasting(), "{code}");
        }
        for code in ["AccessDeniedException", "ResourceNotFoundException", "ExpiredTokenException"] {
            assert!(!refused(code).is_lasting(), "{code}");
        }
        assert!(StoreError::corrupt("x", "y").is_lasting());
        assert!(!StoreError::Conflict.is_lasting() && !StoreError::Throttled.is_lasting());
    }
}
