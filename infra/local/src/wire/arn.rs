//! Names of the local cloud's resources, as AWS writes them.

/// The region of the local cloud.
pub const REGION: &str = "us-east-1";

/// The account that owns everything in the local cloud.
pub const ACCOUNT: &str = "000000000000";

/// The label of every stream: a stream is never made a second time, so one is enough.
const STREAM_LABEL: &str = "2024-01-01T00:00:00.000";

/// The ARN of a table.
#[must_use]
pub fn table_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
}

/// The ARN of an index of a table.
#[must_use]
pub fn index_arn(table: &str, index: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/index/{index}")
}

/// The ARN of a table's stream.
#[must_use]
pub fn stream_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{STREAM_LABEL}")
}

/// The ARN of a queue.
#[must_use]
pub fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// The ARN of a function.
#[must_use]
pub fn function_arn(function: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}")
}

/// The last part of an ARN: the name of a queue or a function.
#[must_use]
pub fn arn_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The URL of a queue at a server of queues.
#[must_use]
pub fn queue_url(base: &str, queue: &str) -> String {
    format!("{base}/{ACCOUNT}/{queue}")
}
