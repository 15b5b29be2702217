//! Readers run between any two calls of the workers that close periods. Nothing is sent or folded meanwhile, so every
//! answer is the fold of the accepted events at any moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use store::RollupTask;
use tokio::time::Instant;

use super::check::{self, Checked};
use super::model::{Model, Sent, What};
use super::world::World;
use crate::support::driver::{Running, Turns};
use crate::support::schedule::Schedule;
use crate::support::stage::paused;

/// What a reader compares.
const ALL: Checked = Checked { tracks: 2, artists: true, their_uniques: true, uniques: true, marks: false };

/// How many are at work at once.
const WORKERS: usize = 2;
const READERS: usize = 2;

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    seed: u64,
    late: usize,
    moves: u8,
    faults: u8,
    switches: u8,
    stalls: u8,
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let percent = |of: [u8; 3]| prop::sample::select(of.to_vec());
    (any::<u64>(), 1..12_usize, 0..3_u8, percent([0, 0, 4]), 5..60_u8, percent([0, 30, 60]))
        .prop_map(|(seed, late, moves, faults, switches, stalls)| Plan { seed, late, moves, faults, switches, stalls })
}

/// Times at which the last hour, day or year has just been closed.
const BEGINNINGS: [&str; 3] = ["2026-11-20T21:10:00Z", "2026-11-20T23:50:00Z", "2026-12-31T23:40:00Z"];

/// What a reader has found: whether anything was wrong.
type Found = Result<(), String>;

struct Driver {
    world: World,
    model: Model,
    turns: Turns,
    queue: Arc<Mutex<VecDeque<RollupTask>>>,
    dispatcher: Option<Running<()>>,
    workers: Vec<(RollupTask, Running<bool>)>,
    /// Each with how many tracks had changed hands when it began: one that sees a track change hands sees either.
    readers: Vec<(u8, Running<Found>)>,
    moved: u8,
    /// Whether calls fail, so that readers may have no answer.
    fails: bool,
}

/// Whether a reader was asked to retry.
fn is_no_answer(wrong: &str) -> bool {
    ["unavailable", "throttled", "\"statusCode\":503"].iter().any(|told| wrong.contains(told))
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan) -> Result<(), String> {
    paused(async {
        let turns = Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls));
        let mut driver = Driver {
            world: World::new("UTC", DateTime::<Utc>::UNIX_EPOCH),
            model: Model::default(),
            turns,
            queue: Arc::default(),
            dispatcher: None,
            workers: Vec::new(),
            readers: Vec::new(),
            moved: 0,
            fails: plan.faults > 0,
        };
        driver.happen(plan).await;
        driver.drive(plan).await
    })
}

impl Driver {
    /// Closed periods, and events that came late since.
    async fn happen(&mut self, plan: &Plan) {
        let begin: DateTime<Utc> = BEGINNINGS[self.turns.random.usize(0..BEGINNINGS.len())].parse().unwrap();
        self.world = World::new("UTC", begin - TimeDelta::days(1));
        for track in 0..2 {
            self.world.describe(&mut self.model, track, track).await;
        }
        for number in 0..4 {
            let play = self.play(&format!("closed{number}"));
            self.world.send(&mut self.model, vec![play]).await;
        }
        self.deliver().await;
        self.world.settle().await;
        self.world.advance(begin - self.world.now());
        self.world.settle().await;
        for number in 0..plan.late {
            let play = self.play(&format!("late{number}"));
            self.world.send(&mut self.model, vec![play]).await;
        }
        self.deliver().await;
    }

    async fn deliver(&self) {
        assert!(self.world.deliver(&self.world.records(), None, None).await);
    }

    /// A play that an admin backfills: long ago, of the last days, or of now.
    fn play(&mut self, id: &str) -> Sent {
        let random = &mut self.turns.random;
        let minutes = match random.u8(0..4) {
            0 => random.i64(0..3) * 60 * 24 * 200 + random.i64(0..180),
            1 => random.i64(0..60 * 24 * 9),
            _ => random.i64(0..60 * 26),
        };
        let session = random.u8(0..6);
        Sent {
            id: id.to_owned(),
            track: random.usize(0..2),
            at: self.world.now() - TimeDelta::minutes(minutes),
            session: format!("s{session}"),
            anonymous: None,
            user: Some(format!("u{}", random.u8(0..3))),
            country: None,
            what: What::Play { source: "search", play_id: None, duration: Some(30), completion: Some(50), flags: 0 },
        }
    }

