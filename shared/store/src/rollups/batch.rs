//! Batches of rollups that are recomputed together, and how each of them changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::stamps::ChangeStamps;
use super::stored::StoredRollup;
use crate::keys::{self, Key};
use crate::retention::ROLLUPS_LIVE;
use domain::calendar::{Level, Period};
use domain::id::{TrackId, UserId};
use domain::rollup::{Rollup, Scope};
use domain::time::Time;

/// How long items of hours are kept after they were last written.
const HOURS_KEPT: TimeDelta = TimeDelta::days(90);

/// How the new value of a rollup is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecomputeSource {
    /// From its parts: the minutes of an hour, the shorter periods of a longer one.
    Parts,
    /// From its parts, except for an hour that is closed already: facts that have landed since are marked, and count
    /// only when the hour is closed again together with all periods above it.
    PartsUnlessClosed,
    /// The value stays: only the artist changes.
    Unchanged,
}

/// Rollups that are recomputed in one transaction.
pub(super) struct RecomputeBatch<'a> {
    pub(super) tracks: &'a BTreeSet<TrackId>,
    /// The periods, the shortest first.
    pub(super) periods: &'a [Period],
    /// The hour whose marks are removed.
    pub(super) changed: Option<Period>,
    pub(super) from: RecomputeSource,
}

/// A rollup as it was read and as it becomes.
pub(super) struct RollupChange {
    pub(super) current: Option<StoredRollup>,
    pub(super) new: StoredRollup,
}

impl RollupChange {
    /// Whether the value changes for the track and the platform.
    pub(super) fn changes_value(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.value != self.new.value)
    }

    /// Whether the value changes for the artist.
    pub(super) fn changes_artist(&self) -> bool {
        self.changes_value() || self.current.as_ref().is_none_or(|current| current.artist != self.new.artist)
    }
}

pub(super) type RollupChanges = BTreeMap<(Period, TrackId), RollupChange>;

/// The numbers of the last changes of artists' and the platform's rollups.
pub(super) type ParentChanges = BTreeMap<(Scope, Period), u64>;

/// The numbers of the last changes of tracks' totals.
pub(super) type TotalChanges = BTreeMap<TrackId, u64>;

impl RecomputeBatch<'_> {
    /// The keys of all items of the tracks that are read for their versions.
    pub(super) fn keys(&self) -> BTreeSet<Key> {
        let mut all = BTreeSet::new();
        for track in self.tracks {
            let scope = Scope::Track(track.clone());
            all.extend(self.periods.iter().map(|period| keys::rollup(&scope, period)));
            all.extend(self.changed.iter().map(|hour| keys::changed(track, hour)));
            if self.closes_days() {
                all.insert(keys::total(track));
            }
        }
        all
    }

    /// The hours that may have been closed before and that change now.
    pub(super) fn late(&self, changes: &RollupChanges, how: fn(&RollupChange) -> bool) -> Vec<(Period, TrackId)> {
        let hours = changes.iter().filter(|((period, _), change)| period.level() == Level::Hour && how(change));
        hours.filter(|_| self.from == RecomputeSource::Parts).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn closes_days(&self) -> bool {
        self.from != RecomputeSource::Unchanged && self.periods.iter().any(|period| period.level() == Level::Day)
    }
}

/// A new rollup, with its artist and the time at which the first of its facts expires.
pub(super) fn new_rollup(
    version: String,
    period: &Period,
    now: Time,
    (artist, expires): (Option<UserId>, Option<i64>),
    value: Rollup,
) -> StoredRollup {
    let ttl = (period.level() == Level::Hour).then(|| {
        let kept = now.plus(HOURS_KEPT).seconds();
        expires.map_or(kept, |expires| kept.max(expires + ROLLUPS_LIVE.num_seconds()))
    });
    StoredRollup {
        version,
        as_of: now,
        artist,
        expires,
        ttl,
        changes: 0,
        named: Vec::new(),
        stamps: ChangeStamps::default(),
        before: None,
        value,
    }
}
