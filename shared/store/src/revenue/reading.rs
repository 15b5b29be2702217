//! Reads revenue, at a cost that does not grow with the number of purchases.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{BoxFuture, try_join_all};
use tokio::time::Instant;

use super::BuyersIn;
use super::ranking::TopItems;
use crate::buyers;
use crate::contributions::AS_OF;
use crate::error::StoreError;
use crate::items::{Item, from_item, text};
use crate::keys::{self, Key, REVENUE, SK};
use crate::setup::{Setup, StatsTable};
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, LAST};
use domain::calendar::{Calendar, Level, Period};
use domain::date_range::DateRange;
use domain::distinct::Buyers;
use domain::purchase::{Buyer, ItemType};
use domain::revenue_totals::{Ranking, TotalsByKey};
use domain::time::Time;

/// The revenue of each item type, by period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevenueByPeriod {
    /// The periods with any revenue, in order.
    pub periods: BTreeMap<Period, BTreeMap<ItemType, TotalsByKey>>,
    /// The time up to which purchases are counted.
    pub as_of: Option<Time>,
}

impl RevenueByPeriod {
    /// The revenue of each item type in the periods within these days.
    #[must_use]
    pub fn within(&self, days: &DateRange) -> BTreeMap<ItemType, TotalsByKey> {
        let mut all: BTreeMap<ItemType, TotalsByKey> = BTreeMap::new();
        for (kind, by_key) in
            self.periods.iter().filter(|(period, _)| days.contains(period)).flat_map(|(_, types)| types)
        {
            all.entry(*kind).or_default().merge(by_key);
        }
        all
    }
}

/// The buyers who first bought in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// The month.
    pub month: Period,
    /// How many of them bought in each month, the first one included.
    pub bought: BTreeMap<Period, i64>,
}

/// The purchases of a buyer in summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuyerSummary {
    /// When the first purchase was paid.
    pub first: Time,
    /// When the last purchase was paid.
    pub last: Time,
    /// The totals of all purchases.
    pub by_key: TotalsByKey,
    /// The time up to which purchases are counted.
    pub as_of: Time,
}

/// Reads revenue.
#[derive(Debug, Clone)]
pub struct RevenueReader {
    pub(super) stats: StatsTable,
}

fn corrupt(name: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt(name, error.to_string())
}

fn as_of(item: &Item) -> Result<Option<Time>, StoreError> {
    text(item, AS_OF).map(str::parse).transpose().map_err(|error| corrupt(AS_OF, error))
}

