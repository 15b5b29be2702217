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

use aws_sdk_dynamodb::Client;

use super::double_check::DoubleCheck;
use super::table::Table;
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
    state: Table,
    stats: Table,
    looks: DoubleCheck,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl PackageProjector {
    /// Packages with their documents in one table, their numbers in another.
    #[must_use]
    pub fn new(client: Client, state: String, stats: String, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let (state, stats) = (Table::new(client.clone(), state), Table::new(client, stats));
        Self { state, stats, looks: DoubleCheck::default(), clock, ids }
    }

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }
}
