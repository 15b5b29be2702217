//! Restores hours whose minutes may have expired.
//!
//! A minute expires some weeks after it was folded, because nothing needs it once its hour is closed. A later fact
//! changes an hour that is the sum of its minutes. So before that fact is folded, the other minutes of the hour are
//! folded again from their facts, which live as long as their day takes facts. The minutes of an hour are complete
//! before the hour is marked as late.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::worklist::{MARK_RETENTION, Worklist};
use crate::error::StoreError;
use crate::folds::{Budget, EXPIRES, FoldOutcome, Folds};
use crate::items::{TTL, key_of, number};
use crate::keys::{self, Key};
use crate::retention::{MINUTES_SURE, closed_to_folds};
use crate::table::{Consistency, KeyRange};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::id::TrackId;
use domain::rollup::Scope;
use domain::time::Time;

/// How many hours are restored at once.
const CONCURRENCY: usize = 16;

/// Buckets that are to be folded.
#[derive(Debug, Default)]
pub struct RestoredHours {
    /// The buckets whose hours are complete.
    pub ready: Vec<Bucket>,
    /// The other buckets, with what became of them.
    pub decided: Vec<(Bucket, Result<FoldOutcome, StoreError>)>,
}

/// What an hour needs before one of its minutes is folded.
enum RequiredMinutes {
    /// Nothing: its facts are about to expire or have, and it stays as it is.
    Sealed,
    /// These minutes, folded from their facts.
    Minutes(Vec<Bucket>),
}

