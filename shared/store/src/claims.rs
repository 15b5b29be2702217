//! Claims: whether a track has numbers before anybody has described it.

use aws_sdk_dynamodb::Client;

use super::error::StoreError;
use super::keys;
use super::table::{KeyRange, Table};
use domain::entity::Entity;
use domain::id::TrackId;

/// The numbers of tracks, to see whether there are any.
#[derive(Debug, Clone)]
pub struct Claims {
    stats: Table,
}

impl Claims {
    /// The numbers in a table.
    #[must_use]
    pub fn new(client: Client, stats: String) -> Self {
        Self { stats: Table::new(client, stats) }
    }

    /// Whether anything was counted for a track.
    ///
    /// # Errors
    /// If that could not be read.
    pub async fn has_numbers(&self, track: &TrackId) -> Result<bool, StoreError> {
        let all = KeyRange::beginning(keys::entity(&Entity::Track(track.clone())), "");
        Ok(!self.stats.first(&all, 1).await?.is_empty())
    }
}
