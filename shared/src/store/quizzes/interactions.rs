//! Interactions: a small item of state guards what a person can do to a quiz only once.
//!
//! The state's change and the fact that records it commit in one transaction: a second like is no second fact, a second
//! rating takes the place of the first, and an attempt that is reported twice is one. The server says when it happened,
//! and in which order: the last to be written is the last word.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::caller::Actor;
use crate::domain::entity::Entity;
use crate::domain::id::{QuizId, UserId};
use crate::domain::interaction::{Attempt, Interaction, QuizFact, Rating};
use crate::domain::time::Time;
use crate::ids::Ids;
use crate::store::again::again;
use crate::store::error::StoreError;
use crate::store::facts::NewFact;
use crate::store::items::{from_item, to_item};
use crate::store::keys::{self, Key};
use crate::store::retention::Retention;
use crate::store::table::{Consistency, Table};
use crate::store::transaction::{Condition, Transaction};

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
    Recorded(Time),
    /// The same had been recorded at this time.
    Before(Time),
    /// Another had been recorded under its id.
    Other,
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

/// The tables of state and of the facts that it guards.
#[derive(Clone)]
pub struct Interactions {
    state: Table,
    facts: Table,
    retention: Retention,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Interactions {
    /// Interactions with their state in one table, their facts in another.
    #[must_use]
    pub fn new(
        client: Client,
        state: String,
        facts: String,
        retention: Retention,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Self {
        let table = |name| Table::new(client.clone(), name);
        Self { state: table(state), facts: table(facts), retention, clock, ids }
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
        Box::pin(again(deadline, move || {
            Box::pin(async move {
                let key = keys::like(&Actor::User(user.clone()), &Entity::Quiz(quiz.clone()));
                let held = self.held::<Liked>(&key).await?;
                if held.as_ref().is_some_and(|held| held.state.on) == on {
                    return Ok(false);
                }
                let fact = QuizFact { user: user.clone(), what: Interaction::Like { on } };
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
        Box::pin(again(deadline, move || {
            Box::pin(async move {
                let key = keys::rating(user, quiz);
                let held = self.held::<Opinion>(&key).await?;
                let was = held.as_ref().map(|held| held.state.rating);
                let has_changed = was != Some(rating);
                if has_changed {
                    let fact = QuizFact { user: user.clone(), what: Interaction::Rate { rating, was } };
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
        Box::pin(again(deadline, move || {
            Box::pin(async move {
                let key = keys::attempt(user, quiz, &attempt.id);
                match self.held::<Attempt>(&key).await? {
                    Some(held) if held.state == *attempt => Ok(Attempted::Before(held.at)),
                    Some(_) => Ok(Attempted::Other),
                    None => {
                        let fact = QuizFact { user: user.clone(), what: Interaction::Attempt(attempt.clone()) };
                        Ok(Attempted::Recorded(self.record(quiz, &key, None, attempt.clone(), fact).await?))
                    }
                }
            })
        }))
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
        let at = Time::from(self.clock.now());
        // A version is used once, so it also names the fact that this state came from.
        let version = self.ids.fresh();
        let fact_key = keys::interaction(quiz, at, fact.what.kind(), &version);
        let fact = NewFact::new(fact_key, fact, self.retention.expiry(at))?.into_item();
        let state = to_item(key, Guard { version, at, state })?;
        let mut transaction = Transaction::new(self.state.client.clone());
        transaction.put(&self.state.name, state, Some(Condition::still(held.map(|held| held.version))))?;
        transaction.put(&self.facts.name, fact, None)?;
        transaction.commit().await?;
        Ok(at)
    }
}
