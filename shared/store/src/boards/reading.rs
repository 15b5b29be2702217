//! Reads boards: pages from the top, and exact ranks.

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

/// A seller with its rank on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// One more than the number of sellers with a greater value: equal values share a rank.
    pub rank: u64,
    /// The seller.
    pub seller: UserId,
    /// The value by which the board ranks.
    pub value: u64,
}

/// A page of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPage {
    /// The sellers of the page, in order.
    pub entries: Vec<Ranked>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// When the board last changed; `None` if it is empty.
    pub last_updated: Option<Time>,
}

/// A seller and its neighbours on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardNeighbors {
    /// The sellers before, the seller, and the sellers after, in order.
    pub entries: Vec<Ranked>,
    /// When the board last changed.
    pub last_updated: Option<Time>,
}

/// The values and the ranks of a seller on the boards of a season.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerRanks {
    /// The values by which the seller is ranked.
    pub figures: ProductFigures,
    /// The ranks, on the boards that the seller is on.
    pub ranks: Vec<(Metric, Ranked)>,
}

/// Reads boards.
#[derive(Debug, Clone)]
pub struct Boards {
    pub(super) stats: StatsTable,
    shards: Shards,
}

/// A place of a board: its sort key, its value and the id of its entrant.
pub(super) type Place<I> = (String, u64, I);

/// The place before the first of some places.
#[derive(Debug, Clone, Copy)]
enum Preceding {
    /// There is none: the first place is the top.
    None,
    /// A place with this value.
    Value(u64),
    /// A place with an unknown value.
    Unknown,
}

/// The id of an entrant.
pub(super) trait Id: FromStr + Ord + Send {}

impl<I: FromStr + Ord + Send> Id for I {}

fn place<I: Id>(sk: &str) -> Result<Place<I>, StoreError> {
    let (value, id) = keys::parse_board_place(sk).map_err(|error| StoreError::corrupt(sk, error))?;
    Ok((sk.to_owned(), value, id))
}

impl Boards {
    /// Opens the boards.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table(), shards: setup.shards() }
    }

    /// The next places of a shard after `after` or before it, the nearest first.
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
        // The range before a place includes it.
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
        // Three standard deviations above the mean is almost always enough. Where it is not, more is read.
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

    /// How many entrants have more than each of these values.
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
        let keys = self.shards.all().flat_map(|shard| nodes.iter().map(move |name| node(shard, name)));
        let found = self.stats.get_all(keys.collect(), Consistency::Eventual, deadline).await?;
        let mut greater = BTreeMap::new();
        for (value, path) in paths {
            let mut count = 0;
            for (name, at) in &path {
                for stored in self.shards.all().filter_map(|shard| found.get(&node(shard, name))) {
                    let sums = Sums::of(stored);
                    let more = sums.iter().filter(|(digit, _)| digit.parse::<u8>().is_ok_and(|digit| digit > *at));
                    count += more.map(|(_, sum)| u64::try_from(sum).unwrap_or_default()).sum::<u64>();
                }
            }
            greater.insert(value, count);
        }
        Ok(greater)
    }

    /// When a board last changed, to half a second.
    async fn changed(&self, board: Board) -> Result<Option<Time>, StoreError> {
        let item = self.stats.get(&keys::board_changed(&board), Consistency::Eventual).await?;
        Ok(item
            .as_ref()
            .and_then(|item| number(item, CHANGED))
            .and_then(DateTime::from_timestamp_millis)
            .map(Time::from))
    }

    /// Adds ranks to places.
    async fn ranked(
        &self,
        board: Board,
        places: Vec<Place<UserId>>,
        before: Preceding,
        deadline: Instant,
    ) -> Result<Vec<Ranked>, StoreError> {
        let mut values: Vec<u64> = places.iter().map(|(_, value, _)| *value).collect();
        values.dedup();
        // A value whose places are all here gets its rank from the places before it.
        let unknown = match (before, values.first()) {
            (Preceding::None, _) => 0,
            (Preceding::Value(before), Some(first)) if before != *first => 1,
            _ => 2,
        };
        let keys: BTreeSet<u64> = values.into_iter().take(unknown).collect();
        let greater = self.greater(board, &keys, deadline).await?;
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

    /// Up to `count` places of a board, from the top or from the start of a later page. A seller that does not move
    /// while pages are read is on exactly one of them. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
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
                None => Preceding::None,
                Some(after) => {
                    place::<UserId>(after).map_or(Preceding::Unknown, |(_, value, _)| Preceding::Value(value))
                }
            };
            let (entries, last_updated) =
                futures::try_join!(self.ranked(board, places, before, deadline), self.changed(board))?;
            // The first page of an empty board has no time, even if sellers have left the board.
            let last_updated = last_updated.filter(|_| !entries.is_empty() || after.is_some());
            Ok(BoardPage { entries, next, last_updated })
        })
    }

    /// A seller with up to `count` neighbours on either side; `None` if the seller is not on the board. Eventually
    /// consistent.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn around<'a>(
        &'a self,
        metric: Metric,
        season: Season,
        seller: &'a UserId,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<BoardNeighbors>, StoreError>> {
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
                places.pop().map_or(Preceding::Unknown, |(_, value, _): Place<UserId>| Preceding::Value(value))
            } else {
                Preceding::None
            };
            places.reverse();
            places.push((sk, value, seller.clone()));
            places.extend(behind);
            let (entries, last_updated) =
                futures::try_join!(self.ranked(board, places, before, deadline), self.changed(board))?;
            Ok(Some(BoardNeighbors { entries, last_updated }))
        })
    }

    /// The values and the ranks of a seller on the boards of a season. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn standing<'a>(
        &'a self,
        seller: &'a UserId,
        season: Season,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<SellerRanks, StoreError>> {
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
            Ok(SellerRanks { figures, ranks })
        })
    }

    /// The totals of the products that a seller offers: their number, and their views of all times. Eventually
    /// consistent.
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
