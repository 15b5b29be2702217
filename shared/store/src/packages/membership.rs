//! Membership: the quizzes of a package, added and removed as its document changes.
//!
//! A change of the document names the quizzes that differ. Each of them is then added or removed as the document has it by
//! now, so it does not matter in which order changes are delivered. A contribution is always written, even if its value is
//! the same: another writer may have read the document before, and only a new version stops it.

use std::collections::{BTreeSet, HashMap};

use futures::future::BoxFuture;
use serde_dynamo::{AttributeValue, Item as Image};
use tokio::time::Instant;

use super::PackageProjector;
use super::child::Child;
use crate::contributions::Contribution;
use crate::error::StoreError;
use crate::items::{Item, to_key};
use crate::keys::{self, Key, PK, SK};
use crate::refresh::{Attempt, Change, Projection};
use crate::sums::Sums;
use crate::table::{Consistency, Table};
use domain::id::{PackageId, QuizId};

/// How many quizzes one transaction adds or removes: two items each, with the total that they add to.
const CHUNK: usize = 45;

/// The attribute of a package's document that lists its quizzes.
const QUIZZES: &str = "quizzes";

/// A package and the quizzes that may have been added or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The package.
    pub package: PackageId,
    /// The quizzes.
    pub quizzes: BTreeSet<QuizId>,
}

/// How a change of an item changes the quizzes of a package; `None` if the item is not a package's document.
///
/// # Errors
/// If the document is corrupt.
pub fn membership_change(keys: &Image, old: &Image, new: &Image) -> Result<Option<MembershipChange>, StoreError> {
    let text = |name: &str| match keys.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        _ => "",
    };
    let Some(package) = keys::parse_package(text(PK), text(SK)) else { return Ok(None) };
    let (old, new) = (quizzes(&package, old)?, quizzes(&package, new)?);
    Ok(Some(MembershipChange { package, quizzes: old.symmetric_difference(&new).cloned().collect() }))
}

fn quizzes(package: &PackageId, image: &Image) -> Result<BTreeSet<QuizId>, StoreError> {
    let Some(list) = image.get(QUIZZES) else { return Ok(BTreeSet::new()) };
    serde_dynamo::from_attribute_value(list.clone()).map_err(|error| StoreError::corrupt(package.as_str(), error))
}

/// Whether quizzes have a contribution to a package.
#[derive(Clone, Copy)]
struct Memberships<'a> {
    package: &'a PackageId,
    state: &'a Table,
}

impl Projection for Memberships<'_> {
    type Child = QuizId;
    /// Whether the document lists the quiz.
    type Source = bool;

    fn key(&self, quiz: &QuizId) -> Key {
        keys::quiz_in_package(self.package, quiz)
    }

    fn read_sources<'a>(
        &'a self,
        quizzes: &'a [QuizId],
        _stored: &'a HashMap<Key, Item>,
        _attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(async move {
            let listed = listed_quizzes(self.state, self.package).await?;
            Ok(quizzes.iter().map(|quiz| listed.contains(quiz)).collect())
        })
    }

    fn change(
        &mut self,
        quiz: &QuizId,
        stored: Option<&Item>,
        is_listed: bool,
        attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let (key, current) = (self.key(quiz), Contribution::read(stored));
        let backlink = keys::package_with(quiz, self.package);
        if is_listed {
            // A new one contributes nothing yet. One that was a member keeps what it contributes.
            let item = Contribution::item(&key, current.source_version.as_deref(), &current.sums);
            let mut change = Change::new(item);
            change.put(to_key(&backlink));
            return Ok(Some(change));
        }
        let mut change = Change::new(Contribution::tombstone(&key, attempt.began));
        change.add_to(keys::package_total(self.package), &current.sums, &Sums::default());
        change.delete(backlink);
        Ok(Some(change))
    }
}

impl PackageProjector {
    /// Adds those of the quizzes that the package's document lists and removes the others, retrying until the deadline.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn apply_membership<'a>(
        &'a self,
        change: &'a MembershipChange,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let memberships = Memberships { package: &change.package, state: &self.state };
            let quizzes: Vec<QuizId> = change.quizzes.iter().cloned().collect();
            for chunk in quizzes.chunks(CHUNK) {
                self.refresher().refresh(&memberships, chunk, deadline).await?;
            }
            // Their totals are read only now that they are members: a later change of a total finds the membership.
            let children: Vec<Child> = quizzes.into_iter().map(Child::Quiz).collect();
            self.refresh_package(&change.package, &children, deadline).await?;
            Ok(())
        })
    }
}

/// The quizzes that a package's document lists; strongly consistent.
pub(super) async fn listed_quizzes(state: &Table, package: &PackageId) -> Result<BTreeSet<QuizId>, StoreError> {
    let document = state.get(&keys::package(package), Consistency::Strong).await?;
    let Some(list) = document.and_then(|mut document| document.remove(QUIZZES)) else {
        return Ok(BTreeSet::new());
    };
    serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(list)
        .map_err(|error| StoreError::corrupt(package.as_str(), error))
}
