//! Errors of SQS, as its JSON protocol and its older one name them.

use crate::wire::{Answer, Service};

/// An error that SQS answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqsError {
    /// The name in the JSON protocol.
    pub(super) kind: &'static str,
    /// The code in the older protocol, which clients match on.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl SqsError {
    fn new(kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into() }
    }

    pub(super) fn no_queue() -> Self {
        let code = "AWS.SimpleQueueService.NonExistentQueue";
        Self::new("QueueDoesNotExist", code, "The specified queue does not exist.")
    }

    pub(super) fn no_resource(parameter: &str) -> Self {
        let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
        Self::new("ResourceNotFoundException", "ResourceNotFoundException", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", message)
    }

    pub(super) fn too_long(limit: usize) -> Self {
        Self::invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        ))
    }

    pub(super) fn invalid_contents() -> Self {
        Self::new("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found in the message body.")
    }

    pub(super) fn invalid_receipt(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
    }

    pub(super) fn not_in_flight() -> Self {
        let code = "AWS.SimpleQueueService.MessageNotInflight";
        Self::new("MessageNotInflight", code, "The message referred to isn't in flight.")
    }

    pub(super) fn empty_batch() -> Self {
        let code = "AWS.SimpleQueueService.EmptyBatchRequest";
        Self::new("EmptyBatchRequest", code, "There should be at least one entry in the request.")
    }

    pub(super) fn too_many_entries(count: usize) -> Self {
        let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        let message = format!("Maximum number of entries per request are 10. You have sent {count}.");
        Self::new("TooManyEntriesInBatchRequest", code, message)
    }

    pub(super) fn ids_not_distinct(id: &str) -> Self {
        let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
        Self::new("BatchEntryIdsNotDistinct", code, format!("Id {id} repeated."))
    }

    pub(super) fn invalid_id(id: &str) -> Self {
        let code = "AWS.SimpleQueueService.InvalidBatchEntryId";
        let message = format!(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
             letters long. {id:?} is not."
        );
        Self::new("InvalidBatchEntryId", code, message)
    }

    pub(super) fn batch_too_long(limit: usize, size: usize) -> Self {
        let code = "AWS.SimpleQueueService.BatchRequestTooLong";
        let message = format!("Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes.");
        Self::new("BatchRequestTooLong", code, message)
    }

    pub(super) fn unsupported(what: &str) -> Self {
        let code = "AWS.SimpleQueueService.UnsupportedOperation";
        Self::new("UnsupportedOperation", code, format!("The local cloud does not support {what}."))
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the queues failed");
        Self::new("InternalError", "InternalError", "The queues failed.")
    }

    pub(super) fn answer(self) -> Answer {
        if self.kind == "InternalError" {
            return Answer::server_error(Service::Sqs);
        }
        let status = if self.kind == "ResourceNotFoundException" { 404 } else { 400 };
        Answer {
            query_error: Some(format!("{};Sender", self.code)),
            ..Answer::error(status, &format!("com.amazonaws.sqs#{}", self.kind), &self.message)
        }
    }
}

impl From<super::QueueError> for SqsError {
    fn from(error: super::QueueError) -> Self {
        Self::internal(&error)
    }
}
