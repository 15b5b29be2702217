//! Repair: a package's numbers rebuilt from all that they are made of.
//!
//! A rebuild adds packages that are older than their numbers, and repairs numbers that are wrong for any reason. Where all
//! is right it writes nothing. A read of several items may see a part of a transaction, so a difference counts only when it
//! is found twice (see `double_check`).

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::PackageProjector;
use super::child::Child;
use super::documents::{CREATOR, CURRENCY, EXISTS, description_changes};
use super::membership::{MembershipChange, listed_quizzes};
use crate::contributions::{AS_OF, Contribution, stored_version};
use crate::error::StoreError;
use crate::items::{Item, text};
use crate::keys;
use crate::retry;
use crate::slot::Slot;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use crate::transaction::{Condition, Transaction};
use domain::id::{PackageId, QuizId};
use domain::package::Package;

impl PackageProjector {
    /// Rebuilds a package's numbers, retrying until the deadline. Returns whether they were wrong.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn rebuild<'a>(&'a self, package: &'a PackageId, deadline: Instant) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let quizzes = retry::until(deadline, || Box::pin(self.wrong_members(package, deadline))).await?;
            let had_wrong_members = !quizzes.is_empty();
            self.apply_membership(&MembershipChange { package: package.clone(), quizzes }, deadline).await?;
            let contributions = retry::until(deadline, || Box::pin(self.contributions(package))).await?;
            let active = contributions.into_iter().filter(|(_, stored)| stored.is_active).map(|(child, _)| child);
            let children: BTreeSet<Child> = active.chain([Child::Sales]).collect();
            let children: Vec<Child> = children.into_iter().collect();
            let had_stale_contributions = self.refresh_package(package, &children, deadline).await? > 0;
            let had_wrong_total = retry::until(deadline, || Box::pin(self.repair_total(package))).await?;
            Ok(had_wrong_members || had_stale_contributions || had_wrong_total)
        })
    }

    /// The quizzes that are members against the document, or not members, or do not name the package.
    async fn wrong_members(&self, package: &PackageId, deadline: Instant) -> Result<BTreeSet<QuizId>, StoreError> {
        let contributions = self.contributions(package).await?;
        let listed = listed_quizzes(&self.state, package).await?;
        let active = contributions.into_iter().filter(|(_, stored)| stored.is_active);
        let members: BTreeSet<QuizId> = active
            .filter_map(|(child, _)| match child {
                Child::Quiz(quiz) => Some(quiz),
                Child::Sales => None,
            })
            .collect();
        let backlinks = members.iter().map(|quiz| keys::package_with(quiz, package)).collect();
        let backlinks = self.stats.get_all(backlinks, Consistency::Strong, deadline).await?;
        let unlinked = members.iter().filter(|quiz| !backlinks.contains_key(&keys::package_with(quiz, package)));
        let wrong: BTreeSet<QuizId> = listed.symmetric_difference(&members).chain(unlinked).cloned().collect();
        if !wrong.is_empty() {
            self.double_check.confirm((&keys::package(package), "quizzes"), None, &wrong)?;
        }
        Ok(wrong)
    }

    /// All contributions to a package, strongly consistent.
    async fn contributions(&self, package: &PackageId) -> Result<Vec<(Child, Contribution)>, StoreError> {
        let all = KeyRange::with_prefix(keys::package_total(package).pk, keys::CONTRIBUTIONS);
        let items = self.stats.query(&all, Consistency::Strong).await?;
        let contributions = items.iter().map(|item| {
            let sk = text(item, keys::SK).unwrap_or_default();
            let child = Child::parse_key(sk).ok_or_else(|| StoreError::corrupt(sk, "an unknown contribution"))?;
            Ok((child, Contribution::read(Some(item))))
        });
        contributions.collect()
    }

    /// Sets a package's total to the sum of its contributions, and its description to that of its document. Returns whether
    /// they differed.
    async fn repair_total(&self, package: &PackageId) -> Result<bool, StoreError> {
        let key = keys::package_total(package);
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        let now = self.now();
        let mut sums = Sums::default();
        for (_, contribution) in self.contributions(package).await? {
            sums.add(&contribution.sums);
        }
        let document =
            Slot::<Package>::read(self.state.get(&keys::package(package), Consistency::Strong).await?)?.present();
        let document = document.as_ref().map(|document| &document.document);
        let stored_sums = stored.as_ref().map(Sums::of).unwrap_or_default();
        if is_described(stored.as_ref(), document) && stored_sums.without_zeros() == sums.without_zeros() {
            return Ok(false);
        }
        let version = stored.as_ref().and_then(stored_version);
        self.double_check.confirm((&key, "sums"), version.as_deref(), &sums)?;
        let mut changes = description_changes(document, self.ids.fresh());
        changes.set(AS_OF, AttributeValue::S(now.to_string()));
        // A stored sum without any contribution becomes 0.
        let mut all = stored_sums.clone();
        all.subtract(&stored_sums);
        all.add(&sums);
        for (name, sum) in all.iter() {
            changes.set(name, AttributeValue::N(sum.to_string()));
        }
        let mut transaction = Transaction::new(self.stats.client.clone());
        transaction.update(&self.stats.name, &key, changes, Some(Condition::unchanged(version)))?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Whether a package's total describes the package as its document does.
fn is_described(stored: Option<&Item>, document: Option<&Package>) -> bool {
    let attribute = |name: &str| stored.and_then(|stored| text(stored, name));
    let exists = stored.is_some_and(|stored| stored.get(EXISTS) == Some(&AttributeValue::Bool(true)));
    match document {
        Some(package) => {
            exists
                && attribute(CREATOR) == Some(package.creator.as_str())
                && attribute(CURRENCY) == Some(package.currency.code())
                && attribute(AS_OF).is_some()
        }
        None => !exists,
    }
}
