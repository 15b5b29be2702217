//! Totals of courses: sums of the contributions of courses, enrollments, scores, attendance and payments.
//!
//! A document determines its contribution. So the transaction that replaces the document also adds the difference to
//! the totals: one is never written without the other.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::error::StoreError;
use super::items::Item;
use super::keys::{self, Key};
use super::sums::Sums;
use super::table::Consistency;
use super::transaction::{Changes, Transaction};
use crate::setup::{Setup, StatsTable};
use domain::course_stats::{CourseContributor, CourseFigures, CourseStatsScope};
use domain::id::CourseId;

/// The table of the totals of courses.
#[derive(Debug, Clone)]
pub struct CourseStats {
    stats: StatsTable,
}

fn figures(items: &[Item]) -> Result<CourseFigures, StoreError> {
    CourseFigures::try_from(&Sums::of_all(items)).map_err(|error| StoreError::corrupt("classroom", error))
}

impl CourseStats {
    /// Opens the numbers of courses.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table() }
    }

    /// Adds the difference that a document makes to the totals of these scopes. The totals of all courses are spread
    /// over lanes by `id`, the id of the document or of its student.
    pub(super) fn count_in<T: CourseContributor>(
        &self,
        transaction: &mut Transaction,
        whose: &[CourseStatsScope],
        id: &str,
        (was, is): (Option<&T>, &T),
    ) -> Result<(), StoreError> {
        let sums = |thing: &T| Sums::from(&thing.contributes());
        let mut difference = sums(is);
        difference.subtract(&was.map(sums).unwrap_or_default());
        let difference = difference.without_zeros();
        if difference.is_empty() {
            return Ok(());
        }
        for whose in whose {
            let mut changes = Changes::default();
            difference.iter().for_each(|(name, sum)| changes.add(name, sum));
            transaction.update(&self.stats.name, &keys::course_stats(whose, keys::lane(id)), changes, None)?;
        }
        Ok(())
    }

    /// The figures of a scope; eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn of<'a>(
        &'a self,
        whose: &'a CourseStatsScope,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<CourseFigures, StoreError>> {
        Box::pin(async move {
            let keys = (0..keys::LANES).map(|lane| keys::course_stats(whose, lane)).collect();
            let items = self.stats.get_all(keys, Consistency::Eventual, deadline).await?;
            figures(&items.into_values().collect::<Vec<_>>())
        })
    }

    /// The figures of each of these courses; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
    pub fn of_courses<'a>(
        &'a self,
        courses: &'a BTreeSet<CourseId>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BTreeMap<CourseId, CourseFigures>, StoreError>> {
        Box::pin(async move {
            let key = |course: &CourseId| keys::course_stats(&CourseStatsScope::Course(course.clone()), 0);
            let asked: BTreeSet<Key> = courses.iter().map(key).collect();
            let mut items = self.stats.get_all(asked, Consistency::Eventual, deadline).await?;
            let of = |course: &CourseId| {
                let stored: Vec<Item> = items.remove(&key(course)).into_iter().collect();
                Ok((course.clone(), figures(&stored)?))
            };
            courses.iter().map(of).collect()
        })
    }
}
