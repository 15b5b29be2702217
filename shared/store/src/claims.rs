//! Claims: whether a track has stats before it is described.

use super::error::StoreError;
use super::keys;
use super::table::KeyRange;
use crate::setup::{Setup, StatsTable};
use domain::entity::Entity;
use domain::id::TrackId;

/// Checks whether tracks have stats.
#[derive(Debug, Clone)]
pub struct Claims {
    stats: StatsTable,
}

impl Claims {
    /// Opens the claims.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table() }
    }

    /// Whether anything was counted for a track.
    ///
    /// # Errors
    /// If that could not be read.
    pub async fn has_stats(&self, track: &TrackId) -> Result<bool, StoreError> {
        let all = KeyRange::with_prefix(keys::entity(&Entity::Track(track.clone())), "");
        Ok(!self.stats.query_head(&all, 1).await?.is_empty())
    }
}
