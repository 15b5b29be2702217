//! Contributions: a parent is the sum of what its children contribute.
//!
//! Each child has one item with its contribution. A refresh reads the version of the contribution first and its source
//! after it. In one transaction it writes the new contribution, if the version is still the one that was read, and adds the
//! difference to the parent. So a parent is the sum of the contributions that exist, whatever is delivered twice, late or
//! at once, and each contribution is made of a source that was read after the contribution before it was written.
//!
//! Three rules, each of which a test breaks to see the numbers go wrong:
//! - A version is never used twice. Absence is a version too, and one that can come back: so a removed contribution stays
//!   as a tombstone with a version of its own, for longer than any invocation runs.
//! - A write is skipped only where the contribution was made of this very version of its source, never because the value
//!   is equal.
//! - A new child is added in two steps: its contribution is written first, as nothing, and its source is read after that.
//!   A writer that changes the source later finds the contribution; what was written before is read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;

use super::error::StoreError;
use super::items::{Item, TTL, VERSION, text, to_key};
use super::keys::Key;
use super::sums::Sums;
use super::table::{Consistency, Table};
use super::transaction::{Changes, Condition, Transaction};
use domain::time::Time;

/// How long a removed contribution stays as a tombstone: far longer than the 15 minutes that an invocation runs at most
/// ([quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const TOMBSTONE: TimeDelta = TimeDelta::days(2);

/// The time up to which sources are counted in a parent's sums.
pub(super) const AS_OF: &str = "asOf";

/// How many sums of a parent one expression adds to. It takes 300 operators and 4 KiB
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ADDED: usize = 120;

/// The version of the source that a contribution was made of.
const OF: &str = "of";

/// Marks a tombstone.
const GONE: &str = "gone";

/// A stored contribution or its tombstone; by default, neither exists.
#[derive(Debug, Clone, Default)]
pub(super) struct Contribution {
    pub(super) version: Option<String>,
    /// The version of the source that it was made of, if it was made of any yet.
    pub(super) source_version: Option<String>,
    /// Whether it exists and is no tombstone.
    pub(super) is_active: bool,
    pub(super) sums: Sums,
}

impl Contribution {
    pub(super) fn read(item: Option<&Item>) -> Self {
        let Some(item) = item else { return Self::default() };
        Self {
            version: stored_version(item),
            source_version: text(item, OF).map(str::to_owned),
            is_active: !item.contains_key(GONE),
            sums: Sums::of(item),
        }
    }

    /// Whether it was made of this version of its source, and so need not be written.
    pub(super) fn is_made_of(&self, source_version: Option<&str>, sums: &Sums) -> bool {
        self.source_version.as_deref() == source_version && self.sums == *sums
    }

    /// The item of a contribution, without a version.
    pub(super) fn item(key: &Key, source_version: Option<&str>, sums: &Sums) -> Item {
        let mut item = to_key(key);
        item.extend(source_version.map(|version| (OF.to_owned(), AttributeValue::S(version.to_owned()))));
        sums.without_zeros().write(&mut item);
        item
    }

    /// The item of a removed contribution, without a version.
    pub(super) fn tombstone(key: &Key, now: Time) -> Item {
        let mut item = Self::item(key, None, &Sums::default());
        item.insert(GONE.to_owned(), AttributeValue::Bool(true));
        item.insert(TTL.to_owned(), AttributeValue::N(now.plus(TOMBSTONE).seconds().to_string()));
        item
    }
}

/// The version of an item, if it has one.
pub(super) fn stored_version(item: &Item) -> Option<String> {
    text(item, VERSION).map(str::to_owned)
}

/// Contributions that are written in one transaction, with the differences that they make to their parents.
pub(super) struct ContributionBatch<'a> {
    table: &'a Table,
    children: Vec<(Item, Condition)>,
    side_writes: Vec<SideWrite>,
    differences: BTreeMap<Key, Sums>,
}

/// An unconditional write in the transaction of a contribution.
#[derive(Debug)]
pub(super) enum SideWrite {
    Put(Item),
    Delete(Key),
}

impl<'a> ContributionBatch<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { table, children: Vec::new(), side_writes: Vec::new(), differences: BTreeMap::new() }
    }

    /// Replaces the contribution that was read, by its version.
    pub(super) fn replace(&mut self, item: Item, version_read: Option<String>) {
        self.children.push((item, Condition::unchanged(version_read)));
    }

    /// Adds to a parent what a child contributes after the write, and subtracts what it contributed before.
    pub(super) fn add_to(&mut self, parent: Key, before: &Sums, after: &Sums) {
        let difference = self.differences.entry(parent).or_default();
        difference.add(after);
        difference.subtract(before);
    }

    pub(super) fn write(&mut self, write: SideWrite) {
        self.side_writes.push(write);
    }

    pub(super) fn put(&mut self, item: Item) {
        self.write(SideWrite::Put(item));
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.write(SideWrite::Delete(key));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.side_writes.is_empty()
    }

    /// How many items are written, at most.
    pub(super) fn len(&self) -> usize {
        self.children.len() + self.side_writes.len() + self.differences.len()
    }

    /// Writes the contributions and the parents that change; `version` is the new version of these parents.
    pub(super) async fn commit(mut self, version: String, as_of: Time) -> Result<(), StoreError> {
        self.differences.retain(|_, difference| !difference.is_zero());
        let is_alone = self.differences.is_empty() && self.side_writes.is_empty() && self.children.len() == 1;
        if let Some((item, condition)) = self.children.pop_if(|_| is_alone) {
            return self.table.put(item, condition).await;
        }
        let mut transaction = Transaction::new(self.table.client.clone());
        for (item, condition) in self.children {
            transaction.put(&self.table.name, item, Some(condition))?;
        }
        for write in self.side_writes {
            match write {
                SideWrite::Put(item) => transaction.put(&self.table.name, item, None)?,
                SideWrite::Delete(key) => transaction.delete(&self.table.name, &key, None)?,
            }
        }
        for (parent, difference) in self.differences {
            let difference = difference.without_zeros();
            if difference.len() > MAX_ADDED {
                let (item, condition) = replaced_parent(self.table, &parent, &difference, &version, as_of).await?;
                transaction.put(&self.table.name, item, Some(condition))?;
                continue;
            }
            let mut changes = Changes::default();
            changes.set(VERSION, AttributeValue::S(version.clone()));
            changes.set(AS_OF, AttributeValue::S(as_of.to_string()));
            for (name, sum) in difference.iter() {
                changes.add(name, sum);
            }
            transaction.update(&self.table.name, &parent, changes, None)?;
        }
        transaction.commit().await
    }
}

/// A parent with the difference added, on the version that was read: for differences that no expression takes.
async fn replaced_parent(
    table: &Table,
    parent: &Key,
    difference: &Sums,
    version: &str,
    as_of: Time,
) -> Result<(Item, Condition), StoreError> {
    let stored = table.get(parent, Consistency::Strong).await?;
    let condition = Condition::unchanged(stored.as_ref().and_then(stored_version));
    let mut item = stored.unwrap_or_else(|| to_key(parent));
    let mut sums = Sums::of(&item);
    sums.add(difference);
    sums.write(&mut item);
    item.insert(VERSION.to_owned(), AttributeValue::S(version.to_owned()));
    item.insert(AS_OF.to_owned(), AttributeValue::S(as_of.to_string()));
    Ok((item, condition))
}
