//! The lists of what was active, for reading, and the frontier of what is closed.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::items::{Item, from_item};
use crate::keys::{self, SK};
use crate::setup::StatsTable;
use crate::table::{Consistency, KeyRange, LAST};
use domain::calendar::{Calendar, Level, Period};
use domain::id::TrackId;
use domain::rollup::Scope;
use domain::time::Time;
use domain::time_span::TimeSpan;

/// So many periods are set aside at most; then the frontier stands until one of them is closed.
const MOST_ASIDE: usize = 100;

/// What is closed: for every level the last period of which nothing is left to be done, late folds aside, and the periods
/// before it that could not be closed for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    hour: Period,
    day: Period,
    week: Period,
    month: Period,
    year: Period,
    aside: BTreeSet<Period>,
}

impl Watermark {
    /// The frontier where the last closed hour is the one of this time, and nothing above it is closed that it is in.
    pub(super) fn at(calendar: &Calendar, time: Time) -> Self {
        let before = |level| calendar.previous(&calendar.period(level, time));
        Self {
            hour: calendar.period(Level::Hour, time),
            day: before(Level::Day),
            week: before(Level::Week),
            month: before(Level::Month),
            year: before(Level::Year),
            aside: BTreeSet::new(),
        }
    }

    /// The last closed period of a level.
    #[must_use]
    pub fn of(&self, level: Level) -> Period {
        match level {
            Level::Hour => self.hour,
            Level::Day => self.day,
            Level::Week => self.week,
            Level::Month => self.month,
            Level::Year => self.year,
        }
    }

    /// Whether a period is closed.
    #[must_use]
    pub fn covers(&self, period: &Period) -> bool {
        period.end() <= self.of(period.level()).end()
    }

    /// The periods that could not be closed for all.
    pub fn aside(&self) -> impl Iterator<Item = &Period> {
        self.aside.iter()
    }

    /// Whether a period is closed and holds all that it is made of: neither it nor any that it may be made of is set aside.
    #[must_use]
    pub fn holds(&self, period: &Period) -> bool {
        let is_part = |aside: &Period| {
            aside.level() <= period.level() && aside.start() < period.end() && period.start() < aside.end()
        };
        self.covers(period) && !self.aside.iter().any(is_part)
    }

    /// Sets a period aside, if there is room for one more.
    pub(super) fn set_aside(&mut self, period: Period) -> bool {
        let has_room = self.aside.len() < MOST_ASIDE;
        if has_room {
            self.aside.insert(period);
        }
        has_room
    }

    /// A period that was set aside is closed for all.
    pub(super) fn take_back(&mut self, period: &Period) {
        self.aside.remove(period);
    }

    pub(super) fn set(&mut self, period: Period) {
        match period.level() {
            Level::Hour => self.hour = period,
            Level::Day => self.day = period,
            Level::Week => self.week = period,
            Level::Month => self.month = period,
            Level::Year => self.year = period,
        }
    }
}

/// How the frontier lies in its item.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) version: String,
    pub(super) hour: String,
    pub(super) day: String,
    pub(super) week: String,
    pub(super) month: String,
    pub(super) year: String,
    /// The periods that are set aside, each behind what the keys of its level begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aside: Vec<String>,
}

/// A page of tracks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) tracks: BTreeSet<TrackId>,
    /// Whether all of them are closed.
    #[serde(default)]
    pub(super) done: bool,
    /// Whether some of them could not be closed.
    #[serde(default)]
    pub(super) aside: bool,
    /// When it was first handed to a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_sent: Option<Time>,
    /// When it was last handed to a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
}

/// The table of numbers, by a calendar.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) stats: StatsTable,
    pub(super) calendar: Calendar,
}

impl Lists {
    /// The frontier and its version, if anything was ever listed.
    pub(super) async fn frontier(&self, how: Consistency) -> Result<Option<(Watermark, String)>, StoreError> {
        let Some(item) = self.stats.get(&keys::frontier(), how).await? else { return Ok(None) };
        let stored: Stored = from_item(item)?;
        let read = |level, name: &str| {
            self.calendar.parse(level, name).map_err(|error| StoreError::corrupt(format!("frontier {name}"), error))
        };
        let mut aside = BTreeSet::new();
        for name in &stored.aside {
            let level = Level::ALL.into_iter().find(|level| name.starts_with(keys::rollups_of(*level)));
            let level = level.ok_or_else(|| StoreError::corrupt("frontier", name))?;
            aside.insert(read(level, name.strip_prefix(keys::rollups_of(level)).unwrap_or_default())?);
        }
        let frontier = Watermark {
            aside,
            hour: read(Level::Hour, &stored.hour)?,
            day: read(Level::Day, &stored.day)?,
            week: read(Level::Week, &stored.week)?,
            month: read(Level::Month, &stored.month)?,
            year: read(Level::Year, &stored.year)?,
        };
        Ok(Some((frontier, stored.version)))
    }

    /// The pages of a period, each with its name.
    pub(super) async fn active(&self, period: &Period, how: Consistency) -> Result<Vec<(String, Page)>, StoreError> {
        let all = KeyRange { pk: keys::active(period), from: " ".to_owned(), to: LAST.to_string() };
        let items = self.stats.query(&all, how).await?;
        items.into_iter().map(|item| Ok((sort_key(&item)?, from_item(item)?))).collect()
    }

    /// The pages of hours that are to be closed again, the oldest first, at most so many; and whether there are more.
    pub(super) async fn late(&self, most: usize, how: Consistency) -> Result<(Vec<LatePage>, bool), StoreError> {
        let all = KeyRange { pk: keys::LATE.to_owned(), from: " ".to_owned(), to: LAST.to_string() };
        let (items, more) = self.stats.query_up_to(&all, most, how).await?;
        let mut pages = Vec::with_capacity(items.len());
        for item in items {
            let name = sort_key(&item)?;
            let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(&name, error);
            // Earlier versions wrote no time before the hour; it has surely come later than its hour began.
            let words: Vec<&str> = name.split('#').collect();
            let (since, hour) = match words[..] {
                [since, hour, _] => (Some(since.parse().map_err(|error| corrupt(&error))?), hour),
                [hour, _] => (None, hour),
                _ => return Err(corrupt(&"not a page")),
            };
            let hour = self.calendar.parse(Level::Hour, hour).map_err(|error| corrupt(&error))?;
            let since = since.unwrap_or(hour.start());
            pages.push(LatePage { page: from_item(item)?, name, hour, since });
        }
        Ok((pages, more))
    }
}

/// A page that says that an hour is to be closed again for its tracks.
pub(super) struct LatePage {
    pub(super) name: String,
    pub(super) hour: Period,
    /// What was folded by then is on earlier pages, or in time.
    pub(super) since: Time,
    pub(super) page: Page,
}

fn sort_key(item: &Item) -> Result<String, StoreError> {
    let name = item.get(SK).and_then(|sk| sk.as_s().ok());
    name.cloned().ok_or_else(|| StoreError::corrupt("page", "no sort key"))
}

/// The live buckets of a span.
pub(super) fn minutes(track: &TrackId, span: TimeSpan) -> KeyRange {
    let last = span.to.plus(-TimeDelta::milliseconds(1)).minute();
    KeyRange {
        pk: keys::rollups(&Scope::Track(track.clone())),
        from: format!("{}{}", keys::LIVE_BUCKETS, span.from.minute()),
        to: format!("{}{last}", keys::LIVE_BUCKETS),
    }
}
