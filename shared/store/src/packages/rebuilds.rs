//! Rebuilds of all packages, as a job: each task rebuilds the next packages of a lane.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::PackageProjector;
use super::reading::{ids_after, package_ids};
use crate::error::StoreError;
use crate::items::Item;
use crate::jobs::{JobProgress, TaskOutcome};
use crate::keys::{self, Key, LANES};
use crate::retry;
use crate::setup::Setup;
use crate::sums::Sums;
use domain::id::{PackageId, RefreshId};
use domain::time::Time;

/// How many packages a task rebuilds by default.
const TASK_SIZE: usize = 20;

/// How many packages are rebuilt at once.
const CONCURRENCY: usize = 4;

/// How long the progress of a rebuild is kept.
const RETENTION: TimeDelta = TimeDelta::days(30);

const PACKAGES: &str = "packages";
const CORRECTED: &str = "corrected";
const FAILED: &str = "failed";
const LANES_ENDED: &str = "lanes";

/// A task of a rebuild, as a message of its queue: the next packages of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuildTask {
    /// The rebuild.
    #[serde(rename = "refresh")]
    pub rebuild: RefreshId,
    /// The lane.
    pub lane: u8,
    /// The last package of the lane that has been rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<PackageId>,
}

/// The progress of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildProgress {
    /// When the rebuild started.
    pub started_at: Time,
    /// When the progress last changed.
    pub as_of: Time,
    /// How many packages have been rebuilt.
    pub packages: i64,
    /// How many of them had wrong numbers or none.
    pub corrected: i64,
    /// How many of them are corrupt; the logs have the reasons.
    pub failed: i64,
    /// How many lanes have been rebuilt to their end.
    pub lanes_ended: i64,
}

impl RebuildProgress {
    /// The number of lanes.
    pub const LANES: i64 = LANES as i64;

    /// Whether all packages have been rebuilt.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.lanes_ended == Self::LANES
    }
}

/// Rebuilds all packages.
#[derive(Clone)]
pub struct PackageRebuilds {
    projector: PackageProjector,
    task_size: usize,
}

impl PackageRebuilds {
    /// Opens the rebuilds.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { projector: PackageProjector::open(setup), task_size: TASK_SIZE }
    }

    /// The same with tasks of so many packages.
    #[must_use]
    pub fn with_task_size(self, packages: usize) -> Self {
        Self { task_size: packages.max(1), ..self }
    }

    fn progress_of(&self, rebuild: &RefreshId) -> JobProgress<'_> {
        JobProgress { refresher: self.projector.refresher(), key: keys::refresh(rebuild), retention: RETENTION }
    }

    /// Starts a rebuild. Returns its id and its first tasks, which are to be enqueued.
    ///
    /// # Errors
    /// If its progress could not be stored.
    pub fn start(&self) -> BoxFuture<'_, Result<(RefreshId, Vec<RebuildTask>), StoreError>> {
        Box::pin(async move {
            let fresh = self.projector.ids.fresh();
            let rebuild: RefreshId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            self.progress_of(&rebuild).start(self.projector.now(), Item::new()).await?;
            let tasks = (0..LANES).map(|lane| RebuildTask { rebuild: rebuild.clone(), lane, after: None }).collect();
            Ok((rebuild, tasks))
        })
    }

    /// The progress of a rebuild; `None` if there is no such rebuild or it has expired.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn progress<'a>(
        &'a self,
        rebuild: &'a RefreshId,
    ) -> BoxFuture<'a, Result<Option<RebuildProgress>, StoreError>> {
        Box::pin(async move {
            let stored = self.progress_of(rebuild).read().await?;
            Ok(stored.map(|stored| RebuildProgress {
                started_at: stored.started_at,
                as_of: stored.as_of,
                packages: stored.sums.get(PACKAGES),
                corrected: stored.sums.get(CORRECTED),
                failed: stored.sums.get(FAILED),
                lanes_ended: stored.sums.get(LANES_ENDED),
            }))
        })
    }

    /// Runs a task, retrying until the deadline. Returns the task that follows it, unless the lane has ended.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn run_task<'a>(
        &'a self,
        task: &'a RebuildTask,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<RebuildTask>, StoreError>> {
        Box::pin(async move {
            let range = ids_after(keys::packages(task.lane), "", task.after.as_ref());
            let (state, size) = (&self.projector.state, self.task_size);
            let packages = retry::until(deadline, || Box::pin(package_ids(state, &range, "", size))).await?;
            let rebuilt: Vec<_> = stream::iter(packages.clone())
                .map(|package| async move {
                    let rebuilt = self.projector.rebuild(&package, deadline).await;
                    (package, rebuilt)
                })
                .buffered(CONCURRENCY)
                .collect()
                .await;
            let mut outcomes = BTreeMap::new();
            for (package, rebuilt) in rebuilt {
                let outcome = match rebuilt {
                    Ok(false) => Sums::from_iter([(PACKAGES, 1)]),
                    Ok(true) => Sums::from_iter([(PACKAGES, 1), (CORRECTED, 1)]),
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(packageId = package.as_str(), error = %error, "package not rebuilt: {error}");
                        Sums::from_iter([(PACKAGES, 1), (FAILED, 1)])
                    }
                    Err(error) => return Err(error),
                };
                outcomes.insert(keys::refreshed(&task.rebuild, &package), outcome);
            }
            let is_last = packages.len() < self.task_size;
            if is_last {
                outcomes.insert(keys::refreshed_lane(&task.rebuild, task.lane), Sums::from_iter([(LANES_ENDED, 1)]));
            }
            let outcomes: Vec<TaskOutcome> = outcomes.into_iter().map(outcome).collect();
            self.progress_of(&task.rebuild).record(&outcomes, deadline).await?;
            let next = RebuildTask { after: packages.last().cloned(), ..task.clone() };
            Ok((!is_last).then_some(next))
        })
    }
}

/// A package that was corrected stays so when its task runs again and finds it right.
fn outcome((key, sums): (Key, Sums)) -> TaskOutcome {
    let merge = |stored: Option<&Sums>, new: &Sums| {
        let mut merged = new.clone();
        if stored.is_some_and(|stored| stored.get(CORRECTED) > new.get(CORRECTED)) {
            merged.add(&Sums::from_iter([(CORRECTED, 1)]));
        }
        Some(merged)
    };
    TaskOutcome { key, sums, merge }
}
