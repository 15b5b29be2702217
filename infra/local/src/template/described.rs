//! What the template describes and the local cloud knows of, but does not simulate.

use std::collections::BTreeSet;

/// Resources that are not simulated; logged once at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described(BTreeSet<&'static str>);

impl Described {
    /// Notes something, if it is there.
    pub(super) fn note<T>(&mut self, described: Option<T>, what: &'static str) {
        if described.is_some() {
            self.0.insert(what);
        }
    }

    /// Everything that was noted, in alphabetical order.
    #[must_use]
    pub fn list(&self) -> Vec<&'static str> {
        self.0.iter().copied().collect()
    }
}
