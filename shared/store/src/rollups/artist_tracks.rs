//! The tracks of an artist.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{RollupReader, parse_suffix};
use crate::error::StoreError;
use crate::items::{VERSION, text};
use crate::keys::{self, SK};
use crate::table::{Consistency, KeyRange};
use domain::id::{TrackId, UserId};

/// The tracks of an artist, each with the version of its entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) tracks: BTreeMap<TrackId, Option<String>>,
    /// Tracks that change artists, whose closed periods may not have moved yet.
    pub(super) moving: BTreeSet<TrackId>,
}

impl Membership {
    pub(super) fn tracks(&self) -> BTreeSet<TrackId> {
        self.tracks.keys().cloned().collect()
    }

    /// Whether the artist's rollups may include other tracks.
    pub(super) fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }
}

impl RollupReader {
    /// The tracks of an artist, and those that change artists. The notes of moves are read after the tracks: a track
    /// that moved before either of these reads has a note, or all of its periods have moved.
    pub(super) async fn membership(&self, artist: &UserId) -> Result<Membership, StoreError> {
        let mut all = KeyRange::with_prefix(keys::user(artist), keys::MOVING);
        keys::TRACKS_OF.clone_into(&mut all.from);
        let mut membership = Membership::default();
        for item in self.state.query(&all, Consistency::Strong).await? {
            if text(&item, SK).is_some_and(|sk| sk.starts_with(keys::MOVING)) {
                let name: String = parse_suffix(&item, keys::MOVING)?;
                let track = name.split('#').next().unwrap_or_default();
                membership.moving.insert(track.parse().map_err(|error| StoreError::corrupt(track, error))?);
            } else {
                let version = text(&item, VERSION).map(str::to_owned);
                membership.tracks.insert(parse_suffix(&item, keys::TRACKS_OF)?, version);
            }
        }
        Ok(membership)
    }
}
