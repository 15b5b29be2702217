//! A track's totals of all time, and when anything first happened.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::late_hours::{Correction, LateHour, MOST_LATE};
use super::reader::{RollupReader, TRACKS_AT_ONCE, parse_suffix};
use super::stamps::{ChangeCounter, RollupKind};
use super::stored::{StoredRollup, StoredTotal};
use crate::error::StoreError;
use crate::folds::Live;
use crate::items::{Item, from_item, text};
use crate::keys::{self, SK};
use crate::retry;
use crate::table::{Consistency, KeyRange, LAST};
use domain::calendar::{Level, Period};
use domain::counters::TrackCounters;
use domain::fold::Fold;
use domain::id::TrackId;
use domain::rollup::Scope;
use domain::time::Time;
use domain::time_span::TimeSpan;

/// How many open minutes and marks of a track are read at once: three days of minutes, and more marks than are
/// corrected.
const MOST_OPEN: usize = 6_000;

/// What of a track is not closed.
struct OpenAndLate {
    live: Vec<Item>,
    late: Vec<Period>,
    /// If not all late hours are known, the time since which others have changed.
    incomplete_since: Option<Time>,
}

fn add_live(live: Vec<Item>, value: &mut TrackCounters, as_of: &mut Option<Time>) -> Result<(), StoreError> {
    for item in live {
        let minute: Live<TrackCounters> = from_item(item)?;
        *as_of = (*as_of).max(Some(minute.as_of));
        value.merge(&minute.value);
    }
    Ok(())
}

/// A total without sketches; `None` if it is empty.
fn non_empty(mut value: TrackCounters, as_of: Option<Time>) -> Option<(TrackCounters, Time)> {
    (value.sessions, value.listeners) = Default::default();
    as_of.filter(|_| value != TrackCounters::default()).map(|as_of| (value, as_of))
}

