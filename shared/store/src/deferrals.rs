//! Deferrals: which buckets wait in a queue to be folded, so that one message stands for everything that happens
//! meanwhile.
//!
//! A record about a bucket may be dropped only if a later fold is certain. It is certain while a message for the bucket
//! has been sent and not been received: its receiver clears the mark first and reads the facts after that. So the order
//! is: set the mark, send the message, confirm the mark. A confirmation counts only if the mark is unchanged since it
//! was set. If it has changed, a message has been received or another mark has been set in between, and no conclusion
//! is possible. An extra message does no harm, and a sender that dies leaves a mark that is not trusted.

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

/// How long a confirmed mark is trusted: longer than a message waits, in case a queue is purged by hand.
const TRUSTED: TimeDelta = TimeDelta::minutes(30);

/// Marks that the message has been sent.
const SENT: &str = "sent";

/// A mark for a message that is about to be sent.
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

    /// Sets a mark for a message that is about to be sent; `None` if a message is waiting already.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
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

    /// Confirms a mark whose message has been sent. If it fails, more messages are sent than necessary.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn confirm<'a>(&'a self, mark: &'a Deferral, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let now = Time::from(self.clock.now());
                let confirmed = item(&mark.key, &mark.version, true, now);
                let condition = Condition::unchanged(Some(mark.version.clone()));
                match self.table.put(confirmed, condition).await {
                    // A message has been received since, or another sender has set a mark.
                    Ok(()) | Err(StoreError::Conflict) => Ok(()),
                    Err(error) => Err(error),
                }
            })
        }))
    }

    /// Clears the mark of a bucket before its facts are read.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed. Then the bucket must not be folded on behalf of other records.
    pub fn clear<'a>(&'a self, bucket: &'a Bucket, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let (key, now) = (keys::deferred(self.function, bucket), Time::from(self.clock.now()));
                // Overwritten, not deleted: a version is never used twice, and the time to live removes it.
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
