//! Stamps: which change of a track's hour is included in a rollup, as both were read.
//!
//! A reader corrects a rollup by adding what late hours are and subtracting what they were. Both are items of their
//! own. A worker changes them in one transaction, but two reads of DynamoDB are not one. So a rollup counts its
//! changes, and an hour keeps the numbers that its last change has in the rollups it is part of, and its value before
//! that change. A reader that reads the rollup first and the hour after it, strongly consistent, knows which of the two
//! values the rollup includes.
//!
//! An hour without a number for a rollup was closed before the rollup, and is included in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stored::{StoredRollup, StoredTotal};
use crate::error::StoreError;
use crate::keys;
use domain::calendar::{Calendar, Level, Period};
use domain::counters::TrackCounters;
use domain::id::{TrackId, UserId};
use domain::rollup::Scope;

/// How many of its last changes a rollup names: more than all workers have in progress, which is two transactions of
/// seven tracks.
const MAX_RECENT_CHANGES: usize = 16;

/// A kind of rollup that includes hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RollupKind {
    /// The periods of a track.
    Track(Level),
    /// The total of a track's closed days.
    Total,
    /// The periods of an artist.
    Artist(Level),
    /// The periods of the platform.
    Platform(Level),
}

impl RollupKind {
    /// The kind of a scope's rollups at a level.
    pub(super) fn of(scope: &Scope, level: Level) -> Self {
        match scope {
            Scope::Track(_) => Self::Track(level),
            Scope::Artist(_) => Self::Artist(level),
            Scope::Platform => Self::Platform(level),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Track(level) => format!("t{}", keys::rollups_of(level)),
            Self::Total => "total".to_owned(),
            Self::Artist(level) => format!("{OF_ARTIST}{}", keys::rollups_of(level)),
            Self::Platform(level) => format!("p{}", keys::rollups_of(level)),
        }
    }
}

/// Marks a change whose number is stamped on all parts that changed with it.
const STAMPED: &str = "+";

/// The prefix of the names of artists' rollups.
const OF_ARTIST: char = 'a';

/// The numbers that the last change of an hour has in the rollups it is part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ChangeStamps(BTreeMap<String, u64>);

impl ChangeStamps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set(&mut self, kind: RollupKind, change: u64) {
        self.0.insert(kind.name(), change);
    }

    pub(super) fn of(&self, kind: RollupKind) -> u64 {
        self.0.get(&kind.name()).copied().unwrap_or(0)
    }

    /// These numbers, replaced by new ones where there are any.
    pub(super) fn with(mut self, new: Self) -> Self {
        self.0.extend(new.0);
        self
    }

    /// Those of artists' rollups, or all others.
    pub(super) fn of_artists(mut self, are: bool) -> Self {
        self.0.retain(|name, _| name.starts_with(OF_ARTIST) == are);
        self
    }
}

/// The value of a track's hour before its last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreviousValue {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artist: Option<UserId>,
    #[serde(default, skip_serializing_if = "ChangeStamps::is_empty")]
    pub(super) stamps: ChangeStamps,
    pub(super) value: TrackCounters,
}

/// A change of a track's hour or day, as `<number> <track> <period> +`: one string is read faster than a map. Earlier
/// versions wrote no `+`, and did not stamp its number on all that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RecentChange(String);

impl RecentChange {
    fn change(&self, track: &TrackId, part: &Period) -> Option<u64> {
        let mut words = self.0.split(' ');
        let change = words.next()?.parse().ok()?;
        let names = words.next() == Some(track.as_str()) && words.next() == Some(part.to_string().as_str());
        names.then_some(change)
    }

    /// The number of the change and the hour, if the number is stamped on all that changed with it.
    fn stamped(&self, track: &TrackId, calendar: &Calendar) -> Option<(u64, Period)> {
        let mut words = self.0.split(' ');
        let change = words.next()?.parse().ok()?;
        let hour = words.next().filter(|of| *of == track.as_str()).and(words.next())?;
        let hour = calendar.parse(Level::Hour, hour).ok()?;
        (words.next() == Some(STAMPED)).then_some((change, hour))
    }

    fn is_of(&self, track: &TrackId) -> bool {
        self.0.split(' ').nth(1) == Some(track.as_str())
    }
}

/// How often a rollup has changed, and its last changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ChangeCounter {
    pub(super) changes: u64,
    pub(super) named: Vec<RecentChange>,
}

impl From<&StoredRollup> for ChangeCounter {
    fn from(rollup: &StoredRollup) -> Self {
        Self { changes: rollup.changes, named: rollup.named.clone() }
    }
}

impl From<&StoredTotal> for ChangeCounter {
    fn from(total: &StoredTotal) -> Self {
        Self { changes: total.changes, named: total.named.clone() }
    }
}

