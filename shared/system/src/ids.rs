//! Ids that are never given twice, injected.

use std::sync::Arc;

/// Where new ids come from.
pub trait Ids: Send + Sync {
    /// An id that was never given before and never will be again.
    fn fresh(&self) -> String;
}

/// Random version 4 UUIDs ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4)), without hyphens.
#[derive(Debug, Clone, Copy)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[allow(clippy::disallowed_methods, reason = "the one home of random ids")]
    fn fresh(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }
}

/// Random ids, ready to be shared.
#[must_use]
pub fn random() -> Arc<dyn Ids> {
    Arc::new(RandomIds)
}
