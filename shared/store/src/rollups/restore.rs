//! Hours of which some minutes may be gone.
//!
//! A minute expires some weeks after it was folded, for nothing needs it once its hour is closed. A fact that comes later than
//! that changes an hour that is the sum of its minutes. So before it is folded, the other minutes of its hour are folded again
//! from their facts, which are there for as long as their day takes facts. What an hour is made of is whole before anything
//! says that the hour has changed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::activity::{Activity, MARKED};
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

/// How many hours are made whole at once.
const AT_ONCE: usize = 16;

/// Buckets that are to be folded.
#[derive(Debug, Default)]
pub struct Restored {
    /// Those whose hours are whole otherwise.
    pub ready: Vec<Bucket>,
    /// What became of the others.
    pub settled: Vec<(Bucket, Result<FoldOutcome, StoreError>)>,
}

/// What an hour needs before one of its minutes is folded.
enum Needed {
    /// Nothing more: its facts are about to expire or have, and it stays as it is.
    Sealed,
    /// These minutes, from their facts.
    Minutes(Vec<Bucket>),
}

impl Activity {
    /// Makes the hours of buckets whole whose minutes may be gone. To be called before a fold that is listed afterwards.
    pub fn restore<'a>(
        &'a self,
        folds: &'a Folds,
        buckets: BTreeSet<Bucket>,
        deadline: Instant,
    ) -> BoxFuture<'a, Restored> {
        Box::pin(async move {
            let mut restored = Restored::default();
            let mut hours: BTreeMap<(TrackId, Period), Vec<Bucket>> = BTreeMap::new();
            for bucket in buckets {
                match self.aged_hour(&bucket) {
                    Some(hour) => hours.entry(hour).or_default().push(bucket),
                    None => restored.ready.push(bucket),
                }
            }
            // Half of the time is left for the folds themselves, lest a large import never gets to them.
            let now = Instant::now();
            let until = now + deadline.saturating_duration_since(now) / 2;
            let hours: Vec<_> = hours.into_iter().map(|hour| self.try_restore(folds, hour, until)).collect();
            let mut hours = stream::iter(hours).buffer_unordered(AT_ONCE);
            while let Some((of_hour, result)) = hours.next().await {
                match result {
                    Ok(FoldOutcome::Written) => restored.ready.extend(of_hour),
                    Ok(FoldOutcome::Sealed) => {
                        restored.settled.extend(of_hour.into_iter().map(|bucket| (bucket, Ok(FoldOutcome::Sealed))));
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "the other minutes of an hour were not folded: {error}");
                        let refused = of_hour.into_iter().map(|bucket| (refusal(&bucket, &error), bucket));
                        restored.settled.extend(refused.map(|(refused, bucket)| (bucket, Err(refused))));
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

    /// The hour of a bucket, where minutes of it may be gone before it is closed again.
    fn aged_hour(&self, bucket: &Bucket) -> Option<(TrackId, Period)> {
        let Entity::Track(track) = &bucket.entity else { return None };
        let hour = self.lists.calendar.period(Level::Hour, bucket.minute.start());
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
        let missing = match self.needed(folds, track, hour, deadline).await? {
            Needed::Sealed => return Ok(FoldOutcome::Sealed),
            Needed::Minutes(minutes) => minutes.into_iter().filter(|minute| !of_hour.contains(minute)).collect(),
        };
        // Without a budget: one that is put off would leave the hour with a hole meanwhile.
        let folded = folds.refold::<TrackCounters>(missing, Budget::WHOLE, deadline).await;
        folded.into_iter().try_for_each(|(_, result)| result.map(|_| ()))?;
        Ok(FoldOutcome::Written)
    }

    /// The minutes of an hour that have facts and are not there, or not for long.
    async fn needed(
        &self,
        folds: &Folds,
        track: &TrackId,
        hour: &Period,
        deadline: Instant,
    ) -> Result<Needed, StoreError> {
        let now = self.now();
        let of = Entity::Track(track.clone());
        let (mut minutes, mut expires): (BTreeMap<Key, Bucket>, Option<i64>) = (BTreeMap::new(), None);
        // An hour of a time zone may lie in two of UTC, which facts are filed under.
        let last = hour.end().plus(-chrono::TimeDelta::milliseconds(1));
        for utc in BTreeSet::from([hour.start().hour(), last.hour()]) {
            let facts = KeyRange::with_prefix(keys::facts_of_hour(&of, utc), "");
            for fact in folds.facts_table().query(&facts, Consistency::Strong).await? {
                // One that is not a fact is poison to its own minute, and told of there.
                let Some(Ok((bucket, at, _))) = key_of(&fact).map(|key| keys::parse_fact(&key.pk, &key.sk)) else {
                    continue;
                };
                if hour.contains(at) {
                    minutes.insert(keys::bucket(&bucket), bucket);
                    expires = expires.into_iter().chain(number(&fact, TTL)).min();
                }
            }
        }
        let calendar = &self.lists.calendar;
        let scope = Scope::Track(track.clone());
        let day = calendar.period(Level::Day, hour.start());
        let periods = [keys::rollup(&scope, hour), keys::rollup(&scope, &day)];
        let asked = minutes.keys().cloned().chain(periods.clone()).collect();
        let held = self.lists.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let of_periods = periods.iter().filter_map(|key| number(held.get(key)?, EXPIRES));
        if of_periods.chain(expires).min().is_some_and(|expires| closed_to_folds(expires, now)) {
            return Ok(Needed::Sealed);
        }
        let until = now.plus(MARKED).seconds();
        let is_there = |key: &Key| {
            let ttl: Option<i64> = held.get(key).and_then(|item| number(item, TTL));
            held.contains_key(key) && ttl.is_none_or(|ttl| ttl > until)
        };
        Ok(Needed::Minutes(minutes.into_iter().filter(|(key, _)| !is_there(key)).map(|(_, bucket)| bucket).collect()))
    }
}

/// Why a bucket is not folded, of which the hour could not be made whole: what lasts is poison to it as well.
fn refusal(bucket: &Bucket, error: &StoreError) -> StoreError {
    if error.is_lasting() {
        let Key { pk, sk } = keys::bucket(bucket);
        return StoreError::corrupt(format!("{pk}/{sk}"), format!("another minute of its hour: {error}"));
    }
    StoreError::Conflict
}

/// Whether a mark that was read is one that its minutes outlive: then the hour is made of all of them.
pub(super) fn is_whole(mark: Option<&crate::items::Item>, now: Time) -> bool {
    mark.and_then(|mark| number::<i64>(mark, TTL)).is_some_and(|ttl| ttl > now.seconds())
}
