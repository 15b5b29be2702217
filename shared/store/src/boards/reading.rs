//! Reading boards: pages from the top, and anybody's exact rank.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::str::FromStr;

use chrono::DateTime;
use futures::future::{BoxFuture, try_join_all};
use tokio::time::Instant;

use super::Shards;
use super::projector::{CHANGED, REACHED};
use crate::error::StoreError;
use crate::items::{number, text};
use crate::keys;
use crate::setup::{Setup, StatsTable};
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, LAST};
use domain::board::{self, Board, Entrant, Metric, Season};
use domain::id::UserId;
use domain::product::ProductFigures;
use domain::time::Time;

/// Somebody at a place of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// How many have more, and one: equal values share a rank.
    pub rank: u64,
    /// Who.
    pub seller: UserId,
    /// How much.
    pub value: u64,
}

/// A page of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPage {
    /// Who is there, in their order.
    pub entries: Vec<Ranked>,
    /// Where it goes on, if it does.
    pub next: Option<String>,
    /// When the board last changed; `None` where nobody is on it.
    pub last_updated: Option<Time>,
}

/// Somebody, and those next to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// Those before, the person, and those behind, in their order.
    pub entries: Vec<Ranked>,
    /// When the board last changed.
    pub last_updated: Option<Time>,
}

/// What a seller has on the boards of a season.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardStanding {
    /// The numbers by which the seller is ranked.
    pub figures: ProductFigures,
    /// The ranks, where there is one.
    pub ranks: Vec<(Metric, Ranked)>,
}

/// The table of numbers, for whoever reads boards.
#[derive(Debug, Clone)]
pub struct Boards {
    pub(super) stats: StatsTable,
    shards: Shards,
}

/// Places in their order: the sort key, the value, the id.
pub(super) type Place<I> = (String, u64, I);

/// Who comes before the first of some places.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// Nobody.
    Nobody,
    /// Somebody who has so much.
    Value(u64),
    /// Somebody.
    Unknown,
}

/// What an id is to be read as.
pub(super) trait Id: FromStr + Ord + Send {}

impl<I: FromStr + Ord + Send> Id for I {}

fn place<I: Id>(sk: &str) -> Result<Place<I>, StoreError> {
    let (value, id) = keys::parse_board_place(sk).map_err(|error| StoreError::corrupt(sk, error))?;
    Ok((sk.to_owned(), value, id))
}

