//! Reads the worklist: pages of tracks and the watermark.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::watermark::{StoredWatermark, Watermark};
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

/// A page of tracks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) tracks: BTreeSet<TrackId>,
    /// Whether all of its tracks are closed.
    #[serde(default)]
    pub(super) done: bool,
    /// Whether some of its tracks could not be closed.
    #[serde(default)]
    pub(super) aside: bool,
    /// When the page was first sent to a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_sent: Option<Time>,
    /// When the page was last sent to a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
}

/// Reads the worklist from the table of numbers, by a calendar.
#[derive(Debug, Clone)]
pub(super) struct WorklistReader {
    pub(super) stats: StatsTable,
    pub(super) calendar: Calendar,
}

impl WorklistReader {
    /// The watermark and its version, if anything was ever listed.
    pub(super) async fn watermark(&self, how: Consistency) -> Result<Option<(Watermark, String)>, StoreError> {
        let Some(item) = self.stats.get(&keys::frontier(), how).await? else { return Ok(None) };
        let stored: StoredWatermark = from_item(item)?;
        Ok(Some((stored.parse(&self.calendar)?, stored.version)))
    }

    /// The pages of a period, each with its name.
    pub(super) async fn active(&self, period: &Period, how: Consistency) -> Result<Vec<(String, Page)>, StoreError> {
        let all = KeyRange { pk: keys::active(period), from: " ".to_owned(), to: LAST.to_string() };
        let items = self.stats.query(&all, how).await?;
        items.into_iter().map(|item| Ok((sort_key(&item)?, from_item(item)?))).collect()
    }

    /// The late pages, the oldest first, up to a limit; and whether there are more.
    pub(super) async fn late(&self, most: usize, how: Consistency) -> Result<(Vec<LatePage>, bool), StoreError> {
        let all = KeyRange { pk: keys::LATE.to_owned(), from: " ".to_owned(), to: LAST.to_string() };
        let (items, more) = self.stats.query_up_to(&all, most, how).await?;
        let mut pages = Vec::with_capacity(items.len());
        for item in items {
            let name = sort_key(&item)?;
            let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(&name, error);
            // Earlier versions wrote no time before the hour. Its facts have landed after the hour began.
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

/// A page of tracks for which an hour is to be closed again.
pub(super) struct LatePage {
    pub(super) name: String,
    pub(super) hour: Period,
    /// What was folded before this time is on earlier pages, or was in time.
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
