//! Reading what was brought in, for a price that does not grow with the number of purchases.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{BoxFuture, try_join_all};
use tokio::time::Instant;

use super::BuyersIn;
use super::ranking::Top;
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

/// What all items of each type brought in, by period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Of each period with anything, in their order.
    pub periods: BTreeMap<Period, BTreeMap<ItemType, TotalsByKey>>,
    /// When the newest of it was counted.
    pub as_of: Option<Time>,
}

impl Rows {
    /// What each type of item brought in, in those of the periods that lie in this one.
    #[must_use]
    pub fn within(&self, days: &DateRange) -> BTreeMap<ItemType, TotalsByKey> {
        let mut all: BTreeMap<ItemType, TotalsByKey> = BTreeMap::new();
        for (kind, tills) in
            self.periods.iter().filter(|(period, _)| days.contains(period)).flat_map(|(_, types)| types)
        {
            all.entry(*kind).or_default().merge(tills);
        }
        all
    }
}

/// Those who first bought in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// The month.
    pub month: Period,
    /// How many of them bought in each month, that one included.
    pub bought: BTreeMap<Period, i64>,
}

/// How somebody buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// When the first purchase was paid.
    pub first: Time,
    /// When the last one was.
    pub last: Time,
    /// What they come to.
    pub tills: TotalsByKey,
    /// When that was counted.
    pub as_of: Time,
}

/// The table of numbers, for whoever asks what was brought in.
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
    /// Opens the revenue for reading.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table() }
    }

    /// What was brought in from one period to another of the same level, days or months. One item is read for each period and
    /// type of item with anything.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn rows(&self, first: Period, last: Period) -> BoxFuture<'_, Result<Rows, StoreError>> {
        Box::pin(async move {
            let level = first.level();
            let prefix = keys::rollups_of(level);
            let range = KeyRange {
                pk: REVENUE.to_owned(),
                from: format!("{prefix}{first}"),
                to: format!("{prefix}{last}{LAST}"),
            };
            let mut rows = Rows::default();
            for item in self.stats.query(&range, Consistency::Eventual).await? {
                let sk = text(&item, SK).unwrap_or_default();
                let (period, kind) = keys::parse_revenue(level, sk).map_err(|error| corrupt(sk, error))?;
                let period = Calendar::default().parse(level, &period).map_err(|error| corrupt(sk, error))?;
                let tills = TotalsByKey::try_from(&Sums::of(&item)).map_err(|error| corrupt(sk, error))?;
                rows.as_of = rows.as_of.max(as_of(&item)?);
                rows.periods.entry(period).or_default().insert(kind, tills);
            }
            Ok(rows)
        })
    }

    /// What was brought in in each of these days and months, which are in their order.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
    pub fn rows_of<'a>(&'a self, periods: &'a [Period]) -> BoxFuture<'a, Result<Rows, StoreError>> {
        Box::pin(async move {
            let runs = periods.chunk_by(|one, next| one.level() == next.level() && one.end() == next.start());
            let runs: Vec<_> = runs.filter_map(|run| Some(self.rows(*run.first()?, *run.last()?))).collect();
            let mut rows = Rows::default();
            for read in try_join_all(runs).await? {
                rows.periods.extend(read.periods);
                rows.as_of = rows.as_of.max(read.as_of);
            }
            Ok(rows)
        })
    }

    /// The first month in which anything was sold.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn first_month(&self) -> BoxFuture<'_, Result<Option<Period>, StoreError>> {
        Box::pin(async move {
            let months = KeyRange::with_prefix(REVENUE.to_owned(), keys::rollups_of(Level::Month));
            let first = self.stats.query_page(&months, 1, false).await?;
            let Some(sk) = first.first().and_then(|item| text(item, SK)) else { return Ok(None) };
            let (month, _) = keys::parse_revenue(Level::Month, sk).map_err(|error| corrupt(sk, error))?;
            Calendar::default().parse(Level::Month, &month).map(Some).map_err(|error| corrupt(sk, error))
        })
    }

    /// Who bought in any of these days and months.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
    pub fn buyers<'a>(&'a self, periods: &'a [Period], deadline: Instant) -> BoxFuture<'a, Result<Buyers, StoreError>> {
        Box::pin(async move {
            let asked: BTreeSet<Key> = periods.iter().map(keys::buyers_in).collect();
            let mut buyers = Buyers::default();
            for item in self.stats.get_all(asked, Consistency::Eventual, deadline).await?.into_values() {
                let held: BuyersIn = from_item(item)?;
                buyers.merge(&held.buyers);
            }
            Ok(buyers)
        })
    }

    /// The `count` items that are ahead in these days and months together.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
    pub fn top<'a>(
        &'a self,
        periods: &'a [Period],
        by: Ranking,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Top, StoreError>> {
        Box::pin(self.ahead(periods, by, count, deadline))
    }

    /// Those who first bought in the months from one to another.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
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

    /// How somebody buys; `None` of who never did. One item is read for each day with purchases.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn pattern<'a>(&'a self, of: &'a Buyer) -> BoxFuture<'a, Result<Option<Pattern>, StoreError>> {
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
            Ok(Some(Pattern { first, last, tills: buyers::revenue_totals(&Sums::of(&total))?, as_of }))
        })
    }
}
