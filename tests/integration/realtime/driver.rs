//! Everybody at once, call by call, in any order.

use chrono::TimeDelta;
use domain::time::Time;
use local::dynamodb::{Change, StreamRecord};
use serde_json::json;

use super::actions::{Action, Answer, CHANNELS, Known, OUTBOX, act, boot, event, stage};
use super::check::{Story, wrong};
use super::faulty_server::{Channels, Failures, UNFIT, publisher};
use super::mutants;
use super::plan::{Plan, Publishers};
use crate::support::crowd::{Crowd, Running, Turns, found};
use crate::support::deliveries::{Deliveries, Way, failed};
use crate::support::schedule::Schedule;
use crate::support::stage::{Stage, paused};

const WRITERS: usize = 4;
/// How publishers are told.
const WAY: Way = Way { table: OUTBOX, told, at_once: 3, longest: 24, again: 30, in_part: true };

struct Driver {
    stage: Stage,
    turns: Turns,
    channels: Channels,
    failures: Failures,
    writers: Crowd<Action, Answer>,
    /// What each writer knows to be written.
    known: Vec<Vec<Known>>,
    deliveries: Deliveries,
    deaths: u8,
    publishers: Publishers,
}

/// What the template's filter lets through.
pub(super) fn told(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| record.change != Change::Remove && record.keys.contains("\"CHANNEL#");
    stage.records(OUTBOX).into_iter().filter(is_let_through).collect()
}

/// Runs a plan to its end; what was wrong, if anything was.
pub(super) fn run(plan: &Plan, publishers: Publishers) -> Result<(), String> {
    paused(async {
        let mut driver = Driver {
            stage: stage(),
            turns: Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls)),
            channels: Channels::new(plan.seed, plan.refusals),
            failures: Failures::default(),
            writers: Crowd::new(WRITERS, plan.actions),
            known: (0..WRITERS).map(|_| Vec::new()).collect(),
            deliveries: Deliveries::new(WAY),
            deaths: plan.faults / 4,
            publishers,
        };
        for _ in 0..plan.backlog {
            let action = driver.put(CHANNELS[2]);
            let answer = act(driver.stage.clone(), None, "writer".to_owned(), action).await;
            assert!(matches!(answer, Some(Answer::Written(_))), "{answer:?}");
        }
        driver.drive().await?;
        found(wrong(&Story::of(&driver.stage, driver.channels.taken(), driver.known, driver.failures.all())))
    })
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            let busy = self.writers.is_busy();
            for at in 0..WRITERS {
                if self.turns.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.turns.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 => self.stage.advance(TimeDelta::milliseconds(self.turns.random.i64(0..4_000))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await;
            if !busy && self.deliveries.are_done(&self.stage) {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    fn begin(&mut self, at: usize) {
        if !self.writers.is_free(at) {
            return;
        }
        let action = self.writers.undone(at).unwrap_or_else(|| self.next());
        let name = self.turns.name("writer");
        let doing = act(self.stage.clone(), Some(self.turns.faults()), name.clone(), action.clone());
        self.writers.begin(at, action, Running::new(name, doing));
    }

    fn message(&mut self) -> &'static str {
        if self.turns.random.u8(0..100) < 12 { UNFIT } else { "hello" }
    }

    fn put(&mut self, channel: &str) -> Action {
        let (id, time) = (self.turns.name("e").replace(' ', ""), Time::from(self.stage.now()));
        Action::Put(event(channel, id, time, json!({"message": self.message()})))
    }

    fn next(&mut self) -> Action {
        match self.turns.random.u8(0..100) {
            0..50 => {
                let channel = CHANNELS[self.turns.random.usize(0..3)];
                self.put(channel)
            }
            50..70 => {
                // Who was held up tells the numbers of a second that was over long ago.
                let second = Time::from(self.stage.now()).seconds() - self.turns.random.i64(1..4);
                let over = chrono::DateTime::from_timestamp(second + 1, 0).unwrap();
                let id = self.turns.name(&format!("n{second}")).replace(' ', "-");
                let event = event(CHANNELS[3], id, Time::from(over), json!({"second": second}));
                Action::Numbers(event, second.try_into().unwrap())
            }
            70..85 => Action::Notify { key: self.turns.name("k").replace(' ', ""), message: self.message().to_owned() },
            _ => Action::Announce { key: self.turns.name("k").replace(' ', ""), message: self.message().to_owned() },
        }
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) {
        let mut crashed = self.turns.turn(|random| 1 << random.u32(0..9)).await;
        // Some die while the server of channels has not answered them yet.
        if self.turns.random.u8(0..100) < self.deaths {
            crashed.extend(self.deliveries.any(&mut self.turns.random));
        }
        for (at, _, answer) in self.writers.done(&crashed).await {
            if let Answer::Written(known) = answer {
                self.known[at].push(known);
            }
        }
        self.deliveries.settle(&crashed).await;
    }

    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        let Some((piece, payload)) = self.deliveries.piece(&self.stage, &mut self.turns.random) else { return };
        let name = self.turns.name("publisher");
        let boot = boot(&self.stage, &name, Some(self.turns.faults()));
        let started = match self.publishers {
            Publishers::Real => publisher(&boot, &self.channels, &self.failures),
            Publishers::Mutant(mutant) => mutants::publisher(mutant, &boot, &self.channels, &self.failures),
        };
        self.deliveries.begin(piece, Running::new(name, async move { failed(&*started, &payload).await }));
    }
}
