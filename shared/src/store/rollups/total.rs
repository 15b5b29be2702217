//! A track's numbers of all time, and when anything first happened.

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::reading::{Reading, after};
use super::rolled::{Rolled, Total};
use crate::backoff::Backoff;
use crate::domain::calendar::Level;
use crate::domain::counters::TrackCounters;
use crate::domain::fold::Fold;
use crate::domain::id::TrackId;
use crate::domain::rollup::Scope;
use crate::domain::span::Span;
use crate::domain::time::Time;
use crate::store::error::StoreError;
use crate::store::folds::Live;
use crate::store::items::{Item, from_item, text};
use crate::store::keys::{self, SK};
use crate::store::table::{Consistency, LAST, Stretch};

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
                if !error.may_pass() || !backoff.wait().await {
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
        let query = |prefix: &str, from: String| Stretch {
            pk: pk.clone(),
            from: format!("{prefix}{from}"),
            to: format!("{prefix}{LAST}"),
        };
        // Behind the frontier of days nothing is surely in the total, so what is in it of those days is taken out again.
        let (live, days, hours) = match &frontier {
            Some(frontier) => {
                let next_day = calendar.next(&frontier.of(Level::Day));
                let next_hour = calendar.next(&frontier.of(Level::Hour));
                let prefix = keys::rollups_of(Level::Hour);
                let mut hours = query(prefix, calendar.period(Level::Hour, next_day.start()).to_string());
                hours.to = format!("{prefix}{}", frontier.of(Level::Hour));
                // One query finds the open minutes and, right behind them, the hours that have changed.
                let mut live = query(keys::LIVE_BUCKETS, next_hour.start().minute().to_string());
                live.to = format!("{}{LAST}", keys::CHANGED);
                (
                    live,
                    Some(query(keys::rollups_of(Level::Day), next_day.to_string())),
                    Some(hours).filter(|hours| hours.from <= hours.to),
                )
            }
            None => (query(keys::LIVE_BUCKETS, String::new()), None, None),
        };
        let key = keys::total(track);
        let (total, live, days, hours) = futures::try_join!(
            async { if frontier.is_some() { stats.get(&key, Consistency::Eventual).await } else { Ok(None) } },
            stats.query(&live, Consistency::Eventual),
            self.query(days),
            self.query(hours),
        )?;
        let is_mark = |item: &Item| text(item, SK).is_some_and(|sk| sk.starts_with(keys::CHANGED));
        let (marks, live): (Vec<Item>, Vec<Item>) = live.into_iter().partition(is_mark);
        let total: Option<Total> = total.map(from_item).transpose()?;
        let mut as_of = total.as_ref().map(|total| total.as_of);
        let mut value = total.map(|total| total.value).unwrap_or_default();
        for item in hours {
            let hour: Rolled = from_item(item)?;
            as_of = as_of.max(Some(hour.as_of));
            value.merge(&hour.value.counters);
        }
        for item in live {
            let minute: Live<TrackCounters> = from_item(item)?;
            as_of = as_of.max(Some(minute.as_of));
            value.merge(&minute.value);
        }
        if let Some(frontier) = frontier {
            let mut late = Vec::with_capacity(marks.len());
            for mark in &marks {
                late.push((self.hour(mark, keys::CHANGED)?, track.clone()));
            }
            late.retain(|(hour, _)| frontier.covers(hour));
            for (_, _, is, was) in self.changed(&scope, late.iter().collect(), deadline).await? {
                as_of = as_of.max(Some(began));
                value.merge(&is);
                value.take_away(&was).map_err(|_| StoreError::Conflict)?;
            }
        }
        for item in days {
            let day: Rolled = from_item(item)?;
            value.take_away(&day.value.counters).map_err(|_| StoreError::Conflict)?;
        }
        (value.sessions, value.listeners) = Default::default();
        Ok(as_of.filter(|_| value != TrackCounters::default()).map(|as_of| (value, as_of)))
    }

    async fn query(&self, stretch: Option<Stretch>) -> Result<Vec<Item>, StoreError> {
        match stretch {
            Some(stretch) => self.lists.stats.query(&stretch, Consistency::Eventual).await,
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
        Box::pin(async move {
            let earliest = timeout_at(deadline, self.earliest_once(scope)).await;
            earliest.unwrap_or_else(|elapsed| Err(StoreError::Unavailable { source: elapsed.into() }))
        })
    }

    /// What the first sort key with a prefix says behind it.
    async fn first(&self, pk: &str, prefix: &str) -> Result<Option<String>, StoreError> {
        let found = self.lists.stats.some(&Stretch::beginning(pk.to_owned(), prefix), 1, false).await?;
        found.first().map(|item| after(item, prefix)).transpose()
    }

    async fn earliest_once(&self, scope: &Scope) -> Result<Option<Time>, StoreError> {
        let pk = keys::rollups(scope);
        let calendar = &self.lists.calendar;
        let (day, hour, minute, late) = futures::try_join!(
            self.first(&pk, keys::rollups_of(Level::Day)),
            self.first(&pk, keys::rollups_of(Level::Hour)),
            self.first(&pk, keys::LIVE_BUCKETS),
            self.late(scope)
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
        let members = self.members(scope).await?;
        let belongs = |track: &TrackId| members.as_ref().is_none_or(|all| all.contains(track));
        candidates.extend(late.iter().filter(|(_, track)| belongs(track)).map(|(hour, _)| hour.start()));
        if !matches!(scope, Scope::Track(_))
            && let Some(frontier) = self.frontier().await?
        {
            // An hour that came late may be closed before an open one that lies before it.
            let ahead = Time::from(self.clock.now()).plus(crate::domain::limits::MAX_AHEAD);
            let to = candidates.iter().copied().min().unwrap_or(ahead);
            let open = Span { from: frontier.of(Level::Hour).end(), to };
            for hour in self.listed_hours(open, Some(&frontier)) {
                let pages = self.lists.active(&hour, Consistency::Eventual).await?;
                if pages.iter().any(|(_, page)| page.tracks.iter().any(belongs)) {
                    candidates.push(hour.start());
                    break;
                }
            }
        }
        Ok(candidates.into_iter().min())
    }
}
