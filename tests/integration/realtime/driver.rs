//! Writers put events into the outbox at the same time, while publishers get its stream.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use local::dynamodb::{Change, StreamRecord};
use local::wire::Faults;
use serde_json::json;

use super::actions::{Action, Answer, CHANNELS, Known, OUTBOX, act, boot, event, stage};
use super::check::{Story, wrong};
use super::faulty_server::{Channels, Failures, UNFIT, publisher};
use super::mutants;
use super::plan::{Plan, Publishers};
use crate::support::deliveries::{Consumer, Deliveries, consume};
use crate::support::driver::{Clients, Scenario, Turns, drive, ensure_none};
use crate::support::schedule::Schedule;
use crate::support::stage::{Stage, paused};

const PUBLISHER: Consumer =
    Consumer { table: OUTBOX, records, concurrency: 3, batch: 24, redelivered: 30, is_partial: true };

struct Site {
    stage: Stage,
    channels: Channels,
    failures: Failures,
    /// The events that each writer knows to be written.
    known: Vec<Vec<Known>>,
    deliveries: Deliveries,
    /// The percentage of turns in which a publisher crashes while it waits for the server.
    crashes: u8,
    publishers: Publishers,
}

/// The records that the template's filter lets through.
pub(super) fn records(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| record.change != Change::Remove && record.keys.contains("\"CHANNEL#");
    stage.records(OUTBOX).into_iter().filter(is_let_through).collect()
}

/// Runs a plan to its end.
pub(super) fn run(plan: &Plan, publishers: Publishers) -> Result<(), String> {
    paused(async {
        let stage = stage();
        let mut turns = Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls));
        let mut site = Site {
            stage,
            channels: Channels::new(plan.seed, plan.refusals),
            failures: Failures::default(),
            known: (0..Site::CLIENTS).map(|_| Vec::new()).collect(),
            deliveries: Deliveries::new(PUBLISHER),
            crashes: plan.faults / 4,
            publishers,
        };
        for _ in 0..plan.backlog {
            let action = put(&mut turns, &site.stage, CHANNELS[2]);
            let answer = act(site.stage.clone(), None, "writer".to_owned(), action).await;
            assert!(matches!(answer, Some(Answer::Written(_))), "{answer:?}");
        }
        site = drive(site, turns, plan.actions).await?;
        ensure_none(wrong(&Story::of(&site.stage, site.channels.taken(), site.known, site.failures.all())))
    })
}

fn message(turns: &mut Turns) -> &'static str {
    if turns.random.u8(0..100) < 12 { UNFIT } else { "hello" }
}

fn put(turns: &mut Turns, stage: &Stage, channel: &str) -> Action {
    let (id, time) = (turns.name("e").replace(' ', ""), Time::from(stage.now()));
    Action::Put(event(channel, id, time, json!({"message": message(turns)})))
}

impl Scenario for Site {
    type Action = Action;
    type Answer = Answer;

    fn next(&mut self, _: usize, turns: &mut Turns, _: &Clients<Action, Answer>) -> Action {
        match turns.random.u8(0..100) {
            0..50 => {
                let channel = CHANNELS[turns.random.usize(0..3)];
                put(turns, &self.stage, channel)
            }
            50..70 => {
                // A slow writer has the stats of a second that ended long ago.
                let second = Time::from(self.stage.now()).seconds() - turns.random.i64(1..4);
                let over = chrono::DateTime::from_timestamp(second + 1, 0).unwrap();
                let id = turns.name(&format!("n{second}")).replace(' ', "-");
                let event = event(CHANNELS[3], id, Time::from(over), json!({"second": second}));
                Action::Numbers(event, second.try_into().unwrap())
            }
            70..85 => Action::Notify { key: turns.name("k").replace(' ', ""), message: message(turns).to_owned() },
            _ => Action::Announce { key: turns.name("k").replace(' ', ""), message: message(turns).to_owned() },
        }
    }

    fn act(
        &self,
        _: usize,
        name: String,
        faults: Arc<dyn Faults>,
        action: Action,
    ) -> impl Future<Output = Option<Answer>> + Send + 'static {
        act(self.stage.clone(), Some(faults), name, action)
    }

    fn step(&mut self, turns: &mut Turns, is_busy: bool) {
        match turns.random.u8(0..100) {
            0..30 => self.deliver(turns),
            30..32 => self.stage.advance(TimeDelta::milliseconds(turns.random.i64(0..4_000))),
            _ if !is_busy => self.deliver(turns),
            _ => {}
        }
    }

    fn pause_ms(random: &mut fastrand::Rng) -> u64 {
        1 << random.u32(0..9)
    }

    fn crash(&mut self, turns: &mut Turns) -> Option<String> {
        if turns.random.u8(0..100) < self.crashes { self.deliveries.any(&mut turns.random) } else { None }
    }

    async fn settle(&mut self, done: Vec<(usize, Action, Answer)>, crashed: &[String]) -> Result<(), String> {
        for (at, _, answer) in done {
            if let Answer::Written(known) = answer {
                self.known[at].push(known);
            }
        }
        self.deliveries.settle(crashed).await;
        Ok(())
    }

    fn is_over(&self, was_busy: bool, _: bool) -> bool {
        !was_busy && self.deliveries.are_done(&self.stage)
    }
}

impl Site {
    fn deliver(&mut self, turns: &mut Turns) {
        let Self { stage, publishers, channels, failures, .. } = self;
        let faults = turns.faults();
        self.deliveries.deliver(stage, turns, "publisher", |name, payload| {
            let boot = boot(stage, &name, Some(faults));
            let started = match publishers {
                Publishers::Real => publisher(&boot, channels, failures),
                Publishers::Mutant(mutant) => mutants::publisher(*mutant, &boot, channels, failures),
            };
            async move { consume(&*started, &payload).await }
        });
    }
}
