//! Things that have numbers.

use super::id::TrackId;
use super::time::Minute;

/// A thing whose facts are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A track.
    Track(TrackId),
}

/// A live bucket: the facts of one entity in one minute, folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Whose facts.
    pub entity: Entity,
    /// Of which minute.
    pub minute: Minute,
}
