//! Finds what happened last to an artist's tracks.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::reader::{LiveMinute, ReadContext, RollupReader, RollupValues, newest_first};
use super::recent_facts::{FactReader, RecentActivity, Search};
use super::stored::StoredRollup;
use super::watermark::Watermark;
use crate::error::StoreError;
use crate::items::{Item, from_item, text};
use crate::keys;
use crate::setup::Setup;
use crate::table::{Consistency, KeyRange};
use domain::calendar::{Level, Period};
use domain::id::{TrackId, UserId};
use domain::rollup::{Scope, Share, Shares};
use domain::time::Time;

/// How many days back is searched: facts are kept for so long.
const DAYS: i32 = 90;

/// Finds the latest plays and likes.
#[derive(Clone)]
pub struct RecentActivityReader {
    facts: FactReader,
}

impl RecentActivityReader {
    /// Opens the reader.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { facts: FactReader { events: setup.events_table(), reader: RollupReader::open(setup) } }
    }

    /// The latest plays and likes of an artist's tracks. `read` are the artist's values up to now, without a gap since
    /// `open_since`.
    ///
    /// Only the facts of minutes with plays or likes are read.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn of_artist<'a>(
        &'a self,
        artist: &'a UserId,
        (read, open_since): (&'a RollupValues, Time),
        plays: usize,
        likes: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<RecentActivity, StoreError>> {
        Box::pin(async move {
            let found = timeout_at(deadline, self.find(artist, read, open_since, plays, likes)).await;
            found.unwrap_or_else(|elapsed| Err(StoreError::Unavailable { source: elapsed.into() }))
        })
    }

    async fn find(
        &self,
        artist: &UserId,
        read: &RollupValues,
        open_since: Time,
        plays: usize,
        likes: usize,
    ) -> Result<RecentActivity, StoreError> {
        let scope = Scope::Artist(artist.clone());
        let ReadContext { watermark, members, late } = &read.known;
        let mut search = Search::new(plays, likes);
        // Live minutes are the newest. Other minutes that were read are at the ends of a span further back.
        let since = watermark.as_ref().map(|watermark| watermark.last_closed(Level::Hour).end());
        let is_live = |open: &&LiveMinute| {
            let at = open.minute.start();
            at >= open_since && since.is_none_or(|since| at >= since)
        };
        let live = read.open.iter().filter(is_live).cloned();
        self.facts.add_facts_of(&newest_first(live.collect()), &mut search).await?;

        // Further back, hour by hour: closed hours, and late ones.
        let mut late = late.clone();
        late.extend(self.unread_hours(since, open_since, members).await?);
        let pk = keys::rollups(&scope);
        if let Some(watermark) = watermark {
            let oldest = watermark.last_closed(Level::Day).end().plus(-TimeDelta::days(DAYS.into()));
            late.extend(self.set_aside_hours(&pk, watermark, members, oldest).await?);
        }
        late.sort();
        late.dedup();
        let stats = &self.facts.reader.reader.stats;
        if let Some(watermark) = watermark.as_ref().filter(|_| search.is_incomplete()) {
            let after = watermark.last_closed(Level::Day).end();
            let mut today = KeyRange::with_prefix(pk.clone(), keys::rollups_of(Level::Hour));
            today.from = format!("{}{}", keys::rollups_of(Level::Hour), after.minute());
            let hours = stats.query(&today, Consistency::Eventual).await?;
            self.search_hours(hours, members, &mut late, &mut search).await?;
            // Days are read only of months with what is searched for. The current month is not closed.
            let calendar = &self.facts.reader.reader.calendar;
            let mut to = after;
            let oldest = after.plus(-TimeDelta::days(DAYS.into()));
            while search.is_incomplete() && to > oldest {
                let month = calendar.period(Level::Month, to.plus(-TimeDelta::milliseconds(1)));
                if watermark.is_complete(&month) {
                    let closed = stats.get(&keys::rollup(&scope, &month), Consistency::Eventual).await?;
                    let closed: Option<StoredRollup> = closed.map(from_item).transpose()?;
                    let holds = closed.map(|closed| closed.value.counters).unwrap_or_default();
                    if !search.wants(holds.plays > 0, holds.likes > 0) {
                        to = month.start();
                        continue;
                    }
                }
                let prefix = keys::rollups_of(Level::Day);
                let first = calendar.period(Level::Day, month.start());
                let last = calendar.period(Level::Day, to.plus(-TimeDelta::milliseconds(1)));
                let days = KeyRange { pk: pk.clone(), from: format!("{prefix}{first}"), to: format!("{prefix}{last}") };
                for item in stats.query(&days, Consistency::Eventual).await?.into_iter().rev() {
                    let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(prefix));
                    let day = self.period(Level::Day, name.unwrap_or_default())?;
                    let rollup: StoredRollup = from_item(item)?;
                    if search.wants(rollup.value.counters.plays > 0, rollup.value.counters.likes > 0) {
                        let prefix = keys::rollups_of(Level::Hour);
                        let last = day.end().plus(-TimeDelta::milliseconds(1)).minute();
                        let from = format!("{prefix}{}", day.start().minute());
                        let hours = KeyRange { pk: pk.clone(), from, to: format!("{prefix}{last}") };
                        let hours = stats.query(&hours, Consistency::Eventual).await?;
                        self.search_hours(hours, members, &mut late, &mut search).await?;
                    }
                }
                to = month.start();
            }
        }
        self.search_late(&mut late, None, &mut search).await?;
        Ok(search.recent)
    }

    fn period(&self, level: Level, name: &str) -> Result<Period, StoreError> {
        self.facts.reader.reader.calendar.parse(level, name).map_err(|error| StoreError::corrupt(name, error))
    }

    /// The hours between the watermark and what was read, in which anything was active: there are some if rollups lag
    /// behind.
    async fn unread_hours(
        &self,
        since: Option<Time>,
        open_since: Time,
        members: &BTreeSet<TrackId>,
    ) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let mut unread = Vec::new();
        let Some(since) = since else { return Ok(unread) };
        let mut hour = self.facts.reader.reader.calendar.period(Level::Hour, since);
        while hour.start() < open_since {
            let active = self.facts.reader.active_tracks(hour).await?;
            unread.extend(active.into_iter().filter(|track| members.contains(track)).map(|track| (hour, track)));
            hour = self.facts.reader.reader.calendar.next(&hour);
        }
        Ok(unread)
    }

    /// Searches closed hours, the newest first, and the late hours between them.
    async fn search_hours(
        &self,
        hours: Vec<Item>,
        members: &BTreeSet<TrackId>,
        late: &mut Vec<(Period, TrackId)>,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        for item in hours.into_iter().rev() {
            if !search.is_incomplete() {
                return Ok(());
            }
            let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::rollups_of(Level::Hour)));
            let hour = self.period(Level::Hour, name.unwrap_or_default())?;
            self.search_late(late, Some(hour), search).await?;
            let rollup: StoredRollup = from_item(item)?;
            let mut tracks: BTreeSet<TrackId> =
                late.extract_if(.., |(late, _)| *late == hour).map(|(_, track)| track).collect();
            tracks.extend(
                self.active(hour, rollup.value.tracks, members, |share| search.wants(share.plays > 0, share.likes > 0))
                    .await?,
            );
            let minutes = self.facts.minutes(hour, tracks).await?;
            self.facts.add_facts_of(&newest_first(minutes), search).await?;
        }
        Ok(())
    }

    /// The tracks of an artist that have a share in a closed hour.
    async fn active(
        &self,
        hour: Period,
        shares: Shares,
        members: &BTreeSet<TrackId>,
        wants: impl Fn(&Share) -> bool,
    ) -> Result<BTreeSet<TrackId>, StoreError> {
        Ok(match shares {
            Shares::Each(tracks) => {
                let wanted = tracks.into_iter().filter(|(track, share)| members.contains(track) && wants(share));
                wanted.map(|(track, _)| track).collect()
            }
            Shares::TooMany => self
                .facts
                .reader
                .active_tracks(hour)
                .await?
                .into_iter()
                .filter(|track| members.contains(track))
                .collect(),
        })
    }

    /// The hours of days that are set aside, as late hours: these days may not include all of them.
    async fn set_aside_hours(
        &self,
        pk: &str,
        watermark: &Watermark,
        members: &BTreeSet<TrackId>,
        since: Time,
    ) -> Result<Vec<(Period, TrackId)>, StoreError> {
        let mut aside = Vec::new();
        let prefix = keys::rollups_of(Level::Hour);
        for day in watermark.set_aside().filter(|day| day.level() == Level::Day && day.end() > since) {
            let last = day.end().plus(-TimeDelta::milliseconds(1)).minute();
            let (from, to) = (format!("{prefix}{}", day.start().minute()), format!("{prefix}{last}"));
            let hours = KeyRange { pk: pk.to_owned(), from, to };
            for item in self.facts.reader.reader.stats.query(&hours, Consistency::Eventual).await? {
                let name = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(prefix));
                let hour = self.period(Level::Hour, name.unwrap_or_default())?;
                let rollup: StoredRollup = from_item(item)?;
                let tracks = self.active(hour, rollup.value.tracks, members, |_| true).await?;
                aside.extend(tracks.into_iter().map(|track| (hour, track)));
            }
        }
        Ok(aside)
    }

    /// Searches late hours, the newest first, down to a closed one.
    async fn search_late(
        &self,
        late: &mut Vec<(Period, TrackId)>,
        before: Option<Period>,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        while search.is_incomplete()
            && let Some(hour) =
                late.last().map(|(hour, _)| *hour).filter(|hour| before.is_none_or(|closed| *hour > closed))
        {
            let same = late.iter().rposition(|(other, _)| *other != hour).map_or(0, |before| before + 1);
            let tracks = late.drain(same..).map(|(_, track)| track).collect();
            let minutes = self.facts.minutes(hour, tracks).await?;
            self.facts.add_facts_of(&newest_first(minutes), search).await?;
        }
        Ok(())
    }
}
