//! Refreshes the places of sellers and products on their boards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::{BoardProjector, Shards};
use crate::contributions::{AS_OF, Contribution, stored_version};
use crate::error::StoreError;
use crate::items::{Item, text, to_key};
use crate::keys::{self, Key};
use crate::refresh::{Attempt, Change, Projection, Refresher, read_items};
use crate::sums::{LISTINGS, Sums, VIEWS};
use crate::table::Table;
use domain::board::{self, Board, Entrant, Season};
use domain::product::ProductFigures;
use domain::time::Time;

/// How many entrants are refreshed at once.
const CONCURRENCY: usize = 8;

/// How many values one transaction changes: each takes up to 26 of its 100 items.
const MAX_VALUES: usize = 3;

/// How long the recorded time of a board's last change is exact enough. All writers of a board record it in one item.
const CHANGE_PRECISION: TimeDelta = TimeDelta::milliseconds(500);

/// When a board last changed, in milliseconds since 1970.
pub(super) const CHANGED: &str = "changed";

/// The prefix of the time at which a value was reached; a metric follows.
pub(super) const REACHED: &str = "reached#";

/// The last changes of boards that one call has recorded.
type RecordedChanges = Mutex<BTreeMap<Board, Time>>;

/// Places on the boards of a season: the value, and when it was reached.
type Places = BTreeMap<Board, (u64, Time)>;

/// The places of entrants on the boards of a season.
#[derive(Clone)]
struct BoardPlaces<'a> {
    stats: &'a Table,
    shards: Shards,
    recorded: &'a RecordedChanges,
    /// The boards on which this attempt moves an entrant.
    changed: BTreeSet<Board>,
}

impl Projection for BoardPlaces<'_> {
    type Child = (Entrant, Season);
    type Source = Option<Item>;

    fn key(&self, (entrant, season): &(Entrant, Season)) -> Key {
        keys::on_boards(entrant, season)
    }

    fn read_sources<'a>(
        &'a self,
        entrants: &'a [(Entrant, Season)],
        _stored: &'a HashMap<Key, Item>,
        attempt: Attempt,
    ) -> BoxFuture<'a, Result<Vec<Option<Item>>, StoreError>> {
        let keys = entrants.iter().map(|(entrant, season)| keys::followed(entrant, season)).collect();
        Box::pin(read_items(self.stats, keys, attempt.deadline))
    }

    fn change(
        &mut self,
        child: &(Entrant, Season),
        stored: Option<&Item>,
        source: Option<Item>,
        attempt: Attempt,
    ) -> Result<Option<Change>, StoreError> {
        let (entrant, season) = child;
        let current = Contribution::read(stored);
        let sums = source.as_ref().map(Sums::of).unwrap_or_default().without_zeros();
        let source_version = source.as_ref().and_then(stored_version);
        if current.is_made_of(source_version.as_deref(), &sums) {
            return Ok(None);
        }
        let (sums, is_partial) = first_differences(&current.sums, sums);
        let source_version = source_version.filter(|_| !is_partial);
        let counted_at = source.as_ref().and_then(|source| text(source, AS_OF)).and_then(|at| at.parse().ok());
        let before = stored_places(entrant, *season, stored, &current.sums)?;
        let after = places(entrant, *season, &sums, &before, counted_at.unwrap_or(attempt.began));
        let mut item = Contribution::item(&self.key(child), source_version.as_deref(), &sums);
        for (board, (_, reached)) in &after {
            item.insert(format!("{REACHED}{}", board.metric()), AttributeValue::S(reached.to_string()));
        }
        let mut change = Change::new(item).with_partial(is_partial);
        self.move_places(entrant, &before, &after, &mut change);
        if let (Entrant::Product(_, seller), Season::All) = (entrant, season) {
            change.add_to(keys::on_offer(seller), &on_offer(&current.sums), &on_offer(&sums));
        }
        Ok(Some(change))
    }

    /// Records when boards change before they do: a writer that stops in between is not retried for that.
    fn before_write(&mut self, attempt: Attempt) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let now = attempt.began;
            for board in std::mem::take(&mut self.changed).into_iter().filter(|board| board.has_ranks()) {
                let last = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).get(&board).copied();
                if last.is_some_and(|last| now.since(last) < CHANGE_PRECISION) {
                    continue;
                }
                let at = u64::try_from(now.millis()).unwrap_or_default();
                self.stats.set_maximum(&keys::board_changed(&board), CHANGED, at).await?;
                self.recorded.lock().unwrap_or_else(PoisonError::into_inner).insert(board, now);
            }
            Ok(())
        })
    }
}

