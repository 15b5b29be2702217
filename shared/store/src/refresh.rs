//! The refresh of contributions: the one way in which every derived value is kept up to date.
//!
//! Stored contributions are read first, their sources after them. One transaction then writes what has changed, each
//! contribution on the version that was read, and adds the differences to the parents. Where another writer was faster, all
//! of it is read again. See [`contributions`](crate::contributions) for the rules that this keeps.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::contributions::{ContributionBatch, SideWrite, stored_version};
use crate::error::StoreError;
use crate::items::{Item, VERSION};
use crate::keys::Key;
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, Table};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// One kind of contribution: where it is stored, what it is made of, and what it adds to its parents.
///
/// Each attempt works on a clone, so that nothing is left of one that failed.
pub(crate) trait Projection: Clone + Send + Sync {
    /// Who contributes.
    type Child: Sync;
    /// What a contribution is made of.
    type Source: Send;

    /// A transaction that has more items than this is committed before the next contribution is added.
    const SPLIT_ABOVE: usize = usize::MAX;

    /// The key of a child's contribution.
    fn key(&self, child: &Self::Child) -> Key;

    /// Reads the sources of children, in the order of the children. The contributions in `stored` were read before.
    fn read_sources<'a>(
        &'a self,
        children: &'a [Self::Child],
        stored: &'a HashMap<Key, Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Self::Source>, StoreError>>;

    /// What becomes of a child's contribution; `None` if it stays as it is.
    fn change(
        &mut self,
        child: &Self::Child,
        stored: Option<&Item>,
        source: Self::Source,
        attempt: Attempt,
    ) -> Result<Option<Change>, StoreError>;

    /// Runs before changes are written.
    fn before_write(&mut self, _attempt: Attempt) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// One attempt to refresh contributions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// When the sources began to be read.
    pub(crate) began: Time,
    /// When the refresh has to end.
    pub(crate) deadline: Instant,
}

/// What becomes of a contribution, with the differences that this makes to its parents.
#[derive(Debug)]
pub(crate) struct Change {
    item: Item,
    parents: Vec<(Key, Sums, Sums)>,
    side_writes: Vec<SideWrite>,
    is_partial: bool,
}

impl Change {
    /// The contribution becomes this item. Its version is set when it is written.
    pub(crate) fn new(item: Item) -> Self {
        Self { item, parents: Vec::new(), side_writes: Vec::new(), is_partial: false }
    }

    /// What the child contributed to a parent, and what it contributes now.
    pub(crate) fn add_to(&mut self, parent: Key, before: &Sums, after: &Sums) {
        self.parents.push((parent, before.clone(), after.clone()));
    }

    /// An item that is put in the same transaction.
    pub(crate) fn put(&mut self, item: Item) {
        self.side_writes.push(SideWrite::Put(item));
    }

    /// An item that is deleted in the same transaction.
    pub(crate) fn delete(&mut self, key: Key) {
        self.side_writes.push(SideWrite::Delete(key));
    }

    /// More of the child changes than one transaction takes: it is refreshed again.
    pub(crate) fn with_partial(mut self, is_partial: bool) -> Self {
        self.is_partial = is_partial;
        self
    }
}

/// Refreshes contributions in the table of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Refresher<'a> {
    pub(crate) stats: &'a Table,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) ids: &'a dyn Ids,
}

impl Refresher<'_> {
    /// Refreshes the contributions of children, retrying until the deadline. Returns how many were written.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub(crate) async fn refresh<P: Projection>(
        self,
        projection: &P,
        children: &[P::Child],
        deadline: Instant,
    ) -> Result<usize, StoreError> {
        let mut written = 0;
        loop {
            let once = retry::until(deadline, || Box::pin(self.refresh_once(projection, children, deadline))).await?;
            written += once.written;
            if once.is_complete {
                return Ok(written);
            }
        }
    }

    /// Refreshes the contributions of children in one attempt.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another writer was faster.
    pub(crate) async fn refresh_once<P: Projection>(
        self,
        projection: &P,
        children: &[P::Child],
        deadline: Instant,
    ) -> Result<Refreshed, StoreError> {
        let mut projection = projection.clone();
        let keys = children.iter().map(|child| projection.key(child)).collect();
        let stored = self.stats.get_all(keys, Consistency::Strong, deadline).await?;
        let attempt = Attempt { began: Time::from(self.clock.now()), deadline };
        let sources = projection.read_sources(children, &stored, attempt).await?;
        let mut batch = ContributionBatch::new(self.stats);
        let mut refreshed = Refreshed { written: 0, is_complete: true };
        for (child, source) in children.iter().zip(sources) {
            let stored = stored.get(&projection.key(child));
            let Some(change) = projection.change(child, stored, source, attempt)? else { continue };
            if batch.len() > P::SPLIT_ABOVE {
                let full = std::mem::replace(&mut batch, ContributionBatch::new(self.stats));
                self.write(&mut projection, full, attempt).await?;
            }
            refreshed.written += 1;
            refreshed.is_complete &= !change.is_partial;
            self.add(&mut batch, change, stored);
        }
        if !batch.is_empty() {
            self.write(&mut projection, batch, attempt).await?;
        }
        Ok(refreshed)
    }

    /// A version is never used twice, so no change comes without a fresh one.
    fn add(self, batch: &mut ContributionBatch<'_>, change: Change, stored: Option<&Item>) {
        let Change { mut item, parents, side_writes, .. } = change;
        item.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
        batch.replace(item, stored.and_then(stored_version));
        parents.into_iter().for_each(|(parent, before, after)| batch.add_to(parent, &before, &after));
        side_writes.into_iter().for_each(|write| batch.write(write));
    }

    async fn write<P: Projection>(
        self,
        projection: &mut P,
        batch: ContributionBatch<'_>,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        projection.before_write(attempt).await?;
        batch.commit(self.ids.fresh(), attempt.began).await
    }
}

/// What one attempt wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refreshed {
    /// How many contributions.
    pub(crate) written: usize,
    /// Whether none was written in part only.
    pub(crate) is_complete: bool,
}

/// Reads items strongly consistent, in the order of their keys; for [`Projection::read_sources`].
pub(crate) async fn read_items(
    table: &Table,
    keys: Vec<Key>,
    deadline: Instant,
) -> Result<Vec<Option<Item>>, StoreError> {
    let items = table.get_all(keys.iter().cloned().collect(), Consistency::Strong, deadline).await?;
    Ok(keys.iter().map(|key| items.get(key).cloned()).collect())
}
