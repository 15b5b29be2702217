//! Metering: the read and write units that functions use.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What was metered: who did what, where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metered {
    /// The function.
    pub function: String,
    /// The operation, like `PutItem`.
    pub operation: String,
    /// The table.
    pub table: String,
}

/// The units that calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Calls that named the table.
    pub calls: u64,
    /// Of them, those that ended in an error.
    pub failures: u64,
    /// Read units.
    pub read_units: f64,
    /// Write units, those of failed conditions included.
    pub write_units: f64,
}

/// Adds up the units of every call.
#[derive(Debug, Default)]
pub struct Meter {
    usage: Mutex<BTreeMap<Metered, Usage>>,
}

impl Meter {
    /// What was used since the start or the last reset.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Metered, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts from nothing, and tells what was used until then.
    pub fn reset(&self) -> BTreeMap<Metered, Usage> {
        std::mem::take(&mut *self.usage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what a call used.
    pub fn add(&self, metered: Metered, usage: Usage) {
        let mut all = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = all.entry(metered).or_default();
        sum.calls += usage.calls;
        sum.failures += usage.failures;
        sum.read_units += usage.read_units;
        sum.write_units += usage.write_units;
    }
}

/// The read and write units of a snapshot taken together.
#[must_use]
pub fn total(snapshot: &BTreeMap<Metered, Usage>) -> Usage {
    snapshot.values().fold(Usage::default(), |sum, usage| Usage {
        calls: sum.calls + usage.calls,
        failures: sum.failures + usage.failures,
        read_units: sum.read_units + usage.read_units,
        write_units: sum.write_units + usage.write_units,
    })
}
