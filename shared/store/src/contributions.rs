//! Contributions: a parent is the sum of what its children contribute.
//!
//! Each child's contribution is an item. To bring a child up to date, the version of its contribution is read first and
//! what it is made of after it; then, in one transaction, the new contribution is written if the version is still the
//! one that was read, and the difference is added to the parent. Whatever happens twice, late or at once, a parent is
//! always the sum of the contributions that are there, and every contribution that is written was made of what was read
//! after the one before it was.
//!
//! Three rules, each of which a test breaks to see the numbers go wrong:
//! - A version is never used twice. That a contribution is not there would be a version, and one that comes back: so one
//!   that is taken out stays as a tombstone of its own version for longer than anybody can be under way.
//! - A write is left out only where the contribution was made of this very version of its source, never because the
//!   value comes out the same.
//! - Whoever brings a new child in writes its contribution first, as nothing, and only then reads its source: so who
//!   changes the source afterwards finds the contribution, and who changed it before is read.

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

/// How long what was taken out stays as a tombstone: far longer than any invocation is under way, the longest of which
/// is 15 minutes ([quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const TOMBSTONE: TimeDelta = TimeDelta::days(2);

/// What was read by then is in a parent's numbers: the time of what was added last.
pub(super) const AS_OF: &str = "asOf";

/// How many sums of a parent are added to in place. An expression takes 300 operators and 4 KiB
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const ADDED_AT_ONCE: usize = 120;

/// The version of the source that a contribution was made of.
const OF: &str = "of";

/// Whether a contribution is a tombstone.
const GONE: &str = "gone";

/// A contribution, or its tombstone, or that there never was one.
#[derive(Debug, Clone, Default)]
pub(super) struct Contribution {
    pub(super) version: Option<String>,
    /// The version of the source that it was made of; `None` if it is not yet made of any.
    pub(super) of: Option<String>,
    /// Whether it counts.
    pub(super) stands: bool,
    pub(super) sums: Sums,
}

impl Contribution {
    pub(super) fn read(item: Option<&Item>) -> Self {
        let Some(item) = item else { return Self::default() };
        Self {
            version: text(item, VERSION).map(str::to_owned),
            of: text(item, OF).map(str::to_owned),
            stands: !item.contains_key(GONE),
            sums: Sums::of(item),
        }
    }

    /// The item of a contribution that counts.
    pub(super) fn item(key: &Key, version: String, of: Option<&str>, sums: &Sums) -> Item {
        let mut item = to_key(key);
        item.insert(VERSION.to_owned(), AttributeValue::S(version));
        item.extend(of.map(|of| (OF.to_owned(), AttributeValue::S(of.to_owned()))));
        sums.without_zeros().write(&mut item);
        item
    }

    /// The item of one that was taken out.
    pub(super) fn tombstone(key: &Key, version: String, now: Time) -> Item {
        let mut item = Self::item(key, version, None, &Sums::default());
        item.insert(GONE.to_owned(), AttributeValue::Bool(true));
        item.insert(TTL.to_owned(), AttributeValue::N(now.plus(TOMBSTONE).seconds().to_string()));
        item
    }
}

/// Contributions that are written together, with the differences that they make to their parents.
pub(super) struct Contributions<'a> {
    table: &'a Table,
    children: Vec<(Item, Condition)>,
    others: Vec<Other>,
    differences: BTreeMap<Key, Sums>,
}

enum Other {
    Put(Item),
    Delete(Key),
}

impl<'a> Contributions<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { table, children: Vec::new(), others: Vec::new(), differences: BTreeMap::new() }
    }

    /// A child's contribution takes the place of the one that was read, whose version is `held`.
    pub(super) fn child(&mut self, item: Item, held: Option<String>) {
        self.children.push((item, Condition::still(held)));
    }

    /// What a child that is written contributed to a parent, and what it contributes now.
    pub(super) fn changes(&mut self, parent: Key, was: &Sums, becomes: &Sums) {
        let difference = self.differences.entry(parent).or_default();
        difference.add(becomes);
        difference.subtract(was);
    }

    /// Something that is written if and when the contributions are.
    pub(super) fn put(&mut self, item: Item) {
        self.others.push(Other::Put(item));
    }

    /// Something that goes if and when the contributions are written.
    pub(super) fn delete(&mut self, key: Key) {
        self.others.push(Other::Delete(key));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// How many items are written, at most.
    pub(super) fn items(&self) -> usize {
        self.children.len() + self.others.len() + self.differences.len()
    }

    /// Writes them and what they change of their parents, whose version is then `version`. A parent that nothing is added
    /// to stays as it is.
    pub(super) async fn commit(mut self, version: String, as_of: Time) -> Result<(), StoreError> {
        self.differences.retain(|_, difference| !difference.is_zero());
        let is_alone = self.differences.is_empty() && self.others.is_empty() && self.children.len() == 1;
        if let Some((item, condition)) = self.children.pop_if(|_| is_alone) {
            return self.table.put(item, condition).await;
        }
        let mut transaction = Transaction::new(self.table.client.clone());
        for (item, condition) in self.children {
            transaction.put(&self.table.name, item, Some(condition))?;
        }
        for other in self.others {
            match other {
                Other::Put(item) => transaction.put(&self.table.name, item, None)?,
                Other::Delete(key) => transaction.delete(&self.table.name, &key, None)?,
            }
        }
        for (parent, difference) in self.differences {
            let difference = difference.without_zeros();
            if difference.len() > ADDED_AT_ONCE {
                let (item, condition) = whole(self.table, &parent, &difference, &version, as_of).await?;
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

/// A parent with so many sums changed that no expression takes them: as it was read, with the difference added.
async fn whole(
    table: &Table,
    parent: &Key,
    difference: &Sums,
    version: &str,
    as_of: Time,
) -> Result<(Item, Condition), StoreError> {
    let held = table.get(parent, Consistency::Strong).await?;
    let condition = Condition::still(held.as_ref().and_then(|held| text(held, VERSION)).map(str::to_owned));
    let mut item = held.unwrap_or_else(|| to_key(parent));
    let mut sums = Sums::of(&item);
    sums.add(difference);
    sums.write(&mut item);
    item.insert(VERSION.to_owned(), AttributeValue::S(version.to_owned()));
    item.insert(AS_OF.to_owned(), AttributeValue::S(as_of.to_string()));
    Ok((item, condition))
}
