//! Where a local cloud is reached, and with what: for scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a local cloud is reached, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The API's base URL, without a slash at its end.
    pub api_url: String,
    /// The base URL of DynamoDB and its streams.
    pub dynamodb_url: String,
    /// The base URL of SQS.
    pub sqs_url: String,
    /// The public write key.
    pub write_key: String,
    /// A token for each role.
    pub tokens: BTreeMap<String, String>,
    /// The server of channels that runs with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

/// What `pusher-js` needs to reach the server of channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// The application's public key.
    pub key: String,
    /// The host, for `wsHost`.
    pub host: String,
    /// The port, for `wsPort`.
    pub port: u16,
}

impl Summary {
    /// The summary as one line of JSON.
    ///
    /// # Errors
    /// Never: a summary is nothing but text.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