impl ChangeCounter {
    /// Counts one more change, of these hours and days of tracks.
    pub(super) fn count<'a>(&self, parts: impl Iterator<Item = (&'a TrackId, &'a Period)>) -> Self {
        let changes = self.changes + 1;
        let mut named = self.named.clone();
        named.extend(parts.map(|(track, part)| RecentChange(format!("{changes} {track} {part} {STAMPED}"))));
        let superfluous = named.len().saturating_sub(MAX_RECENT_CHANGES);
        named.drain(..superfluous);
        Self { changes, named }
    }

    /// The last changes of a track's hours, each with its number, which is stamped on everything of the track that
    /// changed with it.
    pub(super) fn stamped(&self, track: &TrackId, calendar: &Calendar) -> Vec<(u64, Period)> {
        self.named.iter().filter_map(|named| named.stamped(track, calendar)).collect()
    }

    /// Removes the changes of a track that comes or goes as a whole. Returns whether there were any.
    pub(super) fn forget(&mut self, track: &TrackId) -> bool {
        let before = self.named.len();
        self.named.retain(|named| !named.is_of(track));
        self.named.len() < before
    }

    /// Asserts that all changes of a part are included, where the part was read after this.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if that is not certain. It is when both are read again.
    pub(super) fn assert_includes(
        &self,
        kind: RollupKind,
        track: &TrackId,
        part: &Period,
        read: &StoredRollup,
    ) -> Result<(), StoreError> {
        let stamp = read.stamps.of(kind);
        if self.last(track, part) > stamp || stamp > self.changes { Err(StoreError::Conflict) } else { Ok(()) }
    }

    /// The number of the last change of a part among those that are named.
    fn last(&self, track: &TrackId, part: &Period) -> u64 {
        self.named.iter().filter_map(|named| named.change(track, part)).max().unwrap_or(0)
    }

    /// The value of a track's hour that is included in the rollup, where the hour was read after this; `None` if it is
    /// not included.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if that is not certain: the transaction that changes both is in progress, or the hour
    /// has changed twice since. It is when both are read again.
    pub(super) fn part_of<'a>(
        &self,
        kind: RollupKind,
        (track, hour): (&TrackId, &Period),
        read: Option<&'a StoredRollup>,
    ) -> Result<Option<(Option<&'a UserId>, &'a TrackCounters)>, StoreError> {
        let stamp = read.map_or(0, |read| read.stamps.of(kind));
        if self.last(track, hour) > stamp {
            return Err(StoreError::Conflict);
        }
        let Some(read) = read else { return Ok(None) };
        if stamp <= self.changes {
            return Ok(Some((read.artist.as_ref(), &read.value.counters)));
        }
        match &read.before {
            None => Ok(None),
            Some(before) if before.stamps.of(kind) <= self.changes => Ok(Some((before.artist.as_ref(), &before.value))),
            Some(_) => Err(StoreError::Conflict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rollup::Rollup;

    const YEAR: RollupKind = RollupKind::Platform(Level::Year);

    fn rollup(plays: u64, change: u64, before: Option<(u64, u64)>) -> StoredRollup {
        let counters = |plays| TrackCounters { plays, ..TrackCounters::default() };
        let stamps = |change| {
            let mut stamps = ChangeStamps::default();
            stamps.set(YEAR, change);
            stamps
        };
        StoredRollup {
            version: "v".to_owned(),
            as_of: "2026-01-31T10:00:00Z".parse().unwrap(),
            artist: None,
            expires: None,
            ttl: None,
            changes: 1,
            named: Vec::new(),
            stamps: stamps(change),
            before: before.map(|(plays, change)| PreviousValue {
                artist: None,
                stamps: stamps(change),
                value: counters(plays),
            }),
            value: Rollup { counters: counters(plays), ..Rollup::default() },
        }
    }

    #[test]
    fn rollup_includes_changes_of_hours_up_to_its_count() {
        let (track, other): (TrackId, TrackId) = ("t".parse().unwrap(), "u".parse().unwrap());
        let hour = Calendar::default().period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let at = |changes| ChangeCounter { changes, named: Vec::new() };
        let plays = |change_counter: &ChangeCounter, read: Option<&StoredRollup>| {
            let part = change_counter.part_of(YEAR, (&track, &hour), read);
            part.map(|part| part.map(|(_, counters)| counters.plays)).map_err(|_| ())
        };
        assert_eq!(plays(&at(0), None), Ok(None));
        let first = rollup(3, 7, None);
        assert_eq!((plays(&at(6), Some(&first)), plays(&at(7), Some(&first))), (Ok(None), Ok(Some(3))));
        let second = rollup(5, 9, Some((3, 7)));
        assert_eq!(plays(&at(9), Some(&second)), Ok(Some(5)));
        assert_eq!(plays(&at(8), Some(&second)), Ok(Some(3)));
        assert_eq!(plays(&at(6), Some(&second)), Err(()), "it has changed twice since");
        // The rollup names a change that the hour does not have yet.
        let ahead = at(8).count([(&track, &hour)].into_iter());
        assert_eq!((plays(&ahead, Some(&first)), plays(&ahead, None)), (Err(()), Err(())));
        assert_eq!(plays(&ahead, Some(&second)), Ok(Some(5)));
        let of_another = at(8).count([(&other, &hour)].into_iter());
        assert_eq!(plays(&of_another, Some(&first)), Ok(Some(3)));
        let mut forgotten = ahead;
        assert!(forgotten.forget(&track) && !forgotten.forget(&track));
        assert_eq!(plays(&forgotten, Some(&first)), Ok(Some(3)));
    }

    #[test]
    fn counter_names_the_last_changes_only() {
        let (track, calendar) = ("t".parse().unwrap(), Calendar::default());
        let mut hour = calendar.period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let mut change_counter = ChangeCounter::default();
        for _ in 0..40 {
            change_counter = change_counter.count([(&track, &hour)].into_iter());
            hour = calendar.next(&hour);
        }
        assert_eq!((change_counter.changes, change_counter.named.len()), (40, MAX_RECENT_CHANGES));
        assert_eq!(change_counter.named.last().unwrap().change(&track, &calendar.previous(&hour)), Some(40));
    }
}
