//! Rollups: the figures of an entity in a period.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counters::{NotAmong, TrackCounters};
use super::id::{TrackId, UserId};

/// The scope of a rollup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A track's.
    Track(TrackId),
    /// All tracks of an artist.
    Artist(UserId),
    /// All tracks.
    Platform,
}

/// The share of one track in its artist's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// The plays.
    pub plays: u64,
    /// The likes, including those taken back.
    pub likes: u64,
}

/// The shares of an artist's tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shares {
    /// The share of each track.
    Each(BTreeMap<TrackId, Share>),
    /// More tracks brought something than are listed.
    TooMany,
}

impl Default for Shares {
    fn default() -> Self {
        Self::Each(BTreeMap::new())
    }
}

impl Shares {
    /// The share of each track; `None` if there are too many.
    #[must_use]
    pub const fn each(&self) -> Option<&BTreeMap<TrackId, Share>> {
        match self {
            Self::Each(tracks) => Some(tracks),
            Self::TooMany => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.each().is_some_and(BTreeMap::is_empty)
    }
}

/// The figures of an entity in a period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollup {
    /// The counters.
    #[serde(flatten)]
    pub counters: TrackCounters,
    /// The shares of the tracks; only of artists.
    #[serde(with = "shares", skip_serializing_if = "Shares::is_empty")]
    pub tracks: Shares,
}

/// The shares of tracks as one text: `<track>#<plays>#<likes>`, separated by blanks. A map of hundreds of maps takes
/// longer to read than the rest of the item. `*` stands for too many.
mod shares {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Share, Shares, TrackId};

    const TOO_MANY: &str = "*";

    pub(super) fn serialize<S: Serializer>(shares: &Shares, to: S) -> Result<S::Ok, S::Error> {
        let Some(tracks) = shares.each() else { return to.serialize_str(TOO_MANY) };
        let mut text = String::new();
        for (track, share) in tracks {
            let blank = if text.is_empty() { "" } else { " " };
            write!(text, "{blank}{track}#{}#{}", share.plays, share.likes).map_err(serde::ser::Error::custom)?;
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Shares, D::Error> {
        let text = String::deserialize(from)?;
        if text == TOO_MANY {
            return Ok(Shares::TooMany);
        }
        let mut tracks = BTreeMap::new();
        for one in text.split_whitespace() {
            let mut parts = one.split('#');
            let mut part = || parts.next().ok_or_else(|| D::Error::custom("not what a track brought"));
            let track: TrackId = part()?.parse().map_err(D::Error::custom)?;
            let plays = part()?.parse().map_err(D::Error::custom)?;
            let likes = part()?.parse().map_err(D::Error::custom)?;
            tracks.insert(track, Share { plays, likes });
        }
        Ok(Shares::Each(tracks))
    }
}

impl Rollup {
    /// Drops the list of tracks if it is longer than this: an item must not grow with the tracks of an artist.
    pub fn list_at_most(&mut self, most: usize) {
        if self.tracks.each().is_some_and(|tracks| tracks.len() > most) {
            self.tracks = Shares::TooMany;
        }
    }

    /// Adds the figures of another period, or of another entity.
    pub fn merge(&mut self, other: &Self) {
        use super::fold::Fold as _;
        self.counters.merge(&other.counters);
        match (&mut self.tracks, &other.tracks) {
            (Shares::Each(tracks), Shares::Each(others)) => {
                for (track, share) in others {
                    let mine = tracks.entry(track.clone()).or_default();
                    mine.plays += share.plays;
                    mine.likes += share.likes;
                }
            }
            (tracks, _) => *tracks = Shares::TooMany,
        }
    }

    /// Adds the figures of a track, and its share if shares are listed.
    pub fn add(&mut self, track: Option<&TrackId>, counters: &TrackCounters) {
        use super::fold::Fold as _;
        self.counters.merge(counters);
        if let (Some(track), Shares::Each(tracks)) = (track, &mut self.tracks) {
            let share = tracks.entry(track.clone()).or_default();
            share.plays += counters.plays;
            share.likes += counters.likes;
        }
    }

    /// Subtracts the figures of a track that were added before.
    ///
    /// # Errors
    /// If they are not among these.
    pub fn take_away(&mut self, track: Option<&TrackId>, counters: &TrackCounters) -> Result<(), NotAmong> {
        self.counters.take_away(counters)?;
        if let (Some(track), Shares::Each(tracks)) = (track, &mut self.tracks) {
            let none = counters.plays == 0 && counters.likes == 0;
            let share = match tracks.get_mut(track) {
                Some(share) => share,
                None if none => return Ok(()),
                None => return Err(NotAmong),
            };
            share.plays = share.plays.checked_sub(counters.plays).ok_or(NotAmong)?;
            share.likes = share.likes.checked_sub(counters.likes).ok_or(NotAmong)?;
            if *share == Share::default() {
                tracks.remove(track);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_counters_can_be_subtracted() {
        let (a, b): (TrackId, TrackId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let counters = |plays, likes| TrackCounters { plays, likes, ..TrackCounters::default() };
        let mut rollup = Rollup::default();
        rollup.add(Some(&a), &counters(3, 1));
        rollup.add(Some(&b), &counters(2, 0));
        rollup.take_away(Some(&a), &counters(1, 1)).unwrap();
        assert_eq!((rollup.counters.plays, rollup.counters.likes), (4, 0));
        assert_eq!(rollup.tracks.each().unwrap()[&a], Share { plays: 2, likes: 0 });
        rollup.take_away(Some(&b), &counters(2, 0)).unwrap();
        assert_eq!(rollup.tracks.each().unwrap().len(), 1);
        assert_eq!(rollup.take_away(Some(&b), &counters(1, 0)), Err(NotAmong));
    }

    #[test]
    fn too_many_tracks_are_counted_without_a_list() {
        let track = |number: u32| format!("t{number}").parse::<TrackId>().unwrap();
        let played = TrackCounters { plays: 2, ..TrackCounters::default() };
        let mut rollup = Rollup::default();
        (0..3).for_each(|number| rollup.add(Some(&track(number)), &played));
        rollup.list_at_most(3);
        assert_eq!(rollup.tracks.each().map(BTreeMap::len), Some(3));
        rollup.list_at_most(2);
        rollup.add(Some(&track(3)), &played);
        rollup.take_away(Some(&track(9)), &played).unwrap();
        let text = serde_json::to_string(&rollup).unwrap();
        assert_eq!(serde_json::from_str::<Rollup>(&text).unwrap(), rollup, "{text}");
        assert_eq!((&rollup.tracks, rollup.counters.plays), (&Shares::TooMany, 6));
        let mut others = Rollup::default();
        others.add(Some(&track(0)), &played);
        others.merge(&rollup);
        assert_eq!((&others.tracks, others.counters.plays), (&Shares::TooMany, 8));
    }
}
