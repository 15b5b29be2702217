//! Keeps the live counters of tracks up to date with the stream of their facts.

use std::collections::{BTreeMap, BTreeSet};

use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::live::Subject;
use runtime::BoxFuture;
use runtime::batch::{BatchHandler, EventRecord, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::pusher::StatsNotifier;
use runtime::stream;
use store::{Activity, Budget, FoldOutcome, Folds, Restored, StoreError};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "counter-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| CounterUpdater {
        folds: Folds::of_events(setup),
        activity: Activity::open(setup),
        numbers: StatsNotifier::open(setup),
    })
}

struct CounterUpdater {
    folds: Folds,
    activity: Activity,
    numbers: StatsNotifier,
}

/// What a record asks for.
enum Asked {
    Nothing,
    Fold(Bucket),
    Unreadable(String),
}

fn asked(record: &EventRecord) -> Asked {
    if stream::is_expiry(record) {
        return Asked::Nothing;
    }
    match stream::touched_bucket(record) {
        Ok(bucket) => Asked::Fold(bucket),
        Err(foreign) => Asked::Unreadable(foreign.to_string()),
    }
}

impl BatchHandler for CounterUpdater {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let asked: Vec<Asked> = records.iter().map(asked).collect();
            let buckets: BTreeSet<Bucket> = asked
                .iter()
                .filter_map(|asked| if let Asked::Fold(bucket) = asked { Some(bucket.clone()) } else { None })
                .collect();
            let since = self.activity.now();
            let Restored { ready, settled: mut folded } = self.activity.restore(&self.folds, buckets, deadline).await;
            folded.extend(self.folds.refold::<TrackCounters>(ready, budget, deadline).await);
            let written: Vec<Bucket> = folded
                .iter()
                .filter(|(_, result)| matches!(result, Ok(FoldOutcome::Written)))
                .map(|(bucket, _)| bucket.clone())
                .collect();
            // Listed after the fold, so that whoever finds it listed finds the fold.
            let noted = self.activity.note(&written, since, deadline).await;
            if let Err(error) = &noted {
                tracing::warn!(error = %error, "folds not listed: {error}");
            }
            let changed = written.iter().filter_map(|bucket| track(&bucket.entity)).collect();
            let untold = self.numbers.changed(changed, deadline).await;
            let is_told = |bucket: &Bucket| track(&bucket.entity).is_none_or(|track| !untold.contains(&track));
            let settle = |(bucket, result)| {
                let done = noted.is_ok() && is_told(&bucket);
                let settled = settle(&bucket, result, done);
                (bucket, settled)
            };
            let folded: BTreeMap<Bucket, RecordOutcome> = folded.into_iter().map(settle).collect();
            asked
                .into_iter()
                .map(|asked| match asked {
                    Asked::Nothing => RecordOutcome::Done,
                    Asked::Fold(bucket) => folded.get(&bucket).cloned().unwrap_or(RecordOutcome::Retry),
                    Asked::Unreadable(reason) => RecordOutcome::Poison(reason),
                })
                .collect()
        })
    }
}

/// The track whose numbers a fold has changed.
fn track(entity: &Entity) -> Option<Subject> {
    match entity {
        Entity::Track(track) => Some(Subject::Track(track.clone())),
        Entity::Quiz(_) | Entity::PurchasedItem(_) | Entity::Product(_) | Entity::ProductViews(_) => None,
    }
}

fn settle(bucket: &Bucket, result: Result<FoldOutcome, StoreError>, told: bool) -> RecordOutcome {
    match result {
        Ok(FoldOutcome::Sealed) => RecordOutcome::Done,
        Ok(FoldOutcome::Written) if told => RecordOutcome::Done,
        Ok(FoldOutcome::Written) => RecordOutcome::Retry,
        Err(error) => RecordOutcome::unfolded(bucket, &error),
    }
}