impl RollupReader {
    /// The totals of a track, without sketches, and the time up to which facts are counted; `None` if nothing happened.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn total<'a>(
        &'a self,
        track: &'a TrackId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<(TrackCounters, Time)>, StoreError>> {
        Box::pin(async move { retry::until(deadline, || Box::pin(self.total_once(track, deadline))).await })
    }

    async fn total_once(
        &self,
        track: &TrackId,
        deadline: Instant,
    ) -> Result<Option<(TrackCounters, Time)>, StoreError> {
        let scope = Scope::Track(track.clone());
        let pk = keys::rollups(&scope);
        let (calendar, stats) = (&self.reader.calendar, &self.reader.stats);
        let began = Time::from(self.clock.now());
        let watermark = self.watermark().await?;
        let query = |prefix: &str, from: String| KeyRange {
            pk: pk.clone(),
            from: format!("{prefix}{from}"),
            to: format!("{prefix}{LAST}"),
        };
        let Some(watermark) = watermark else {
            let live = stats.query(&query(keys::LIVE_BUCKETS, String::new()), Consistency::Eventual).await?;
            let (mut value, mut as_of) = (TrackCounters::default(), None);
            add_live(live, &mut value, &mut as_of)?;
            return Ok(non_empty(value, as_of));
        };
        let next_day = calendar.next(&watermark.last_closed(Level::Day));
        let next_hour = calendar.next(&watermark.last_closed(Level::Hour));
        let OpenAndLate { live, late, incomplete_since } = self.live_and_late(track, next_hour).await?;

        // Days after the watermark may or may not be in the total, so they are subtracted from it. Closed hours are
        // read after the marks: an hour that has lost its mark is found there.
        let prefix = keys::rollups_of(Level::Hour);
        let mut hours = query(prefix, calendar.period(Level::Hour, next_day.start()).to_string());
        hours.to = format!("{prefix}{}", watermark.last_closed(Level::Hour));
        let hours = Some(hours).filter(|hours| hours.from <= hours.to);
        let key = keys::total(track);
        let total = stats.get(&key, Consistency::Strong);
        let (total, mut hours) = futures::try_join!(total, self.query(hours))?;
        // The same holds for days that are set aside.
        let aside: Vec<Period> = watermark.set_aside().filter(|day| day.level() == Level::Day).copied().collect();
        for day in &aside {
            let last = calendar.period(Level::Hour, day.end().plus(-TimeDelta::milliseconds(1)));
            let mut hours_of_day = query(prefix, calendar.period(Level::Hour, day.start()).to_string());
            hours_of_day.to = format!("{prefix}{last}");
            hours.extend(stats.query(&hours_of_day, Consistency::Strong).await?);
        }
        let days = query(keys::rollups_of(Level::Day), next_day.to_string());
        let total: Option<StoredTotal> = total.map(from_item).transpose()?;
        let change_counter = total.as_ref().map(ChangeCounter::from).unwrap_or_default();
        let mut as_of = total.as_ref().map(|total| total.as_of);
        let mut value = total.map(|total| total.value).unwrap_or_default();
        let mut change_counters: HashMap<Time, ChangeCounter> = HashMap::new();
        for item in hours {
            let period = self.hour(&item, prefix)?;
            let hour: StoredRollup = from_item(item)?;
            as_of = as_of.max(Some(hour.as_of));
            value.merge(&hour.value.counters);
            change_counters.insert(period.start(), ChangeCounter::from(&hour));
        }
        add_live(live, &mut value, &mut as_of)?;
        let nothing = ChangeCounter::default();
        let late = late.into_iter().filter(|hour| watermark.covers(hour)).map(|hour| {
            let is_in_total = hour.start() < next_day.start() && !aside.iter().any(|day| day.contains(hour.start()));
            let (kind, change_counter) = if is_in_total {
                (RollupKind::Total, &change_counter)
            } else {
                (RollupKind::Track(Level::Hour), change_counters.get(&hour.start()).unwrap_or(&nothing))
            };
            LateHour { hour, track: track.clone(), kind, change_counter }
        });
        let late: Vec<LateHour<'_>> = late.collect();
        let days_aside = aside.iter().map(|day| keys::rollup(&scope, day)).collect();
        let (changed, mut days, days_aside) = futures::try_join!(
            self.corrections(&scope, late, deadline),
            stats.query(&days, Consistency::Strong),
            stats.get_all(days_aside, Consistency::Strong, deadline),
        )?;
        days.extend(days_aside.into_values());
        for Correction { after, before, .. } in changed {
            as_of = as_of.max(Some(began));
            value.merge(&after);
            value.take_away(&before).map_err(|_| StoreError::Conflict)?;
        }
        for item in days {
            let name: String = parse_suffix(&item, keys::rollups_of(Level::Day))?;
            let day = calendar.parse(Level::Day, &name).map_err(|error| StoreError::corrupt(name, error))?;
            let rollup: StoredRollup = from_item(item)?;
            change_counter.assert_includes(RollupKind::Total, track, &day, &rollup)?;
            value.take_away(&rollup.value.counters).map_err(|_| StoreError::Conflict)?;
        }
        let as_of = as_of.map(|as_of| incomplete_since.map_or(as_of, |since| as_of.min(since)));
        Ok(non_empty(value, as_of))
    }

    /// The open minutes of a track, and its late hours.
    async fn live_and_late(&self, track: &TrackId, next_hour: Period) -> Result<OpenAndLate, StoreError> {
        // One query finds the open minutes and, directly after them, the marks of late hours.
        let both = KeyRange {
            pk: keys::rollups(&Scope::Track(track.clone())),
            from: format!("{}{}", keys::LIVE_BUCKETS, next_hour.start().minute()),
            to: format!("{}{LAST}", keys::CHANGED),
        };
        let (items, more) = self.reader.stats.query_up_to(&both, MOST_OPEN, Consistency::Eventual).await?;
        let is_mark = |item: &Item| text(item, SK).is_some_and(|sk| sk.starts_with(keys::CHANGED));
        let (mut marks, mut live): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_mark);
        if more && marks.is_empty() {
            // Rollups lag behind: the open minutes are read in any case.
            let all = KeyRange { to: format!("{}{LAST}", keys::LIVE_BUCKETS), ..both };
            live = self.reader.stats.query(&all, Consistency::Eventual).await?;
        }
        let more = more || marks.len() > MOST_LATE;
        marks.truncate(MOST_LATE);
        let late = marks.iter().map(|mark| self.hour(mark, keys::CHANGED)).collect::<Result<_, StoreError>>()?;
        let incomplete_since = if more { self.late_since().await? } else { None };
        Ok(OpenAndLate { live, late, incomplete_since })
    }

    async fn query(&self, range: Option<KeyRange>) -> Result<Vec<Item>, StoreError> {
        match range {
            Some(range) => self.reader.stats.query(&range, Consistency::Strong).await,
            None => Ok(Vec::new()),
        }
    }

    /// When the first known activity of a scope happened, truncated to the day, hour or minute; `None` if nothing
    /// happened.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn earliest<'a>(
        &'a self,
        scope: &'a Scope,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Time>, StoreError>> {
        Box::pin(async move { retry::until(deadline, || Box::pin(self.earliest_once(scope))).await })
    }

    /// The rest of the first sort key with a prefix.
    async fn first(&self, pk: &str, prefix: &str) -> Result<Option<String>, StoreError> {
        let found = self.reader.stats.query_head(&KeyRange::with_prefix(pk.to_owned(), prefix), 1).await?;
        found.first().map(|item| parse_suffix(item, prefix)).transpose()
    }

    async fn earliest_once(&self, scope: &Scope) -> Result<Option<Time>, StoreError> {
        let Scope::Artist(artist) = scope else { return Box::pin(self.earliest_of(scope, None)).await };
        let membership = self.membership(artist).await?;
        let members = membership.tracks();
        if !membership.is_moving() {
            return Box::pin(self.earliest_of(scope, Some(&members))).await;
        }
        let tracks: Vec<_> = members.into_iter().map(|track| self.earliest_of_track(track)).collect();
        let found: Vec<Option<Time>> = stream::iter(tracks).buffer_unordered(TRACKS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().min())
    }

    fn earliest_of_track(&self, track: TrackId) -> BoxFuture<'_, Result<Option<Time>, StoreError>> {
        Box::pin(async move { Box::pin(self.earliest_of(&Scope::Track(track), None)).await })
    }

    async fn earliest_of(
        &self,
        scope: &Scope,
        members: Option<&BTreeSet<TrackId>>,
    ) -> Result<Option<Time>, StoreError> {
        let pk = keys::rollups(scope);
        let calendar = &self.reader.calendar;
        // An hour that has left this list has a rollup, and rollups are read after it.
        let late = self.late_hours(scope, members).await?.hours;
        let (day, hour, minute) = futures::try_join!(
            self.first(&pk, keys::rollups_of(Level::Day)),
            self.first(&pk, keys::rollups_of(Level::Hour)),
            self.first(&pk, keys::LIVE_BUCKETS),
        )?;
        let mut candidates: Vec<Time> = Vec::new();
        for (level, name) in [(Level::Day, day), (Level::Hour, hour)] {
            if let Some(name) = name {
                let period = calendar.parse(level, &name).map_err(|error| StoreError::corrupt(name, error))?;
                candidates.push(period.start());
            }
        }
        if let Some(minute) = minute {
            candidates.push(format!("{minute}:00Z").parse().map_err(|error| StoreError::corrupt(minute, error))?);
        }
        let belongs = |track: &TrackId| members.is_none_or(|all| all.contains(track));
        candidates.extend(late.iter().map(|(hour, _)| hour.start()));
        if !matches!(scope, Scope::Track(_))
            && let Some(watermark) = self.watermark().await?
        {
            // A late hour may be closed before an open one that is earlier.
            let ahead = Time::from(self.clock.now()).plus(domain::event_time::MAX_AHEAD);
            let to = candidates.iter().copied().min().unwrap_or(ahead);
            let open = TimeSpan { from: watermark.last_closed(Level::Hour).end(), to };
            for hour in self.listed_hours(open, Some(&watermark)) {
                let pages = self.reader.active(&hour, Consistency::Strong).await?;
                if pages.iter().any(|(_, page)| page.tracks.iter().any(belongs)) {
                    candidates.push(hour.start());
                    break;
                }
            }
        }
        Ok(candidates.into_iter().min())
    }
}
