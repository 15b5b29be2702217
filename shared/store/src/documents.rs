//! Documents: tracks as they are described, each with a version that is never used twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::items::{from_item, key_of, number, text, to_item, to_key};
use super::keys::{self, PK, SK};
use super::table::{Consistency, KeyRange, Table};
use super::transaction::{Condition, Transaction};
use crate::setup::Setup;
use domain::entity::Entity;
use domain::id::{TrackId, UserId};
use domain::time::Time;
use domain::track::Track;
use system::ids::Ids;

/// The version of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// A document and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<T> {
    /// The version.
    pub version: Version,
    /// The document.
    #[serde(flatten)]
    pub document: T,
}

/// A track as it is listed under its artist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The title.
    pub title: String,
    /// When it was or will be released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
}

/// A note that a track has come to an artist.
#[derive(Serialize)]
struct Moved<'a> {
    /// The former artist and the new one.
    artists: BTreeSet<&'a UserId>,
}

/// The condition of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutCondition {
    /// There is none.
    Absent,
    /// The document has this version.
    Unchanged(Version),
}

/// The table of documents.
#[derive(Clone)]
pub struct Documents {
    client: Client,
    table: String,
    ids: Arc<dyn Ids>,
}

/// The most keys of one `BatchGetItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const BATCH: usize = 100;

const DURATION: &str = "durationMs";

impl Documents {
    /// Opens the documents.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let table = setup.state_table();
        Self { client: table.client.clone(), table: table.name.clone(), ids: setup.ids() }
    }

    /// A track's document, if it was described; strongly consistent if `strong`.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn track<'a>(
        &'a self,
        id: &'a TrackId,
        strong: bool,
    ) -> BoxFuture<'a, Result<Option<Versioned<Track>>, StoreError>> {
        Box::pin(async move {
            let key = keys::document(&Entity::Track(id.clone()));
            let read =
                self.client.get_item().table_name(&self.table).consistent_read(strong).set_key(Some(to_key(&key)));
            read.send().await?.item.map(from_item).transpose()
        })
    }

    /// Puts a track's document if the condition holds, and returns its new version. `previous_artist` is the artist of
    /// the stored document.
    ///
    /// The same transaction lists the track under its artist. If the artist changes, it also notes that the track's
    /// closed periods must move to the new artist, and notes the pending move with both artists.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the condition does not hold.
    pub fn put_track<'a>(
        &'a self,
        id: &'a TrackId,
        track: &'a Track,
        previous_artist: Option<&'a UserId>,
        condition: PutCondition,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let key = keys::document(&Entity::Track(id.clone()));
            let version = Version(self.ids.fresh());
            let item = to_item(&key, Versioned { version: version.clone(), document: track })?;
            let condition = Condition::unchanged(match condition {
                PutCondition::Absent => None,
                PutCondition::Unchanged(version) => Some(version.0),
            });
            let mut transaction = Transaction::new(self.client.clone());
            transaction.put(&self.table, item, Some(condition))?;
            let listed = Listed { title: track.title.clone(), released_at: track.released_at };
            let listed = Versioned { version: version.clone(), document: listed };
            transaction.put(&self.table, to_item(&keys::track_of(&track.artist, id), listed)?, None)?;
            if previous_artist != Some(&track.artist) {
                let page = self.ids.fresh();
                let artists: BTreeSet<&UserId> = previous_artist.into_iter().chain([&track.artist]).collect();
                for artist in &artists {
                    transaction.put(&self.table, to_key(&keys::moving(artist, id, &page)), None)?;
                }
                transaction.put(&self.table, to_item(&keys::moved(id, &page), Moved { artists })?, None)?;
            }
            if let Some(previous_artist) = previous_artist.filter(|previous_artist| **previous_artist != track.artist) {
                transaction.delete(&self.table, &keys::track_of(previous_artist, id), None)?;
            }
            transaction.commit().await?;
            Ok(version)
        })
    }

    /// The tracks of an artist, as they are listed; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read.
    pub fn tracks_of<'a>(&'a self, artist: &'a UserId) -> BoxFuture<'a, Result<BTreeMap<TrackId, Listed>, StoreError>> {
        Box::pin(async move {
            let table = Table::new(self.client.clone(), self.table.clone());
            let all = KeyRange::with_prefix(keys::user(artist), keys::TRACKS_OF);
            let mut tracks = BTreeMap::new();
            for item in table.query(&all, Consistency::Eventual).await? {
                let id = text(&item, keys::SK).and_then(|sk| sk.strip_prefix(keys::TRACKS_OF)).unwrap_or_default();
                let id = id.parse().map_err(|error| StoreError::corrupt(id, error))?;
                tracks.insert(id, from_item(item)?);
            }
            Ok(tracks)
        })
    }

    /// The durations of tracks in milliseconds, `None` for a track without a description; eventually consistent.
    ///
    /// # Errors
    /// If not all could be read.
    pub fn durations<'a>(
        &'a self,
        ids: &'a [TrackId],
    ) -> BoxFuture<'a, Result<HashMap<TrackId, Option<u64>>, StoreError>> {
        Box::pin(async move {
            let mut durations: HashMap<TrackId, Option<u64>> = ids.iter().map(|id| (id.clone(), None)).collect();
            for chunk in ids.chunks(BATCH) {
                let by_key: HashMap<_, _> =
                    chunk.iter().map(|id| (keys::document(&Entity::Track(id.clone())), id)).collect();
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(by_key.keys().map(to_key).collect()))
                    .projection_expression("#pk, #sk, #duration")
                    .expression_attribute_names("#pk", PK)
                    .expression_attribute_names("#sk", SK)
                    .expression_attribute_names("#duration", DURATION)
                    .build()
                    .map_err(|error| StoreError::corrupt("documents", error))?;
                let answer = self.client.batch_get_item().request_items(&self.table, request).send().await?;
                if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
                    return Err(StoreError::Throttled);
                }
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    if let Some(id) = key_of(&item).and_then(|key| by_key.get(&key).copied()) {
                        durations.insert(id.clone(), number(&item, DURATION));
                    }
                }
            }
            Ok(durations)
        })
    }
}
