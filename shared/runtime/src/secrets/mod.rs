//! Secrets that lie in a secret store.

mod secrets_manager;

pub use secrets_manager::secrets_manager;

/// A secret, with the one before it while a rotation is under way.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The present secret, never empty.
    pub current: String,
    /// The secret before it, as long as it is to be accepted too.
    pub previous: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
