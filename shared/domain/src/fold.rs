//! A number is a fold over facts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::id::EventId;
use super::time::Time;

/// A fact with what its key says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<F> {
    /// When it happened.
    pub at: Time,
    /// The event it was recorded from.
    pub id: EventId,
    /// What happened.
    pub fact: F,
}

/// What a system brings to have its facts counted: everything else (versions, retries, deliveries) is the store's.
pub trait Fold: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it counts.
    type Fact: DeserializeOwned + Send + 'static;

    /// The value of exactly these facts; their order does not matter.
    fn fold(facts: Vec<Recorded<Self::Fact>>) -> Self;

    /// Adds the value of other facts, none of which is among these.
    fn merge(&mut self, other: &Self);
}
