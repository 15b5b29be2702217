//! Faults of the calls that functions make in a local cloud.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use local::wire::{Call, Fault, Service};

/// Every n-th call meets a fault, one kind after the other. Counts the calls, too.
pub(crate) fn every_nth_call(
    n: u32,
    kinds: u32,
    fault: impl Fn(u32, &Call) -> Fault + Send + Sync + 'static,
) -> (impl Fn(&Call) -> Fault + Send + Sync + 'static, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let faults = move |call: &Call| {
        let count = count.fetch_add(1, Ordering::Relaxed);
        if count.is_multiple_of(n) { fault(count / n % kinds, call) } else { Fault::None }
    };
    (faults, calls)
}

/// Every third call meets a fault if it is one to DynamoDB. Counts the calls, too.
pub(crate) fn outage() -> (impl Fn(&Call) -> Fault + Send + Sync + 'static, Arc<AtomicU32>) {
    every_nth_call(3, 6, |kind, call| match kind {
        _ if call.service != Service::DynamoDb => Fault::None,
        0 => Fault::Throttle,
        1 if call.operation == "TransactWriteItems" => Fault::TransactionConflict,
        2 => Fault::DropAfter,
        3 => Fault::ServerErrorAfter,
        4 => Fault::TimeoutAfter,
        _ => Fault::DropBefore,
    })
}

/// Faults that lose the answer to a write, and how many answers in a row are lost. The SDK tries twice, so the function
/// recovers from one lost answer, and its caller from two.
pub(crate) const LOST: [(Fault, u32); 3] =
    [(Fault::DropAfter, 1), (Fault::TimeoutAfter, 2), (Fault::ServerErrorAfter, 2)];

/// Loses the answers to the writes of one function: some in a row, then not one. Counts the writes, too.
pub(crate) fn lost_answers(
    fault: Fault,
    function: &'static str,
    operation: &'static str,
    in_a_row: u32,
) -> (impl Fn(&Call) -> Fault + Send + Sync + 'static, Arc<AtomicU32>) {
    let writes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&writes);
    let faults = move |call: &Call| {
        if call.function != function || call.operation != operation {
            return Fault::None;
        }
        let count = count.fetch_add(1, Ordering::Relaxed);
        if count % (in_a_row + 1) < in_a_row { fault } else { Fault::None }
    };
    (faults, writes)
}
