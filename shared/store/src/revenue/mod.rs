//! Revenue: what all items brought in, by day and month, who paid, and which items are ahead.
//!
//! What an item's purchases of a day brought in contributes to what all items of its type did, and the same of a month. With
//! a contribution lie its places in the lists of that day or month: the greatest first, so that whoever is ahead is read
//! without reading the others. Who bought is counted by sketches, which only ever grow: they are brought together as often
//! as one likes.

mod projector;
mod ranking;
mod reading;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::refresh::Refresher;
use crate::setup::{Setup, StatsTable};
use domain::distinct::Buyers;
use system::clock::Clock;
use system::ids::Ids;

pub(crate) use projector::places;
pub use ranking::Top;
pub use reading::{Cohort, Pattern, RevenueReader, Rows};

/// The table of numbers, for whoever keeps what all items brought in up to date.
#[derive(Clone)]
pub struct RevenueProjector {
    stats: StatsTable,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl RevenueProjector {
    /// Opens the projector.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table(), clock: setup.clock(), ids: setup.ids() }
    }

    fn refresher(&self) -> Refresher<'_> {
        Refresher { stats: &self.stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() }
    }
}

/// Who bought in a period, as it lies in its item.
#[derive(Debug, Default, Serialize, Deserialize)]
struct BuyersIn {
    version: String,
    buyers: Buyers,
}
