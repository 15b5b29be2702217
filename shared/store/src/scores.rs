//! Scores, listed by course and by student. All entries and the events of the change are written in one transaction.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::course_stats::CourseStats;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::idempotency::StoredResponse;
use super::items::from_item;
use super::keys;
use super::listing::{ListQuery, Listing, put_listed};
use super::outbox::{Outbox, OutboxEvents};
use super::table::Consistency;
use super::transaction::Transaction;
use crate::setup::{Setup, StateTable};
use domain::course::Course;
use domain::course_stats::CourseStatsScope;
use domain::id::{CourseId, ScoreId, UserId};
use domain::score::GivenScore;
use system::ids::Ids;

/// The table of scores.
#[derive(Clone)]
pub struct Scores {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

impl Scores {
    /// Opens the scores.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
    }

    /// A score, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn score<'a>(&'a self, id: &'a ScoreId) -> BoxFuture<'a, Result<Option<Versioned<GivenScore>>, StoreError>> {
        Box::pin(async move { self.state.get(&keys::score(id), Consistency::Strong).await?.map(from_item).transpose() })
    }

    /// Puts a score in place of the stored one, with the response to the request and the events of the change, and
    /// returns its version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between, or the request was answered.
    pub fn put<'a>(
        &'a self,
        (score, course): (&'a GivenScore, &'a Course),
        stored: Option<&'a Versioned<GivenScore>>,
        answer: Option<&'a StoredResponse>,
        numbers: &'a CourseStats,
        telling: OutboxEvents<'a>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let GivenScore { id, course: in_course, student, given_at, .. } = score;
            let at = [keys::score_in(in_course, *given_at, id), keys::score_of(student, *given_at, id)];
            let document = Versioned { version: Version(self.ids.fresh()), document: score };
            let mut transaction = Transaction::new(self.state.client.clone());
            let version = stored.map(|stored| &stored.version);
            put_listed(&mut transaction, &self.state.name, (&keys::score(id), &at), &document, version)?;
            let was = stored.map(|stored| &stored.document);
            let whose = CourseStatsScope::of(student, (in_course, course));
            numbers.count_in(&mut transaction, &whose, student.as_str(), (was, score))?;
            if let Some(answer) = answer {
                answer.put_in(&self.state.name, &mut transaction)?;
            }
            Outbox::enqueue_in(telling, &mut transaction)?;
            transaction.commit().await?;
            Ok(document.version)
        })
    }

    /// Up to `count` scores of a course, the newest first, from the cursor of an earlier page. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn in_course<'a>(
        &'a self,
        course: &'a CourseId,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<GivenScore>, StoreError>> {
        let query = ListQuery { prefix: keys::SCORES, newest_first: true, after, count };
        Box::pin(self.state.page(keys::course_and_students(course), query))
    }

    /// Lists the entries of a student in the same way.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn of_student<'a>(
        &'a self,
        student: &'a UserId,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<GivenScore>, StoreError>> {
        let query = ListQuery { prefix: keys::SCORES, newest_first: true, after, count };
        Box::pin(self.state.page(keys::user(student), query))
    }
}
