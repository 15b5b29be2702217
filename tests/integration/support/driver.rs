//! The driver of a hostile test: clients act at the same time, and the schedule decides call by call which of them goes on.
//! See `docs/hostile-tests.md`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use local::wire::Faults;
use proptest::prelude::*;
use tokio::task::JoinHandle;

use crate::support::schedule::Schedule;

/// The parameters of one run. Everything else follows from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// The number of actions of each client.
    pub(crate) actions: usize,
    /// The percentage of calls that fail.
    pub(crate) faults: u8,
    /// The percentage of turns that change the priority of an invocation.
    pub(crate) switches: u8,
    /// The percentage of writes that wait until hardly any other call is left.
    pub(crate) stalls: u8,
}

pub(crate) fn plans(actions: Range<usize>) -> impl Strategy<Value = Plan> {
    let percent = |of: [u8; 3]| prop::sample::select(of.to_vec());
    (any::<u64>(), actions, percent([0, 4, 12]), 2..25_u8, percent([0, 30, 60]))
        .prop_map(|(seed, actions, faults, switches, stalls)| Plan { seed, actions, faults, switches, stalls })
}

/// Fails with these errors, if there are any.
pub(crate) fn ensure_none(errors: Vec<String>) -> Result<(), String> {
    if errors.is_empty() { Ok(()) } else { Err(format!("{errors:#?}")) }
}

/// Takes the turns of a run: its schedule, its random numbers, and the names of its invocations.
pub(crate) struct Turns {
    schedule: Schedule,
    pub(crate) random: fastrand::Rng,
    /// The number of names in use.
    pub(crate) count: usize,
}

impl Turns {
    pub(crate) fn new(seed: u64, schedule: Schedule) -> Self {
        // The SDK's own backoff draws from the thread's generator.
        fastrand::seed(seed);
        Self { schedule, random: fastrand::Rng::with_seed(seed), count: 0 }
    }

    pub(crate) fn of(plan: &Plan) -> Self {
        Self::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls))
    }

    /// The schedule, for the calls of an invocation.
    pub(crate) fn faults(&self) -> Arc<dyn Faults> {
        Arc::new(self.schedule.clone())
    }

    /// A new name for an invocation.
    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind} {}", self.count)
    }

    /// Lets one call go on, or some milliseconds pass if none waits. Returns the invocations that have crashed.
    pub(crate) async fn turn(&mut self, pause_ms: impl FnOnce(&mut fastrand::Rng) -> u64) -> Vec<String> {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if !self.schedule.step(&mut self.random) {
            tokio::time::sleep(Duration::from_millis(pause_ms(&mut self.random))).await;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.schedule.crashed()
    }
}

/// An invocation in a sandbox of its own.
pub(crate) struct Running<T> {
    name: String,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Running<T> {
    pub(crate) fn new(name: String, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { name, task: tokio::spawn(work) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has returned or crashed.
    pub(crate) fn is_over(&self, crashed: &[String]) -> bool {
        crashed.contains(&self.name) || self.task.is_finished()
    }

    /// What it returned; `None` if it crashed.
    pub(crate) async fn outcome(self, crashed: &[String]) -> Option<T> {
        if crashed.contains(&self.name) {
            self.task.abort();
            return None;
        }
        Some(self.task.await.unwrap())
    }
}

/// A client acts step by step. It repeats an action that was cut off or not answered.
struct Client<A, T> {
    left: usize,
    action: Option<A>,
    running: Option<Running<Option<T>>>,
}

/// The clients of a run, by their number.
pub(crate) struct Clients<A, T>(Vec<Client<A, T>>);

impl<A: Clone, T: Send + 'static> Clients<A, T> {
    fn new(clients: usize, actions: usize) -> Self {
        Self((0..clients).map(|_| Client { left: actions, action: None, running: None }).collect())
    }

    /// Whether a client has actions left.
    fn is_busy(&self) -> bool {
        self.0.iter().any(|client| client.left > 0)
    }

    /// The actions that are under way.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &A> {
        self.0.iter().filter_map(|client| client.action.as_ref())
    }

    /// The actions that have been answered, with their client and the answer.
    async fn done(&mut self, crashed: &[String]) -> Vec<(usize, A, T)> {
        let mut done = Vec::new();
        for (at, client) in self.0.iter_mut().enumerate() {
            let Some(running) = client.running.take_if(|running| running.is_over(crashed)) else { continue };
            let Some(answer) = running.outcome(crashed).await.flatten() else { continue };
            client.left -= 1;
            done.push((at, client.action.take().unwrap(), answer));
        }
        done
    }
}

/// What clients do in a hostile test, and what happens beside them.
pub(crate) trait Scenario {
    type Action: Clone;
    type Answer: Send + 'static;

