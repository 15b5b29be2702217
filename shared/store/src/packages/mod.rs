//! Packages: their documents, which quizzes they hold, and their numbers.
//!
//! A package's numbers are the sum of what its quizzes contribute, and of what purchases do. A quiz is in a package while
//! it has a contribution there that is no tombstone; beside every such contribution lies an item with the quiz that
//! names the package, so that who counts something of a quiz finds all packages that hold it, however large they are.
//!
//! The document says which quizzes there are to be; the stream of its changes brings them in and takes them out
//! (`membership`). What happens to a quiz is followed in all packages that hold it (`following`). Both keep the
//! rules of contributions, so that they need not know of each other.

mod child;
mod documents;
mod membership;
mod projector;
mod reading;
mod rebuilds;
mod repair;

use std::sync::Arc;

use super::double_check::DoubleCheck;
use crate::setup::{Setup, StateTable, StatsTable};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use documents::Packages;
pub use membership::{MembershipChange, turned};
pub use reading::{PackageNumbers, PackageStats};
pub use rebuilds::{Leg, PackageRebuilds, Progress};

/// The tables of packages' documents and numbers, for whoever keeps the numbers up to date.
#[derive(Clone)]
pub struct PackageProjector {
    state: StateTable,
    stats: StatsTable,
    looks: DoubleCheck,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl PackageProjector {
    /// Opens the projector.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let (state, stats) = (setup.state_table(), setup.stats_table());
        Self { state, stats, looks: DoubleCheck::default(), clock: setup.clock(), ids: setup.ids() }
    }

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }
}
