//! Keeps the live counters of tracks up to date with the stream of their facts.

use std::collections::BTreeSet;

use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::live::Subject;
use runtime::BoxFuture;
use runtime::batch::{EventRecord, Outcomes, Projection, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::pusher::StatsNotifier;
use runtime::stream::{self, UnreadableRecord};
use store::{Budget, FoldOutcome, Folds, RestoredHours, Worklist};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "counter-updater", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| CounterUpdater {
        folds: Folds::of_events(setup),
        worklist: Worklist::open(setup),
        numbers: StatsNotifier::open(setup),
    })
}

struct CounterUpdater {
    folds: Folds,
    worklist: Worklist,
    numbers: StatsNotifier,
}

impl Projection for CounterUpdater {
    type Key = Bucket;

    fn key(&self, record: &EventRecord) -> Result<Option<Bucket>, UnreadableRecord> {
        if stream::is_expiry(record) { Ok(None) } else { stream::touched_bucket(record).map(Some) }
    }

    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Bucket>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Bucket>> {
        Box::pin(async move {
            let since = self.worklist.now();
            let RestoredHours { ready, decided: mut folded } =
                self.worklist.restore(&self.folds, keys.clone(), deadline).await;
            folded.extend(self.folds.refold::<TrackCounters>(ready, budget, deadline).await);
            let written = folded.iter().filter(|(_, result)| matches!(result, Ok(FoldOutcome::Written)));
            let written: Vec<Bucket> = written.map(|(bucket, _)| bucket.clone()).collect();
            // Listed after the fold, so that a reader of the list finds the fold.
            let listed = self.worklist.record_folds(&written, since, deadline).await;
            if let Err(error) = &listed {
                tracing::warn!(error = %error, "folds are not listed: {error}");
            }
            let changed = written.iter().filter_map(|bucket| track(&bucket.entity)).collect();
            let unsent = self.numbers.changed(changed, deadline).await;
            let is_sent = |bucket: &Bucket| track(&bucket.entity).is_none_or(|track| !unsent.contains(&track));
            let outcome = |(bucket, result)| {
                let outcome = match result {
                    Ok(FoldOutcome::Written) if listed.is_err() || !is_sent(&bucket) => RecordOutcome::Retry,
                    Ok(FoldOutcome::Written | FoldOutcome::Sealed) => RecordOutcome::Done,
                    Err(error) => RecordOutcome::unfolded(&bucket, &error),
                };
                (bucket, outcome)
            };
            folded.into_iter().map(outcome).collect()
        })
    }
}

/// The track whose counters a fold of this entity changes.
fn track(entity: &Entity) -> Option<Subject> {
    match entity {
        Entity::Track(track) => Some(Subject::Track(track.clone())),
        Entity::Quiz(_) | Entity::PurchasedItem(_) | Entity::Product(_) | Entity::ProductViews(_) => None,
    }
}
