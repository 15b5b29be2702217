//! A number is a fold over facts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::id::EventId;
use super::time::Time;

/// A fact with the time and the id of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<F> {
    /// When it happened.
    pub at: Time,
    /// The event it was recorded from.
    pub id: EventId,
    /// The fact.
    pub fact: F,
}

/// The value of a kind of facts. Versions, retries and deliveries are the store's.
pub trait Fold: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The facts that it folds.
    type Fact: DeserializeOwned + Send + 'static;

    /// The value of exactly these facts; their order does not matter.
    fn fold(facts: Vec<Recorded<Self::Fact>>) -> Self;

    /// Adds the value of other facts, which must be disjoint from these.
    fn merge(&mut self, other: &Self);
}
