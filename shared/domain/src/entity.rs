//! Things that have numbers.

use super::id::{ProductId, QuizId, TrackId};
use super::purchase::Item;
use super::time::Minute;

/// A thing whose facts are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A track.
    Track(TrackId),
    /// A quiz.
    Quiz(QuizId),
    /// What is bought of an item.
    PurchasedItem(Item),
    /// A product, as it is sold; its facts are for ever.
    Product(ProductId),
    /// Who looked at a product; its facts expire.
    ProductViews(ProductId),
}

/// A live bucket: the facts of one entity in one minute, folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Whose facts.
    pub entity: Entity,
    /// Of which minute.
    pub minute: Minute,
}
