//! Quizzes: documents, interactions and totals.

mod interactions;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::contributions::AS_OF;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item, text, to_item};
use super::keys::{self, Key};
use super::sums::Sums;
use super::table::Consistency;
use super::transaction::Condition;
use crate::setup::{Setup, StateTable, StatsTable};
use domain::entity::Entity;
use domain::id::QuizId;
use domain::quiz::{Quiz, QuizFigures};
use domain::time::Time;
use system::ids::Ids;

pub use interactions::{AttemptOutcome, Interactions, RatingChange, RecordedAttempt};

/// The table of quizzes' documents.
#[derive(Clone)]
pub struct Quizzes {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

impl Quizzes {
    /// Opens the quizzes.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
    }

    /// A quiz, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn quiz<'a>(&'a self, id: &'a QuizId) -> BoxFuture<'a, Result<Option<Versioned<Quiz>>, StoreError>> {
        Box::pin(async move { self.state.get(&document(id), Consistency::Strong).await?.map(from_item).transpose() })
    }

    /// Puts a quiz in place of the stored one, or a new one, and returns its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put<'a>(
        &'a self,
        id: &'a QuizId,
        quiz: &'a Quiz,
        stored: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let item = to_item(&document(id), Versioned { version: version.clone(), document: quiz })?;
            self.state.put(item, Condition::unchanged(stored.map(|stored| stored.0.clone()))).await?;
            Ok(version)
        })
    }

    /// Whether a quiz exists. Quizzes are never deleted, so only a negative answer is read again, strongly consistent.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn exists<'a>(&'a self, id: &'a QuizId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let key = document(id);
            Ok(self.state.get(&key, Consistency::Eventual).await?.is_some()
                || self.state.get(&key, Consistency::Strong).await?.is_some())
        })
    }

    /// The positions of the quizzes that do not exist.
    ///
    /// # Errors
    /// If not all could be read.
    pub fn missing<'a>(
        &'a self,
        quizzes: &'a [QuizId],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<usize>, StoreError>> {
        Box::pin(async move {
            let asked: BTreeSet<Key> = quizzes.iter().map(document).collect();
            let found: HashMap<Key, Item> = self.state.get_all(asked, Consistency::Strong, deadline).await?;
            let missing = quizzes.iter().enumerate().filter(|(_, quiz)| !found.contains_key(&document(quiz)));
            Ok(missing.map(|(place, _)| place).collect())
        })
    }
}

fn document(id: &QuizId) -> Key {
    keys::document(&Entity::Quiz(id.clone()))
}

/// The table of quizzes' totals, for reading.
#[derive(Debug, Clone)]
pub struct QuizNumbers {
    stats: StatsTable,
}

impl QuizNumbers {
    /// Opens the numbers.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table() }
    }

    /// A quiz's figures and the time up to which they are complete; `None` without interactions. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn of<'a>(&'a self, quiz: &'a QuizId) -> BoxFuture<'a, Result<Option<(QuizFigures, Time)>, StoreError>> {
        Box::pin(async move {
            let key = keys::quiz_total(quiz);
            let Some(item) = self.stats.get(&key, Consistency::Eventual).await? else { return Ok(None) };
            let sums = Sums::of(&item);
            Ok(Some((QuizFigures::from(&sums), as_of(&item, &key)?)))
        })
    }
}

/// The time up to which an item's totals are complete.
pub(super) fn as_of(item: &Item, key: &Key) -> Result<Time, StoreError> {
    let as_of = text(item, AS_OF).unwrap_or_default().parse();
    as_of.map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))
}
