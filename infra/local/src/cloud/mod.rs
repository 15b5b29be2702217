//! A whole local cloud: its start, its URLs, and its stop.
//!
//! Everything binds 127.0.0.1 alone. Any number of clouds run side by side in one process; they share nothing.

mod announcement;
mod options;
mod start;
mod state;
mod summary;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use announcement::Ready;
pub use options::{Functions, Options, Source};
pub use start::JWT_SECRET_ARN;
pub use state::{kept_database, kept_secrets};
pub use summary::{Channels, Summary};

use crate::dynamodb::Database;
use crate::lambda::{InProcess, InvokeFailure, Invoker};
use crate::mapping::Mappings;
use crate::schedule::Schedules;
use crate::sqs::Queues;
use crate::template::Template;
use announcement::Announcement;
use state::State;

/// Maximum time to finish running work during a stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running local cloud.
pub struct LocalCloud {
    summary: Summary,
    template: Template,
    jwt_secret: String,
    database: Database,
    queues: Queues,
    functions: Arc<dyn Invoker>,
    in_process: Option<Arc<InProcess>>,
    mappings: Mappings,
    schedules: Schedules,
    stopping: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Locks the state folder while the cloud runs.
    _state: Option<State>,
    announcement: Option<Announcement>,
}

impl LocalCloud {
    /// Starts a local cloud.
    ///
    /// # Errors
    /// The template contains something unknown, a function does not start, or a port or folder is in use.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Box::pin(start::start(options)).await
    }

    /// Its URLs and credentials.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The API's base URL, without a slash at its end.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.summary.api_url
    }

    /// The base URL of DynamoDB and its streams.
    #[must_use]
    pub fn dynamodb_url(&self) -> &str {
        &self.summary.dynamodb_url
    }

    /// The base URL of SQS.
    #[must_use]
    pub fn sqs_url(&self) -> &str {
        &self.summary.sqs_url
    }

    /// The public write key.
    #[must_use]
    pub fn write_key(&self) -> &str {
        &self.summary.write_key
    }

    /// A token for each role.
    #[must_use]
    pub fn tokens(&self) -> &BTreeMap<String, String> {
        &self.summary.tokens
    }

    /// The shared secret that tokens are signed with.
    #[must_use]
    pub fn jwt_secret(&self) -> &str {
        &self.jwt_secret
    }

    /// The template.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The embedded DynamoDB.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The embedded SQS.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The name of the table with a logical id.
    #[must_use]
    pub fn table(&self, logical_id: &str) -> Option<&str> {
        self.template.tables.iter().find(|table| table.logical_id == logical_id).map(|table| table.name.as_str())
    }

    /// The name of the queue with a logical id.
    #[must_use]
    pub fn queue(&self, logical_id: &str) -> Option<&str> {
        self.template.queues.iter().find(|queue| queue.logical_id == logical_id).map(|queue| queue.name.as_str())
    }

    /// Invokes a function by its logical id.
    ///
    /// # Errors
    /// The function failed or is not available.
    pub async fn invoke(&self, function: &str, payload: String) -> Result<String, InvokeFailure> {
        self.functions.invoke(function, payload.into()).await
    }

    /// Fires a schedule now. Returns whether there is a schedule of this name.
    pub async fn fire(&self, schedule: &str) -> bool {
        self.schedules.fire(schedule).await
    }

    /// Whether all work is done: readers have reached the ends of all streams, and queues that functions read are empty.
    ///
    /// # Errors
    /// The database or the queues fail.
    pub fn is_drained(&self) -> anyhow::Result<bool> {
        Ok(self.mappings.is_drained()?)
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// It takes longer than this, or the database or the queues fail.
    pub async fn wait_until_drained(&self, patience: Duration) -> anyhow::Result<()> {
        let drained = tokio::time::timeout(patience, self.mappings.drained()).await;
        drained.with_context(|| format!("work is left after {patience:?}"))??;
        Ok(())
    }

    /// Stops: starts nothing new, finishes running work, and unlocks the state folder.
    pub async fn stop(self) {
        let Self { mut tasks, mappings, schedules, in_process, stopping, announcement, .. } = self;
        stopping.send_replace(true);
        let finish = async {
            while tasks.join_next().await.is_some() {}
            tokio::join!(mappings.stop(), schedules.stop());
            if let Some(functions) = in_process {
                functions.idle().await;
            }
        };
        if tokio::time::timeout(PATIENCE, finish).await.is_err() {
            tracing::warn!("work is still running after {} s and is aborted", PATIENCE.as_secs());
        }
        if let Some(announcement) = announcement {
            announcement.withdraw();
        }
    }
}

#[cfg(test)]
mod loops;
#[cfg(test)]
mod tests;
