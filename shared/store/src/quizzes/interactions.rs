//! Interactions: a small item of state guards what a user can do to a quiz only once.
//!
//! The state and the fact of its change commit in one transaction: a second like is no second fact, a second rating
//! replaces the first, and a repeated attempt is one attempt. The server decides the time and the order: the last write
//! wins.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::facts::NewFact;
use crate::items::{Item, from_item, to_item};
use crate::keys::{self, Key};
use crate::retention::Retention;
use crate::retry;
use crate::setup::{InteractionsTable, Setup, StateTable};
use crate::table::Consistency;
use crate::transaction::{Condition, Transaction};
use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::{QuizId, UserId};
use domain::interaction::{Attempt, Interaction, QuizFact, Rating};
use domain::quota::Window;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// The outcome of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingChange {
    /// The user's previous rating of the quiz.
    pub was: Option<Rating>,
    /// Whether that is another rating than the new one.
    pub has_changed: bool,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The attempt was recorded.
    Recorded(RecordedAttempt),
    /// The same attempt was recorded before.
    Repeated(RecordedAttempt),
    /// Another had been recorded under its id.
    Conflicting,
}

/// A recorded attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// When.
    pub at: Time,
    /// Whether averages count it.
    pub counts: bool,
}

/// Guarding state as an item.
#[derive(Serialize, Deserialize)]
struct Guard<T> {
    version: String,
    at: Time,
    #[serde(flatten)]
    state: T,
}

