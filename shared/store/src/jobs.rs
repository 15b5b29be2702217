//! Jobs: work on everything there is, task by task, as a queue brings the tasks.
//!
//! A task says where it starts; running it returns the tasks that follow it, which are then enqueued. The progress of a job
//! is an item of its own. Each finished task contributes its outcome to it, under a key that follows from the task: a task
//! that runs twice counts once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::contributions::AS_OF;
use super::error::StoreError;
use super::items::{Item, TTL, text, to_key};
use super::keys::Key;
use super::refresh::{Attempt, Change, Projection, Refresher};
use super::sums::Sums;
use super::table::Consistency;
use super::transaction::Condition;
use domain::time::Time;

/// When a job started.
const STARTED: &str = "startedAt";

/// The stored progress of one job.
pub(crate) struct JobProgress<'a> {
    pub(crate) refresher: Refresher<'a>,
    /// The key of the progress.
    pub(crate) key: Key,
    /// How long the progress is kept.
    pub(crate) retention: TimeDelta,
}

/// The progress of a job, as it was read.
pub(crate) struct StoredProgress {
    pub(crate) started_at: Time,
    /// When the progress last changed.
    pub(crate) as_of: Time,
    /// The sums of the outcomes of all tasks.
    pub(crate) sums: Sums,
    pub(crate) item: Item,
}

/// What a finished task contributes to the progress of its job.
pub(crate) struct TaskOutcome {
    /// The key under which it is stored.
    pub(crate) key: Key,
    pub(crate) sums: Sums,
    pub(crate) merge: Merge,
}

/// What becomes of a stored outcome when its task has run again, from the stored outcome and the new one; `None` if the
/// stored one stays.
pub(crate) type Merge = fn(stored: Option<&Sums>, new: &Sums) -> Option<Sums>;

impl JobProgress<'_> {
    /// Stores the progress of a job that starts now, with further attributes.
    ///
    /// # Errors
    /// If it could not be stored.
    pub(crate) async fn start(&self, now: Time, attributes: Item) -> Result<(), StoreError> {
        let mut item = to_key(&self.key);
        item.extend(attributes);
        for name in [STARTED, AS_OF] {
            item.insert(name.to_owned(), AttributeValue::S(now.to_string()));
        }
        item.insert(TTL.to_owned(), self.expiry(now));
        // The id is fresh. If the item exists, it is this one, whose response was lost.
        self.refresher.stats.put(item, Condition::default()).await
    }

    /// Reads the progress; `None` if there is no such job or it has expired.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub(crate) async fn read(&self) -> Result<Option<StoredProgress>, StoreError> {
        let Some(item) = self.refresher.stats.get(&self.key, Consistency::Strong).await? else { return Ok(None) };
        // A task that finishes after its job has expired makes an item, but no job.
        let Some(started_at) = text(&item, STARTED) else { return Ok(None) };
        let time = |text: &str| text.parse().map_err(|error| StoreError::corrupt(&self.key.pk, error));
        Ok(Some(StoredProgress {
            started_at: time(started_at)?,
            as_of: time(text(&item, AS_OF).unwrap_or_default())?,
            sums: Sums::of(&item),
            item,
        }))
    }

    /// Records the outcomes of tasks, retrying until the deadline.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub(crate) async fn record(&self, outcomes: &[TaskOutcome], deadline: Instant) -> Result<(), StoreError> {
        let projection = TaskOutcomes { progress: &self.key, retention: self.retention };
        self.refresher.refresh(&projection, outcomes, deadline).await.map(drop)
    }

    pub(crate) fn expiry(&self, now: Time) -> AttributeValue {
        expiry(now, self.retention)
    }
}

fn expiry(now: Time, retention: TimeDelta) -> AttributeValue {
    AttributeValue::N(now.plus(retention).seconds().to_string())
}

/// The outcomes of tasks, which contribute to the progress of a job.
#[derive(Clone, Copy)]
struct TaskOutcomes<'a> {
    progress: &'a Key,
    retention: TimeDelta,
}

impl Projection for TaskOutcomes<'_> {
    type Child = TaskOutcome;
    type Source = ();

    fn key(&self, outcome: &TaskOutcome) -> Key {
        outcome.key.clone()
    }

    fn read_sources<'a>(
        &'a self,
        outcomes: &'a [TaskOutcome],
        _stored: &'a HashMap<Key, Item>,
        _attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<()>, StoreError>> {
        Box::pin(std::future::ready(Ok(vec![(); outcomes.len()])))
    }

    fn change(
        &mut self,
        outcome: &TaskOutcome,
        stored: Option<&Item>,
        (): (),
        attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let before = stored.map(Sums::of);
        let Some(after) = (outcome.merge)(before.as_ref(), &outcome.sums) else { return Ok(None) };
        let mut item = to_key(&outcome.key);
        after.write(&mut item);
        item.insert(TTL.to_owned(), expiry(attempt.began, self.retention));
        let mut change = Change::new(item);
        change.add_to(self.progress.clone(), &before.unwrap_or_default(), &after);
        Ok(Some(change))
    }
}
