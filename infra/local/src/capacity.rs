//! Metering: the read and write units that functions use, and how long they run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The function, operation and table of metered calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metered {
    /// The function.
    pub function: String,
    /// The operation, like `PutItem`.
    pub operation: String,
    /// The table.
    pub table: String,
}

/// The capacity units of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Calls that named the table.
    pub calls: u64,
    /// Calls that ended in an error.
    pub failures: u64,
    /// Read units.
    pub read_units: f64,
    /// Write units, those of failed conditions included.
    pub write_units: f64,
}

/// The invocations of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Invocations {
    /// The number of invocations.
    pub count: u64,
    /// Their total duration, each rounded up to a whole millisecond as Lambda bills it
    /// ([pricing](https://aws.amazon.com/lambda/pricing/)).
    pub billed: Duration,
}

/// Adds up the units of every call, and the invocations of every function.
#[derive(Debug, Default)]
pub struct Meter {
    usage: Mutex<BTreeMap<Metered, Usage>>,
    invocations: Mutex<BTreeMap<String, Invocations>>,
}

impl Meter {
    /// The usage since the start or the last reset.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Metered, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resets the usage and returns what it was.
    pub fn reset(&self) -> BTreeMap<Metered, Usage> {
        std::mem::take(&mut *self.usage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the usage of a call.
    pub fn add(&self, metered: Metered, usage: Usage) {
        let mut all = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = all.entry(metered).or_default();
        sum.calls += usage.calls;
        sum.failures += usage.failures;
        sum.read_units += usage.read_units;
        sum.write_units += usage.write_units;
    }

    /// Adds an invocation of a function, by logical id.
    pub fn invoked(&self, function: &str, took: Duration) {
        let mut all = self.invocations.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = all.entry(function.to_owned()).or_default();
        sum.count += 1;
        let milliseconds = took.as_nanos().div_ceil(1_000_000);
        sum.billed += Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
    }

    /// Resets the invocations and returns them, by the logical id of the function.
    pub fn take_invocations(&self) -> BTreeMap<String, Invocations> {
        std::mem::take(&mut *self.invocations.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sum of a snapshot.
#[must_use]
pub fn total(snapshot: &BTreeMap<Metered, Usage>) -> Usage {
    snapshot.values().fold(Usage::default(), |sum, usage| Usage {
        calls: sum.calls + usage.calls,
        failures: sum.failures + usage.failures,
        read_units: sum.read_units + usage.read_units,
        write_units: sum.write_units + usage.write_units,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_is_billed_by_whole_milliseconds() {
        let meter = Meter::default();
        for micros in [1, 1_000, 1_001] {
            meter.invoked("F", Duration::from_micros(micros));
        }
        let expected = Invocations { count: 3, billed: Duration::from_millis(4) };
        assert_eq!(meter.take_invocations(), BTreeMap::from([("F".to_owned(), expected)]));
        assert!(meter.take_invocations().is_empty());
    }
}
