//! Packages: their documents, their quizzes and their numbers.
//!
//! A package's numbers are the sum of what its quizzes and its purchases contribute. A quiz is a member of a package while
//! it has a contribution there that is no tombstone. For each of these, an item in the quiz's partition names the package,
//! so that a change of a quiz finds all packages that contain it, however large they are.
//!
//! The document lists the quizzes; the stream of its changes adds and removes members (`membership`). When a quiz's total
//! changes, its contributions to all packages are refreshed (`projector`). Both keep the rules of contributions, so neither
//! needs to know of the other.

mod child;
mod documents;
mod membership;
mod projector;
mod reading;
mod rebuilds;
mod repair;

use std::sync::Arc;

use super::double_check::DoubleCheck;
use super::refresh::Refresher;
use crate::setup::{Setup, StateTable, StatsTable};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use documents::Packages;
pub use membership::{MembershipChange, membership_change};
pub use reading::{PackageNumbers, PackageStats};
pub use rebuilds::{PackageRebuilds, RebuildProgress, RebuildTask};

/// Keeps the numbers of packages up to date.
#[derive(Clone)]
pub struct PackageProjector {
    state: StateTable,
    stats: StatsTable,
    double_check: DoubleCheck,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl PackageProjector {
    /// Opens the projector.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let (state, stats) = (setup.state_table(), setup.stats_table());
        Self { state, stats, double_check: DoubleCheck::default(), clock: setup.clock(), ids: setup.ids() }
    }

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    fn refresher(&self) -> Refresher<'_> {
        Refresher { stats: &self.stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() }
    }
}
