//! Finds the top items of several periods together without reading all items.
//!
//! Each period has a ranking, the greatest value first. The rankings are read from the top, all at once, as in the
//! threshold algorithm ([Fagin, Lotem and Naor, 2003](https://doi.org/10.1016/S0022-0000(03)00026-6)): an item that has
//! not been read yet has in no ranking more than the last value read there, and nothing where the ranking has ended.
//! The values that a candidate has in the other rankings are looked up by key. Once no other item can have more than
//! the last of the best, these are the top items.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::try_join_all;
use tokio::time::Instant;

use super::RevenueReader;
use crate::error::StoreError;
use crate::items::text;
use crate::keys;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, LAST};
use domain::calendar::Period;
use domain::purchase::Item;
use domain::revenue_totals::{Ranking, TotalsByKey};

/// How many places of a ranking are read at once.
const PAGE: usize = 100;

/// How many places of all rankings are read for one response, at most.
const MAX_PLACES: usize = 20_000;

/// How many candidates are looked up after each read, in the rankings in which they have not been read.
const MAX_LOOKUPS: usize = 25;

/// The top items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopItems {
    /// Whether it is certain that no item with a greater value is missing. Among equal values, any may be missing.
    pub is_exact: bool,
    /// The items with their revenue, the greatest first.
    pub items: Vec<(Item, TotalsByKey)>,
}

/// A ranking, as far as it was read.
struct RankingCursor {
    period: Period,
    /// Where it is read on; `None` if it has ended.
    next: Option<String>,
    /// The last value that was read.
    last: Option<i64>,
    seen: HashMap<Item, i64>,
}

impl RankingCursor {
    /// The greatest value of an item that has not been read here.
    fn bound(&self) -> i64 {
        match (&self.next, self.last) {
            (None, _) => 0,
            (Some(_), Some(last)) => last.max(0),
            (Some(_), None) => i64::MAX,
        }
    }

    fn greatest(&self, item: &Item) -> i64 {
        self.seen.get(item).copied().unwrap_or_else(|| self.bound())
    }

    fn has_value_of(&self, item: &Item) -> bool {
        self.next.is_none() || self.seen.contains_key(item)
    }
}

impl RevenueReader {
    /// The top items of these periods together, of those with a positive value.
    pub(super) async fn top_items(
        &self,
        periods: &[Period],
        by: Ranking,
        count: usize,
        deadline: Instant,
    ) -> Result<TopItems, StoreError> {
        let begin = |period: &Period| RankingCursor {
            period: *period,
            next: Some(keys::ranked_by(by)),
            last: None,
            seen: HashMap::new(),
        };
        let mut lists: Vec<RankingCursor> = periods.iter().map(begin).collect();
        let mut known: BTreeMap<Item, i64> = BTreeMap::new();
        // A single ranking is read no further than necessary.
        let page = if lists.len() == 1 { count } else { PAGE };
        let mut places = 0;
        loop {
            let read = try_join_all(lists.iter_mut().map(|list| self.read_on(list, by, page))).await?;
            places += read.into_iter().sum::<usize>();
            let is_exact = self.look_up_candidates(&lists, by, count, &mut known, deadline).await?;
            if is_exact || places >= MAX_PLACES {
                let best: Vec<Item> = best(&known, count).into_iter().map(|(_, item)| item.clone()).collect();
                let mut revenue = self.revenue_of_items(&best, periods, deadline).await?;
                let items = best.into_iter().filter_map(|item| revenue.remove_entry(&item)).collect();
                return Ok(TopItems { is_exact, items });
            }
        }
    }

    /// Reads the next places of a ranking. Returns their number.
    async fn read_on(&self, list: &mut RankingCursor, by: Ranking, page: usize) -> Result<usize, StoreError> {
        let Some(from) = list.next.take() else { return Ok(0) };
        let to = format!("{}{LAST}", keys::ranked_by(by));
        let range = KeyRange { pk: keys::revenue_in(&list.period), from, to };
        let items = self.stats.query_page(&range, i32::try_from(page).unwrap_or(i32::MAX), false).await?;
        for item in &items {
            let sk = text(item, keys::SK).unwrap_or_default();
            let place = keys::parse_ranked(by, sk).map_err(|error| StoreError::corrupt(sk, error))?;
            list.last = Some(place.0);
            list.seen.insert(place.1, place.0);
            list.next = Some(format!("{sk} "));
        }
        if items.len() < page {
            list.next = None;
        }
        Ok(items.len())
    }

    /// Looks up the likeliest candidates for the first `count`. Returns whether no other item can be among them.
    async fn look_up_candidates(
        &self,
        lists: &[RankingCursor],
        by: Ranking,
        count: usize,
        known: &mut BTreeMap<Item, i64>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let most = |item: &Item| lists.iter().fold(0_i64, |sum, list| sum.saturating_add(list.greatest(item)));
        let seen: BTreeSet<&Item> = lists.iter().flat_map(|list| list.seen.keys()).collect();
        let mut guessed = Vec::new();
        for item in seen {
            if lists.iter().all(|list| list.has_value_of(item)) {
                known.insert(item.clone(), most(item));
            } else if !known.contains_key(item) {
                guessed.push((most(item), item));
            }
        }
        guessed.sort_by(|(a, item_a), (b, item_b)| b.cmp(a).then_with(|| item_a.cmp(item_b)));
        let unmet = lists.iter().fold(0_i64, |sum, list| sum.saturating_add(list.bound()));
        let least = |known: &BTreeMap<Item, i64>| best(known, count).get(count - 1).map_or(0, |(value, _)| *value);
        let likely = guessed.partition_point(|(most, _)| *most > least(known)).min(MAX_LOOKUPS);
        let (now, later) = guessed.split_at(likely);
        let now: Vec<Item> = now.iter().map(|(_, item)| (*item).clone()).collect();
        let periods: Vec<Period> = lists.iter().map(|list| list.period).collect();
        let found = self.revenue_of_items(&now, &periods, deadline).await?;
        known.extend(found.into_iter().map(|(item, totals)| (item, totals.rank(by))));
        let least = least(known);
        Ok(unmet <= least && later.first().is_none_or(|(most, _)| *most <= least))
    }

    /// The revenue of items in these periods together.
    async fn revenue_of_items(
        &self,
        items: &[Item],
        periods: &[Period],
        deadline: Instant,
    ) -> Result<BTreeMap<Item, TotalsByKey>, StoreError> {
        let keys = items.iter().flat_map(|item| periods.iter().map(|period| keys::revenue_of(period, item)));
        let found = self.stats.get_all(keys.collect(), Consistency::Eventual, deadline).await?;
        let mut revenue = BTreeMap::new();
        for item in items {
            let all: &mut TotalsByKey = revenue.entry(item.clone()).or_default();
            for period in periods {
                let key = keys::revenue_of(period, item);
                let Some(stored) = found.get(&key) else { continue };
                let totals = TotalsByKey::try_from(&Sums::of(stored));
                all.merge(&totals.map_err(|error| StoreError::corrupt(&key.sk, error))?);
            }
        }
        Ok(revenue)
    }
}

/// The first `count` of the known items with a positive value, the greatest first.
fn best(known: &BTreeMap<Item, i64>, count: usize) -> Vec<(i64, &Item)> {
    let mut best: Vec<(i64, &Item)> =
        known.iter().filter(|(_, value)| **value > 0).map(|(item, value)| (*value, item)).collect();
    best.sort_by(|(a, item_a), (b, item_b)| b.cmp(a).then_with(|| item_a.cmp(item_b)));
    best.truncate(count);
    best
}
