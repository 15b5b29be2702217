//! Playlists and submissions, each with a copy in the list of its owner or its artist.
//!
//! An item and its copy are written in one transaction, on the condition that the item is unchanged: they never differ,
//! and no copy remains with a former owner.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item, to_item, to_key};
use super::keys::{self, Key, PK, SK};
use super::transaction::{Condition, Transaction};
use crate::setup::Setup;
use domain::id::{PlaylistId, TrackId, UserId};
use domain::playlist::{Playlist, Submission};
use system::ids::Ids;

/// A playlist in the list of its owner.
#[derive(Serialize, Deserialize)]
struct Owned<P> {
    playlist: PlaylistId,
    #[serde(flatten)]
    document: P,
}

/// The table of playlists.
#[derive(Clone)]
pub struct Playlists {
    client: Client,
    table: String,
    ids: Arc<dyn Ids>,
}

impl Playlists {
    /// Opens the playlists.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let table = setup.state_table();
        Self { client: table.client.clone(), table: table.name.clone(), ids: setup.ids() }
    }

    /// A playlist, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn playlist<'a>(
        &'a self,
        id: &'a PlaylistId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Playlist>>, StoreError>> {
        Box::pin(async move { self.get(&keys::playlist(id)).await?.map(from_item).transpose() })
    }

    /// Puts a playlist in place of the stored one, or a new one, and returns its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put<'a>(
        &'a self,
        id: &'a PlaylistId,
        playlist: &'a Playlist,
        stored: Option<&'a Versioned<Playlist>>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let owned = Owned { playlist: id.clone(), document: playlist };
            let write = Write {
                item: to_item(&keys::playlist(id), Versioned { version: version.clone(), document: playlist })?,
                mirror: to_item(&keys::playlist_of(&playlist.owner, id), owned)?,
                stored: stored.map(|stored| stored.version.clone()),
                outdated: stored
                    .filter(|stored| stored.document.owner != playlist.owner)
                    .map(|stored| keys::playlist_of(&stored.document.owner, id)),
            };
            self.write(write).await?;
            Ok(version)
        })
    }

    /// The submission of a track to a playlist, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn submission<'a>(
        &'a self,
        playlist: &'a PlaylistId,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Submission>>, StoreError>> {
        Box::pin(async move { self.get(&keys::submission(playlist, track)).await?.map(from_item).transpose() })
    }

    /// Puts a submission in place of the stored one, or a new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put_submission<'a>(
        &'a self,
        submission: &'a Submission,
        stored: Option<&'a Versioned<Submission>>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let Submission { playlist, track, artist, .. } = submission;
            let version = Version(self.ids.fresh());
            let document = Versioned { version: version.clone(), document: submission };
            let write = Write {
                item: to_item(&keys::submission(playlist, track), document)?,
                mirror: to_item(&keys::submission_of(artist, playlist, track), submission)?,
                stored: stored.map(|stored| stored.version.clone()),
                outdated: stored
                    .filter(|stored| stored.document.artist != *artist)
                    .map(|stored| keys::submission_of(&stored.document.artist, playlist, track)),
            };
            self.write(write).await?;
            Ok(version)
        })
    }

    /// All playlists of a user by id; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read, or one is not what this program writes.
    pub fn of_owner<'a>(&'a self, owner: &'a UserId) -> BoxFuture<'a, Result<Vec<(PlaylistId, Playlist)>, StoreError>> {
        Box::pin(async move {
            let owned: Vec<Owned<Playlist>> = self.of_user(owner, keys::PLAYLISTS).await?;
            Ok(owned.into_iter().map(|owned| (owned.playlist, owned.document)).collect())
        })
    }

    /// All submissions of an artist, in the order of playlist and track; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read, or one is not what this program writes.
    pub fn submissions_of<'a>(&'a self, artist: &'a UserId) -> BoxFuture<'a, Result<Vec<Submission>, StoreError>> {
        Box::pin(self.of_user(artist, keys::SUBMISSIONS))
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let read = self.client.get_item().table_name(&self.table).consistent_read(true).set_key(Some(to_key(key)));
        Ok(read.send().await?.item)
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(self.client.clone());
        let condition = Condition::unchanged(write.stored.map(|version| version.0));
        transaction.put(&self.table, write.item, Some(condition))?;
        transaction.put(&self.table, write.mirror, None)?;
        if let Some(outdated) = &write.outdated {
            transaction.delete(&self.table, outdated, None)?;
        }
        transaction.commit().await
    }

    async fn of_user<T: DeserializeOwned>(&self, user: &UserId, kind: &str) -> Result<Vec<T>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :user AND begins_with(#sk, :kind)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":user", AttributeValue::S(keys::user(user)))
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page?.items.unwrap_or_default() {
                all.push(from_item(item)?);
            }
        }
        Ok(all)
    }
}

/// An item and its mirror, to be written together.
struct Write {
    item: Item,
    mirror: Item,
    /// The version that the item must still be of; `None`: it must still not be there.
    stored: Option<Version>,
    /// The copy in the list of the former owner.
    outdated: Option<Key>,
}