impl Boards {
    /// Opens the boards for reading.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table(), shards: setup.shards() }
    }

    /// The next places of a shard, behind `after` or before it, the nearest first.
    async fn shard<I: Id>(
        &self,
        board: Board,
        shard: u32,
        after: Option<&str>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Place<I>>, StoreError> {
        let (from, to) = match (after, backwards) {
            (None, _) => (" ".to_owned(), LAST.to_string()),
            (Some(after), false) => (format!("{after} "), LAST.to_string()),
            (Some(after), true) => (" ".to_owned(), after.to_owned()),
        };
        let range = KeyRange { pk: keys::board(&board, shard), from, to };
        let more = i32::try_from(limit + usize::from(backwards)).unwrap_or(i32::MAX);
        let items = self.stats.query_page(&range, more, backwards).await?;
        let keys = items.iter().filter_map(|item| text(item, keys::SK));
        // Before somebody includes them.
        keys.filter(|sk| Some(*sk) != after).take(limit).map(place).collect()
    }

    /// The next `count` places of all shards together.
    pub(super) async fn next<I: Id>(
        &self,
        board: Board,
        after: Option<&str>,
        backwards: bool,
        count: usize,
    ) -> Result<Vec<Place<I>>, StoreError> {
        let shards = self.shards.all().len().max(1);
        // Three standard deviations more than the mean is almost always enough; where it is not, it is read on.
        let mean = count.div_ceil(shards);
        let page = mean + 3 * mean.isqrt() + 1;
        let page = page.min(count);
        let read = self.shards.all().map(|shard| self.shard(board, shard, after, backwards, page));
        let mut read: Vec<(u32, bool, VecDeque<Place<I>>)> = try_join_all(read)
            .await?
            .into_iter()
            .zip(self.shards.all())
            .map(|(places, shard)| (shard, places.len() == page, places.into()))
            .collect();
        let mut merged: Vec<Place<I>> = Vec::with_capacity(count);
        while merged.len() < count {
            let heads = read.iter().enumerate().filter_map(|(at, (_, _, places))| Some((at, places.front()?)));
            let nearest = if backwards { heads.max_by(|a, b| a.1.cmp(b.1)) } else { heads.min_by(|a, b| a.1.cmp(b.1)) };
            let Some(nearest) = nearest.map(|(at, _)| at) else { break };
            let Some((shard, goes_on, places)) = read.get_mut(nearest) else { break };
            merged.extend(places.pop_front());
            if places.is_empty() && *goes_on && merged.len() < count {
                let last = merged.last().map(|(sk, _, _)| sk.clone());
                let more = self.shard(board, *shard, last.as_deref(), backwards, page).await?;
                *goes_on = more.len() == page;
                places.extend(more);
            }
        }
        Ok(merged)
    }

    /// How many have more than each of these values.
    async fn greater(
        &self,
        board: Board,
        values: &BTreeSet<u64>,
        deadline: Instant,
    ) -> Result<BTreeMap<u64, u64>, StoreError> {
        let node = |shard, node: &str| keys::counted(&board, shard, node);
        let paths: BTreeMap<u64, Vec<(String, u8)>> =
            values.iter().map(|value| (*value, board::path(*value))).collect();
        let nodes: BTreeSet<&str> = paths.values().flatten().map(|(node, _)| node.as_str()).collect();
        let asked = self.shards.all().flat_map(|shard| nodes.iter().map(move |name| node(shard, name)));
        let found = self.stats.get_all(asked.collect(), Consistency::Eventual, deadline).await?;
        let mut greater = BTreeMap::new();
        for (value, path) in paths {
            let mut count = 0;
            for (name, at) in &path {
                for held in self.shards.all().filter_map(|shard| found.get(&node(shard, name))) {
                    let sums = Sums::of(held);
                    let more = sums.iter().filter(|(digit, _)| digit.parse::<u8>().is_ok_and(|digit| digit > *at));
                    count += more.map(|(_, sum)| u64::try_from(sum).unwrap_or_default()).sum::<u64>();
                }
            }
            greater.insert(value, count);
        }
        Ok(greater)
    }

    /// When a board last changed; it may be half a second later than is told.
    async fn changed(&self, board: Board) -> Result<Option<Time>, StoreError> {
        let item = self.stats.get(&keys::board_changed(&board), Consistency::Eventual).await?;
        Ok(item
            .as_ref()
            .and_then(|item| number(item, CHANGED))
            .and_then(DateTime::from_timestamp_millis)
            .map(Time::from))
    }

    /// Gives places their ranks.
    async fn ranked(
        &self,
        board: Board,
        places: Vec<Place<UserId>>,
        before: Before,
        deadline: Instant,
    ) -> Result<Vec<Ranked>, StoreError> {
        let mut values: Vec<u64> = places.iter().map(|(_, value, _)| *value).collect();
        values.dedup();
        // The rank of those who come behind a value all of which is here, the places before them tell.
        let unknown = match (before, values.first()) {
            (Before::Nobody, _) => 0,
            (Before::Value(before), Some(first)) if before != *first => 1,
            _ => 2,
        };
        let asked: BTreeSet<u64> = values.into_iter().take(unknown).collect();
        let greater = self.greater(board, &asked, deadline).await?;
        let mut ranked: Vec<Ranked> = Vec::with_capacity(places.len());
        let mut base = (0_u64, 0_u64);
        for (at, (_, value, seller)) in (0_u64..).zip(places) {
            if let Some(count) = greater.get(&value) {
                base = match ranked.last() {
                    Some(last) if last.value == value => base,
                    _ => (*count, at),
                };
            }
            let rank = match ranked.last() {
                Some(last) if last.value == value => last.rank,
                _ => base.0 + (at - base.1) + 1,
            };
            ranked.push(Ranked { rank, seller, value });
        }
        Ok(ranked)
    }

    /// Up to `count` places of a board, from the top or from where an earlier page says it goes on. Who does not move while
    /// pages are read is on one of them, once. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn page<'a>(
        &'a self,
        metric: Metric,
        season: Season,
        after: Option<&'a str>,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BoardPage, StoreError>> {
        Box::pin(async move {
            let board = Board::Sellers(metric, season);
            let mut places = self.next(board, after, false, count + 1).await?;
            let goes_on = places.len() > count;
            places.truncate(count);
            let next = places.last().map(|(sk, _, _)| sk.clone()).filter(|_| goes_on);
            let before = match after {
                None => Before::Nobody,
                Some(after) => place::<UserId>(after).map_or(Before::Unknown, |(_, value, _)| Before::Value(value)),
            };
            let (entries, last_updated) =
                futures::try_join!(self.ranked(board, places, before, deadline), self.changed(board))?;
            // The first page of a board that nobody is on says nothing, whoever was.
            let last_updated = last_updated.filter(|_| !entries.is_empty() || after.is_some());
            Ok(BoardPage { entries, next, last_updated })
        })
    }

    /// A seller with up to `count` of those before and behind; `None` if the seller is not on the board. Eventually
    /// consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn around<'a>(
        &'a self,
        metric: Metric,
        season: Season,
        seller: &'a UserId,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Around>, StoreError>> {
        Box::pin(async move {
            let board = Board::Sellers(metric, season);
            let entrant = Entrant::Seller(seller.clone());
            let key = keys::on_boards(&entrant, &season);
            let Some(item) = self.stats.get(&key, Consistency::Eventual).await? else { return Ok(None) };
            let sums = Sums::of(&item);
            let places = entrant.places(&ProductFigures::from(&sums), season);
            let value = places.into_iter().find(|(of, _)| *of == board).map(|(_, value)| value);
            let reached = text(&item, &format!("{REACHED}{metric}")).and_then(|at| at.parse::<Time>().ok());
            let (Some(value), Some(reached)) = (value, reached) else { return Ok(None) };
            let sk = keys::place(value, reached, seller.as_str());
            let (mut places, behind) = futures::try_join!(
                self.next(board, Some(&sk), true, count + 1),
                self.next(board, Some(&sk), false, count)
            )?;
            let before = if places.len() > count {
                places.pop().map_or(Before::Unknown, |(_, value, _): Place<UserId>| Before::Value(value))
            } else {
                Before::Nobody
            };
            places.reverse();
            places.push((sk, value, seller.clone()));
            places.extend(behind);
            let (entries, last_updated) =
                futures::try_join!(self.ranked(board, places, before, deadline), self.changed(board))?;
            Ok(Some(Around { entries, last_updated }))
        })
    }

    /// What a seller has on the boards of a season, and the ranks there. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn standing<'a>(
        &'a self,
        seller: &'a UserId,
        season: Season,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BoardStanding, StoreError>> {
        Box::pin(async move {
            let entrant = Entrant::Seller(seller.clone());
            let item = self.stats.get(&keys::on_boards(&entrant, &season), Consistency::Eventual).await?;
            let sums = item.as_ref().map(Sums::of).unwrap_or_default();
            let figures = ProductFigures::from(&sums);
            let rank = |(board, value): (Board, u64)| async move {
                let greater = self.greater(board, &BTreeSet::from([value]), deadline).await?;
                let rank = greater.get(&value).copied().unwrap_or_default() + 1;
                Ok::<_, StoreError>((board.metric(), Ranked { rank, seller: seller.clone(), value }))
            };
            let ranks = try_join_all(entrant.places(&figures, season).into_iter().map(rank)).await?;
            Ok(BoardStanding { figures, ranks })
        })
    }

    /// The numbers of those of a seller's products that can be seen and bought: their views of all times, and how many there
    /// are. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn on_offer<'a>(&'a self, seller: &'a UserId) -> BoxFuture<'a, Result<ProductFigures, StoreError>> {
        Box::pin(async move {
            let item = self.stats.get(&keys::on_offer(seller), Consistency::Eventual).await?;
            let sums = item.as_ref().map(Sums::of).unwrap_or_default();
            Ok(ProductFigures::from(&sums))
        })
    }
}
