//! Courses, and who takes them.
//!
//! A course is stored under its id and listed by teacher; an enrollment is stored with the course and listed by
//! student. Both entries, the totals and the events of the change are written in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::course_stats::CourseStats;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::from_item;
use super::keys::{self, Key};
use super::listing::{ListQuery, Listing, put_listed};
use super::outbox::{Outbox, OutboxEvents};
use super::table::Consistency;
use super::transaction::Transaction;
use crate::setup::{Setup, StateTable};
use domain::course::{Course, Enrollment};
use domain::course_stats::CourseStatsScope;
use domain::id::{CourseId, UserId};
use system::ids::Ids;

/// The table of courses.
#[derive(Clone)]
pub struct Courses {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

impl Courses {
    /// Opens the courses and their enrollments.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
    }

    /// A course, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn course<'a>(&'a self, id: &'a CourseId) -> BoxFuture<'a, Result<Option<Versioned<Course>>, StoreError>> {
        Box::pin(
            async move { self.state.get(&keys::course(id), Consistency::Strong).await?.map(from_item).transpose() },
        )
    }

    /// The enrollment of a student in a course, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn enrollment<'a>(
        &'a self,
        course: &'a CourseId,
        student: &'a UserId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Enrollment>>, StoreError>> {
        Box::pin(async move {
            let key = keys::enrollment(course, student);
            self.state.get(&key, Consistency::Strong).await?.map(from_item).transpose()
        })
    }

    /// Puts a course in place of the stored one, and returns its version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put_course<'a>(
        &'a self,
        (id, course): (&'a CourseId, &'a Course),
        stored: Option<&'a Versioned<Course>>,
        numbers: &'a CourseStats,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let document = Versioned { version: Version(self.ids.fresh()), document: course };
            let (key, listed) = (keys::course(id), [keys::taught(&course.teacher, id)]);
            let mut transaction = Transaction::new(self.state.client.clone());
            let version = stored.map(|stored| &stored.version);
            put_listed(&mut transaction, &self.state.name, (&key, &listed), &document, version)?;
            let whose = [CourseStatsScope::Teacher(course.teacher.clone()), CourseStatsScope::All];
            let was = stored.map(|stored| &stored.document);
            numbers.count_in(&mut transaction, &whose, id.as_str(), (was, course))?;
            transaction.commit().await?;
            Ok(document.version)
        })
    }

    /// The courses of these ids that exist; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read, or one is not what this program writes.
    pub fn courses<'a>(
        &'a self,
        ids: &'a BTreeSet<CourseId>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BTreeMap<CourseId, Course>, StoreError>> {
        Box::pin(async move {
            let by_key: BTreeMap<Key, &CourseId> = ids.iter().map(|id| (keys::course(id), id)).collect();
            let query = by_key.keys().cloned().collect();
            let mut courses = BTreeMap::new();
            for (key, item) in self.state.get_all(query, Consistency::Eventual, deadline).await? {
                if let Some(id) = by_key.get(&key) {
                    courses.insert((*id).clone(), from_item(item)?);
                }
            }
            Ok(courses)
        })
    }

    /// Puts an enrollment in place of the stored one, with the events of the change, and returns its version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn enroll<'a>(
        &'a self,
        (enrollment, course): (&'a Enrollment, &'a Course),
        stored: Option<&'a Versioned<Enrollment>>,
        numbers: &'a CourseStats,
        telling: OutboxEvents<'a>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let Enrollment { course: id, student, .. } = enrollment;
            let document = Versioned { version: Version(self.ids.fresh()), document: enrollment };
            let (key, listed) = (keys::enrollment(id, student), [keys::enrollment_of(student, id)]);
            let mut transaction = Transaction::new(self.state.client.clone());
            let version = stored.map(|stored| &stored.version);
            put_listed(&mut transaction, &self.state.name, (&key, &listed), &document, version)?;
            let was = stored.map(|stored| &stored.document);
            let whose = CourseStatsScope::of(student, (id, course));
            numbers.count_in(&mut transaction, &whose, student.as_str(), (was, enrollment))?;
            Outbox::enqueue_in(telling, &mut transaction)?;
            transaction.commit().await?;
            Ok(document.version)
        })
    }

    /// Up to `count` courses of a teacher, by id, from the cursor of an earlier page. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn taught_by<'a>(
        &'a self,
        teacher: &'a UserId,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<(CourseId, Course)>, StoreError>> {
        Box::pin(async move {
            let query = ListQuery { prefix: keys::TAUGHT, newest_first: false, after, count };
            let (placed, goes_on) = self.state.listed(keys::user(teacher), query).await?;
            let next = placed.last().map(|(place, _)| place.clone()).filter(|_| goes_on);
            let courses = placed.into_iter().map(|(place, item)| {
                let id = keys::parse_taught(&place).map_err(|error| StoreError::corrupt(&place, error))?;
                Ok((id, from_item(item)?))
            });
            Ok(Listing { items: courses.collect::<Result<_, StoreError>>()?, next })
        })
    }

    /// Up to `count` enrollments of a course in any status, by student, from the cursor of an earlier page. Eventually
    /// consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn students<'a>(
        &'a self,
        course: &'a CourseId,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<Enrollment>, StoreError>> {
        let query = ListQuery { prefix: keys::ENROLLED, newest_first: false, after, count };
        Box::pin(self.state.page(keys::course_and_students(course), query))
    }

    /// Lists the enrollments of a student in the same way.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn courses_of<'a>(
        &'a self,
        student: &'a UserId,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<Enrollment>, StoreError>> {
        let query = ListQuery { prefix: keys::ENROLLED, newest_first: false, after, count };
        Box::pin(self.state.page(keys::user(student), query))
    }
}
