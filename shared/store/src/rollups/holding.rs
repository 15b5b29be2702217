//! Which change of a track's hour is part of a rollup, as both were read.
//!
//! A reader puts a rollup right by what late hours are and takes away what they were. Both lie in items of their own, a
//! worker changes them in one transaction, and no two reads of DynamoDB are one. So each says where it stands: a rollup
//! counts its changes, and an hour keeps the numbers that its last change had there, and what it was before that change.
//! Whoever reads the rollup first and the hour after it, strongly consistent, knows which of the two is part of the rollup.
//!
//! An hour that has no number for a rollup was closed before that rollup was, and is part of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stored::{StoredRollup, Total};
use crate::error::StoreError;
use crate::keys;
use domain::calendar::{Calendar, Level, Period};
use domain::counters::TrackCounters;
use domain::id::{TrackId, UserId};
use domain::rollup::Scope;

/// So many of its last changes a rollup names: more than all workers have under way, two transactions of seven tracks.
const NAMED: usize = 16;

/// A kind of rollup that hours are part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Periods of a track.
    Track(Level),
    /// A track's closed days.
    Total,
    /// Periods of an artist.
    Artist(Level),
    /// Periods of the platform.
    Platform(Level),
}

impl Holder {
    /// What holds the hours of a scope at a level.
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

/// What is said of a change with which all that changed was stamped.
const STAMPED: &str = "+";

/// What the names of artists' rollups begin with.
const OF_ARTIST: char = 'a';

/// The numbers that the last change of an hour had in the rollups it is part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Stamps(BTreeMap<String, u64>);

impl Stamps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set(&mut self, holder: Holder, change: u64) {
        self.0.insert(holder.name(), change);
    }

    pub(super) fn of(&self, holder: Holder) -> u64 {
        self.0.get(&holder.name()).copied().unwrap_or(0)
    }

    /// These, and in their place others where there are any.
    pub(super) fn with(mut self, new: Self) -> Self {
        self.0.extend(new.0);
        self
    }

    /// Those of artists' rollups, or the others.
    pub(super) fn of_artists(mut self, are: bool) -> Self {
        self.0.retain(|name, _| name.starts_with(OF_ARTIST) == are);
        self
    }
}

/// What an hour of a track was before its last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Before {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artist: Option<UserId>,
    #[serde(default, skip_serializing_if = "Stamps::is_empty")]
    pub(super) stamps: Stamps,
    pub(super) value: TrackCounters,
}

/// That the change of this number was one of a track's hour or day: `<number> <track> <period> +`, for a map takes longer to
/// be read. Earlier versions wrote no `+`, and did not stamp with it all that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Named(String);

impl Named {
    fn change(&self, track: &TrackId, part: &Period) -> Option<u64> {
        let mut words = self.0.split(' ');
        let change = words.next()?.parse().ok()?;
        let names = words.next() == Some(track.as_str()) && words.next() == Some(part.to_string().as_str());
        names.then_some(change)
    }

    /// The number and the hour of a track, if all that changed with it was stamped with the number.
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

/// Where a rollup stands: how often it has changed, and what the last changes were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) changes: u64,
    pub(super) named: Vec<Named>,
}

impl From<&StoredRollup> for Holding {
    fn from(rolled: &StoredRollup) -> Self {
        Self { changes: rolled.changes, named: rolled.named.clone() }
    }
}

impl From<&Total> for Holding {
    fn from(total: &Total) -> Self {
        Self { changes: total.changes, named: total.named.clone() }
    }
}

