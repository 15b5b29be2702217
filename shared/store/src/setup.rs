//! What the types of the store are opened with, and one type per table, so that no table can be given for another.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use crate::boards::Shards;
use crate::retention::Retention;
use crate::table::Table;
use domain::calendar::Calendar;
use system::clock::Clock;
use system::environment::{ConfigError, Environment, Reader};
use system::ids::Ids;

/// Opens the types of the store: it has a client, the clock, new ids and the environment.
///
/// It reads variables as [`Reader`] does, so [`Setup::finish`] names all that are missing or malformed.
pub struct Setup<'a> {
    client: Client,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    environment: Reader<'a>,
}

impl<'a> Setup<'a> {
    /// A setup that reads this environment.
    #[must_use]
    pub fn new(client: Client, (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>), environment: &'a Environment) -> Self {
        Self { client, clock, ids, environment: environment.reader() }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The source of new ids.
    #[must_use]
    pub fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.ids)
    }

    /// The calendar of the time zone that `TIME_ZONE` names.
    pub fn calendar(&mut self) -> Calendar {
        self.parsed("TIME_ZONE")
    }

    /// How long facts are stored: `RETENTION_DAYS`.
    pub fn retention(&mut self) -> Retention {
        Retention::of_days(self.parsed("RETENTION_DAYS"))
    }

    /// The number of shards of a board: `BOARD_SHARDS`.
    pub fn shards(&mut self) -> Shards {
        self.parsed("BOARD_SHARDS")
    }

    /// What was opened, if the environment has all that it needs.
    ///
    /// # Errors
    /// Every variable that is missing or malformed.
    pub fn finish<T>(self, opened: T) -> Result<T, ConfigError> {
        self.environment.finish(opened)
    }

    fn table(&mut self, variable: &str) -> Table {
        Table::new(self.client.clone(), self.required(variable))
    }
}

impl<'a> Deref for Setup<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.environment
    }
}

impl DerefMut for Setup<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.environment
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident, $open:ident, $variable:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(Table);

        impl Deref for $name {
            type Target = Table;

            fn deref(&self) -> &Table {
                &self.0
            }
        }

        impl Setup<'_> {
            $(#[$doc])*
            pub(crate) fn $open(&mut self) -> $name {
                $name(self.table($variable))
            }
        }
    )*};
}

tables! {
    /// The table of documents, toggles and everything else that is not a number.
    StateTable, state_table, "STATE_TABLE";
    /// The table of numbers and of the notes about their upkeep.
    StatsTable, stats_table, "STATS_TABLE";
    /// The table of the facts of tracks.
    EventsTable, events_table, "EVENTS_TABLE";
    /// The table of the facts of quizzes and products.
    InteractionsTable, interactions_table, "INTERACTIONS_TABLE";
    /// The table of purchases and of the facts of what is sold.
    PurchasesTable, purchases_table, "PURCHASES_TABLE";
    /// The table of live events that are not published yet.
    OutboxTable, outbox_table, "OUTBOX_TABLE";
}

/// One of the three tables that hold facts.
#[derive(Debug, Clone)]
pub(crate) enum FactsTable {
    Events(EventsTable),
    Interactions(InteractionsTable),
    Purchases(PurchasesTable),
}

impl Deref for FactsTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        match self {
            Self::Events(table) => table,
            Self::Interactions(table) => table,
            Self::Purchases(table) => table,
        }
    }
}
