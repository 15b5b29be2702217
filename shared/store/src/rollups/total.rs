//! A track's numbers of all time, and when anything first happened.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::holding::{Holder, Holding};
use super::reading::{Corrected, Late, MOST_LATE, Reading, TRACKS_AT_ONCE, after};
use super::stored::{StoredRollup, Total};
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
use system::backoff::Backoff;

/// So many open minutes and marks of a track are read at once: three days of minutes, and more than as many marks as are put
/// right.
const MOST_OPEN: usize = 6_000;

/// What of a track is not closed.
struct LiveAndLate {
    live: Vec<Item>,
    late: Vec<Period>,
    /// Where not all is known that is late, since when other hours have changed.
    but_since: Option<Time>,
}

fn add_live(live: Vec<Item>, value: &mut TrackCounters, as_of: &mut Option<Time>) -> Result<(), StoreError> {
    for item in live {
        let minute: Live<TrackCounters> = from_item(item)?;
        *as_of = (*as_of).max(Some(minute.as_of));
        value.merge(&minute.value);
    }
    Ok(())
}

/// A total is without sketches; nothing where nothing has happened.
fn told(mut value: TrackCounters, as_of: Option<Time>) -> Option<(TrackCounters, Time)> {
    (value.sessions, value.listeners) = Default::default();
    as_of.filter(|_| value != TrackCounters::default()).map(|as_of| (value, as_of))
}

