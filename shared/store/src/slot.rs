//! Slots: the state of a document's id. Absence needs a version too: a document that was deleted and put again between
//! a read and a write would otherwise look unchanged. So a deleted document leaves a tombstone with a version.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item, to_item};
use super::keys::Key;
use super::transaction::Condition;
use domain::creator::Owned;
use domain::id::UserId;

/// The state of a document's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot<T> {
    /// Present never was one.
    Absent,
    /// Present was one.
    Deleted {
        /// The version of the tombstone.
        version: Version,
        /// The former owner.
        owner: UserId,
    },
    /// Present is one.
    Present(Versioned<T>),
}

/// A document as an item.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<T> {
    Deleted { version: Version, gone: bool, owner: UserId },
    Present(Versioned<T>),
}

impl<T: Owned + DeserializeOwned> Slot<T> {
    /// The slot of an item.
    pub(super) fn read(item: Option<Item>) -> Result<Self, StoreError> {
        Ok(match item.map(from_item).transpose()? {
            None => Self::Absent,
            Some(Stored::Deleted { version, owner, .. }) => Self::Deleted { version, owner },
            Some(Stored::Present(document)) => Self::Present(document),
        })
    }

    /// The document, if there is one.
    #[must_use]
    pub fn present(self) -> Option<Versioned<T>> {
        match self {
            Self::Present(document) => Some(document),
            Self::Absent | Self::Deleted { .. } => None,
        }
    }

    /// The document, if there is one.
    #[must_use]
    pub const fn as_present(&self) -> Option<&Versioned<T>> {
        match self {
            Self::Present(document) => Some(document),
            Self::Absent | Self::Deleted { .. } => None,
        }
    }

    /// The present or former owner.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        match self {
            Self::Absent => None,
            Self::Deleted { owner, .. } => Some(owner),
            Self::Present(stored) => Some(stored.document.owner()),
        }
    }

    /// The condition that the slot is unchanged.
    pub(super) fn condition(&self) -> Condition {
        Condition::unchanged(match self {
            Self::Absent => None,
            Self::Deleted { version, .. } | Self::Present(Versioned { version, .. }) => Some(version.0.clone()),
        })
    }
}

/// The item of a document that was deleted.
pub(super) fn tombstone(key: &Key, version: String, owner: &UserId) -> Result<Item, StoreError> {
    to_item(key, Stored::<()>::Deleted { version: Version(version), gone: true, owner: owner.clone() })
}
