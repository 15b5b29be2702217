//! What several functions answer alike.

use serde_json::{Value, json};

use crate::domain::id::PlaylistId;
use crate::domain::playlist::{Playlist, Submission};

/// A playlist.
#[must_use]
pub fn playlist(id: &PlaylistId, playlist: &Playlist) -> Value {
    json!({
        "playlistId": id,
        "ownerId": playlist.owner,
        "title": playlist.title,
        "description": playlist.description,
        "isOpen": playlist.is_open,
    })
}

/// A submission, which is named by its track.
#[must_use]
pub fn submission(submission: &Submission) -> Value {
    json!({
        "submissionId": submission.track,
        "playlistId": submission.playlist,
        "trackId": submission.track,
        "artistId": submission.artist,
        "status": submission.status,
        "submittedAt": submission.submitted_at,
        "decidedAt": submission.decided_at,
    })
}