#[derive(Clone, Serialize, Deserialize)]
struct LikeState {
    on: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct RatingState {
    rating: Rating,
}

/// An attempt as state.
#[derive(Clone, Serialize, Deserialize)]
struct AttemptState {
    #[serde(flatten)]
    attempt: Attempt,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unscored: bool,
}

/// The number of a user's attempts at a quiz that count on a day.
#[derive(Clone, Serialize, Deserialize)]
struct AttemptCount {
    count: u32,
    ttl: i64,
}

/// The tables of state and of the facts that it guards.
#[derive(Clone)]
pub struct Interactions {
    state: StateTable,
    facts: InteractionsTable,
    retention: Retention,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// The daily limit of a user's attempts at a quiz that averages count, if there is one.
    counted_attempts: Option<u32>,
}

impl Interactions {
    /// Opens the interactions.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            state: setup.state_table(),
            facts: setup.interactions_table(),
            retention: setup.retention(),
            clock: setup.clock(),
            ids: setup.ids(),
            counted_attempts: None,
        }
    }

    /// Sets the daily limit of a user's attempts at a quiz that averages count, in days of UTC.
    #[must_use]
    pub fn counting(self, counted_attempts: Option<u32>) -> Self {
        Self { counted_attempts, ..self }
    }

    /// Records a like of a quiz or its withdrawal; returns whether that changed anything.
    ///
    /// # Errors
    /// The last error before the deadline; the change may or may not have happened, and can be repeated.
    pub fn like<'a>(
        &'a self,
        user: &'a UserId,
        quiz: &'a QuizId,
        on: bool,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let key = keys::like(&Actor::User(user.clone()), &Entity::Quiz(quiz.clone()));
                let stored = self.read_state::<LikeState>(&key).await?;
                if stored.as_ref().is_some_and(|stored| stored.state.on) == on {
                    return Ok(false);
                }
                let fact = QuizFact { user: user.clone(), what: Interaction::Like { on }, unscored: false };
                self.record(quiz, &key, stored, LikeState { on }, fact).await?;
                Ok(true)
            })
        }))
    }

    /// Records a user's rating of a quiz.
    ///
    /// # Errors
    /// The last error before the deadline; the change may or may not have happened, and can be repeated.
    pub fn rate<'a>(
        &'a self,
        user: &'a UserId,
        quiz: &'a QuizId,
        rating: Rating,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<RatingChange, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let key = keys::rating(user, quiz);
                let stored = self.read_state::<RatingState>(&key).await?;
                let was = stored.as_ref().map(|stored| stored.state.rating);
                let has_changed = was != Some(rating);
                if has_changed {
                    let fact =
                        QuizFact { user: user.clone(), what: Interaction::Rate { rating, was }, unscored: false };
                    self.record(quiz, &key, stored, RatingState { rating }, fact).await?;
                }
                Ok(RatingChange { was, has_changed })
            })
        }))
    }

    /// Records a user's attempt at a quiz.
    ///
    /// # Errors
    /// The last error before the deadline; the change may or may not have happened, and can be repeated.
    pub fn attempt<'a>(
        &'a self,
        user: &'a UserId,
        quiz: &'a QuizId,
        attempt: &'a Attempt,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<AttemptOutcome, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let key = keys::attempt(user, quiz, &attempt.id);
                match self.read_state::<AttemptState>(&key).await? {
                    Some(Guard { at, state: AttemptState { attempt: stored, unscored }, .. }) if stored == *attempt => {
                        Ok(AttemptOutcome::Repeated(RecordedAttempt { at, counts: !unscored }))
                    }
                    Some(_) => Ok(AttemptOutcome::Conflicting),
                    None => self.record_attempt(user, quiz, attempt, &key).await.map(AttemptOutcome::Recorded),
                }
            })
        }))
    }

    async fn record_attempt(
        &self,
        user: &UserId,
        quiz: &QuizId,
        attempt: &Attempt,
        key: &Key,
    ) -> Result<RecordedAttempt, StoreError> {
        let now = Time::from(self.clock.now());
        let mut counted = None;
        let mut unscored = false;
        if let Some(most) = self.counted_attempts {
            let key = keys::counted_attempts(user, quiz, Window::day(now));
            let stored = self.read_state::<AttemptCount>(&key).await?;
            let count = stored.as_ref().map_or(0, |stored| stored.state.count);
            unscored = count >= most;
            // Both items are written together, so of concurrent attempts only one is the last that counts.
            let ttl = Window::day(now).end().plus(TimeDelta::days(1)).seconds();
            let state = AttemptCount { count: count + 1, ttl };
            let guard = Guard { version: self.ids.fresh(), at: now, state };
            let condition = Condition::unchanged(stored.map(|stored| stored.version));
            counted = (!unscored).then_some((to_item(&key, guard)?, condition));
        }
        let fact = QuizFact { user: user.clone(), what: Interaction::Attempt(attempt.clone()), unscored };
        let state = AttemptState { attempt: attempt.clone(), unscored };
        let at = self.record_with(quiz, key, None, state, fact, counted).await?;
        Ok(RecordedAttempt { at, counts: !unscored })
    }

    async fn read_state<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Guard<T>>, StoreError> {
        self.state.get(key, Consistency::Strong).await?.map(from_item).transpose()
    }

    /// Writes the new state in place of the stored one, and the fact; returns its time.
    async fn record<T: Serialize>(
        &self,
        quiz: &QuizId,
        key: &Key,
        stored: Option<Guard<T>>,
        state: T,
        fact: QuizFact,
    ) -> Result<Time, StoreError> {
        self.record_with(quiz, key, stored, state, fact, None).await
    }

    /// Writes another item of state as well.
    async fn record_with<T: Serialize>(
        &self,
        quiz: &QuizId,
        key: &Key,
        stored: Option<Guard<T>>,
        state: T,
        fact: QuizFact,
        other: Option<(Item, Condition)>,
    ) -> Result<Time, StoreError> {
        let at = Time::from(self.clock.now());
        // A version is used once, so it also names the fact that this state came from.
        let version = self.ids.fresh();
        let fact_key = keys::interaction(quiz, at, fact.what.kind(), &version);
        let fact = NewFact::new(fact_key, fact, self.retention.expiry(at))?.into_item();
        let state = to_item(key, Guard { version, at, state })?;
        let mut transaction = Transaction::new(self.state.client.clone());
        transaction.put(&self.state.name, state, Some(Condition::unchanged(stored.map(|stored| stored.version))))?;
        transaction.put(&self.facts.name, fact, None)?;
        if let Some((other, condition)) = other {
            transaction.put(&self.state.name, other, Some(condition))?;
        }
        transaction.commit().await?;
        Ok(at)
    }
}
