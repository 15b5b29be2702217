//! Projections: values that are derived from a stream and kept up to date with it.
//!
//! A record names a key, and the key is refreshed from what is stored, never from the record. So a key that many records of a
//! batch name is refreshed once, and a record that comes twice or late does no harm.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::EventRecord;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{BatchHandler, RecordOutcome};
use crate::stream::UnreadableRecord;
use store::Budget;

/// Keeps derived values up to date with a stream.
pub trait Projection: Send + Sync {
    /// Names what is refreshed.
    type Key: Ord + Clone + Send + Sync;

    /// The key that a record changes, if it changes any.
    ///
    /// # Errors
    /// The record is about nothing that this projection derives.
    fn key(&self, record: &EventRecord) -> Result<Option<Self::Key>, UnreadableRecord>;

    /// Refreshes each key. A bucket that costs more than the budget is deferred.
    fn refresh<'a>(
        &'a self,
        keys: &'a BTreeSet<Self::Key>,
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Outcomes<Self::Key>>;
}

/// The outcome of each key.
pub struct Outcomes<K>(BTreeMap<K, RecordOutcome>);

impl<K: Ord + Clone> Outcomes<K> {
    /// All of these keys are done.
    #[must_use]
    pub fn done(keys: &BTreeSet<K>) -> Self {
        keys.iter().map(|key| (key.clone(), RecordOutcome::Done)).collect()
    }

    /// Sets the outcome of a key.
    pub fn set(&mut self, key: K, outcome: RecordOutcome) {
        self.0.insert(key, outcome);
    }

    /// Sets the outcome of all keys that match.
    pub fn set_where(&mut self, matches: impl Fn(&K) -> bool, outcome: &RecordOutcome) {
        for (_, of_key) in self.0.iter_mut().filter(|(key, _)| matches(key)) {
            of_key.clone_from(outcome);
        }
    }

    /// Sets the outcome of all keys that match and are done so far.
    pub fn set_done_where(&mut self, matches: impl Fn(&K) -> bool, outcome: &RecordOutcome) {
        for (_, of_key) in self.0.iter_mut().filter(|(key, of_key)| **of_key == RecordOutcome::Done && matches(key)) {
            of_key.clone_from(outcome);
        }
    }

    /// Whether a key has to be refreshed again.
    #[must_use]
    pub fn is_retry(&self, key: &K) -> bool {
        self.0.get(key) == Some(&RecordOutcome::Retry)
    }

    /// The outcome of a key. A key that the projection forgot is not refreshed.
    fn of(&self, key: &K) -> RecordOutcome {
        self.0.get(key).cloned().unwrap_or(RecordOutcome::Retry)
    }
}

impl<K: Ord> FromIterator<(K, RecordOutcome)> for Outcomes<K> {
    fn from_iter<I: IntoIterator<Item = (K, RecordOutcome)>>(outcomes: I) -> Self {
        Self(outcomes.into_iter().collect())
    }
}

impl<P: Projection> BatchHandler for P {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        budget: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let keys: Vec<Result<Option<P::Key>, _>> = records.iter().map(|record| self.key(record)).collect();
            let distinct = keys.iter().flatten().flatten().cloned().collect();
            let outcomes = self.refresh(&distinct, budget, deadline).await;
            let outcome = |key| match key {
                Ok(Some(key)) => outcomes.of(&key),
                Ok(None) => RecordOutcome::Done,
                Err(UnreadableRecord(reason)) => RecordOutcome::Poison(reason),
            };
            keys.into_iter().map(outcome).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    /// Refreshes the key `a`, fails with `b` and forgets `c`.
    #[derive(Default)]
    struct Letters(Mutex<Vec<String>>);

    impl Projection for Letters {
        type Key = String;

        fn key(&self, record: &EventRecord) -> Result<Option<String>, UnreadableRecord> {
            match record.event_id.as_str() {
                "" => Ok(None),
                "?" => Err(UnreadableRecord("no letter".to_owned())),
                letter => Ok(Some(letter.to_owned())),
            }
        }

        fn refresh<'a>(&'a self, keys: &'a BTreeSet<String>, _: Budget, _: Instant) -> BoxFuture<'a, Outcomes<String>> {
            self.0.lock().unwrap().extend(keys.iter().cloned());
            let outcomes = keys.iter().filter_map(|key| match key.as_str() {
                "a" => Some((key.clone(), RecordOutcome::Done)),
                "b" => Some((key.clone(), RecordOutcome::Poison("bad".to_owned()))),
                _ => None,
            });
            let outcomes = outcomes.collect();
            Box::pin(async { outcomes })
        }
    }

    #[tokio::test]
    async fn each_key_is_refreshed_once_and_each_record_has_the_outcome_of_its_key() {
        let letters = Letters::default();
        let record = |id: &str| {
            let mut record = EventRecord::default();
            record.event_id = id.to_owned();
            record
        };
        let records = ["b", "a", "", "a", "?", "c", "b"].map(record);
        let deadline = Instant::now() + Duration::from_secs(10);
        let poison = |reason: &str| RecordOutcome::Poison(reason.to_owned());
        assert_eq!(
            letters.handle(&records, Budget::WHOLE, deadline).await,
            [
                poison("bad"),
                RecordOutcome::Done,
                RecordOutcome::Done,
                RecordOutcome::Done,
                poison("no letter"),
                RecordOutcome::Retry,
                poison("bad"),
            ]
        );
        assert_eq!(*letters.0.lock().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn first_failure_is_kept_where_only_done_keys_are_set() {
        let mut outcomes = Outcomes::done(&BTreeSet::from(["a", "b"]));
        outcomes.set("a", RecordOutcome::Poison("bad".to_owned()));
        outcomes.set_done_where(|_| true, &RecordOutcome::Retry);
        assert!(!outcomes.is_retry(&"a") && outcomes.is_retry(&"b"));
        outcomes.set_where(|key| *key == "a", &RecordOutcome::Retry);
        assert!(outcomes.is_retry(&"a"));
    }
}
