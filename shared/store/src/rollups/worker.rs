//! Closing periods.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::time::Instant;

use super::activity::{Activity, Word};
use super::dispatch::Work;
use super::recompute::{Chunk, From};
use crate::error::StoreError;
use crate::items::{from_item, text};
use crate::keys::{self, Key};
use crate::setup::{Setup, StateTable};
use crate::table::{Consistency, KeyRange, Write};
use domain::calendar::{Level, Period};
use domain::id::{TrackId, UserId};
use domain::rollup::Scope;
use domain::time::Time;

/// How many tracks are closed together in one period: of each the period, its artist's, its total and its document, and the
/// platform's period.
const OF_ONE_PERIOD: usize = 24;

/// How many tracks are closed together in all periods of an hour. A transaction takes 100 items: seven of each track, five of
/// each artist, five of the platform
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
const TOGETHER: usize = 7;

/// How many periods of a track move in one transaction: three items each.
const MOVED_AT_ONCE: usize = 20;

/// A note that a track has come to an artist.
#[derive(Default, Deserialize)]
struct Moved {
    /// Whom it has left, and to whom it has come.
    #[serde(default)]
    artists: BTreeSet<UserId>,
}

/// Closes periods of tracks, and of their artists and the platform with them.
#[derive(Clone)]
pub struct Closing {
    pub(super) activity: Activity,
    pub(super) state: StateTable,
}

