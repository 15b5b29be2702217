//! The store: how documents, facts and numbers lie in DynamoDB.
//!
//! Architecture invariant: no other module names a key or an attribute.

mod backoff;
mod documents;
mod engagements;
mod error;
mod facts;
mod folds;
mod items;
pub mod keys;
mod retention;
mod toggles;

pub use documents::{Documents, PutCondition, Version, Versioned};
pub use engagements::{Arrived, Engagements, Outcome};
pub use error::StoreError;
pub use facts::{Facts, NewFact};
pub use folds::{Folds, Refolded, Total};
pub use retention::Retention;
pub use toggles::{ToggleOf, Toggles, Word};