impl Worklist {
    /// Restores the hours of buckets whose minutes may have expired. Call it before a fold that is recorded afterwards.
    pub fn restore<'a>(
        &'a self,
        folds: &'a Folds,
        buckets: BTreeSet<Bucket>,
        deadline: Instant,
    ) -> BoxFuture<'a, RestoredHours> {
        Box::pin(async move {
            let mut restored = RestoredHours::default();
            let mut hours: BTreeMap<(TrackId, Period), Vec<Bucket>> = BTreeMap::new();
            for bucket in buckets {
                match self.aged_hour(&bucket) {
                    Some(hour) => hours.entry(hour).or_default().push(bucket),
                    None => restored.ready.push(bucket),
                }
            }
            // Half of the time is left for the folds themselves: a large import must get to them.
            let now = Instant::now();
            let until = now + deadline.saturating_duration_since(now) / 2;
            let hours: Vec<_> = hours.into_iter().map(|hour| self.try_restore(folds, hour, until)).collect();
            let mut hours = stream::iter(hours).buffer_unordered(CONCURRENCY);
            while let Some((of_hour, result)) = hours.next().await {
                match result {
                    Ok(FoldOutcome::Written) => restored.ready.extend(of_hour),
                    Ok(FoldOutcome::Sealed) => {
                        restored.decided.extend(of_hour.into_iter().map(|bucket| (bucket, Ok(FoldOutcome::Sealed))));
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "the other minutes of an hour were not folded: {error}");
                        let refused = of_hour.into_iter().map(|bucket| (refusal(&bucket, &error), bucket));
                        restored.decided.extend(refused.map(|(refused, bucket)| (bucket, Err(refused))));
                    }
                }
            }
            restored
        })
    }

    fn try_restore<'a>(
        &'a self,
        folds: &'a Folds,
        ((track, hour), of_hour): ((TrackId, Period), Vec<Bucket>),
        deadline: Instant,
    ) -> BoxFuture<'a, (Vec<Bucket>, Result<FoldOutcome, StoreError>)> {
        Box::pin(async move {
            let restoring = timeout_at(deadline, self.restore_hour(folds, &track, &hour, &of_hour, deadline)).await;
            let result = restoring.unwrap_or_else(|elapsed| Err(StoreError::Unavailable { source: elapsed.into() }));
            (of_hour, result)
        })
    }

    /// The hour of a bucket, if some of its minutes may expire before it is closed again.
    fn aged_hour(&self, bucket: &Bucket) -> Option<(TrackId, Period)> {
        let Entity::Track(track) = &bucket.entity else { return None };
        let hour = self.reader.calendar.period(Level::Hour, bucket.minute.start());
        (self.now().since(hour.start()) > MINUTES_SURE).then(|| (track.clone(), hour))
    }

    async fn restore_hour(
        &self,
        folds: &Folds,
        track: &TrackId,
        hour: &Period,
        of_hour: &[Bucket],
        deadline: Instant,
    ) -> Result<FoldOutcome, StoreError> {
        let missing = match self.required_minutes(folds, track, hour, deadline).await? {
            RequiredMinutes::Sealed => return Ok(FoldOutcome::Sealed),
            RequiredMinutes::Minutes(minutes) => {
                minutes.into_iter().filter(|minute| !of_hour.contains(minute)).collect()
            }
        };
        // Without a budget: a deferred minute would leave the hour incomplete meanwhile.
        let folded = folds.refold::<TrackCounters>(missing, Budget::WHOLE, deadline).await;
        folded.into_iter().try_for_each(|(_, result)| result.map(|_| ()))?;
        Ok(FoldOutcome::Written)
    }

    /// The minutes of an hour that have facts and do not exist, or not for long enough.
    async fn required_minutes(
        &self,
        folds: &Folds,
        track: &TrackId,
        hour: &Period,
        deadline: Instant,
    ) -> Result<RequiredMinutes, StoreError> {
        let now = self.now();
        let of = Entity::Track(track.clone());
        let (mut minutes, mut expires): (BTreeMap<Key, Bucket>, Option<i64>) = (BTreeMap::new(), None);
        // An hour of a time zone may overlap two hours of UTC, by which facts are filed.
        let last = hour.end().plus(-chrono::TimeDelta::milliseconds(1));
        for utc in BTreeSet::from([hour.start().hour(), last.hour()]) {
            let facts = KeyRange::with_prefix(keys::facts_of_hour(&of, utc), "");
            for fact in folds.facts_table().query(&facts, Consistency::Strong).await? {
                // A corrupt fact is poison to its own minute, and reported there.
                let Some(Ok((bucket, at, _))) = key_of(&fact).map(|key| keys::parse_fact(&key.pk, &key.sk)) else {
                    continue;
                };
                if hour.contains(at) {
                    minutes.insert(keys::bucket(&bucket), bucket);
                    expires = expires.into_iter().chain(number(&fact, TTL)).min();
                }
            }
        }
        let calendar = &self.reader.calendar;
        let scope = Scope::Track(track.clone());
        let day = calendar.period(Level::Day, hour.start());
        let periods = [keys::rollup(&scope, hour), keys::rollup(&scope, &day)];
        let keys = minutes.keys().cloned().chain(periods.clone()).collect();
        let stored = self.reader.stats.get_all(keys, Consistency::Strong, deadline).await?;
        let of_periods = periods.iter().filter_map(|key| number(stored.get(key)?, EXPIRES));
        if of_periods.chain(expires).min().is_some_and(|expires| closed_to_folds(expires, now)) {
            return Ok(RequiredMinutes::Sealed);
        }
        let until = now.plus(MARK_RETENTION).seconds();
        let is_there = |key: &Key| {
            let ttl: Option<i64> = stored.get(key).and_then(|item| number(item, TTL));
            stored.contains_key(key) && ttl.is_none_or(|ttl| ttl > until)
        };
        Ok(RequiredMinutes::Minutes(
            minutes.into_iter().filter(|(key, _)| !is_there(key)).map(|(_, bucket)| bucket).collect(),
        ))
    }
}

/// Why a bucket is not folded if its hour could not be restored: what is lasting for the hour is poison to the bucket
/// as well.
fn refusal(bucket: &Bucket, error: &StoreError) -> StoreError {
    if error.is_lasting() {
        let Key { pk, sk } = keys::bucket(bucket);
        return StoreError::corrupt(format!("{pk}/{sk}"), format!("another minute of its hour: {error}"));
    }
    StoreError::Conflict
}

/// Whether the minutes of an hour outlive its mark: then all of them exist.
pub(super) fn has_all_minutes(mark: Option<&crate::items::Item>, now: Time) -> bool {
    mark.and_then(|mark| number::<i64>(mark, TTL)).is_some_and(|ttl| ttl > now.seconds())
}