impl RevenueReader {
    /// Opens the revenue.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table() }
    }

    /// The revenue of the days or months from `first` to `last`, which are of the same level. One item is read for each
    /// period and item type with revenue.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn rows(&self, first: Period, last: Period) -> BoxFuture<'_, Result<RevenueByPeriod, StoreError>> {
        Box::pin(async move {
            let level = first.level();
            let prefix = keys::rollups_of(level);
            let range = KeyRange {
                pk: REVENUE.to_owned(),
                from: format!("{prefix}{first}"),
                to: format!("{prefix}{last}{LAST}"),
            };
            let mut rows = RevenueByPeriod::default();
            for item in self.stats.query(&range, Consistency::Eventual).await? {
                let sk = text(&item, SK).unwrap_or_default();
                let (period, kind) = keys::parse_revenue(level, sk).map_err(|error| corrupt(sk, error))?;
                let period = Calendar::default().parse(level, &period).map_err(|error| corrupt(sk, error))?;
                let by_key = TotalsByKey::try_from(&Sums::of(&item)).map_err(|error| corrupt(sk, error))?;
                rows.as_of = rows.as_of.max(as_of(&item)?);
                rows.periods.entry(period).or_default().insert(kind, by_key);
            }
            Ok(rows)
        })
    }

    /// The revenue of each of these days and months, which are in order.
    ///
    /// # Errors
    /// If not all could be read, or one is corrupt.
    pub fn rows_of<'a>(&'a self, periods: &'a [Period]) -> BoxFuture<'a, Result<RevenueByPeriod, StoreError>> {
        Box::pin(async move {
            let runs = periods.chunk_by(|one, next| one.level() == next.level() && one.end() == next.start());
            let runs: Vec<_> = runs.filter_map(|run| Some(self.rows(*run.first()?, *run.last()?))).collect();
            let mut rows = RevenueByPeriod::default();
            for read in try_join_all(runs).await? {
                rows.periods.extend(read.periods);
                rows.as_of = rows.as_of.max(read.as_of);
            }
            Ok(rows)
        })
    }

    /// The first month with revenue.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn first_month(&self) -> BoxFuture<'_, Result<Option<Period>, StoreError>> {
        Box::pin(async move {
            let months = KeyRange::with_prefix(REVENUE.to_owned(), keys::rollups_of(Level::Month));
            let first = self.stats.query_page(&months, 1, false).await?;
            let Some(sk) = first.first().and_then(|item| text(item, SK)) else { return Ok(None) };
            let (month, _) = keys::parse_revenue(Level::Month, sk).map_err(|error| corrupt(sk, error))?;
            Calendar::default().parse(Level::Month, &month).map(Some).map_err(|error| corrupt(sk, error))
        })
    }

    /// The buyers of these days and months.
    ///
    /// # Errors
    /// If not all could be read, or one is corrupt.
    pub fn buyers<'a>(&'a self, periods: &'a [Period], deadline: Instant) -> BoxFuture<'a, Result<Buyers, StoreError>> {
        Box::pin(async move {
            let keys: BTreeSet<Key> = periods.iter().map(keys::buyers_in).collect();
            let mut buyers = Buyers::default();
            for item in self.stats.get_all(keys, Consistency::Eventual, deadline).await?.into_values() {
                let stored: BuyersIn = from_item(item)?;
                buyers.merge(&stored.buyers);
            }
            Ok(buyers)
        })
    }

    /// The top `count` items of these days and months together.
    ///
    /// # Errors
    /// If not all could be read, or one is corrupt.
    pub fn top<'a>(
        &'a self,
        periods: &'a [Period],
        by: Ranking,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<TopItems, StoreError>> {
        Box::pin(self.top_items(periods, by, count, deadline))
    }

    /// The cohorts of the months from `first` to `last`.
    ///
    /// # Errors
    /// If they could not be read or are corrupt.
    pub fn cohorts(&self, first: Period, last: Period) -> BoxFuture<'_, Result<Vec<Cohort>, StoreError>> {
        Box::pin(async move {
            let range = KeyRange { pk: keys::COHORTS.to_owned(), from: first.to_string(), to: last.to_string() };
            let month = |text: &str| {
                Calendar::default().parse(Level::Month, text).map_err(|error| corrupt(keys::COHORTS, error))
            };
            let mut cohorts = Vec::new();
            for item in self.stats.query(&range, Consistency::Eventual).await? {
                let sums = Sums::of(&item);
                let bought = sums.iter().map(|(name, buyers)| Ok((month(name)?, buyers)));
                let bought: Result<_, StoreError> = bought.collect();
                cohorts.push(Cohort { month: month(text(&item, SK).unwrap_or_default())?, bought: bought? });
            }
            Ok(cohorts)
        })
    }

    /// The purchases of a buyer in summary; `None` if there are none. One item is read for each day with purchases.
    ///
    /// # Errors
    /// If they could not be read or are corrupt.
    pub fn pattern<'a>(&'a self, of: &'a Buyer) -> BoxFuture<'a, Result<Option<BuyerSummary>, StoreError>> {
        Box::pin(async move {
            let total = keys::buyer_total(of);
            let days = KeyRange::with_prefix(total.pk.clone(), keys::CONTRIBUTIONS);
            let (total, days) = futures::try_join!(
                self.stats.get(&total, Consistency::Eventual),
                self.stats.query(&days, Consistency::Eventual)
            )?;
            let Some(total) = total else { return Ok(None) };
            let time = |item: &Item, name| {
                text(item, name).map(str::parse::<Time>).transpose().map_err(|error| corrupt(name, error))
            };
            let firsts: Result<Vec<Option<Time>>, _> = days.iter().map(|day| time(day, buyers::FIRST)).collect();
            let lasts: Result<Vec<Option<Time>>, _> = days.iter().map(|day| time(day, buyers::LAST_PAID)).collect();
            let (first, last) = (firsts?.into_iter().flatten().min(), lasts?.into_iter().flatten().max());
            let (Some(first), Some(last), Some(as_of)) = (first, last, as_of(&total)?) else { return Ok(None) };
            Ok(Some(BuyerSummary { first, last, by_key: buyers::revenue_totals(&Sums::of(&total))?, as_of }))
        })
    }
}