impl Holding {
    /// One change more, of these hours and days of tracks.
    pub(super) fn next<'a>(&self, parts: impl Iterator<Item = (&'a TrackId, &'a Period)>) -> Self {
        let changes = self.changes + 1;
        let mut named = self.named.clone();
        named.extend(parts.map(|(track, part)| Named(format!("{changes} {track} {part} {STAMPED}"))));
        let superfluous = named.len().saturating_sub(NAMED);
        named.drain(..superfluous);
        Self { changes, named }
    }

    /// The last changes that were those of a track's hours, each with its number. What else of the track changed with them was
    /// stamped with the same number.
    pub(super) fn stamped(&self, track: &TrackId, calendar: &Calendar) -> Vec<(u64, Period)> {
        self.named.iter().filter_map(|named| named.stamped(track, calendar)).collect()
    }

    /// Forgets which changes were a track's, which comes or goes as a whole; whether there were any.
    pub(super) fn forget(&mut self, track: &TrackId) -> bool {
        let before = self.named.len();
        self.named.retain(|named| !named.is_of(track));
        self.named.len() < before
    }

    /// Asserts that a part of a track, as it was read after this, is in it with all its changes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not, or not surely; read again, it will be.
    pub(super) fn holds(
        &self,
        holder: Holder,
        track: &TrackId,
        part: &Period,
        read: &StoredRollup,
    ) -> Result<(), StoreError> {
        let stamp = read.stamps.of(holder);
        if self.last(track, part) > stamp || stamp > self.changes { Err(StoreError::Conflict) } else { Ok(()) }
    }

    /// The number of the last change that was this part's, among those that are named.
    fn last(&self, track: &TrackId, part: &Period) -> u64 {
        self.named.iter().filter_map(|named| named.change(track, part)).max().unwrap_or(0)
    }

    /// What an hour of a track, as it was read after this, brings to it; `None` if nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if that cannot be told: the transaction that changed both is still being carried out, or
    /// the hour has changed twice since this was read. Read again, it can.
    pub(super) fn part<'a>(
        &self,
        holder: Holder,
        (track, hour): (&TrackId, &Period),
        read: Option<&'a StoredRollup>,
    ) -> Result<Option<(Option<&'a UserId>, &'a TrackCounters)>, StoreError> {
        let stamp = read.map_or(0, |read| read.stamps.of(holder));
        if self.last(track, hour) > stamp {
            return Err(StoreError::Conflict);
        }
        let Some(read) = read else { return Ok(None) };
        if stamp <= self.changes {
            return Ok(Some((read.artist.as_ref(), &read.value.counters)));
        }
        match &read.before {
            None => Ok(None),
            Some(before) if before.stamps.of(holder) <= self.changes => {
                Ok(Some((before.artist.as_ref(), &before.value)))
            }
            Some(_) => Err(StoreError::Conflict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rollup::Rollup;

    const YEAR: Holder = Holder::Platform(Level::Year);

    fn rolled(plays: u64, change: u64, before: Option<(u64, u64)>) -> StoredRollup {
        let counters = |plays| TrackCounters { plays, ..TrackCounters::default() };
        let stamps = |change| {
            let mut stamps = Stamps::default();
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
            before: before.map(|(plays, change)| Before {
                artist: None,
                stamps: stamps(change),
                value: counters(plays),
            }),
            value: Rollup { counters: counters(plays), ..Rollup::default() },
        }
    }

    #[test]
    fn tells_which_change_of_an_hour_is_part_of_a_rollup() {
        let (track, other): (TrackId, TrackId) = ("t".parse().unwrap(), "u".parse().unwrap());
        let hour = Calendar::default().period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let at = |changes| Holding { changes, named: Vec::new() };
        let plays = |holding: &Holding, read: Option<&StoredRollup>| {
            let part = holding.part(YEAR, (&track, &hour), read);
            part.map(|part| part.map(|(_, counters)| counters.plays)).map_err(|_| ())
        };
        assert_eq!(plays(&at(0), None), Ok(None));
        let first = rolled(3, 7, None);
        assert_eq!((plays(&at(6), Some(&first)), plays(&at(7), Some(&first))), (Ok(None), Ok(Some(3))));
        let second = rolled(5, 9, Some((3, 7)));
        assert_eq!(plays(&at(9), Some(&second)), Ok(Some(5)));
        assert_eq!(plays(&at(8), Some(&second)), Ok(Some(3)));
        assert_eq!(plays(&at(6), Some(&second)), Err(()), "it has changed twice since");
        // The rollup names a change that the hour does not show yet.
        let ahead = at(8).next([(&track, &hour)].into_iter());
        assert_eq!((plays(&ahead, Some(&first)), plays(&ahead, None)), (Err(()), Err(())));
        assert_eq!(plays(&ahead, Some(&second)), Ok(Some(5)));
        let of_another = at(8).next([(&other, &hour)].into_iter());
        assert_eq!(plays(&of_another, Some(&first)), Ok(Some(3)));
        let mut forgotten = ahead;
        assert!(forgotten.forget(&track) && !forgotten.forget(&track));
        assert_eq!(plays(&forgotten, Some(&first)), Ok(Some(3)));
    }

    #[test]
    fn names_the_last_changes_and_no_more() {
        let (track, calendar) = ("t".parse().unwrap(), Calendar::default());
        let mut hour = calendar.period(Level::Hour, "2026-01-31T09:30:00Z".parse().unwrap());
        let mut holding = Holding::default();
        for _ in 0..40 {
            holding = holding.next([(&track, &hour)].into_iter());
            hour = calendar.next(&hour);
        }
        assert_eq!((holding.changes, holding.named.len()), (40, NAMED));
        assert_eq!(holding.named.last().unwrap().change(&track, &calendar.previous(&hour)), Some(40));
    }
}
