//! Who is ahead in several periods together, without reading all there are.
//!
//! Each period has a list, the greatest first. The lists are read from the top, all at once, as in the threshold algorithm
//! ([Fagin, Lotem and Naor, 2003](https://doi.org/10.1016/S0022-0000(03)00026-6)): what was not met yet has in no list more
//! than the last that was read of it, and where a list has ended, nothing. Of those who could still be ahead, what they have
//! in the other lists is looked up by key. Once nobody who is left can have more than the last of the best, they are known.

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

/// How many places of a list are read at once.
const PAGE: usize = 100;

/// How many places of all lists are read for one answer, at most.
const PLACES: usize = 20_000;

/// Of how many items it is looked up, after each reading, what they have in the lists where they were not met.
const LOOKED_UP: usize = 25;

/// The items that are ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// Whether it is certain that no item with a greater value is left out; among equals it may be any.
    pub is_exact: bool,
    /// The items with their takings, the greatest first.
    pub items: Vec<(Item, TotalsByKey)>,
}

/// A list, as far as it was read.
struct List {
    period: Period,
    /// From where it is to be read on; `None` where it has ended.
    next: Option<String>,
    /// The last value that was read.
    last: Option<i64>,
    met: HashMap<Item, i64>,
}

impl List {
    /// The most that an item that was not met here can have.
    fn bound(&self) -> i64 {
        match (&self.next, self.last) {
            (None, _) => 0,
            (Some(_), Some(last)) => last.max(0),
            (Some(_), None) => i64::MAX,
        }
    }

    fn most(&self, item: &Item) -> i64 {
        self.met.get(item).copied().unwrap_or_else(|| self.bound())
    }

    fn knows(&self, item: &Item) -> bool {
        self.next.is_none() || self.met.contains_key(item)
    }
}

impl RevenueReader {
    /// The items that are ahead in all of these periods together; none that has nothing, or less.
    pub(super) async fn ahead(
        &self,
        periods: &[Period],
        by: Ranking,
        count: usize,
        deadline: Instant,
    ) -> Result<Top, StoreError> {
        let begin = |period: &Period| List {
            period: *period,
            next: Some(keys::ranked_by(by)),
            last: None,
            met: HashMap::new(),
        };
        let mut lists: Vec<List> = periods.iter().map(begin).collect();
        let mut known: BTreeMap<Item, i64> = BTreeMap::new();
        // The one list of one period needs no more of it than is asked for.
        let page = if lists.len() == 1 { count } else { PAGE };
        let mut places = 0;
        loop {
            let read = try_join_all(lists.iter_mut().map(|list| self.read_on(list, by, page))).await?;
            places += read.into_iter().sum::<usize>();
            let is_exact = self.settle(&lists, by, count, &mut known, deadline).await?;
            if is_exact || places >= PLACES {
                let best: Vec<Item> = best(&known, count).into_iter().map(|(_, item)| item.clone()).collect();
                let mut takings = self.takings_of(&best, periods, deadline).await?;
                let items = best.into_iter().filter_map(|item| takings.remove_entry(&item)).collect();
                return Ok(Top { is_exact, items });
            }
        }
    }

    /// Reads the next places of a list; tells how many.
    async fn read_on(&self, list: &mut List, by: Ranking, page: usize) -> Result<usize, StoreError> {
        let Some(from) = list.next.take() else { return Ok(0) };
        let to = format!("{}{LAST}", keys::ranked_by(by));
        let range = KeyRange { pk: keys::revenue_in(&list.period), from, to };
        let items = self.stats.query_page(&range, i32::try_from(page).unwrap_or(i32::MAX), false).await?;
        for item in &items {
            let sk = text(item, keys::SK).unwrap_or_default();
            let place = keys::parse_ranked(by, sk).map_err(|error| StoreError::corrupt(sk, error))?;
            list.last = Some(place.0);
            list.met.insert(place.1, place.0);
            list.next = Some(format!("{sk} "));
        }
        if items.len() < page {
            list.next = None;
        }
        Ok(items.len())
    }

    /// Looks up some of those who could be among the first `count`, the likeliest first; tells whether nobody else can be.
    async fn settle(
        &self,
        lists: &[List],
        by: Ranking,
        count: usize,
        known: &mut BTreeMap<Item, i64>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let most = |item: &Item| lists.iter().fold(0_i64, |sum, list| sum.saturating_add(list.most(item)));
        let met: BTreeSet<&Item> = lists.iter().flat_map(|list| list.met.keys()).collect();
        let mut guessed = Vec::new();
        for item in met {
            if lists.iter().all(|list| list.knows(item)) {
                known.insert(item.clone(), most(item));
            } else if !known.contains_key(item) {
                guessed.push((most(item), item));
            }
        }
        guessed.sort_by(|(a, item_a), (b, item_b)| b.cmp(a).then_with(|| item_a.cmp(item_b)));
        let unmet = lists.iter().fold(0_i64, |sum, list| sum.saturating_add(list.bound()));
        let least = |known: &BTreeMap<Item, i64>| best(known, count).get(count - 1).map_or(0, |(value, _)| *value);
        let likely = guessed.partition_point(|(most, _)| *most > least(known)).min(LOOKED_UP);
        let (now, later) = guessed.split_at(likely);
        let now: Vec<Item> = now.iter().map(|(_, item)| (*item).clone()).collect();
        let periods: Vec<Period> = lists.iter().map(|list| list.period).collect();
        let found = self.takings_of(&now, &periods, deadline).await?;
        known.extend(found.into_iter().map(|(item, tills)| (item, tills.rank(by))));
        let least = least(known);
        Ok(unmet <= least && later.first().is_none_or(|(most, _)| *most <= least))
    }

    /// What items brought in, in these periods together.
    async fn takings_of(
        &self,
        items: &[Item],
        periods: &[Period],
        deadline: Instant,
    ) -> Result<BTreeMap<Item, TotalsByKey>, StoreError> {
        let asked = items.iter().flat_map(|item| periods.iter().map(|period| keys::revenue_of(period, item)));
        let found = self.stats.get_all(asked.collect(), Consistency::Eventual, deadline).await?;
        let mut takings = BTreeMap::new();
        for item in items {
            let all: &mut TotalsByKey = takings.entry(item.clone()).or_default();
            for period in periods {
                let key = keys::revenue_of(period, item);
                let Some(held) = found.get(&key) else { continue };
                let tills = TotalsByKey::try_from(&Sums::of(held));
                all.merge(&tills.map_err(|error| StoreError::corrupt(&key.sk, error))?);
            }
        }
        Ok(takings)
    }
}

/// The first `count` of those that are known and have anything, the greatest first.
fn best(known: &BTreeMap<Item, i64>, count: usize) -> Vec<(i64, &Item)> {
    let mut best: Vec<(i64, &Item)> =
        known.iter().filter(|(_, value)| **value > 0).map(|(item, value)| (*value, item)).collect();
    best.sort_by(|(a, item_a), (b, item_b)| b.cmp(a).then_with(|| item_a.cmp(item_b)));
    best.truncate(count);
    best
}
