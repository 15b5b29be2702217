//! Keys of rollups and of their worklists.

use super::{Key, TOTAL};
use domain::calendar::{Level, Period};
use domain::id::{TrackId, UserId};
use domain::rollup::Scope;
use domain::time::Time;

/// An entity's rollup.
#[must_use]
pub fn rollup(of: &Scope, period: &Period) -> Key {
    Key { pk: rollups(of), sk: format!("{}{period}", rollups_of(period.level())) }
}

/// The partition of an entity's rollups.
#[must_use]
pub fn rollups(of: &Scope) -> String {
    match of {
        Scope::Track(track) => format!("TRACK#{track}"),
        Scope::Artist(artist) => format!("ARTIST#{artist}"),
        Scope::Platform => "PLATFORM".to_owned(),
    }
}

/// The prefix of the sort keys of the rollups of a level.
#[must_use]
pub fn rollups_of(level: Level) -> &'static str {
    match level {
        Level::Hour => "H#",
        Level::Day => "D#",
        Level::Week => "W#",
        Level::Month => "M#",
        Level::Year => "Y#",
    }
}

/// A track's counters of all closed days.
#[must_use]
pub fn total(of: &TrackId) -> Key {
    Key { pk: format!("TRACK#{of}"), sk: TOTAL.to_owned() }
}

/// The mark of a track's hour that changed after it may have been closed.
#[must_use]
pub fn changed(of: &TrackId, hour: &Period) -> Key {
    Key { pk: format!("TRACK#{of}"), sk: format!("{CHANGED}{hour}") }
}

/// The prefix of the sort keys of changed hours. It sorts behind that of live buckets, so that one query finds both.
pub const CHANGED: &str = "C#";

/// The partition of the pages of tracks that were active in a period.
#[must_use]
pub fn active(period: &Period) -> String {
    format!("ACTIVE#{}{period}", rollups_of(period.level()))
}

/// The partition of the pages of tracks whose hours must be closed again.
pub const LATE: &str = "LATE";

/// A page of tracks whose hours must be closed again, ordered by the time when folding of their late facts began.
#[must_use]
pub fn late(since: Time, hour: &Period, page: &str) -> Key {
    Key { pk: LATE.to_owned(), sk: format!("{since}#{hour}#{page}") }
}

/// The watermark.
#[must_use]
pub fn frontier() -> Key {
    Key { pk: "ROLLUPS".to_owned(), sk: "FRONTIER".to_owned() }
}

/// The partition of the notes that tracks have come to an artist.
pub const MOVED: &str = "MOVED";

/// A note that a track has come to an artist.
#[must_use]
pub fn moved(track: &TrackId, page: &str) -> Key {
    Key { pk: MOVED.to_owned(), sk: format!("{track}#{page}") }
}

/// That a track comes to an artist or goes, and that not all of its closed periods have followed it yet.
#[must_use]
pub fn moving(artist: &UserId, track: &TrackId, page: &str) -> Key {
    Key { pk: super::user(artist), sk: format!("{MOVING}{track}#{page}") }
}

/// The prefix of the sort keys of an artist's moving tracks. It sorts behind that of all tracks, so that one query
/// finds both, in this order.
pub const MOVING: &str = "TRACKMOVING#";
