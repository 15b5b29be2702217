//! Interactions: a small item of state guards what a person can do to a quiz only once.
//!
//! The state's change and the fact that records it commit in one transaction: a second like is no second fact, a second
//! rating takes the place of the first, and an attempt that is reported twice is one. The server says when it happened,
//! and in which order: the last to be written is the last word.

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

/// What became of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rated {
    /// How the person had rated the quiz before.
    pub was: Option<Rating>,
    /// Whether that is another rating than the new one.
    pub has_changed: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// It was recorded.
    Recorded(Scored),
    /// The same had been recorded.
    Before(Scored),
    /// Another had been recorded under its id.
    Other,
}

/// How an attempt was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored {
    /// When.
    pub at: Time,
    /// Whether averages count it.
    pub counts: bool,
}

/// State as it lies in its item.
#[derive(Serialize, Deserialize)]
struct Guard<T> {
    version: String,
    at: Time,
    #[serde(flatten)]
    state: T,
}

#[derive(Clone, Serialize, Deserialize)]
struct Liked {
    on: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Opinion {
    rating: Rating,
}

/// An attempt as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    attempt: Attempt,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unscored: bool,
}

/// How many attempts of a person at a quiz have counted on a day.
#[derive(Clone, Serialize, Deserialize)]
struct Counted {
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
    /// How many attempts of a person at a quiz averages count on a day; none is any number.
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

    /// The same, where averages count only so many attempts of a person at a quiz on a day of UTC.
    #[must_use]
    pub fn counting(self, counted_attempts: Option<u32>) -> Self {
        Self { counted_attempts, ..self }
    }

    /// A person likes a quiz, or takes that back; tells whether that changed anything.
    ///
    /// # Errors
    /// What stood in the way when the time was up; it may or may not have happened, and can be said again.
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
                let held = self.held::<Liked>(&key).await?;
                if held.as_ref().is_some_and(|held| held.state.on) == on {
                    return Ok(false);
                }
                let fact = QuizFact { user: user.clone(), what: Interaction::Like { on }, unscored: false };
                self.record(quiz, &key, held, Liked { on }, fact).await?;
                Ok(true)
            })
        }))
    }

    /// A person rates a quiz, or rates it anew.
    ///
    /// # Errors
    /// What stood in the way when the time was up; it may or may not have happened, and can be said again.
    pub fn rate<'a>(
        &'a self,
        user: &'a UserId,
        quiz: &'a QuizId,
        rating: Rating,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Rated, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let key = keys::rating(user, quiz);
                let held = self.held::<Opinion>(&key).await?;
                let was = held.as_ref().map(|held| held.state.rating);
                let has_changed = was != Some(rating);
                if has_changed {
                    let fact =
                        QuizFact { user: user.clone(), what: Interaction::Rate { rating, was }, unscored: false };
                    self.record(quiz, &key, held, Opinion { rating }, fact).await?;
                }
                Ok(Rated { was, has_changed })
            })
        }))
    }

    /// A person has attempted a quiz.
    ///
    /// # Errors
    /// What stood in the way when the time was up; it may or may not have happened, and can be said again.
    pub fn attempt<'a>(
        &'a self,
        user: &'a UserId,
        quiz: &'a QuizId,
        attempt: &'a Attempt,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Attempted, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let key = keys::attempt(user, quiz, &attempt.id);
                match self.held::<Kept>(&key).await? {
                    Some(Guard { at, state: Kept { attempt: held, unscored }, .. }) if held == *attempt => {
                        Ok(Attempted::Before(Scored { at, counts: !unscored }))
                    }
                    Some(_) => Ok(Attempted::Other),
                    None => self.record_attempt(user, quiz, attempt, &key).await.map(Attempted::Recorded),
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
    ) -> Result<Scored, StoreError> {
        let now = Time::from(self.clock.now());
        let mut counted = None;
        let mut unscored = false;
        if let Some(most) = self.counted_attempts {
            let key = keys::counted_attempts(user, quiz, Window::day(now));
            let held = self.held::<Counted>(&key).await?;
            let count = held.as_ref().map_or(0, |held| held.state.count);
            unscored = count >= most;
            // Both are written together, so of several at once only one is the last that counts.
            let ttl = Window::day(now).end().plus(TimeDelta::days(1)).seconds();
            let state = Counted { count: count + 1, ttl };
            let guard = Guard { version: self.ids.fresh(), at: now, state };
            let condition = Condition::still(held.map(|held| held.version));
            counted = (!unscored).then_some((to_item(&key, guard)?, condition));
        }
        let fact = QuizFact { user: user.clone(), what: Interaction::Attempt(attempt.clone()), unscored };
        let state = Kept { attempt: attempt.clone(), unscored };
        let at = self.record_with(quiz, key, None, state, fact, counted).await?;
        Ok(Scored { at, counts: !unscored })
    }

    async fn held<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Guard<T>>, StoreError> {
        self.state.get(key, Consistency::Strong).await?.map(from_item).transpose()
    }

    /// Writes the new state in place of the one that was read, and the fact; tells when it happened.
    async fn record<T: Serialize>(
        &self,
        quiz: &QuizId,
        key: &Key,
        held: Option<Guard<T>>,
        state: T,
        fact: QuizFact,
    ) -> Result<Time, StoreError> {
        self.record_with(quiz, key, held, state, fact, None).await
    }

    /// The same, together with another item of state.
    async fn record_with<T: Serialize>(
        &self,
        quiz: &QuizId,
        key: &Key,
        held: Option<Guard<T>>,
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
        transaction.put(&self.state.name, state, Some(Condition::still(held.map(|held| held.version))))?;
        transaction.put(&self.facts.name, fact, None)?;
        if let Some((other, condition)) = other {
            transaction.put(&self.state.name, other, Some(condition))?;
        }
        transaction.commit().await?;
        Ok(at)
    }
}
