//! Boards: sellers in order, exact ranks, and pages; and products in order.
//!
//! What a seller or a product has in a month or of all times lies beside its place on each board; both change in one
//! transaction, with the counts of the trees that tell how many have more, and with the numbers of those of a seller's products
//! that can be bought. A board is divided into shards by who is on it, so that its writes are spread over partitions; whoever
//! reads it reads the top of each.

mod products;
mod projector;
mod reading;

use std::sync::Arc;

use crate::setup::{Setup, StatsTable};
use system::clock::Clock;
use system::ids::Ids;

pub use products::{ProductReader, Shown, Trending, Viewed};
pub use reading::{Around, BoardPage, BoardStanding, Boards, Ranked};

/// Into how many shards boards are divided.
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
    /// All of them.
    fn all(self) -> std::ops::Range<u32> {
        0..self.0
    }

    /// The shard of an id: the same for ever (FNV-1a).
    #[must_use]
    pub fn of(self, id: &str) -> u32 {
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // Its lowest bits tell little of short ids.
        (hash ^ (hash >> 16)) % self.0
    }
}

/// The table of numbers, for whoever keeps boards up to date.
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
