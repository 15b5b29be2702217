//! Everybody at once, call by call, in any order.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use local::dynamodb::{Change, StreamRecord};
use local::wire::Faults;
use serde_json::json;
use shared::domain::time::Time;
use tokio::task::JoinHandle;

use super::actions::{Action, Answer, CHANNELS, Known, OUTBOX, act, boot, event, stage};
use super::channels::{Channels, Failures, UNFIT, publisher};
use super::check::{Story, wrong};
use super::mutants;
use super::plan::{Plan, Publishers};
use crate::delivery::schedule::Schedule;
use crate::stage::{Stage, invoke};

const WRITERS: usize = 4;
const PUBLISHERS: usize = 3;

/// Does one thing after the other; what its sandbox did not end is done again.
#[derive(Default)]
struct Writer {
    left: usize,
    doing: Option<Action>,
    running: Option<(String, JoinHandle<Option<Answer>>)>,
    known: Vec<Known>,
}

struct Delivery {
    name: String,
    range: (usize, usize),
    task: JoinHandle<Option<Vec<String>>>,
    numbers: Vec<String>,
}

struct Driver {
    stage: Stage,
    schedule: Schedule,
    random: fastrand::Rng,
    channels: Channels,
    failures: Failures,
    writers: Vec<Writer>,
    acknowledged: usize,
    deliveries: Vec<Delivery>,
    count: usize,
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    runtime.block_on(async {
        let mut driver = Driver {
            stage: stage(),
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random: fastrand::Rng::with_seed(plan.seed),
            channels: Channels::new(plan.seed, plan.refusals),
            failures: Failures::default(),
            writers: (0..WRITERS).map(|_| Writer { left: plan.actions, ..Writer::default() }).collect(),
            acknowledged: 0,
            deliveries: Vec::new(),
            count: 0,
            deaths: plan.faults / 4,
            publishers,
        };
        for _ in 0..plan.backlog {
            let action = driver.put(CHANNELS[2]);
            let answer = act(driver.stage.clone(), None, "writer".to_owned(), action).await;
            assert!(matches!(answer, Some(Answer::Written(_))), "{answer:?}");
        }
        driver.drive().await?;
        let known = driver.writers.into_iter().map(|writer| writer.known).collect();
        let wrong = wrong(&Story::of(&driver.stage, driver.channels.taken(), known, driver.failures.all()));
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
    })
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            let mut busy = false;
            for at in 0..WRITERS {
                busy |= self.writers[at].left > 0;
                if self.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 => self.stage.advance(TimeDelta::milliseconds(self.random.i64(0..4_000))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await;
            if !busy && self.deliveries.is_empty() && self.acknowledged >= told(&self.stage).len() {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    fn faults(&self) -> Arc<dyn Faults> {
        Arc::new(self.schedule.clone())
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what} {}", self.count)
    }

    fn begin(&mut self, at: usize) {
        if self.writers[at].running.is_some() || self.writers[at].left == 0 {
            return;
        }
        let doing = self.writers[at].doing.take().unwrap_or_else(|| self.next());
        self.writers[at].doing = Some(doing.clone());
        let name = self.name("writer");
        let task = tokio::spawn(act(self.stage.clone(), Some(self.faults()), name.clone(), doing));
        self.writers[at].running = Some((name, task));
    }

    fn message(&mut self) -> &'static str {
        if self.random.u8(0..100) < 12 { UNFIT } else { "hello" }
    }

    fn put(&mut self, channel: &str) -> Action {
        let (id, time) = (self.name("e").replace(' ', ""), Time::from(self.stage.now()));
        Action::Put(event(channel, id, time, json!({"message": self.message()})))
    }

    fn next(&mut self) -> Action {
        match self.random.u8(0..100) {
            0..50 => {
                let channel = CHANNELS[self.random.usize(0..3)];
                self.put(channel)
            }
            50..70 => {
                // Who was held up tells the numbers of a second that was over long ago.
                let second = Time::from(self.stage.now()).seconds() - self.random.i64(1..4);
                let over = chrono::DateTime::from_timestamp(second + 1, 0).unwrap();
                let id = self.name(&format!("n{second}")).replace(' ', "-");
                let event = event(CHANNELS[3], id, Time::from(over), json!({"second": second}));
                Action::Numbers(event, second.try_into().unwrap())
            }
            70..85 => Action::Notify { key: self.name("k").replace(' ', ""), message: self.message().to_owned() },
            _ => Action::Announce { key: self.name("k").replace(' ', ""), message: self.message().to_owned() },
        }
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if !self.schedule.step(&mut self.random) {
            tokio::time::sleep(Duration::from_millis(1 << self.random.u32(0..9))).await;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let mut crashed = self.schedule.crashed();
        // Some die while the server of channels has not answered them yet.
        if self.random.u8(0..100) < self.deaths && !self.deliveries.is_empty() {
            crashed.push(self.deliveries[self.random.usize(0..self.deliveries.len())].name.clone());
        }
        for writer in &mut self.writers {
            let Some((name, task)) = &mut writer.running else { continue };
            let has_died = crashed.contains(name);
            if has_died {
                task.abort();
            } else if !task.is_finished() {
                continue;
            }
            let answer = if has_died { None } else { task.await.unwrap() };
            writer.running = None;
            let Some(answer) = answer else { continue };
            writer.doing = None;
            writer.left -= 1;
            if let Answer::Written(known) = answer {
                writer.known.push(known);
            }
        }
        let mut at = 0;
        while at < self.deliveries.len() {
            let has_died = crashed.contains(&self.deliveries[at].name);
            if !has_died && !self.deliveries[at].task.is_finished() {
                at += 1;
                continue;
            }
            let Delivery { range: (from, to), task, numbers, .. } = self.deliveries.swap_remove(at);
            task.abort();
            if has_died {
                continue;
            }
            let Some(failed) = task.await.unwrap() else { continue };
            // Everything from the lowest failed record on is delivered again.
            let done = numbers.iter().position(|number| failed.contains(number)).unwrap_or(to - from);
            if from <= self.acknowledged {
                self.acknowledged = self.acknowledged.max(from + done);
            }
        }
    }

    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        if self.deliveries.len() >= PUBLISHERS {
            return;
        }
        let records = told(&self.stage);
        if self.acknowledged >= records.len() {
            return;
        }
        let again = self.random.u8(0..100) < 30;
        let from = if again { self.random.usize(0..=self.acknowledged) } else { self.acknowledged };
        let to = self.random.usize(from + 1..=records.len().min(from + 24));
        let piece = &records[from..to];
        let numbers = piece.iter().map(StreamRecord::sequence_number).collect();
        let payload = self.stage.payload(OUTBOX, piece);
        let name = self.name("publisher");
        let boot = boot(&self.stage, &name, Some(self.faults()));
        let started = match self.publishers {
            Publishers::Real => publisher(&boot, &self.channels, &self.failures),
            Publishers::Mutant(mutant) => mutants::publisher(mutant, &boot, &self.channels, &self.failures),
        };
        let task = tokio::spawn(async move {
            let answer = invoke(&*started, &payload).await.ok()?;
            let failures = answer["batchItemFailures"].as_array()?.iter();
            Some(failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect())
        });
        self.deliveries.push(Delivery { name, range: (from, to), task, numbers });
    }
}
