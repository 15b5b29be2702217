//! What is held under the id of a document that can be deleted. That it is not there is a version too, or one that was deleted
//! and put again between reading and writing would look as if nothing had happened: so what was deleted leaves its version.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item, to_item};
use super::keys::Key;
use super::transaction::Condition;
use domain::authorship::Owned;
use domain::id::UserId;

/// What is known of the id of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held<T> {
    /// There never was one.
    Never,
    /// There was one.
    Gone {
        /// The version of what is left of it.
        version: Version,
        /// Whose it was.
        owner: UserId,
    },
    /// There is one.
    There(Versioned<T>),
}

/// How a document lies in its item.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<T> {
    Gone { version: Version, gone: bool, owner: UserId },
    There(Versioned<T>),
}

impl<T: Owned + DeserializeOwned> Held<T> {
    /// What an item says.
    pub(super) fn read(item: Option<Item>) -> Result<Self, StoreError> {
        Ok(match item.map(from_item).transpose()? {
            None => Self::Never,
            Some(Stored::Gone { version, owner, .. }) => Self::Gone { version, owner },
            Some(Stored::There(document)) => Self::There(document),
        })
    }

    /// The document, if there is one.
    #[must_use]
    pub fn there(self) -> Option<Versioned<T>> {
        match self {
            Self::There(document) => Some(document),
            Self::Never | Self::Gone { .. } => None,
        }
    }

    /// The document, if there is one.
    #[must_use]
    pub const fn as_there(&self) -> Option<&Versioned<T>> {
        match self {
            Self::There(document) => Some(document),
            Self::Never | Self::Gone { .. } => None,
        }
    }

    /// Whose it is or was.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        match self {
            Self::Never => None,
            Self::Gone { owner, .. } => Some(owner),
            Self::There(held) => Some(held.document.owner()),
        }
    }

    /// That it is still what was read.
    pub(super) fn condition(&self) -> Condition {
        Condition::still(match self {
            Self::Never => None,
            Self::Gone { version, .. } | Self::There(Versioned { version, .. }) => Some(version.0.clone()),
        })
    }
}

/// The item of a document that was deleted.
pub(super) fn gone(key: &Key, version: String, owner: &UserId) -> Result<Item, StoreError> {
    to_item(key, Stored::<()>::Gone { version: Version(version), gone: true, owner: owner.clone() })
}
