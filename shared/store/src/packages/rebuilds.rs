//! Refreshes: all packages mended, one leg after the other, with the progress to ask for.
//!
//! All packages are listed in lanes; each lane is gone through in legs of a few packages. How far a refresh has come is
//! the sum of what its packages and its ended lanes contribute: a leg that is gone twice counts once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::PackageProjector;
use super::reading::{behind, ids};
use crate::contributions::Contributions;
use crate::error::StoreError;
use crate::items::{Item, TTL, VERSION, text, to_key};
use crate::keys::{self, Key, LANES};
use crate::quizzes::as_of;
use crate::retry;
use crate::setup::Setup;
use crate::sums::Sums;
use crate::table::Consistency;
use crate::transaction::Condition;
use domain::id::{PackageId, RefreshId};
use domain::time::Time;

/// How many packages a part has, unless it is told otherwise.
const PART: usize = 20;

/// How many packages are mended at once.
const AT_ONCE: usize = 4;

/// How long the progress of a refresh can be asked for.
const KEPT: TimeDelta = TimeDelta::days(30);

/// When a refresh began.
const STARTED: &str = "startedAt";

/// A part of a refresh, as a queue's message says it: the next packages of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// Which refresh.
    pub refresh: RefreshId,
    /// Which lane.
    pub lane: u8,
    /// The last package that has been refreshed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<PackageId>,
}

/// How far a refresh has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// When it began.
    pub started_at: Time,
    /// When it last came on.
    pub as_of: Time,
    /// How many packages it has come to.
    pub packages: i64,
    /// How many of them had wrong numbers, or none.
    pub corrected: i64,
    /// How many of them could not be read; the logs say why.
    pub failed: i64,
    /// How many lanes it has come to the end of.
    pub lanes_ended: i64,
}

impl Progress {
    /// How many lanes there are.
    pub const LANES: i64 = LANES as i64;

    /// Whether it has come to the end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.lanes_ended == Self::LANES
    }
}

/// The refreshes of all packages.
#[derive(Clone)]
pub struct PackageRebuilds {
    updates: PackageProjector,
    part: usize,
}

impl PackageRebuilds {
    /// Opens the rebuilds.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { updates: PackageProjector::open(setup), part: PART }
    }

    /// The same in parts of so many packages.
    #[must_use]
    pub fn in_parts_of(self, packages: usize) -> Self {
        Self { part: packages.max(1), ..self }
    }

    /// Begins a refresh; tells its id, and the first legs, which are to be gone.
    ///
    /// # Errors
    /// If it could not be noted.
    pub fn begin(&self) -> BoxFuture<'_, Result<(RefreshId, Vec<Leg>), StoreError>> {
        Box::pin(async move {
            let fresh = self.updates.ids.fresh();
            let refresh: RefreshId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            let now = self.updates.now();
            let key = keys::refresh(&refresh);
            let mut item = to_key(&key);
            for (name, value) in [(STARTED, now.to_string()), (crate::contributions::AS_OF, now.to_string())] {
                item.insert(name.to_owned(), AttributeValue::S(value));
            }
            item.insert(TTL.to_owned(), expiry(now));
            // The id is fresh: what lies there already is this item, whose answer was lost.
            self.updates.stats.put(item, Condition::default()).await?;
            let legs = (0..LANES).map(|lane| Leg { refresh: refresh.clone(), lane, after: None }).collect();
            Ok((refresh, legs))
        })
    }

    /// How far a refresh has come; `None` if there is none of this id, or it was long ago.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn progress<'a>(&'a self, refresh: &'a RefreshId) -> BoxFuture<'a, Result<Option<Progress>, StoreError>> {
        Box::pin(async move {
            let key = keys::refresh(refresh);
            let Some(item) = self.updates.stats.get(&key, Consistency::Strong).await? else { return Ok(None) };
            // What a leg notes after its refresh has expired is no refresh.
            let Some(started_at) = text(&item, STARTED) else { return Ok(None) };
            let sums = Sums::of(&item);
            Ok(Some(Progress {
                started_at: started_at.parse().map_err(|error| StoreError::corrupt(&key.pk, error))?,
                as_of: as_of(&item, &key)?,
                packages: sums.get("packages"),
                corrected: sums.get("corrected"),
                failed: sums.get("failed"),
                lanes_ended: sums.get("lanes"),
            }))
        })
    }

    /// Goes a leg, trying again until the deadline; tells the next, unless its lane has ended.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn go<'a>(&'a self, leg: &'a Leg, deadline: Instant) -> BoxFuture<'a, Result<Option<Leg>, StoreError>> {
        Box::pin(async move {
            let stretch = behind(keys::packages(leg.lane), "", leg.after.as_ref());
            let packages =
                retry::until(deadline, || Box::pin(ids(&self.updates.state, &stretch, "", self.part))).await?;
            let mended: Vec<_> = stream::iter(packages.clone())
                .map(|package| async move {
                    let mended = self.updates.mend(&package, deadline).await;
                    (package, mended)
                })
                .buffered(AT_ONCE)
                .collect()
                .await;
            let mut outcomes = BTreeMap::new();
            for (package, mended) in mended {
                let outcome = match mended {
                    Ok(false) => Sums::from_iter([("packages", 1)]),
                    Ok(true) => Sums::from_iter([("packages", 1), ("corrected", 1)]),
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(packageId = package.as_str(), error = %error, "package not mended: {error}");
                        Sums::from_iter([("packages", 1), ("failed", 1)])
                    }
                    Err(error) => return Err(error),
                };
                outcomes.insert(keys::refreshed(&leg.refresh, &package), outcome);
            }
            let has_ended = packages.len() < self.part;
            if has_ended {
                outcomes.insert(keys::refreshed_lane(&leg.refresh, leg.lane), Sums::from_iter([("lanes", 1)]));
            }
            retry::until(deadline, || Box::pin(self.note(&leg.refresh, &outcomes, deadline))).await?;
            let next = Leg { after: packages.last().cloned(), ..leg.clone() };
            Ok((!has_ended).then_some(next))
        })
    }

    async fn note(
        &self,
        refresh: &RefreshId,
        outcomes: &BTreeMap<Key, Sums>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let stats = &self.updates.stats;
        let held = stats.get_all(outcomes.keys().cloned().collect(), Consistency::Strong, deadline).await?;
        let now = self.updates.now();
        let mut contributions = Contributions::new(stats);
        for (key, outcome) in outcomes {
            let held = held.get(key);
            let was = held.map(Sums::of).unwrap_or_default();
            // What was corrected when this leg was gone before stays corrected.
            let mut becomes = outcome.clone();
            if was.get("corrected") > becomes.get("corrected") {
                becomes.add(&Sums::from_iter([("corrected", 1)]));
            }
            let mut item: Item = to_key(key);
            becomes.write(&mut item);
            item.insert(VERSION.to_owned(), AttributeValue::S(self.updates.ids.fresh()));
            item.insert(TTL.to_owned(), expiry(now));
            let version = held.and_then(|held| text(held, VERSION)).map(str::to_owned);
            contributions.child(item, version);
            contributions.changes(keys::refresh(refresh), &was, &becomes);
        }
        contributions.commit(self.updates.ids.fresh(), now).await
    }
}

fn expiry(now: Time) -> AttributeValue {
    AttributeValue::N(now.plus(KEPT).seconds().to_string())
}