    /// The number of clients.
    const CLIENTS: usize = 4;

    /// Chooses the next action of a client.
    fn next(&mut self, client: usize, turns: &mut Turns, clients: &Clients<Self::Action, Self::Answer>)
    -> Self::Action;

    /// Performs an action in a sandbox with this name; `None` if it was not answered.
    fn act(
        &self,
        client: usize,
        name: String,
        faults: Arc<dyn Faults>,
        action: Self::Action,
    ) -> impl Future<Output = Option<Self::Answer>> + Send + 'static;

    /// Does what happens beside the clients before each turn: delivers streams, moves the clock.
    fn step(&mut self, _turns: &mut Turns, _is_busy: bool) {}

    /// The milliseconds that pass when no call waits.
    fn pause_ms(_random: &mut fastrand::Rng) -> u64 {
        1
    }

    /// Chooses an invocation that crashes between two calls.
    fn crash(&mut self, _turns: &mut Turns) -> Option<String> {
        None
    }

    /// Takes in what was answered and what has crashed.
    async fn settle(
        &mut self,
        done: Vec<(usize, Self::Action, Self::Answer)>,
        crashed: &[String],
    ) -> Result<(), String>;

    /// Checks what must hold at any time.
    fn check(&self, _turn: usize) -> Result<(), String> {
        Ok(())
    }

    /// Whether the run is over, given whether clients had actions left before this turn and have some after it.
    fn is_over(&self, was_busy: bool, is_busy: bool) -> bool;
}

/// Runs a scenario until it is over. Returns it for the checks at the end.
pub(crate) async fn drive<S: Scenario>(mut scenario: S, mut turns: Turns, actions: usize) -> Result<S, String> {
    let mut clients = Clients::new(S::CLIENTS, actions);
    for turn in 0..60_000 {
        let was_busy = clients.is_busy();
        for at in 0..S::CLIENTS {
            // Clients take their time, so that some of their actions come after what followed from the last one.
            if turns.random.u8(0..100) < 12 {
                begin(&mut scenario, &mut turns, &mut clients, at);
            }
        }
        scenario.step(&mut turns, was_busy);
        let mut crashed = turns.turn(S::pause_ms).await;
        crashed.extend(scenario.crash(&mut turns));
        let done = clients.done(&crashed).await;
        scenario.settle(done, &crashed).await?;
        scenario.check(turn)?;
        if scenario.is_over(was_busy, clients.is_busy()) {
            return Ok(scenario);
        }
    }
    Err("the run does not end".to_owned())
}

/// Begins the next action of a client that is idle, or repeats the one that was not answered.
fn begin<S: Scenario>(scenario: &mut S, turns: &mut Turns, clients: &mut Clients<S::Action, S::Answer>, at: usize) {
    let client = &clients.0[at];
    if client.running.is_some() || client.left == 0 {
        return;
    }
    let action = client.action.clone().unwrap_or_else(|| scenario.next(at, turns, clients));
    let name = turns.name("client");
    let running = Running::new(name.clone(), scenario.act(at, name, turns.faults(), action.clone()));
    let client = &mut clients.0[at];
    (client.action, client.running) = (Some(action), Some(running));
}
