//! Boards: sellers ranked exactly, in pages, and products in order.
//!
//! The values of a seller or a product in a month or of all times are an item next to its places on the boards. Both
//! change in one transaction, with the counts of the trees from which ranks are read, and with the totals of the
//! products that a seller offers. A board is divided into shards by its entrants, so that its writes are spread over
//! partitions. A reader merges the tops of all shards.

mod products;
mod projector;
mod reading;

use std::sync::Arc;

use crate::setup::{Setup, StatsTable};
use system::clock::Clock;
use system::ids::Ids;

pub use products::{ProductReader, ProductWithViews, Trending, ViewedProduct};
pub use reading::{BoardNeighbors, BoardPage, Boards, Ranked, SellerRanks};

/// The number of shards of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards(u32);

impl Default for Shards {
    fn default() -> Self {
        Self(1)
    }
}

impl std::str::FromStr for Shards {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let shards = text.parse().ok().filter(|shards| (1..=32).contains(shards));
        shards.map(Self).ok_or("must be from 1 to 32")
    }
}

impl Shards {
    /// The numbers of all shards.
    fn all(self) -> std::ops::Range<u32> {
        0..self.0
    }

    /// The shard of an id (FNV-1a). It never changes.
    #[must_use]
    pub fn of(self, id: &str) -> u32 {
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // The lowest bits of the hash are nearly the same for short ids.
        (hash ^ (hash >> 16)) % self.0
    }
}

/// Keeps boards up to date.
#[derive(Clone)]
pub struct BoardProjector {
    stats: StatsTable,
    shards: Shards,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl BoardProjector {
    /// Opens the projector.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { stats: setup.stats_table(), shards: setup.shards(), clock: setup.clock(), ids: setup.ids() }
    }
}
