//! What happens to a quiz is followed in all packages that hold it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::PackageProjector;
use super::child::{Child, EARNED};
use crate::contributions::{Contribution, Contributions};
use crate::error::StoreError;
use crate::items::{VERSION, text};
use crate::keys;
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use domain::id::{PackageId, QuizId};
use domain::revenue_totals::TotalsByKey;

/// How many packages are brought up to date at once.
const AT_ONCE: usize = 8;

/// How many contributions are written in one transaction, with the one item that they add to.
const TOGETHER: usize = 90;

impl PackageProjector {
    /// Brings what these quizzes contribute up to date in all packages that hold them, trying again until the deadline;
    /// tells of which quizzes that was not done, and why. To be called after the quizzes' numbers have changed.
    pub fn follow<'a>(
        &'a self,
        quizzes: &'a BTreeSet<QuizId>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(BTreeSet<QuizId>, StoreError)>> {
        Box::pin(async move {
            let found: Vec<_> = quizzes
                .iter()
                .map(|quiz| async move { (quiz, retry::until(deadline, || Box::pin(self.packages_with(quiz))).await) })
                .collect();
            let found: Vec<_> = stream::iter(found).buffer_unordered(AT_ONCE).collect().await;
            let mut failed = Vec::new();
            let mut packages: BTreeMap<PackageId, BTreeSet<QuizId>> = BTreeMap::new();
            for (quiz, result) in found {
                match result {
                    Ok(with) => with.into_iter().for_each(|package| {
                        packages.entry(package).or_default().insert(quiz.clone());
                    }),
                    Err(error) => failed.push((BTreeSet::from([quiz.clone()]), error)),
                }
            }
            let followed = stream::iter(packages).map(|(package, quizzes)| async move {
                let children: Vec<Child> = quizzes.iter().cloned().map(Child::Quiz).collect();
                let followed = self.follow_in(&package, &children, deadline).await;
                followed.err().map(|error| (quizzes, error))
            });
            let unfollowed: Vec<_> = followed.buffer_unordered(AT_ONCE).collect().await;
            failed.extend(unfollowed.into_iter().flatten());
            failed
        })
    }

    /// Brings what purchases contribute to a package up to date, trying again until the deadline. To be called after
    /// what they brought in has changed.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn follow_sales<'a>(
        &'a self,
        package: &'a PackageId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.follow_in(package, &[Child::Sales], deadline).await.map(drop) })
    }

    async fn packages_with(&self, quiz: &QuizId) -> Result<Vec<PackageId>, StoreError> {
        let pk = keys::quiz_total(quiz).pk;
        let with = KeyRange::beginning(pk, keys::PACKAGES_WITH);
        let items = self.stats.query(&with, Consistency::Strong).await?;
        let package = |sk: &str| sk.strip_prefix(keys::PACKAGES_WITH).and_then(|id| id.parse().ok());
        let packages = items.iter().map(|item| {
            let sk = text(item, keys::SK).unwrap_or_default();
            package(sk).ok_or_else(|| StoreError::corrupt(sk, "not a package"))
        });
        packages.collect()
    }

    /// Brings what children contribute to a package up to date; tells how many were not.
    pub(super) async fn follow_in(
        &self,
        package: &PackageId,
        children: &[Child],
        deadline: Instant,
    ) -> Result<usize, StoreError> {
        let mut changed = 0;
        for chunk in children.chunks(TOGETHER) {
            changed += retry::until(deadline, || Box::pin(self.follow_once(package, chunk, deadline))).await?;
        }
        Ok(changed)
    }

    /// Reads the contributions, then what they are made of, and writes those that are not made of it as it is now.
    async fn follow_once(
        &self,
        package: &PackageId,
        children: &[Child],
        deadline: Instant,
    ) -> Result<usize, StoreError> {
        let asked = children.iter().map(|child| child.key(package)).collect();
        let held = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let began = self.now();
        let asked = children.iter().map(|child| child.source(package)).collect();
        let sources = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let mut contributions = Contributions::new(&self.stats);
        let mut changed = 0;
        for child in children {
            let key = child.key(package);
            let held = Contribution::read(held.get(&key));
            let source = sources.get(&child.source(package));
            let sums = source.map(Sums::of).unwrap_or_default().without_zeros();
            let sums = if *child == Child::Sales { earned(&sums)? } else { sums };
            let of = source.and_then(|source| text(source, VERSION));
            // Purchases always belong to their package; a quiz does while its contribution stands.
            let belongs = held.stands || *child == Child::Sales;
            if !belongs || (held.of.as_deref() == of && held.sums == sums) {
                continue;
            }
            changed += 1;
            let item = Contribution::item(&key, self.ids.fresh(), of, &sums);
            contributions.child(item, held.version);
            contributions.changes(keys::package_total(package), &held.sums, &sums);
        }
        if !contributions.is_empty() {
            contributions.commit(self.ids.fresh(), began).await?;
        }
        Ok(changed)
    }
}

/// What purchases earned, of all that is known of what they brought in.
fn earned(sums: &Sums) -> Result<Sums, StoreError> {
    let tills = TotalsByKey::try_from(sums).map_err(|error| StoreError::corrupt("sales", error))?;
    let earned = tills.earned().into_iter().map(|(currency, earned)| (format!("{EARNED}{currency}"), earned));
    Ok(earned.collect::<Sums>().without_zeros())
}
