//! What numbers of sellers and products become is followed on the boards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::BoardProjector;
use crate::contributions::{AS_OF, Contribution, Contributions};
use crate::error::StoreError;
use crate::items::{Item, VERSION, text, to_key};
use crate::keys::{self, Key};
use crate::retry;
use crate::sums::{LISTINGS, Sums, VIEWS};
use crate::table::Consistency;
use domain::board::{self, Board, Entrant, Season};
use domain::product::ProductFigures;
use domain::time::Time;

/// How many are followed at once.
const AT_ONCE: usize = 8;

/// How many values change in one transaction: each takes up to 26 of the 100 items that one has.
const TOGETHER: usize = 3;

/// How much later a change is for it to be told anew that a board has changed: everybody who changes it tells that in one place.
const TOLD_ANEW: TimeDelta = TimeDelta::milliseconds(500);

/// When a board last changed, in milliseconds since 1970.
pub(super) const CHANGED: &str = "changed";

/// Of which boards it was told that they changed, and when.
type Told = Mutex<BTreeMap<Board, Time>>;

/// What the names of when a value was reached begin with; a metric follows.
pub(super) const REACHED: &str = "reached#";

/// Places on the boards of a season, with the values there.
type Places = BTreeMap<Board, (u64, Time)>;

impl BoardProjector {
    /// Brings sellers and products to their places on the boards of these seasons, trying again until the deadline; tells of
    /// which that was not done, and why. To be called after their numbers have changed.
    pub fn follow<'a>(
        &'a self,
        entrants: &'a BTreeSet<(Entrant, Season)>,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<(Entrant, StoreError)>> {
        Box::pin(async move {
            let told = Told::default();
            let told = &told;
            let followed: Vec<_> = entrants
                .iter()
                .map(|(entrant, season)| async move {
                    loop {
                        match retry::until(deadline, || Box::pin(self.follow_one(entrant, *season, told))).await {
                            Ok(true) => return None,
                            Ok(false) => {}
                            Err(error) => return Some((entrant.clone(), error)),
                        }
                    }
                })
                .collect();
            let failed: Vec<_> = stream::iter(followed).buffer_unordered(AT_ONCE).collect().await;
            failed.into_iter().flatten().collect()
        })
    }

    /// Reads what a seller or a product has on the boards, then its numbers, and writes what has changed, or some of it; tells
    /// whether that was all.
    async fn follow_one(&self, entrant: &Entrant, season: Season, told: &Told) -> Result<bool, StoreError> {
        let key = keys::on_boards(entrant, &season);
        let item = self.stats.get(&key, Consistency::Strong).await?;
        let began = Time::from(self.clock.now());
        let source = self.stats.get(&keys::followed(entrant, &season), Consistency::Strong).await?;
        let held = Contribution::read(item.as_ref());
        let sums = source.as_ref().map(Sums::of).unwrap_or_default().without_zeros();
        let of = source.as_ref().and_then(|source| text(source, VERSION));
        if held.of.as_deref() == of && held.sums == sums {
            return Ok(true);
        }
        let changed: BTreeSet<&str> = sums.iter().chain(held.sums.iter()).map(|(name, _)| name).collect();
        let changed: Vec<&str> = changed.into_iter().filter(|name| sums.get(name) != held.sums.get(name)).collect();
        let is_all = changed.len() <= TOGETHER;
        let of = of.filter(|_| is_all);
        let later = changed.get(TOGETHER..).unwrap_or_default();
        let sums: Sums = if is_all {
            sums
        } else {
            let as_held = |name: &str| later.contains(&name);
            let now = sums.iter().filter(|(name, _)| !as_held(name));
            now.chain(held.sums.iter().filter(|(name, _)| as_held(name))).collect()
        };
        let counted = source.as_ref().and_then(|source| text(source, AS_OF)).and_then(|at| at.parse().ok());
        let was = lying(entrant, season, item.as_ref(), &held.sums)?;
        let becomes = reached(entrant, season, &sums, &was, counted.unwrap_or(began));
        let mut contributions = Contributions::new(&self.stats);
        let mut item = Contribution::item(&key, self.ids.fresh(), of, &sums);
        for (board, (_, reached)) in &becomes {
            item.insert(format!("{REACHED}{}", board.metric()), AttributeValue::S(reached.to_string()));
        }
        contributions.child(item, held.version);
        self.move_places(entrant, &was, &becomes, &mut contributions);
        if let (Entrant::Product(_, seller), Season::All) = (entrant, season) {
            contributions.changes(keys::on_offer(seller), &offered(&held.sums), &offered(&sums));
        }
        // Before it is so, for whoever dies in between does not come back to it.
        self.tell_changes(&was, &becomes, began, told).await?;
        contributions.commit(self.ids.fresh(), began).await?;
        Ok(is_all)
    }

    /// Tells of which boards it changes something that somebody moves there.
    async fn tell_changes(&self, was: &Places, becomes: &Places, now: Time, told: &Told) -> Result<(), StoreError> {
        let boards: BTreeSet<Board> = was.keys().chain(becomes.keys()).copied().collect();
        for board in boards.into_iter().filter(|board| board.has_ranks() && was.get(board) != becomes.get(board)) {
            let last = told.lock().unwrap_or_else(PoisonError::into_inner).get(&board).copied();
            if last.is_some_and(|last| now.since(last) < TOLD_ANEW) {
                continue;
            }
            let at = u64::try_from(now.millis()).unwrap_or_default();
            self.stats.raise(&keys::board_changed(&board), CHANGED, at).await?;
            told.lock().unwrap_or_else(PoisonError::into_inner).insert(board, now);
        }
        Ok(())
    }

    /// Writes the places that differ, and counts them.
    fn move_places(&self, entrant: &Entrant, was: &Places, becomes: &Places, contributions: &mut Contributions<'_>) {
        let shard = self.shards.of(entrant.id());
        for (places, sign) in [(was, -1), (becomes, 1)] {
            for (board, place) in places {
                if was.get(board) == becomes.get(board) {
                    continue;
                }
                let (value, reached) = *place;
                let listed = Key { pk: keys::board(board, shard), sk: keys::place(value, reached, entrant.id()) };
                if sign > 0 {
                    contributions.put(to_key(&listed));
                } else {
                    contributions.delete(listed);
                }
                if !board.has_ranks() {
                    continue;
                }
                for (node, at) in board::path(value) {
                    let one = Sums::from_iter([(format!("{at:02}"), 1)]);
                    let none = Sums::default();
                    let (was, becomes) = if sign > 0 { (&none, &one) } else { (&one, &none) };
                    contributions.changes(keys::counted(board, shard, &node), was, becomes);
                }
            }
        }
    }
}

