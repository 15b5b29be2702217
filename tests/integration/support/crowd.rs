//! People who do one thing after the other, all at once, call by call, in any order.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use local::wire::Faults;
use proptest::prelude::*;
use tokio::task::JoinHandle;

use crate::support::schedule::Schedule;

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) actions: usize,
    pub(crate) faults: u8,
    pub(crate) switches: u8,
    pub(crate) stalls: u8,
}

pub(crate) fn plans(actions: Range<usize>) -> impl Strategy<Value = Plan> {
    let percent = |of: [u8; 3]| prop::sample::select(of.to_vec());
    (any::<u64>(), actions, percent([0, 4, 12]), 2..25_u8, percent([0, 30, 60]))
        .prop_map(|(seed, actions, faults, switches, stalls)| Plan { seed, actions, faults, switches, stalls })
}

/// Nothing, or all that is wrong.
pub(crate) fn found(wrong: Vec<String>) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
}

/// Whose turn it is, and what everybody is called.
pub(crate) struct Turns {
    schedule: Schedule,
    pub(crate) random: fastrand::Rng,
    /// How many names were given.
    pub(crate) count: usize,
}

impl Turns {
    pub(crate) fn new(seed: u64, schedule: Schedule) -> Self {
        // The SDK's own backoff draws from the thread's generator.
        fastrand::seed(seed);
        Self { schedule, random: fastrand::Rng::with_seed(seed), count: 0 }
    }

    pub(crate) fn faults(&self) -> Arc<dyn Faults> {
        Arc::new(self.schedule.clone())
    }

    pub(crate) fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what} {}", self.count)
    }

    /// Lets one call go on, or so many milliseconds pass if none waits; who has died.
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

/// What goes on in a sandbox of its own.
pub(crate) struct Running<T> {
    name: String,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Running<T> {
    pub(crate) fn new(name: String, what: impl Future<Output = T> + Send + 'static) -> Self {
        Self { name, task: tokio::spawn(what) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is over, by itself or because its sandbox has died.
    pub(crate) fn is_over(&self, crashed: &[String]) -> bool {
        crashed.contains(&self.name) || self.task.is_finished()
    }

    /// What came of it when it was over; nothing if its sandbox has died.
    pub(crate) async fn outcome(self, crashed: &[String]) -> Option<T> {
        if crashed.contains(&self.name) {
            self.task.abort();
            return None;
        }
        Some(self.task.await.unwrap())
    }
}

/// Does one thing after the other; what its sandbox did not end is done again.
struct Somebody<A, T> {
    left: usize,
    doing: Option<A>,
    running: Option<Running<Option<T>>>,
}

/// All who do things, by their places.
pub(crate) struct Crowd<A, T>(Vec<Somebody<A, T>>);

impl<A: Clone, T: Send + 'static> Crowd<A, T> {
    pub(crate) fn new(people: usize, actions: usize) -> Self {
        Self((0..people).map(|_| Somebody { left: actions, doing: None, running: None }).collect())
    }

    /// Whether anybody has anything left to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.iter().any(|somebody| somebody.left > 0)
    }

    /// Whether somebody has something left to do, and is not at it.
    pub(crate) fn is_free(&self, at: usize) -> bool {
        self.0[at].running.is_none() && self.0[at].left > 0
    }

    /// What somebody is to do again.
    pub(crate) fn undone(&self, at: usize) -> Option<A> {
        self.0[at].doing.clone()
    }

    /// What people are at.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &A> {
        self.0.iter().filter_map(|somebody| somebody.doing.as_ref())
    }

    pub(crate) fn begin(&mut self, at: usize, action: A, running: Running<Option<T>>) {
        self.0[at].doing = Some(action);
        self.0[at].running = Some(running);
    }

    /// Who has done what by now, and what was answered.
    pub(crate) async fn done(&mut self, crashed: &[String]) -> Vec<(usize, A, T)> {
        let mut done = Vec::new();
        for (at, somebody) in self.0.iter_mut().enumerate() {
            let Some(running) = somebody.running.take_if(|running| running.is_over(crashed)) else { continue };
            let Some(answer) = running.outcome(crashed).await.flatten() else { continue };
            somebody.left -= 1;
            done.push((at, somebody.doing.take().unwrap(), answer));
        }
        done
    }
}