impl BoardPlaces<'_> {
    /// Removes the places that an entrant leaves, adds those that it takes, and counts both.
    fn move_places(&mut self, entrant: &Entrant, before: &Places, after: &Places, change: &mut Change) {
        let shard = self.shards.of(entrant.id());
        for (places, is_taken) in [(before, false), (after, true)] {
            for (board, place) in places {
                if before.get(board) == after.get(board) {
                    continue;
                }
                self.changed.insert(*board);
                let (value, reached) = *place;
                let key = Key { pk: keys::board(board, shard), sk: keys::place(value, reached, entrant.id()) };
                if is_taken {
                    change.put(to_key(&key));
                } else {
                    change.delete(key);
                }
                if !board.has_ranks() {
                    continue;
                }
                for (node, at) in board::path(value) {
                    let one = Sums::from_iter([(format!("{at:02}"), 1)]);
                    let none = Sums::default();
                    let (before, after) = if is_taken { (&none, &one) } else { (&one, &none) };
                    change.add_to(keys::counted(board, shard, &node), before, after);
                }
            }
        }
    }
}

impl BoardProjector {
    /// Refreshes the places of sellers and products on the boards of these seasons, retrying until the deadline. Call it
    /// after their totals have changed. Returns the entrants that could not be refreshed, each with the reason.
    pub fn refresh<'a>(
        &'a self,
        entrants: &'a BTreeSet<(Entrant, Season)>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(Entrant, StoreError)>> {
        Box::pin(async move {
            let (stats, recorded) = (&self.stats, RecordedChanges::default());
            let places = BoardPlaces { stats, shards: self.shards, recorded: &recorded, changed: BTreeSet::new() };
            let refresher = Refresher { stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() };
            let places = &places;
            let refreshed: Vec<_> = entrants
                .iter()
                .map(|entrant| async move {
                    let refreshed = refresher.refresh(places, std::slice::from_ref(entrant), deadline).await;
                    refreshed.err().map(|error| (entrant.0.clone(), error))
                })
                .collect();
            let failed: Vec<_> = stream::iter(refreshed).buffer_unordered(CONCURRENCY).collect().await;
            failed.into_iter().flatten().collect()
        })
    }
}

/// The sums with no more differences from the current ones than one transaction takes, and whether others are left.
fn first_differences(current: &Sums, sums: Sums) -> (Sums, bool) {
    let names: BTreeSet<&str> = sums.iter().chain(current.iter()).map(|(name, _)| name).collect();
    let changed: Vec<&str> = names.into_iter().filter(|name| sums.get(name) != current.get(name)).collect();
    let later = changed.get(MAX_VALUES..).unwrap_or_default();
    if later.is_empty() {
        return (sums, false);
    }
    let is_later = |name: &str| later.contains(&name);
    let now = sums.iter().filter(|(name, _)| !is_later(name));
    (now.chain(current.iter().filter(|(name, _)| is_later(name))).collect(), true)
}

/// What a product contributes to the products that its seller offers.
fn on_offer(sums: &Sums) -> Sums {
    let figures = ProductFigures::from(sums);
    if figures.listings > 0 { Sums::from_iter([(LISTINGS, 1), (VIEWS, figures.views)]) } else { Sums::default() }
}

/// The stored places of an entrant.
fn stored_places(entrant: &Entrant, season: Season, item: Option<&Item>, sums: &Sums) -> Result<Places, StoreError> {
    let place = |(board, value): (Board, u64)| {
        let reached = item.and_then(|item| text(item, &format!("{REACHED}{}", board.metric())));
        let reached = reached.and_then(|at| at.parse().ok());
        let reached = reached.ok_or_else(|| StoreError::corrupt(entrant.id(), keys::ForeignKey))?;
        Ok((board, (value, reached)))
    };
    entrant.places(&ProductFigures::from(sums), season).into_iter().map(place).collect()
}

/// The places of an entrant with these sums: where it is already, or reached now.
fn places(entrant: &Entrant, season: Season, sums: &Sums, before: &Places, now: Time) -> Places {
    let place = |(board, value): (Board, u64)| {
        let since = before.get(&board).filter(|(before, _)| *before == value).map_or(now, |(_, since)| *since);
        (board, (value, since))
    };
    entrant.places(&ProductFigures::from(sums), season).into_iter().map(place).collect()
}
