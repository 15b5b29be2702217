//! Mending: a package's numbers made anew from all that they are made of.
//!
//! This is what brings packages in that were there before their numbers were, and what repairs numbers that are wrong for
//! whatever reason. Where all is right it writes nothing. A read of several items may see a part of a transaction, so a
//! difference counts only when it is found twice (see `looks`).

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::PackageProjector;
use super::child::Child;
use super::documents::{CREATOR, CURRENCY, EXISTS, described_as};
use super::membership::MembershipChange;
use crate::contributions::{AS_OF, Contribution};
use crate::error::StoreError;
use crate::items::{Item, VERSION, text};
use crate::keys;
use crate::retry;
use crate::slot::Slot;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use crate::transaction::{Condition, Transaction};
use domain::id::{PackageId, QuizId};
use domain::package::Package;

impl PackageProjector {
    /// Makes a package's numbers anew, trying again until the deadline; tells whether they were wrong.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn mend<'a>(&'a self, package: &'a PackageId, deadline: Instant) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let quizzes = retry::until(deadline, || Box::pin(self.misplaced(package, deadline))).await?;
            let were_misplaced = !quizzes.is_empty();
            self.turn(&MembershipChange { package: package.clone(), quizzes }, deadline).await?;
            let contributions = retry::until(deadline, || Box::pin(self.contributions(package))).await?;
            let standing = contributions.into_iter().filter(|(_, held)| held.stands).map(|(child, _)| child);
            let children: BTreeSet<Child> = standing.chain([Child::Sales]).collect();
            let children: Vec<Child> = children.into_iter().collect();
            let were_stale = self.follow_in(package, &children, deadline).await? > 0;
            let was_wrong = retry::until(deadline, || Box::pin(self.sum_up(package))).await?;
            Ok(were_misplaced || were_stale || was_wrong)
        })
    }

    /// The quizzes that are in or out against what the document says, or that do not name the package that holds them.
    async fn misplaced(&self, package: &PackageId, deadline: Instant) -> Result<BTreeSet<QuizId>, StoreError> {
        let contributions = self.contributions(package).await?;
        let named = self.named(package).await?;
        let standing = contributions.into_iter().filter(|(_, held)| held.stands);
        let standing: BTreeSet<QuizId> = standing
            .filter_map(|(child, _)| match child {
                Child::Quiz(quiz) => Some(quiz),
                Child::Sales => None,
            })
            .collect();
        let asked = standing.iter().map(|quiz| keys::package_with(quiz, package)).collect();
        let naming = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let nameless = standing.iter().filter(|quiz| !naming.contains_key(&keys::package_with(quiz, package)));
        let misplaced: BTreeSet<QuizId> = named.symmetric_difference(&standing).chain(nameless).cloned().collect();
        if !misplaced.is_empty() {
            self.looks.confirm((&keys::package(package), "quizzes"), None, &misplaced)?;
        }
        Ok(misplaced)
    }

    /// All contributions to a package, strongly consistent.
    async fn contributions(&self, package: &PackageId) -> Result<Vec<(Child, Contribution)>, StoreError> {
        let all = KeyRange::beginning(keys::package_total(package).pk, keys::CONTRIBUTIONS);
        let items = self.stats.query(&all, Consistency::Strong).await?;
        let contributions = items.iter().map(|item| {
            let sk = text(item, keys::SK).unwrap_or_default();
            let child = Child::of_key(sk).ok_or_else(|| StoreError::corrupt(sk, "nobody's contribution"))?;
            Ok((child, Contribution::read(Some(item))))
        });
        contributions.collect()
    }

    /// Makes a package's sums those of its contributions, and what is said with them what its document says; tells
    /// whether they were not.
    async fn sum_up(&self, package: &PackageId) -> Result<bool, StoreError> {
        let key = keys::package_total(package);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        let now = self.now();
        let mut sums = Sums::default();
        for (_, contribution) in self.contributions(package).await? {
            sums.add(&contribution.sums);
        }
        let document =
            Slot::<Package>::read(self.state.get(&keys::package(package), Consistency::Strong).await?)?.present();
        let document = document.as_ref().map(|document| &document.document);
        let stored = held.as_ref().map(Sums::of).unwrap_or_default();
        if is_described(held.as_ref(), document) && stored.without_zeros() == sums.without_zeros() {
            return Ok(false);
        }
        let version = held.as_ref().and_then(|held| text(held, VERSION)).map(str::to_owned);
        self.looks.confirm((&key, "sums"), version.as_deref(), &sums)?;
        let mut changes = described_as(document, self.ids.fresh());
        changes.set(AS_OF, AttributeValue::S(now.to_string()));
        // Those that are stored and that nobody contributes to any more become 0.
        let mut all = stored.clone();
        all.subtract(&stored);
        all.add(&sums);
        for (name, sum) in all.iter() {
            changes.set(name, AttributeValue::N(sum.to_string()));
        }
        let condition = Condition::still(version);
        let mut transaction = Transaction::new(self.stats.client.clone());
        transaction.update(&self.stats.name, &key, changes, Some(condition))?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Whether what is said with a package's numbers is what its document says.
fn is_described(held: Option<&Item>, document: Option<&Package>) -> bool {
    let said = |name: &str| held.and_then(|held| text(held, name));
    let exists = held.is_some_and(|held| held.get(EXISTS) == Some(&AttributeValue::Bool(true)));
    match document {
        Some(package) => {
            exists
                && said(CREATOR) == Some(package.creator.as_str())
                && said(CURRENCY) == Some(package.currency.code())
                && said(AS_OF).is_some()
        }
        None => !exists,
    }
}
