//! Answers of services, with the errors that every service may give.

use serde_json::{Value, json};

use super::faults::Service;

/// A service's answer: an HTTP status with a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON.
    pub body: String,
    /// The error's code in SQS's older protocol, which its clients still read, with who is at fault.
    pub query_error: Option<String>,
}

impl Answer {
    /// A good answer.
    #[must_use]
    pub fn ok(body: String) -> Self {
        Self { status: 200, body, query_error: None }
    }

    /// An error.
    #[must_use]
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = json!({ "__type": kind, "message": message }).to_string();
        Self { status, body, query_error: None }
    }

    /// Whether the call succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// The caller has no right to do this.
    #[must_use]
    pub fn denied(service: Service, message: &str) -> Self {
        let status = if service == Service::Sqs { 403 } else { 400 };
        Self::error(status, "com.amazon.coral.service#AccessDeniedException", message)
    }

    /// No service knows this operation.
    #[must_use]
    pub fn unknown_operation() -> Self {
        Self::error(400, "com.amazon.coral.service#UnknownOperationException", "")
    }

    /// The service throttles the caller.
    #[must_use]
    pub fn throttled(service: Service) -> Self {
        match service {
            Service::DynamoDb | Service::DynamoDbStreams => Self::error(
                400,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API.",
            ),
            Service::Sqs => Self {
                query_error: Some("RequestThrottled;Sender".to_owned()),
                ..Self::error(403, "com.amazonaws.sqs#RequestThrottled", "Request is throttled.")
            },
            Service::SecretsManager => Self::error(400, "ThrottlingException", "Rate exceeded"),
        }
    }

    /// The service failed.
    #[must_use]
    pub fn server_error(service: Service) -> Self {
        let kind = match service {
            Service::DynamoDb | Service::DynamoDbStreams => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            Service::Sqs => "com.amazonaws.sqs#InternalError",
            Service::SecretsManager => "InternalServiceError",
        };
        Self::error(500, kind, "The request processing has failed because of an unknown error, exception or failure.")
    }

    /// Another transaction holds an item of this call.
    #[must_use]
    pub fn transaction_conflict(body: &str) -> Self {
        let parsed: Value = serde_json::from_str(body).unwrap_or_default();
        let message = "Transaction is ongoing for the item";
        let Some(items) = parsed.get("TransactItems").and_then(Value::as_array) else {
            return Self::error(400, "com.amazonaws.dynamodb.v20120810#TransactionConflictException", message);
        };
        let code = |index: usize| if index == 0 { "TransactionConflict" } else { "None" };
        let codes: Vec<&str> = (0..items.len()).map(code).collect();
        let reasons: Vec<Value> =
            codes
                .iter()
                .map(|code| {
                    if *code == "None" { json!({ "Code": code }) } else { json!({ "Code": code, "Message": message }) }
                })
                .collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            ),
            "CancellationReasons": reasons,
        });
        Self { status: 400, body: body.to_string(), query_error: None }
    }
}
