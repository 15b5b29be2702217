//! Keys of playlists.

use super::{DOCUMENT, EntityKey, Key, user};
use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::{PlaylistId, TrackId, UserId};

/// Whether an actor saved something to a playlist.
#[must_use]
pub fn save(actor: &Actor, of: &Entity, playlist: &PlaylistId) -> Key {
    Key { pk: format!("ACTOR#{actor}"), sk: format!("SAVE#{}#{playlist}", EntityKey(of)) }
}

/// A playlist's document.
#[must_use]
pub fn playlist(id: &PlaylistId) -> Key {
    Key { pk: format!("PLAYLIST#{id}"), sk: DOCUMENT.to_owned() }
}

/// A track submitted to a playlist.
#[must_use]
pub fn submission(playlist: &PlaylistId, track: &TrackId) -> Key {
    Key { pk: format!("PLAYLIST#{playlist}"), sk: format!("{SUBMISSIONS}{track}") }
}

/// A playlist, listed by owner.
#[must_use]
pub fn playlist_of(owner: &UserId, id: &PlaylistId) -> Key {
    Key { pk: user(owner), sk: format!("{PLAYLISTS}{id}") }
}

/// The prefix of the sort keys of an owner's playlists.
pub const PLAYLISTS: &str = "PLAYLIST#";

/// A submission, listed by artist.
#[must_use]
pub fn submission_of(artist: &UserId, playlist: &PlaylistId, track: &TrackId) -> Key {
    Key { pk: user(artist), sk: format!("{SUBMISSIONS}{playlist}#{track}") }
}

/// The prefix of the sort keys of an artist's submissions.
pub const SUBMISSIONS: &str = "SUBMISSION#";
