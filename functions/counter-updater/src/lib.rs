//! Keeps the live counters of tracks up to date with the stream of their facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::live::Subject;
use runtime::BoxFuture;
use runtime::batch::{BatchHandler, Deferring, EventRecord, Settled};
use runtime::boot::Boot;
use runtime::function::{Function, Invoke, StartError};
use runtime::live::Numbers;
use runtime::messaging;
use runtime::stream;
use store::{Activity, Budget, Folds, Refolded, Restored, StoreError};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "counter-updater", start };

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (events, stats) = (reader.required("EVENTS_TABLE"), reader.required("STATS_TABLE"));
    let (failures, calendar) = (reader.required("FAILURES_QUEUE_URL"), reader.parsed("TIME_ZONE"));
    let numbers = Numbers::of(&mut reader, boot);
    let deferring = Deferring::of(&mut reader, boot, FUNCTION.name, &stats);
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let activity = Activity::new(client.clone(), stats.clone(), calendar, Arc::clone(&clock), Arc::clone(&ids));
    let folds = Folds::new(client, events, stats, clock, ids);
    let failures = messaging::sqs(boot.sqs(), failures);
    let updater = CounterUpdater { folds, activity, numbers };
    Ok(runtime::batch::function_that_defers(FUNCTION.name, boot, failures, deferring, updater))
}

struct CounterUpdater {
    folds: Folds,
    activity: Activity,
    numbers: Numbers,
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
    ) -> BoxFuture<'a, Vec<Settled>> {
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
                .filter(|(_, result)| matches!(result, Ok(Refolded::Written)))
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
            let folded: BTreeMap<Bucket, Settled> = folded.into_iter().map(settle).collect();
            asked
                .into_iter()
                .map(|asked| match asked {
                    Asked::Nothing => Settled::Done,
                    Asked::Fold(bucket) => folded.get(&bucket).cloned().unwrap_or(Settled::Retry),
                    Asked::Unreadable(reason) => Settled::Poison(reason),
                })
                .collect()
        })
    }
}

/// The track whose numbers a fold has changed.
fn track(entity: &Entity) -> Option<Subject> {
    match entity {
        Entity::Track(track) => Some(Subject::Track(track.clone())),
        Entity::Quiz(_) | Entity::Sales(_) | Entity::Product(_) | Entity::Views(_) => None,
    }
}

fn settle(bucket: &Bucket, result: Result<Refolded, StoreError>, told: bool) -> Settled {
    match result {
        Ok(Refolded::Sealed) => Settled::Done,
        Ok(Refolded::Written) if told => Settled::Done,
        Ok(Refolded::Written) => Settled::Retry,
        Err(error) => Settled::unfolded(bucket, &error),
    }
}