impl Closing {
    /// Opens the worker.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { activity: Activity::open(setup), state: setup.state_table() }
    }

    /// Does a piece of work, trying again until the deadline. Doing it twice, or at the same time as others, is doing it
    /// once.
    ///
    /// # Errors
    /// What stood in the way; the work is then to be done again. Where single tracks are corrupt, the others are done.
    pub fn work<'a>(&'a self, work: &'a Work, deadline: Instant) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match work {
                Work::Close { level, period, tracks, pages } => {
                    let period = self.period(*level, period)?;
                    self.close(period, tracks, pages, deadline).await
                }
                Work::Late { hour, tracks, pages } => {
                    let hour = self.period(Level::Hour, hour)?;
                    self.close_again(hour, tracks, Some(hour), deadline).await?;
                    let finished =
                        pages.iter().map(|page| Write::Delete(Key { pk: keys::LATE.to_owned(), sk: page.clone() }));
                    self.activity.lists.stats.write_all(finished.collect(), deadline).await
                }
                Work::Recompute { level, period, tracks } => {
                    let period = self.period(*level, period)?;
                    self.close_again(period, tracks, None, deadline).await
                }
                Work::Aside { level, period, tracks, pages } => {
                    let period = self.period(*level, period)?;
                    self.close_again(period, tracks, None, deadline).await?;
                    self.say_of_all(&period, pages, Word::Done).await
                }
                Work::Move { track, page } => self.follow(track, page, deadline).await,
            }
        })
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.activity.lists.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// Closes a period that is over, lists its tracks under the periods above it, and finishes its pages, in this order.
    async fn close(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        pages: &[String],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let all: Vec<&TrackId> = tracks.iter().collect();
        let mut left = Vec::new();
        for together in all.chunks(OF_ONE_PERIOD) {
            let together = together.iter().copied().cloned().collect();
            left.extend(self.settle_all(&together, &[period], None, From::BelowOnce, deadline).await?);
        }
        // A track that cannot be closed must not hold up the frontier. Its hour is marked as still to be closed, so readers
        // put it right. A longer period is set aside with its page, so readers take what it is made of in its place.
        let is_hour = period.level() == Level::Hour;
        let marked = left.iter().filter(|_| is_hour).map(|(track, _)| (period, track.clone())).collect();
        self.activity.note_late(marked, period.start(), deadline).await?;
        for above in self.activity.directly_above(&period) {
            self.activity.enlist(&above, tracks, false, deadline).await?;
        }
        let change = if is_hour || left.is_empty() { Word::Done } else { Word::Aside };
        self.say_of_all(&period, pages, change).await?;
        left.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    async fn say_of_all(&self, period: &Period, pages: &[String], change: Word) -> Result<(), StoreError> {
        for page in pages {
            self.activity.say(Key { pk: keys::active(period), sk: page.clone() }, change).await?;
        }
        Ok(())
    }

    /// Closes a period that may have been closed before, and all above it that are over; the others will be closed anyway,
    /// for the tracks are listed under them first.
    async fn close_again(
        &self,
        period: Period,
        tracks: &BTreeSet<TrackId>,
        changed: Option<Period>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let above = self.above(&period);
        let over = |now: Time| above.iter().copied().filter(move |above| above.end() <= now);
        let mut now = self.activity.now();
        self.activity.enlist(&period, tracks, true, deadline).await?;
        for above in &above {
            self.activity.enlist(above, tracks, above.end() <= now, deadline).await?;
        }
        let all: Vec<&TrackId> = tracks.iter().collect();
        loop {
            let periods: Vec<Period> = std::iter::once(period).chain(over(now)).collect();
            let mut corrupt = None;
            for together in all.chunks(TOGETHER) {
                let together = together.iter().copied().cloned().collect();
                let left = self.settle_all(&together, &periods, changed, From::Below, deadline).await?;
                corrupt = corrupt.or(left.into_iter().next());
            }
            // What has ended meanwhile may have been closed without this.
            now = self.activity.now();
            if over(now).count() + 1 == periods.len() {
                return corrupt.map_or(Ok(()), |(_, error)| Err(error));
            }
        }
    }

    /// Closes tracks together, or one by one where some cannot be closed, such as corrupt ones: those are left and returned.
    /// One by one also where a transaction would be too large, because so many have changed hands that each has two artists.
    async fn settle_all(
        &self,
        tracks: &BTreeSet<TrackId>,
        periods: &[Period],
        changed: Option<Period>,
        from: From,
        deadline: Instant,
    ) -> Result<Vec<(TrackId, StoreError)>, StoreError> {
        match self.settle(&Chunk { tracks, periods, changed, from }, deadline).await {
            Err(error) if !error.is_transient() => {}
            result => return result.map(|()| Vec::new()),
        }
        let mut left = Vec::new();
        for track in tracks {
            let alone = BTreeSet::from([track.clone()]);
            match self.settle(&Chunk { tracks: &alone, periods, changed, from }, deadline).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => left.push((track.clone(), error)),
            }
        }
        Ok(left)
    }

    /// Moves all closed periods of a track to the artist it has come to.
    async fn follow(&self, track: &TrackId, page: &str, deadline: Instant) -> Result<(), StoreError> {
        let tracks = BTreeSet::from([track.clone()]);
        let pk = keys::rollups(&Scope::Track(track.clone()));
        for level in Level::ALL {
            let all = KeyRange::with_prefix(pk.clone(), keys::rollups_of(level));
            let mut periods = Vec::new();
            for item in self.activity.lists.stats.query(&all, Consistency::Strong).await? {
                let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::rollups_of(level)));
                periods.push(self.period(level, name.unwrap_or_default())?);
            }
            for periods in periods.chunks(MOVED_AT_ONCE) {
                let chunk = Chunk { tracks: &tracks, periods, changed: None, from: From::Itself };
                self.settle(&chunk, deadline).await?;
            }
        }
        // The artists' notes go first, for they are found by this one.
        let note = Key { pk: keys::MOVED.to_owned(), sk: page.to_owned() };
        let moved = self.state.get_all(BTreeSet::from([note.clone()]), Consistency::Strong, deadline).await?;
        let moved: Moved = moved.into_values().next().map(from_item).transpose()?.unwrap_or_default();
        let id = page.rsplit('#').next().unwrap_or_default();
        let notes = moved.artists.iter().map(|artist| Write::Delete(keys::moving(artist, track, id)));
        self.state.write_all(notes.collect(), deadline).await?;
        self.state.write_all(vec![Write::Delete(note)], deadline).await
    }

    /// All periods above one, the shortest first.
    fn above(&self, period: &Period) -> Vec<Period> {
        let mut all: Vec<Period> = Vec::new();
        let mut next = self.activity.directly_above(period);
        while let Some(above) = next.pop() {
            next.extend(self.activity.directly_above(&above));
            all.push(above);
        }
        all.sort_by_key(Period::level);
        all
    }
}
