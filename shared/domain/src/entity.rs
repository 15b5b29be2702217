//! Entities: the things that facts are about.

use super::id::{ProductId, QuizId, TrackId};
use super::purchase::Item;
use super::time::Minute;

/// An entity, whose facts are folded together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A track.
    Track(TrackId),
    /// A quiz.
    Quiz(QuizId),
    /// The purchases of an item.
    PurchasedItem(Item),
    /// The sales of a product; their facts do not expire.
    Product(ProductId),
    /// The views of a product; their facts expire.
    ProductViews(ProductId),
}

/// A live bucket: the facts of one entity in one minute, folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// The entity.
    pub entity: Entity,
    /// The minute.
    pub minute: Minute,
}