impl Reading {
    /// All that ever happened to a track, without its sketches, and when the newest of the folds began; nothing where
    /// nothing did.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn total<'a>(
        &'a self,
        track: &'a TrackId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<(TrackCounters, Time)>, StoreError>> {
        Box::pin(async move {
            let mut backoff = Backoff::until(deadline);
            loop {
                let error = match timeout_at(deadline, self.total_once(track, deadline)).await {
                    Ok(Ok(total)) => return Ok(total),
                    Ok(Err(error)) => error,
                    Err(elapsed) => StoreError::Unavailable { source: elapsed.into() },
                };
                if !error.is_transient() || !backoff.wait().await {
                    return Err(error);
                }
            }
        })
    }

    async fn total_once(
        &self,
        track: &TrackId,
        deadline: Instant,
    ) -> Result<Option<(TrackCounters, Time)>, StoreError> {
        let scope = Scope::Track(track.clone());
        let pk = keys::rollups(&scope);
        let (calendar, stats) = (&self.lists.calendar, &self.lists.stats);
        let began = Time::from(self.clock.now());
        let frontier = self.frontier().await?;
        let query = |prefix: &str, from: String| KeyRange {
            pk: pk.clone(),
            from: format!("{prefix}{from}"),
            to: format!("{prefix}{LAST}"),
        };
        let Some(frontier) = frontier else {
            let live = stats.query(&query(keys::LIVE_BUCKETS, String::new()), Consistency::Eventual).await?;
            let (mut value, mut as_of) = (TrackCounters::default(), None);
            add_live(live, &mut value, &mut as_of)?;
            return Ok(told(value, as_of));
        };
        let next_day = calendar.next(&frontier.of(Level::Day));
        let next_hour = calendar.next(&frontier.of(Level::Hour));
        let LiveAndLate { live, late, but_since } = self.live_and_late(track, next_hour).await?;

        // Behind the frontier of days nothing is surely in the total, so what is in it of those days is taken out again. What
        // is closed is read after the marks: what has lost its mark is found there.
        let prefix = keys::rollups_of(Level::Hour);
        let mut hours = query(prefix, calendar.period(Level::Hour, next_day.start()).to_string());
        hours.to = format!("{prefix}{}", frontier.of(Level::Hour));
        let hours = Some(hours).filter(|hours| hours.from <= hours.to);
        let key = keys::total(track);
        let total = stats.get(&key, Consistency::Strong);
        let (total, mut hours) = futures::try_join!(total, self.query(hours))?;
        // Nor is a day surely in it that is set aside.
        let aside: Vec<Period> = frontier.aside().filter(|day| day.level() == Level::Day).copied().collect();
        for day in &aside {
            let last = calendar.period(Level::Hour, day.end().plus(-TimeDelta::milliseconds(1)));
            let mut hours_of_day = query(prefix, calendar.period(Level::Hour, day.start()).to_string());
            hours_of_day.to = format!("{prefix}{last}");
            hours.extend(stats.query(&hours_of_day, Consistency::Strong).await?);
        }
        let days = query(keys::rollups_of(Level::Day), next_day.to_string());
        let total: Option<Total> = total.map(from_item).transpose()?;
        let holding = total.as_ref().map(Holding::from).unwrap_or_default();
        let mut as_of = total.as_ref().map(|total| total.as_of);
        let mut value = total.map(|total| total.value).unwrap_or_default();
        let mut holdings: HashMap<Time, Holding> = HashMap::new();
        for item in hours {
            let period = self.hour(&item, prefix)?;
            let hour: StoredRollup = from_item(item)?;
            as_of = as_of.max(Some(hour.as_of));
            value.merge(&hour.value.counters);
            holdings.insert(period.start(), Holding::from(&hour));
        }
        add_live(live, &mut value, &mut as_of)?;
        let nothing = Holding::default();
        let late = late.into_iter().filter(|hour| frontier.covers(hour)).map(|hour| {
            let is_in_total = hour.start() < next_day.start() && !aside.iter().any(|day| day.contains(hour.start()));
            let (holder, holding) = if is_in_total {
                (Holder::Total, &holding)
            } else {
                (Holder::Track(Level::Hour), holdings.get(&hour.start()).unwrap_or(&nothing))
            };
            Late { hour, track: track.clone(), holder, holding }
        });
        let late: Vec<Late<'_>> = late.collect();
        let days_aside = aside.iter().map(|day| keys::rollup(&scope, day)).collect();
        let (changed, mut days, days_aside) = futures::try_join!(
            self.changed(&scope, late, deadline),
            stats.query(&days, Consistency::Strong),
            stats.get_all(days_aside, Consistency::Strong, deadline),
        )?;
        days.extend(days_aside.into_values());
        for Corrected { is, was, .. } in changed {
            as_of = as_of.max(Some(began));
            value.merge(&is);
            value.take_away(&was).map_err(|_| StoreError::Conflict)?;
        }
        for item in days {
            let name: String = after(&item, keys::rollups_of(Level::Day))?;
            let day = calendar.parse(Level::Day, &name).map_err(|error| StoreError::corrupt(name, error))?;
            let rolled: StoredRollup = from_item(item)?;
            holding.holds(Holder::Total, track, &day, &rolled)?;
            value.take_away(&rolled.value.counters).map_err(|_| StoreError::Conflict)?;
        }
        let as_of = as_of.map(|as_of| but_since.map_or(as_of, |since| as_of.min(since)));
        Ok(told(value, as_of))
    }

    /// The open minutes of a track, and its hours that have changed since they were closed, or may have.
    async fn live_and_late(&self, track: &TrackId, next_hour: Period) -> Result<LiveAndLate, StoreError> {
        // One query finds the open minutes and, right behind them, the marks of changed hours.
        let both = KeyRange {
            pk: keys::rollups(&Scope::Track(track.clone())),
            from: format!("{}{}", keys::LIVE_BUCKETS, next_hour.start().minute()),
            to: format!("{}{LAST}", keys::CHANGED),
        };
        let (items, more) = self.lists.stats.query_up_to(&both, MOST_OPEN, Consistency::Eventual).await?;
        let is_mark = |item: &Item| text(item, SK).is_some_and(|sk| sk.starts_with(keys::CHANGED));
        let (mut marks, mut live): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_mark);
        if more && marks.is_empty() {
            // Rollups lag behind: what is open is counted in any case.
            let all = KeyRange { to: format!("{}{LAST}", keys::LIVE_BUCKETS), ..both };
            live = self.lists.stats.query(&all, Consistency::Eventual).await?;
        }
        let more = more || marks.len() > MOST_LATE;
        marks.truncate(MOST_LATE);
        let late = marks.iter().map(|mark| self.hour(mark, keys::CHANGED)).collect::<Result<_, StoreError>>()?;
        let but_since = if more { self.late_since().await? } else { None };
        Ok(LiveAndLate { live, late, but_since })
    }

    async fn query(&self, range: Option<KeyRange>) -> Result<Vec<Item>, StoreError> {
        match range {
            Some(range) => self.lists.stats.query(&range, Consistency::Strong).await,
            None => Ok(Vec::new()),
        }
    }

    /// When the first thing known of it happened, cut to the day, hour or minute; nothing if nothing ever did.
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

    /// What the first sort key with a prefix says behind it.
    async fn first(&self, pk: &str, prefix: &str) -> Result<Option<String>, StoreError> {
        let found = self.lists.stats.query_head(&KeyRange::with_prefix(pk.to_owned(), prefix), 1).await?;
        found.first().map(|item| after(item, prefix)).transpose()
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
        let calendar = &self.lists.calendar;
        // What has left this list when it is read has a rollup, and those are read after it.
        let late = self.late(scope, members).await?.hours;
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
            && let Some(frontier) = self.frontier().await?
        {
            // An hour that came late may be closed before an open one that lies before it.
            let ahead = Time::from(self.clock.now()).plus(domain::event_time::MAX_AHEAD);
            let to = candidates.iter().copied().min().unwrap_or(ahead);
            let open = TimeSpan { from: frontier.of(Level::Hour).end(), to };
            for hour in self.listed_hours(open, Some(&frontier)) {
                let pages = self.lists.active(&hour, Consistency::Strong).await?;
                if pages.iter().any(|(_, page)| page.tracks.iter().any(belongs)) {
                    candidates.push(hour.start());
                    break;
                }
            }
        }
        Ok(candidates.into_iter().min())
    }
}