    async fn drive(&mut self, plan: &Plan) -> Result<(), String> {
        let mut reads = 0;
        for _ in 0..60_000 {
            match self.turns.random.u8(0..100) {
                0..6 => self.dispatch(),
                6..30 => self.work(),
                30..60 => self.read(),
                60..62 if self.moved < plan.moves => {
                    self.moved += 1;
                    let (track, artist) = (self.turns.random.usize(0..2), self.turns.random.usize(0..2));
                    self.world.describe(&mut self.model, track, artist).await;
                }
                62..64 => self.world.advance(TimeDelta::seconds(self.turns.random.i64(0..60))),
                _ => {}
            }
            reads += self.turn().await?;
            let is_idle = self.workers.is_empty() && self.dispatcher.is_none() && self.queue.lock().unwrap().is_empty();
            if is_idle && self.moved == plan.moves && reads > 3 && self.nothing_is_left().await {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    async fn nothing_is_left(&self) -> bool {
        let stats = self.world.stats().await;
        !stats.keys().any(|(pk, _)| pk == "LATE")
    }

    fn dispatch(&mut self) {
        if self.dispatcher.is_some() || !self.queue.lock().unwrap().is_empty() || !self.workers.is_empty() {
            return;
        }
        let name = self.turns.name("dispatcher");
        let boot = self.world.boot(&name, Some(self.turns.faults()));
        let (dispatch, queue) = (self.world.dispatch(&boot), Arc::clone(&self.queue));
        self.dispatcher = Some(Running::new(name, async move {
            if let Ok(due) = dispatch.due_tasks().await {
                queue.lock().unwrap().extend(due);
            }
        }));
    }

    fn work(&mut self) {
        if self.workers.len() >= WORKERS {
            return;
        }
        let Some(work) = self.queue.lock().unwrap().pop_front() else { return };
        let name = self.turns.name("worker");
        let closing = self.world.closing(&self.world.boot(&name, Some(self.turns.faults())));
        let message = work.clone();
        let working =
            Running::new(
                name,
                async move { closing.run(&message, Instant::now() + Duration::from_secs(20)).await.is_ok() },
            );
        self.workers.push((work, working));
    }

    fn read(&mut self) {
        if self.readers.len() >= READERS {
            return;
        }
        let name = self.turns.name("reader");
        let world = self.world.seen_by(&name, self.turns.faults());
        let (model, seed) = (self.model.clone(), self.turns.random.u64(..));
        let reading = Running::new(name, async move { check::reads(&world, &model, ALL, seed).await });
        self.readers.push((self.moved, reading));
    }

    /// Lets one call go on; how many have read.
    async fn turn(&mut self) -> Result<usize, String> {
        let crashed = self.turns.turn(|random| random.u64(1..30)).await;
        if let Some(dispatcher) = self.dispatcher.take_if(|dispatcher| dispatcher.is_over(&crashed)) {
            dispatcher.outcome(&crashed).await;
        }
        while let Some(at) = self.workers.iter().position(|(_, worker)| worker.is_over(&crashed)) {
            let (work, worker) = self.workers.swap_remove(at);
            // A message that was not done comes again.
            if worker.outcome(&crashed).await != Some(true) {
                self.queue.lock().unwrap().push_back(work);
            }
        }
        let mut read = 0;
        while let Some(at) = self.readers.iter().position(|(_, reader)| reader.is_over(&crashed)) {
            let (moved, reader) = self.readers.swap_remove(at);
            let found = reader.outcome(&crashed).await.unwrap_or(Ok(()));
            if moved == self.moved {
                found.or_else(|wrong| if self.fails && is_no_answer(&wrong) { Ok(()) } else { Err(wrong) })?;
                read += 1;
            }
        }
        Ok(read)
    }
}
