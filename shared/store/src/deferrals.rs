//! Deferrals: which buckets wait in a queue to be folded, so that one message stands for all that happens meanwhile.
//!
//! A record about a bucket may be dropped only if a fold that begins later is certain. That is so where a message for the
//! bucket was sent and nobody has received it yet: whoever receives it clears the mark first and reads the facts after
//! that. So the order is: mark as being sent, send, confirm the mark; and a confirmation holds only if the mark is still
//! the one that was set. If it is not, somebody has received a message or has set a mark in between, and nothing may be
//! concluded from it. A message too many does no harm, and a sender that dies leaves a mark that nobody trusts.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::error::StoreError;
use super::items::{Item, TTL, VERSION, number, to_key};
use super::keys::{self, Key};
use super::retry;
use super::table::Consistency;
use super::transaction::Condition;
use crate::setup::{Setup, StatsTable};
use domain::entity::Bucket;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// How long a confirmed mark is trusted: longer than a message waits, in case that a queue was emptied by hand.
const TRUSTED: TimeDelta = TimeDelta::minutes(30);

/// Whether the message of a mark has been sent.
const SENT: &str = "sent";

/// A mark that was set for a message that is to be sent.
#[derive(Debug)]
pub struct Deferral {
    key: Key,
    version: String,
}

/// The marks of one function.
#[derive(Clone)]
pub struct Deferrals {
    table: StatsTable,
    function: &'static str,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Deferrals {
    /// Opens the deferrals of a function.
    pub fn open(setup: &mut Setup<'_>, function: &'static str) -> Self {
        Self { table: setup.stats_table(), function, clock: setup.clock(), ids: setup.ids() }
    }

    /// Sets a mark for a message that is to be sent now; `None` if one waits already, so that none need be sent.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn mark<'a>(
        &'a self,
        bucket: &'a Bucket,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Deferral>, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let (key, now) = (keys::deferred(self.function, bucket), Time::from(self.clock.now()));
                let held = self.table.get(&key, Consistency::Strong).await?;
                let waits = |held: &Item| held.contains_key(SENT) && number::<i64>(held, TTL) > Some(now.seconds());
                if held.as_ref().is_some_and(waits) {
                    return Ok(None);
                }
                let version = self.ids.fresh();
                self.table.put(item(&key, &version, false, now), Condition::default()).await?;
                Ok(Some(Deferral { key, version }))
            })
        }))
    }

    /// Confirms a mark whose message has been sent. Where it fails, only more messages are sent than are needed.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn confirm<'a>(&'a self, mark: &'a Deferral, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let now = Time::from(self.clock.now());
                let confirmed = item(&mark.key, &mark.version, true, now);
                let condition = Condition::unchanged(Some(mark.version.clone()));
                match self.table.put(confirmed, condition).await {
                    // Somebody has received a message since, or sends another.
                    Ok(()) | Err(StoreError::Conflict) => Ok(()),
                    Err(error) => Err(error),
                }
            })
        }))
    }

    /// Clears the mark of a bucket, before its facts are read.
    ///
    /// # Errors
    /// What stood in the way when the time was up: then the bucket must not be folded on behalf of others.
    pub fn clear<'a>(&'a self, bucket: &'a Bucket, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let (key, now) = (keys::deferred(self.function, bucket), Time::from(self.clock.now()));
                // Written over rather than deleted: a version is never used twice, and time to live removes it.
                self.table.put(item(&key, &self.ids.fresh(), false, now), Condition::default()).await
            })
        }))
    }
}

fn item(key: &Key, version: &str, is_sent: bool, now: Time) -> Item {
    let mut item = to_key(key);
    item.insert(VERSION.to_owned(), AttributeValue::S(version.to_owned()));
    item.insert(TTL.to_owned(), AttributeValue::N(now.plus(TRUSTED).seconds().to_string()));
    if is_sent {
        item.insert(SENT.to_owned(), AttributeValue::Bool(true));
    }
    item
}
