//! The items of rollups.

use serde::{Deserialize, Serialize};

use super::stamps::{ChangeStamps, PreviousValue, RecentChange};
use domain::counters::TrackCounters;
use domain::id::UserId;
use domain::rollup::Rollup;
use domain::time::Time;

/// The rollup of a period.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredRollup {
    pub(super) version: String,
    /// When its value was computed.
    pub(super) as_of: Time,
    /// The artist whose rollups include it; of tracks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artist: Option<UserId>,
    /// When the first of its facts expires, in seconds since 1970; of tracks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
    /// How often it has changed.
    #[serde(default)]
    pub(super) changes: u64,
    /// Its last changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<RecentChange>,
    /// The numbers of its last change in the rollups it is part of; of hours and days of tracks only.
    #[serde(default, skip_serializing_if = "ChangeStamps::is_empty")]
    pub(super) stamps: ChangeStamps,
    /// Its value before that change; of hours of tracks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<PreviousValue>,
    pub(super) value: Rollup,
}

/// The sum of a track's closed days, without sketches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredTotal {
    pub(super) version: String,
    pub(super) as_of: Time,
    /// How often it has changed.
    #[serde(default)]
    pub(super) changes: u64,
    /// Its last changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<RecentChange>,
    pub(super) value: TrackCounters,
}

#[cfg(test)]
mod tests {
    use super::super::propagate::MAX_SHARES;
    use super::super::stamps::{ChangeCounter, RollupKind};
    use super::*;
    use crate::items::{size, to_item};
    use crate::keys::Key;
    use domain::calendar::{Calendar, Level};
    use domain::country::Country;
    use domain::id::{MAX_LENGTH, TrackId};

    /// Counters with the largest value of every number, in every country.
    fn counters() -> TrackCounters {
        let mut counters =
            TrackCounters { plays: u64::MAX, likes: u64::MAX, duration_ms: u64::MAX, ..Default::default() };
        let letters = || (b'A'..=b'Z').map(char::from);
        let codes = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
        for code in codes.filter(|code| code.parse::<Country>().is_ok()) {
            counters.by_country.insert(code, u64::MAX);
        }
        for number in 0..100_000 {
            counters.sessions.insert(&number.to_string());
            counters.listeners.insert(&number.to_string());
        }
        counters
    }

    fn track(number: usize) -> TrackId {
        format!("{number:0>MAX_LENGTH$}").parse().unwrap()
    }

    /// The largest rollup of an artist, with the attributes of an hour of a track.
    #[test]
    fn largest_rollup_fits_into_item() {
        let calendar = Calendar::default();
        let mut hour = calendar.period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let mut change_counter = ChangeCounter::default();
        for _ in 0..40 {
            hour = calendar.next(&hour);
            change_counter = change_counter.count([(&track(1), &hour)].into_iter());
        }
        let mut value = Rollup::default();
        let share = TrackCounters { plays: u64::MAX, likes: u64::MAX, ..TrackCounters::default() };
        (0..MAX_SHARES).for_each(|number| {
            let mut one = Rollup::default();
            one.add(Some(&track(number)), &share);
            one.counters = TrackCounters::default();
            value.merge(&one);
        });
        value.list_at_most(MAX_SHARES);
        assert_eq!(value.tracks.each().map(std::collections::BTreeMap::len), Some(MAX_SHARES));
        value.counters = counters();
        let mut stamps = ChangeStamps::default();
        for level in Level::ALL {
            for kind in
                [RollupKind::Track(level), RollupKind::Artist(level), RollupKind::Platform(level), RollupKind::Total]
            {
                stamps.set(kind, u64::MAX);
            }
        }
        let before = PreviousValue { artist: None, stamps: stamps.clone(), value: counters() };
        let rollup = StoredRollup {
            version: "v".repeat(MAX_LENGTH),
            as_of: "2026-01-31T10:00:00Z".parse().unwrap(),
            artist: Some("a".repeat(MAX_LENGTH).parse().unwrap()),
            expires: Some(i64::MAX),
            ttl: Some(i64::MAX),
            changes: change_counter.changes,
            named: change_counter.named,
            stamps,
            before: Some(before),
            value,
        };
        let key = Key { pk: "p".repeat(MAX_LENGTH), sk: "s".repeat(MAX_LENGTH) };
        let bytes = size(&to_item(&key, rollup).unwrap());
        assert!((100_000..400 * 1024).contains(&bytes), "{bytes}");
    }
}
