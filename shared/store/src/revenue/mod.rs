//! Revenue: the totals of all items by day and month, the buyers, and the rankings of items.
//!
//! The sales of an item in a day or month contribute to the revenue of its item type in that period. Each contribution
//! has places in the rankings of the period, the greatest value first, so that the top items are read without the
//! others. Buyers are counted by sketches, which only ever grow: merging one twice changes nothing.

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
pub use ranking::TopItems;
pub use reading::{BuyerSummary, Cohort, RevenueByPeriod, RevenueReader};

/// Keeps revenue up to date.
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

/// The buyers of a period, as an item.
#[derive(Debug, Default, Serialize, Deserialize)]
struct BuyersIn {
    version: String,
    buyers: Buyers,
}
