//! Refreshes what quizzes and purchases contribute to packages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::PackageProjector;
use super::child::{Child, EARNED};
use crate::contributions::{Contribution, stored_version};
use crate::error::StoreError;
use crate::items::{Item, text};
use crate::keys::{self, Key};
use crate::refresh::{Attempt, Change, Projection, read_items};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, Table};
use domain::id::{PackageId, QuizId};
use domain::revenue_totals::TotalsByKey;

/// How many packages are refreshed at once.
const CONCURRENCY: usize = 8;

/// How many contributions one transaction writes, with the total that they add to.
const CHUNK: usize = 90;

/// What children contribute to one package.
#[derive(Clone, Copy)]
struct PackageContributions<'a> {
    package: &'a PackageId,
    stats: &'a Table,
}

impl Projection for PackageContributions<'_> {
    type Child = Child;
    type Source = Option<Item>;

    fn key(&self, child: &Child) -> Key {
        child.key(self.package)
    }

    fn read_sources<'a>(
        &'a self,
        children: &'a [Child],
        _stored: &'a HashMap<Key, Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, StoreError>> {
        let keys = children.iter().map(|child| child.source(self.package)).collect();
        Box::pin(read_items(self.stats, keys, attempt.deadline))
    }

    fn change(
        &mut self,
        child: &Child,
        stored: Option<&Item>,
        source: Option<Item>,
        _attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let current = Contribution::read(stored);
        let sums = source.as_ref().map(Sums::of).unwrap_or_default().without_zeros();
        let sums = if *child == Child::Sales { earned(&sums)? } else { sums };
        let source_version = source.as_ref().and_then(stored_version);
        // Purchases always belong to their package. A quiz does while it has a contribution.
        let belongs = current.is_active || *child == Child::Sales;
        if !belongs || current.is_made_of(source_version.as_deref(), &sums) {
            return Ok(None);
        }
        let item = Contribution::item(&self.key(child), source_version.as_deref(), &sums);
        let mut change = Change::new(item);
        change.add_to(keys::package_total(self.package), &current.sums, &sums);
        Ok(Some(change))
    }
}

impl PackageProjector {
    /// Refreshes what quizzes contribute to all packages that contain them, retrying until the deadline. Call it after the
    /// quizzes' totals have changed. Returns the quizzes that could not be refreshed, each set with the reason.
    pub fn refresh_quizzes<'a>(
        &'a self,
        quizzes: &'a BTreeSet<QuizId>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(BTreeSet<QuizId>, StoreError)>> {
        Box::pin(async move {
            let found: Vec<_> = quizzes
                .iter()
                .map(|quiz| async move { (quiz, retry::until(deadline, || Box::pin(self.packages_with(quiz))).await) })
                .collect();
            let found: Vec<_> = stream::iter(found).buffer_unordered(CONCURRENCY).collect().await;
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
            let refreshed = stream::iter(packages).map(|(package, quizzes)| async move {
                let children: Vec<Child> = quizzes.iter().cloned().map(Child::Quiz).collect();
                let refreshed = self.refresh_package(&package, &children, deadline).await;
                refreshed.err().map(|error| (quizzes, error))
            });
            let unrefreshed: Vec<_> = refreshed.buffer_unordered(CONCURRENCY).collect().await;
            failed.extend(unrefreshed.into_iter().flatten());
            failed
        })
    }

    /// Refreshes what purchases contribute to a package, retrying until the deadline. Call it after the package's revenue
    /// has changed.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn refresh_sales<'a>(
        &'a self,
        package: &'a PackageId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.refresh_package(package, &[Child::Sales], deadline).await.map(drop) })
    }

    async fn packages_with(&self, quiz: &QuizId) -> Result<Vec<PackageId>, StoreError> {
        let pk = keys::quiz_total(quiz).pk;
        let with = KeyRange::with_prefix(pk, keys::PACKAGES_WITH);
        let items = self.stats.query(&with, Consistency::Strong).await?;
        let package = |sk: &str| sk.strip_prefix(keys::PACKAGES_WITH).and_then(|id| id.parse().ok());
        let packages = items.iter().map(|item| {
            let sk = text(item, keys::SK).unwrap_or_default();
            package(sk).ok_or_else(|| StoreError::corrupt(sk, "not a package"))
        });
        packages.collect()
    }

    /// Refreshes what children contribute to a package. Returns how many contributions changed.
    pub(super) async fn refresh_package(
        &self,
        package: &PackageId,
        children: &[Child],
        deadline: Instant,
    ) -> Result<usize, StoreError> {
        let projection = PackageContributions { package, stats: &self.stats };
        let mut changed = 0;
        for chunk in children.chunks(CHUNK) {
            changed += self.refresher().refresh(&projection, chunk, deadline).await?;
        }
        Ok(changed)
    }
}

/// What purchases earned, by currency, from the totals of their revenue.
fn earned(sums: &Sums) -> Result<Sums, StoreError> {
    let totals = TotalsByKey::try_from(sums).map_err(|error| StoreError::corrupt("sales", error))?;
    let earned = totals.earned().into_iter().map(|(currency, earned)| (format!("{EARNED}{currency}"), earned));
    Ok(earned.collect::<Sums>().without_zeros())
}
