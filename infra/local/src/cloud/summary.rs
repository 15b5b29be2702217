//! The URLs and credentials of a local cloud, for scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The URLs and credentials of a local cloud.
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
    /// Its Pusher server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

/// The configuration of `pusher-js` for the local Pusher server.
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
    /// Never: a summary contains only text.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
