//! Which quizzes a package holds: as its document says, brought in and taken out as the document changes.
//!
//! A quiz that the document names comes in, any other goes out, whichever change it is that tells of it. What a change
//! tells of is always written, even if it comes out the same: somebody who read the document before may still be under
//! way, and only a new version stops them.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use serde_dynamo::{AttributeValue, Item as Image};
use tokio::time::Instant;

use super::PackageProjector;
use super::child::Child;
use crate::contributions::{Contribution, Contributions};
use crate::error::StoreError;
use crate::items::to_key;
use crate::keys::{self, PK, SK};
use crate::retry;
use crate::sums::Sums;
use crate::table::Consistency;
use domain::id::{PackageId, QuizId};

/// How many quizzes come in or go out in one transaction: two items each, with the one item that they add to.
const TOGETHER: usize = 45;

/// The attribute of a package's document that lists its quizzes.
const QUIZZES: &str = "quizzes";

/// A package and the quizzes that may have come in or gone out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The package.
    pub package: PackageId,
    /// The quizzes.
    pub quizzes: BTreeSet<QuizId>,
}

/// What a change of an item says of the quizzes that a package holds; `None` if it is no package's document.
///
/// # Errors
/// If it is one that this program does not write.
pub fn turned(keys: &Image, old: &Image, new: &Image) -> Result<Option<MembershipChange>, StoreError> {
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

impl PackageProjector {
    /// Brings quizzes in that a package's document names, and takes the others of these out, trying again until the
    /// deadline.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn turn<'a>(
        &'a self,
        turned: &'a MembershipChange,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let quizzes: Vec<QuizId> = turned.quizzes.iter().cloned().collect();
            for chunk in quizzes.chunks(TOGETHER) {
                retry::until(deadline, || Box::pin(self.turn_once(&turned.package, chunk, deadline))).await?;
            }
            // Only now that they are in, what they bring is read: who changes it from here on finds them in.
            let children: Vec<Child> = quizzes.into_iter().map(Child::Quiz).collect();
            self.follow_in(&turned.package, &children, deadline).await?;
            Ok(())
        })
    }

    /// Reads the contributions, then the document, and writes.
    async fn turn_once(&self, package: &PackageId, quizzes: &[QuizId], deadline: Instant) -> Result<(), StoreError> {
        let asked = quizzes.iter().map(|quiz| keys::quiz_in_package(package, quiz)).collect();
        let held = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let now = self.now();
        let named = self.named(package).await?;
        let mut contributions = Contributions::new(&self.stats);
        let total = keys::package_total(package);
        for quiz in quizzes {
            let key = keys::quiz_in_package(package, quiz);
            let held = Contribution::read(held.get(&key));
            let with = keys::package_with(quiz, package);
            if named.contains(quiz) {
                // One that is new brings nothing yet; one that was in already brings what it did.
                let item = Contribution::item(&key, self.ids.fresh(), held.of.as_deref(), &held.sums);
                contributions.child(item, held.version);
                contributions.put(to_key(&with));
            } else {
                let item = Contribution::tombstone(&key, self.ids.fresh(), now);
                contributions.child(item, held.version);
                contributions.changes(total.clone(), &held.sums, &Sums::default());
                contributions.delete(with);
            }
        }
        contributions.commit(self.ids.fresh(), now).await
    }

    /// The quizzes that a package's document names; strongly consistent.
    pub(super) async fn named(&self, package: &PackageId) -> Result<BTreeSet<QuizId>, StoreError> {
        let document = self.state.get(&keys::package(package), Consistency::Strong).await?;
        let Some(list) = document.and_then(|mut document| document.remove(QUIZZES)) else {
            return Ok(BTreeSet::new());
        };
        serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(list)
            .map_err(|error| StoreError::corrupt(package.as_str(), error))
    }
}
