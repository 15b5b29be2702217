//! Keeps the numbers of quizzes and of the packages that hold them up to date with two streams: that of what happens to
//! quizzes, and that of packages' documents.

use std::collections::{BTreeMap, BTreeSet};

use domain::entity::{Bucket, Entity};
use domain::id::{PackageId, QuizId};
use domain::time::Minute;
use runtime::BoxFuture;
use runtime::batch::{BatchHandler, EventRecord, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::stream::{self, Change};
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

/// What a record asks for.
enum Asked {
    Nothing,
    Fold(QuizId, Minute),
    Turn(MembershipChange),
    Mend(PackageId),
    Unreadable(String),
}

fn asked(record: &EventRecord) -> Asked {
    if stream::is_expiry(record) {
        return Asked::Nothing;
    }
    match stream::change(record) {
        Ok(Change::Facts(Bucket { entity: Entity::Quiz(quiz), minute })) => Asked::Fold(quiz, minute),
        Ok(Change::Package(turned)) if stream::is_refold(record) => Asked::Mend(turned.package),
        Ok(Change::Package(turned)) if turned.quizzes.is_empty() => Asked::Nothing,
        Ok(Change::Package(turned)) => Asked::Turn(turned),
        Ok(Change::Facts(_)) => Asked::Unreadable("a fact of no quiz".to_owned()),
        Err(foreign) => Asked::Unreadable(foreign.to_string()),
    }
}

/// What became of each part of a batch that is not done.
#[derive(Default)]
struct Left {
    minutes: BTreeMap<(QuizId, Minute), RecordOutcome>,
    quizzes: BTreeMap<QuizId, RecordOutcome>,
    packages: BTreeMap<PackageId, RecordOutcome>,
}

impl PackageStatsUpdater {
    /// Folds minutes of quizzes, and brings what has changed into the packages that hold them.
    async fn fold(
        &self,
        minutes: BTreeMap<QuizId, BTreeSet<Minute>>,
        budget: Budget,
        deadline: Instant,
        left: &mut Left,
    ) {
        let quizzes: BTreeSet<QuizId> = minutes.keys().cloned().collect();
        for (bucket, error) in self.folds.refold_quizzes(minutes, budget, deadline).await {
            let settled = RecordOutcome::unfolded(&bucket, &error);
            if let Bucket { entity: Entity::Quiz(quiz), minute } = bucket {
                left.minutes.insert((quiz, minute), settled);
            }
        }
        for (quizzes, error) in self.packages.refresh_quizzes(&quizzes, deadline).await {
            left.quizzes.extend(quizzes.into_iter().map(|quiz| (quiz, RecordOutcome::from(&error))));
        }
    }

    /// Brings quizzes into a package, and takes others out.
    async fn turn(&self, turned: BTreeMap<PackageId, BTreeSet<QuizId>>, deadline: Instant, left: &mut Left) {
        for (package, quizzes) in turned {
            let turned = MembershipChange { package, quizzes };
            if let Err(error) = self.packages.apply_membership(&turned, deadline).await {
                left.packages.insert(turned.package, RecordOutcome::from(&error));
            }
        }
    }
}

impl PackageStatsUpdater {
    /// Makes the numbers of packages from all that they are made of.
    async fn mend(&self, packages: BTreeSet<PackageId>, deadline: Instant, left: &mut Left) {
        for package in packages {
            if let Err(error) = self.packages.rebuild(&package, deadline).await {
                left.packages.insert(package, RecordOutcome::from(&error));
            }
        }
    }
}

impl BatchHandler for PackageStatsUpdater {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let asked: Vec<Asked> = records.iter().map(asked).collect();
            let mut minutes: BTreeMap<QuizId, BTreeSet<Minute>> = BTreeMap::new();
            let mut turned: BTreeMap<PackageId, BTreeSet<QuizId>> = BTreeMap::new();
            let mut mended: BTreeSet<PackageId> = BTreeSet::new();
            for asked in &asked {
                match asked {
                    Asked::Mend(package) => {
                        mended.insert(package.clone());
                    }
                    Asked::Fold(quiz, minute) => {
                        minutes.entry(quiz.clone()).or_default().insert(*minute);
                    }
                    Asked::Turn(MembershipChange { package, quizzes }) => {
                        turned.entry(package.clone()).or_default().extend(quizzes.iter().cloned());
                    }
                    Asked::Nothing | Asked::Unreadable(_) => {}
                }
            }
            let mut left = Left::default();
            self.turn(turned, deadline, &mut left).await;
            self.fold(minutes, budget, deadline, &mut left).await;
            self.mend(mended, deadline, &mut left).await;
            asked
                .into_iter()
                .map(|asked| match asked {
                    Asked::Nothing => RecordOutcome::Done,
                    Asked::Fold(quiz, minute) => {
                        let of_quiz = left.quizzes.get(&quiz).cloned();
                        left.minutes.get(&(quiz, minute)).cloned().or(of_quiz).unwrap_or(RecordOutcome::Done)
                    }
                    Asked::Turn(MembershipChange { package, .. }) | Asked::Mend(package) => {
                        left.packages.get(&package).cloned().unwrap_or(RecordOutcome::Done)
                    }
                    Asked::Unreadable(reason) => RecordOutcome::Poison(reason),
                })
                .collect()
        })
    }
}
