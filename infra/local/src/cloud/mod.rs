//! The whole local cloud: started, reached, and stopped.
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

/// How long a cloud takes to finish what is under way before it ends anyway.
const PATIENCE: Duration = Duration::from_secs(10);

/// A local cloud that runs.
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
    /// What the cloud lives in; nobody else may use it meanwhile.
    _state: Option<State>,
    announcement: Option<Announcement>,
}

impl LocalCloud {
    /// Starts a local cloud.
    ///
    /// # Errors
    /// What the template says that is not known, a function that does not start, a port or a folder that
    /// is taken.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Box::pin(start::start(options)).await
    }

    /// Where it is reached, and with what.
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

    /// What the template describes.
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
    /// Why it gave no answer.
    pub async fn invoke(&self, function: &str, payload: String) -> Result<String, InvokeFailure> {
        self.functions.invoke(function, payload.into()).await
    }

    /// Fires the schedule of a name now, whatever its time; says whether there is one.
    pub async fn fire(&self, schedule: &str) -> bool {
        self.schedules.fire(schedule).await
    }

    /// Whether everything that was written has been delivered: every stream is read to its end, and no
    /// message is left in a queue that a function reads.
    ///
    /// # Errors
    /// The database's and the queues'.
    pub fn is_drained(&self) -> anyhow::Result<bool> {
        Ok(self.mappings.is_drained()?)
    }

    /// Waits until everything that was written has been delivered.
    ///
    /// # Errors
    /// It takes longer than this, or the database's and the queues'.
    pub async fn wait_until_drained(&self, patience: Duration) -> anyhow::Result<()> {
        let drained = tokio::time::timeout(patience, self.mappings.drained()).await;
        drained.with_context(|| format!("not everything was delivered within {patience:?}"))??;
        Ok(())
    }

    /// Stops: takes nothing new, finishes what is under way, and lets go of the state.
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
            tracing::warn!("something is still under way after {} s; it is cut off", PATIENCE.as_secs());
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
