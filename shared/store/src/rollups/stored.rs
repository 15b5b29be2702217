//! How a rollup lies in its item.

use serde::{Deserialize, Serialize};

use super::holding::{Before, Named, Stamps};
use domain::counters::TrackCounters;
use domain::id::UserId;
use domain::rollup::Rollup;
use domain::time::Time;

/// The rollup of a period.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredRollup {
    pub(super) version: String,
    /// When the fold began that it holds.
    pub(super) as_of: Time,
    /// The artist whose numbers it is part of; of tracks only.
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
    /// What its last changes were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<Named>,
    /// The numbers of the change that made it what it is, in what it is part of; of hours and days of tracks only.
    #[serde(default, skip_serializing_if = "Stamps::is_empty")]
    pub(super) stamps: Stamps,
    /// What it was before that change; of hours of tracks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
    pub(super) value: Rollup,
}

/// The sum of a track's closed days, without its sketches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Total {
    pub(super) version: String,
    pub(super) as_of: Time,
    /// How often it has changed.
    #[serde(default)]
    pub(super) changes: u64,
    /// What its last changes were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<Named>,
    pub(super) value: TrackCounters,
}

#[cfg(test)]
mod tests {
    use super::super::holding::{Holder, Holding};
    use super::super::recompute::MOST_LISTED;
    use super::*;
    use crate::items::{size, to_item};
    use crate::keys::Key;
    use domain::calendar::{Calendar, Level};
    use domain::country::Country;
    use domain::id::{MAX_LENGTH, TrackId};

    /// Counters with every number as large as it gets, and in every country.
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

    /// The largest rollup of an artist, with what an hour of a track keeps besides.
    #[test]
    fn the_largest_rollup_fits_into_an_item() {
        let calendar = Calendar::default();
        let mut hour = calendar.period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let mut holding = Holding::default();
        for _ in 0..40 {
            hour = calendar.next(&hour);
            holding = holding.next([(&track(1), &hour)].into_iter());
        }
        let mut value = Rollup::default();
        let share = TrackCounters { plays: u64::MAX, likes: u64::MAX, ..TrackCounters::default() };
        (0..MOST_LISTED).for_each(|number| {
            let mut one = Rollup::default();
            one.add(Some(&track(number)), &share);
            one.counters = TrackCounters::default();
            value.merge(&one);
        });
        value.list_at_most(MOST_LISTED);
        assert_eq!(value.tracks.each().map(std::collections::BTreeMap::len), Some(MOST_LISTED));
        value.counters = counters();
        let mut stamps = Stamps::default();
        for level in Level::ALL {
            for holder in [Holder::Track(level), Holder::Artist(level), Holder::Platform(level), Holder::Total] {
                stamps.set(holder, u64::MAX);
            }
        }
        let before = Before { artist: None, stamps: stamps.clone(), value: counters() };
        let rolled = StoredRollup {
            version: "v".repeat(MAX_LENGTH),
            as_of: "2026-01-31T10:00:00Z".parse().unwrap(),
            artist: Some("a".repeat(MAX_LENGTH).parse().unwrap()),
            expires: Some(i64::MAX),
            ttl: Some(i64::MAX),
            changes: holding.changes,
            named: holding.named,
            stamps,
            before: Some(before),
            value,
        };
        let key = Key { pk: "p".repeat(MAX_LENGTH), sk: "s".repeat(MAX_LENGTH) };
        let bytes = size(&to_item(&key, rolled).unwrap());
        assert!((100_000..400 * 1024).contains(&bytes), "{bytes}");
    }
}
