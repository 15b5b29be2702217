//! Attendance, listed by course and by student. Both entries and the events of the change are written in one
//! transaction.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::course_stats::CourseStats;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::from_item;
use super::keys;
use super::listing::{ListQuery, Listing, put_listed};
use super::outbox::{Outbox, OutboxEvents};
use super::table::Consistency;
use super::transaction::Transaction;
use crate::setup::{Setup, StateTable};
use domain::attendance::{Attendance, Date};
use domain::course::Course;
use domain::course_stats::CourseStatsScope;
use domain::id::{CourseId, UserId};
use system::ids::Ids;

/// The table of who was there.
#[derive(Clone)]
pub struct Attendances {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

impl Attendances {
    /// Opens the attendances.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
    }

    /// Whether a student was there on a day, if that is noted; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn attendance<'a>(
        &'a self,
        course: &'a CourseId,
        date: &'a Date,
        student: &'a UserId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Attendance>>, StoreError>> {
        Box::pin(async move {
            let key = keys::attendance(course, date, student);
            self.state.get(&key, Consistency::Strong).await?.map(from_item).transpose()
        })
    }

    /// Puts attendance in place of the stored one, with the events of the change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put<'a>(
        &'a self,
        (attendance, course): (&'a Attendance, &'a Course),
        stored: Option<&'a Versioned<Attendance>>,
        numbers: &'a CourseStats,
        telling: OutboxEvents<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let Attendance { course: id, student, date, .. } = attendance;
            let (key, at) = (keys::attendance(id, date, student), [keys::attendance_of(student, date, id)]);
            let document = Versioned { version: Version(self.ids.fresh()), document: attendance };
            let mut transaction = Transaction::new(self.state.client.clone());
            let version = stored.map(|stored| &stored.version);
            put_listed(&mut transaction, &self.state.name, (&key, &at), &document, version)?;
            let was = stored.map(|stored| &stored.document);
            let whose = CourseStatsScope::of(student, (id, course));
            numbers.count_in(&mut transaction, &whose, student.as_str(), (was, attendance))?;
            Outbox::enqueue_in(telling, &mut transaction)?;
            transaction.commit().await
        })
    }

    /// Up to `count` entries of a course, of one day or of all, the latest day first, from the cursor of an earlier
    /// page. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn in_course<'a>(
        &'a self,
        course: &'a CourseId,
        date: Option<&'a Date>,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<Attendance>, StoreError>> {
        Box::pin(self.page(keys::course_and_students(course), date, after, count))
    }

    /// Lists the entries of a student in the same way.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn of_student<'a>(
        &'a self,
        student: &'a UserId,
        date: Option<&'a Date>,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<Attendance>, StoreError>> {
        Box::pin(self.page(keys::user(student), date, after, count))
    }

    async fn page(
        &self,
        pk: String,
        date: Option<&Date>,
        after: Option<&str>,
        count: usize,
    ) -> Result<Listing<Attendance>, StoreError> {
        let prefix = keys::attended_on(date);
        self.state.page(pk, ListQuery { prefix: &prefix, newest_first: true, after, count }).await
    }
}
