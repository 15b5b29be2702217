//! The schedule: every call of every invocation waits here until it is its turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::BoxFuture;
use local::wire::{Call, Fault, Faults, Service};
use tokio::sync::oneshot;

/// A call that waits for its turn.
struct Waiting {
    invocation: String,
    operation: String,
    go: oneshot::Sender<Fault>,
    is_new: bool,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    priorities: HashMap<String, f64>,
    crashed: Vec<String>,
}

/// Decides which invocation goes on, and which call fails.
#[derive(Clone)]
pub(crate) struct Schedule {
    state: Arc<Mutex<State>>,
    faults: u8,
    switches: u8,
    stalls: u8,
}

/// What waits when a transaction was carried out and its caller has not heard of it: others may see a part of it.
const ANSWER: &str = "answer";

/// Calls that write what was decided by an earlier read.
const WRITES: [&str; 4] = ["PutItem", "DeleteItem", "UpdateItem", "TransactWriteItems"];

impl Schedule {
    pub(crate) fn new(faults: u8, switches: u8, stalls: u8) -> Self {
        Self { state: Arc::default(), faults, switches, stalls }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets the call with the highest priority go on, if any waits.
    pub(crate) fn step(&self, random: &mut fastrand::Rng) -> bool {
        let mut state = self.state();
        let State { waiting, priorities, crashed } = &mut *state;
        if waiting.is_empty() {
            return false;
        }
        if random.u8(0..100) < self.switches {
            let chosen = &waiting[random.usize(0..waiting.len())].invocation;
            priorities.insert(chosen.clone(), random.f64());
        }
        // A stalled write waits until hardly any other call is left, so that its read is old.
        for call in waiting.iter_mut() {
            let operation = call.operation.as_str();
            let is_held_up = operation == ANSWER || WRITES.contains(&operation);
            if std::mem::take(&mut call.is_new) && is_held_up && random.u8(0..100) < self.stalls {
                priorities.insert(call.invocation.clone(), -random.f64());
            }
        }
        let mut best = 0;
        for (at, call) in waiting.iter().enumerate() {
            let priority = *priorities.entry(call.invocation.clone()).or_insert_with(|| random.f64());
            if priority > priorities[&waiting[best].invocation] {
                best = at;
            }
        }
        let call = waiting.remove(best);
        let fails = call.operation != ANSWER && random.u8(0..100) < self.faults;
        let fault = if fails { any_fault(random, &call.operation) } else { Fault::None };
        if matches!(fault, Fault::CrashBefore | Fault::CrashAfter) {
            crashed.push(call.invocation.clone());
        }
        // The caller may have given up.
        call.go.send(fault).ok();
        true
    }

    /// The invocations whose sandboxes have died since this was last asked.
    pub(crate) fn crashed(&self) -> Vec<String> {
        std::mem::take(&mut self.state().crashed)
    }
}

fn any_fault(random: &mut fastrand::Rng, operation: &str) -> Fault {
    let mut faults = vec![
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::Throttle,
        Fault::ServerError,
        Fault::ServerErrorAfter,
        Fault::CrashBefore,
        Fault::CrashAfter,
    ];
    match operation {
        "BatchWriteItem" | "BatchGetItem" => faults.push(Fault::Unprocessed(random.u64(..))),
        "TransactWriteItems" => faults.push(Fault::TransactionConflict),
        _ => {}
    }
    faults[random.usize(0..faults.len())]
}

impl Schedule {
    fn wait(&self, call: &Call, operation: &str) -> oneshot::Receiver<Fault> {
        let (go, turn) = oneshot::channel();
        let (invocation, operation) = (call.function.clone(), operation.to_owned());
        self.state().waiting.push(Waiting { invocation, operation, go, is_new: true });
        turn
    }
}

impl Faults for Schedule {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        assert_eq!(call.service, Service::DynamoDb, "nothing here is poison: {call:?}");
        let turn = self.wait(call, &call.operation);
        async move { turn.await.unwrap_or(Fault::CrashBefore) }.boxed()
    }

    fn after<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, ()> {
        if call.operation != "TransactWriteItems" {
            return futures::future::ready(()).boxed();
        }
        let turn = self.wait(call, ANSWER);
        turn.map(|_| ()).boxed()
    }
}
