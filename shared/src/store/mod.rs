//! The store: how documents, facts and numbers lie in DynamoDB.
//!
//! Architecture invariant: no other module names a key or an attribute.

mod documents;
mod engagements;
mod error;
mod facts;
mod folds;
mod items;
pub mod keys;
mod playlists;
mod retention;
mod rollups;
mod table;
mod toggles;

pub use documents::{Documents, Listed, PutCondition, Version, Versioned};
pub use engagements::{Arrived, Engagements, Outcome};
pub use error::StoreError;
pub use facts::{Facts, NewFact};
pub use folds::{Folds, Refolded};
pub use playlists::Playlists;
pub use retention::Retention;
pub use rollups::{
    Activity, Closing, Dispatch, Frontier, GRACE, Happened, OpenMinute, Read, ReadFrom, Reading, Recent,
    RecentActivity, Work,
};
pub use toggles::{ToggleOf, Toggles, Word};
