//! Keeps the numbers of quizzes and of the packages that contain them up to date with two streams: the facts of quizzes, and
//! the documents of packages.

use std::collections::{BTreeMap, BTreeSet};

use domain::entity::{Bucket, Entity};
use domain::id::{PackageId, QuizId};
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{EventRecord, Outcomes, Projection, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::stream::{self, Change, UnreadableRecord};
use store::{Budget, Folds, MembershipChange, PackageProjector};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "package-stats-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| PackageStatsUpdater {
        folds: Folds::of_interactions(setup),
        packages: PackageProjector::open(setup),
    })
}

struct PackageStatsUpdater {
    folds: Folds,
    packages: PackageProjector,
}

/// What a record changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The facts of a quiz in a minute.
    Minute(QuizId, Minute),
    /// The quizzes of a package.
    Membership(PackageId, BTreeSet<QuizId>),
    /// All of a package, which an operator has refolded.
    Package(PackageId),
}

impl Key {
    fn is_of_quiz(&self, quiz: &QuizId) -> bool {
        matches!(self, Self::Minute(of, _) if of == quiz)
    }

    fn is_of_package(&self, package: &PackageId) -> bool {
        matches!(self, Self::Membership(of, _) | Self::Package(of) if of == package)
    }
}

impl PackageStatsUpdater {
    /// Applies the changes of memberships, those of a package at once.
    async fn apply_memberships(&self, keys: &BTreeSet<Key>, deadline: Instant, outcomes: &mut Outcomes<Key>) {
        let mut changes: BTreeMap<&PackageId, BTreeSet<QuizId>> = BTreeMap::new();
        for key in keys {
            if let Key::Membership(package, quizzes) = key {
                changes.entry(package).or_default().extend(quizzes.iter().cloned());
            }
        }
        for (package, quizzes) in changes {
            let change = MembershipChange { package: package.clone(), quizzes };
            if let Err(error) = self.packages.apply_membership(&change, deadline).await {
                outcomes.set_where(|key| key.is_of_package(package), &RecordOutcome::from(&error));
            }
        }
    }

    /// Folds minutes of quizzes, then brings the quizzes into the packages that contain them.
    async fn fold(&self, keys: &BTreeSet<Key>, budget: Budget, deadline: Instant, outcomes: &mut Outcomes<Key>) {
        let mut minutes: BTreeMap<QuizId, BTreeSet<Minute>> = BTreeMap::new();
        for key in keys {
            if let Key::Minute(quiz, minute) = key {
                minutes.entry(quiz.clone()).or_default().insert(*minute);
            }
        }
        let quizzes: BTreeSet<QuizId> = minutes.keys().cloned().collect();
        for (bucket, error) in self.folds.refold_quizzes(minutes, budget, deadline).await {
            let outcome = RecordOutcome::unfolded(&bucket, &error);
            if let Bucket { entity: Entity::Quiz(quiz), minute } = bucket {
                outcomes.set(Key::Minute(quiz, minute), outcome);
            }
        }
        for (quizzes, error) in self.packages.refresh_quizzes(&quizzes, deadline).await {
            let is_of_these = |key: &Key| quizzes.iter().any(|quiz| key.is_of_quiz(quiz));
            outcomes.set_done_where(is_of_these, &RecordOutcome::from(&error));
        }
    }

    /// Derives whole packages again.
    async fn rebuild(&self, keys: &BTreeSet<Key>, deadline: Instant, outcomes: &mut Outcomes<Key>) {
        for key in keys {
            if let Key::Package(package) = key
                && let Err(error) = self.packages.rebuild(package, deadline).await
            {
                outcomes.set_where(|key| key.is_of_package(package), &RecordOutcome::from(&error));
            }
        }
    }
}

impl Projection for PackageStatsUpdater {
    type Key = Key;

    fn key(&self, record: &EventRecord) -> Result<Option<Key>, UnreadableRecord> {
        if stream::is_expiry(record) {
            return Ok(None);
        }
        match stream::change(record)? {
            Change::Facts(Bucket { entity: Entity::Quiz(quiz), minute }) => Ok(Some(Key::Minute(quiz, minute))),
            Change::Facts(_) => Err(UnreadableRecord("a fact of no quiz".to_owned())),
            Change::Package(change) if stream::is_refold(record) => Ok(Some(Key::Package(change.package))),
            Change::Package(change) if change.quizzes.is_empty() => Ok(None),
            Change::Package(MembershipChange { package, quizzes }) => Ok(Some(Key::Membership(package, quizzes))),
        }
    }

    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Key>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Key>> {
        Box::pin(async move {
            let mut outcomes = Outcomes::done(keys);
            self.apply_memberships(keys, deadline, &mut outcomes).await;
            self.fold(keys, budget, deadline, &mut outcomes).await;
            self.rebuild(keys, deadline, &mut outcomes).await;
            outcomes
        })
    }
}