/// What a product contributes to those of its seller that can be bought.
fn offered(sums: &Sums) -> Sums {
    let figures = ProductFigures::from(sums);
    if figures.listings > 0 { Sums::from_iter([(LISTINGS, 1), (VIEWS, figures.views)]) } else { Sums::default() }
}

/// The places as they lie there.
fn lying(entrant: &Entrant, season: Season, item: Option<&Item>, sums: &Sums) -> Result<Places, StoreError> {
    let place = |(board, value): (Board, u64)| {
        let reached = item.and_then(|item| text(item, &format!("{REACHED}{}", board.metric())));
        let reached = reached.and_then(|at| at.parse().ok());
        let reached = reached.ok_or_else(|| StoreError::corrupt(entrant.id(), keys::ForeignKey))?;
        Ok((board, (value, reached)))
    };
    entrant.places(&ProductFigures::from(sums), season).into_iter().map(place).collect()
}

/// The places that sums make: where they were, or reached now.
fn reached(entrant: &Entrant, season: Season, sums: &Sums, was: &Places, now: Time) -> Places {
    let place = |(board, value): (Board, u64)| {
        let since = was.get(&board).filter(|(was, _)| *was == value).map_or(now, |(_, since)| *since);
        (board, (value, since))
    };
    entrant.places(&ProductFigures::from(sums), season).into_iter().map(place).collect()
}
