//! Reads the numbers of packages: one item each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::child::EARNED;
use super::documents::{CREATOR, CURRENCY, EXISTS};
use crate::error::StoreError;
use crate::items::{Item, text};
use crate::keys::{self, Key};
use crate::quizzes::as_of;
use crate::setup::{Setup, StateTable, StatsTable};
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, LAST, Table};
use domain::id::{PackageId, UserId};
use domain::money::Currency;
use domain::package::PackageFigures;
use domain::quiz::QuizFigures;
use domain::time::Time;

/// A package's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageStats {
    /// The creator of the package.
    pub creator: UserId,
    /// The currency of its price.
    pub currency: Currency,
    /// The numbers.
    pub figures: PackageFigures,
    /// The time up to which facts are counted.
    pub as_of: Time,
}

/// Reads the numbers of packages.
#[derive(Debug, Clone)]
pub struct PackageNumbers {
    state: StateTable,
    stats: StatsTable,
}

impl PackageNumbers {
    /// Opens the numbers.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), stats: setup.stats_table() }
    }

    /// The numbers of those of the packages that exist; eventually consistent, one item each.
    ///
    /// # Errors
    /// If not all could be read, or one is corrupt.
    pub fn of<'a>(
        &'a self,
        packages: &'a [PackageId],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BTreeMap<PackageId, PackageStats>, StoreError>> {
        Box::pin(async move {
            let keys: BTreeSet<Key> = packages.iter().map(keys::package_total).collect();
            let items: HashMap<Key, Item> = self.stats.get_all(keys, Consistency::Eventual, deadline).await?;
            let mut found = BTreeMap::new();
            for package in packages {
                let key = keys::package_total(package);
                let stats = items.get(&key).map(|item| read(item, &key)).transpose()?.flatten();
                found.extend(stats.map(|stats| (package.clone(), stats)));
            }
            Ok(found)
        })
    }

    /// Up to `limit` packages of a creator after `after`, ordered by id; fewer only at the end. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn of_creator<'a>(
        &'a self,
        creator: &'a UserId,
        after: Option<&'a PackageId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<PackageId>, StoreError>> {
        let range = ids_after(keys::user(creator), keys::PACKAGES_OF, after);
        Box::pin(async move { package_ids(&self.state, &range, keys::PACKAGES_OF, limit).await })
    }
}

/// The items of a partition whose sort keys are a prefix and an id after `after`.
pub(super) fn ids_after(pk: String, prefix: &str, after: Option<&PackageId>) -> KeyRange {
    // A blank sorts before every character of an id.
    let from = format!("{prefix}{} ", after.map(PackageId::as_str).unwrap_or_default());
    KeyRange { pk, from, to: format!("{prefix}{LAST}") }
}

/// The ids of the first packages of a range.
pub(super) async fn package_ids(
    table: &Table,
    range: &KeyRange,
    prefix: &str,
    limit: usize,
) -> Result<Vec<PackageId>, StoreError> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let items = table.query_page(range, limit, false).await?;
    let ids = items.iter().map(|item| {
        let sk = text(item, keys::SK).unwrap_or_default();
        let id = sk.strip_prefix(prefix).unwrap_or_default();
        id.parse().map_err(|error| StoreError::corrupt(format!("{}/{sk}", range.pk), error))
    });
    ids.collect()
}

fn read(item: &Item, key: &Key) -> Result<Option<PackageStats>, StoreError> {
    if item.get(EXISTS) != Some(&AttributeValue::Bool(true)) {
        return Ok(None);
    }
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error);
    let creator = text(item, CREATOR).unwrap_or_default().parse().map_err(|error| corrupt(&error))?;
    let currency = text(item, CURRENCY).unwrap_or_default().parse().map_err(|error| corrupt(&error))?;
    let sums = Sums::of(item);
    let mut earned = BTreeMap::new();
    for (name, sum) in sums.iter() {
        if let Some(code) = name.strip_prefix(EARNED) {
            earned.insert(code.parse().map_err(|error| corrupt(&error))?, sum);
        }
    }
    let quizzes = QuizFigures::from(&sums);
    Ok(Some(PackageStats { creator, currency, figures: PackageFigures { quizzes, earned }, as_of: as_of(item, key)? }))
}
