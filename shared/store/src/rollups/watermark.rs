//! The watermark: the periods that are closed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys;
use domain::calendar::{Calendar, Level, Period};
use domain::time::Time;

/// How many periods may be set aside. At that number, the watermark waits until one of them is closed.
const MOST_ASIDE: usize = 100;

/// The last period of every level that is closed for all tracks, apart from late folds, and the periods before it that
/// are set aside because they could not be closed for all.
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
    /// The watermark whose last closed hour is the one of this time, and which no longer period with this hour has
    /// passed.
    pub(super) fn through_hour_of(calendar: &Calendar, time: Time) -> Self {
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
    pub fn last_closed(&self, level: Level) -> Period {
        match level {
            Level::Hour => self.hour,
            Level::Day => self.day,
            Level::Week => self.week,
            Level::Month => self.month,
            Level::Year => self.year,
        }
    }

    /// Whether the watermark has passed a period.
    #[must_use]
    pub fn covers(&self, period: &Period) -> bool {
        period.end() <= self.last_closed(period.level()).end()
    }

    /// The periods that are set aside.
    pub fn set_aside(&self) -> impl Iterator<Item = &Period> {
        self.aside.iter()
    }

    /// Whether a period is closed for all tracks: neither the period nor any of its parts is set aside.
    #[must_use]
    pub fn is_complete(&self, period: &Period) -> bool {
        let is_part = |aside: &Period| {
            aside.level() <= period.level() && aside.start() < period.end() && period.start() < aside.end()
        };
        self.covers(period) && !self.aside.iter().any(is_part)
    }

    /// Sets a period aside. Returns whether there was room for it.
    pub(super) fn add_set_aside(&mut self, period: Period) -> bool {
        let has_room = self.aside.len() < MOST_ASIDE;
        if has_room {
            self.aside.insert(period);
        }
        has_room
    }

    /// Removes a period that has been closed since it was set aside.
    pub(super) fn remove_set_aside(&mut self, period: &Period) {
        self.aside.remove(period);
    }

    pub(super) fn advance_to(&mut self, period: Period) {
        match period.level() {
            Level::Hour => self.hour = period,
            Level::Day => self.day = period,
            Level::Week => self.week = period,
            Level::Month => self.month = period,
            Level::Year => self.year = period,
        }
    }
}

/// The item of a watermark.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredWatermark {
    pub(super) version: String,
    pub(super) hour: String,
    pub(super) day: String,
    pub(super) week: String,
    pub(super) month: String,
    pub(super) year: String,
    /// The periods that are set aside, each after the key prefix of its level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aside: Vec<String>,
}

impl StoredWatermark {
    /// A watermark as it is stored, with this version.
    pub(super) fn new(watermark: &Watermark, version: String) -> Self {
        let name = |level| watermark.last_closed(level).to_string();
        let key = |period: &Period| format!("{}{period}", keys::rollups_of(period.level()));
        Self {
            version,
            hour: name(Level::Hour),
            day: name(Level::Day),
            week: name(Level::Week),
            month: name(Level::Month),
            year: name(Level::Year),
            aside: watermark.set_aside().map(key).collect(),
        }
    }

    /// The watermark, by its calendar.
    ///
    /// # Errors
    /// If it is corrupt.
    pub(super) fn parse(&self, calendar: &Calendar) -> Result<Watermark, StoreError> {
        let read = |level, name: &str| {
            calendar.parse(level, name).map_err(|error| StoreError::corrupt(format!("watermark {name}"), error))
        };
        let mut aside = BTreeSet::new();
        for name in &self.aside {
            let level = Level::ALL.into_iter().find(|level| name.starts_with(keys::rollups_of(*level)));
            let level = level.ok_or_else(|| StoreError::corrupt("watermark", name))?;
            aside.insert(read(level, name.strip_prefix(keys::rollups_of(level)).unwrap_or_default())?);
        }
        Ok(Watermark {
            aside,
            hour: read(Level::Hour, &self.hour)?,
            day: read(Level::Day, &self.day)?,
            week: read(Level::Week, &self.week)?,
            month: read(Level::Month, &self.month)?,
            year: read(Level::Year, &self.year)?,
        })
    }
}
