//! Updaters, workers and dispatchers run at the same time, with faults, while late events arrive and periods end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::Level;
use proptest::prelude::*;
use store::RollupTask;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::check::{self, Checked};
use super::model::{Model, Sent, What};
use super::mutants::{self, Mutant};
use super::world::World;
use crate::support::schedule::Schedule;
use crate::support::stage::{invoke, paused, start};

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Hostile {
    seed: u64,
    events: usize,
    faults: u8,
    switches: u8,
    stalls: u8,
}

pub(crate) fn plans() -> impl Strategy<Value = Hostile> {
    let faults = prop::sample::select(vec![0_u8, 4, 12]);
    (any::<u64>(), 2..9_usize, faults, 2..25_u8, prop::sample::select(vec![0_u8, 30]))
        .prop_map(|(seed, events, faults, switches, stalls)| Hostile { seed, events, faults, switches, stalls })
}

/// Shortly before an hour, a day or a year ends.
const BEGINNINGS: [&str; 3] = ["2026-11-20T21:50:00Z", "2026-11-20T23:40:00Z", "2026-12-31T23:45:00Z"];

/// No worker is at it for longer than this, as its function's timeout sees to; less than the grace by what clocks may differ.
const WORKS_FOR: TimeDelta = TimeDelta::minutes(2);

const UPDATERS: usize = 3;
const WORKERS: usize = 3;
const DISPATCHERS: usize = 2;

/// The kind of an invocation.
#[derive(Debug)]
enum Doing {
    /// Which records of the stream are delivered.
    Updating(usize, usize),
    Working(RollupTask),
    Dispatching,
}

struct Running {
    name: String,
    began: DateTime<Utc>,
    doing: Doing,
    task: JoinHandle<bool>,
}

struct Driver {
    world: World,
    model: Model,
    schedule: Schedule,
    random: fastrand::Rng,
    mutant: Option<Mutant>,
    running: Vec<Running>,
    queue: Arc<Mutex<Vec<RollupTask>>>,
    acknowledged: usize,
    count: usize,
}

/// Runs a plan to its end, with a mutant or without.
pub(crate) fn run(plan: &Hostile, mutant: Option<Mutant>) -> Result<(), String> {
    fastrand::seed(plan.seed);
    paused(async {
        let mut random = fastrand::Rng::with_seed(plan.seed);
        let world = World::new("UTC", BEGINNINGS[random.usize(0..BEGINNINGS.len())].parse().unwrap());
        let mut driver = Driver {
            world,
            model: Model::default(),
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random,
            mutant,
            running: Vec::new(),
            queue: Arc::default(),
            acknowledged: 0,
            count: 0,
        };
        driver.drive(plan.events).await?;
        driver.compare().await
    })
}

impl Driver {
    async fn drive(&mut self, events: usize) -> Result<(), String> {
        let mut left = events;
        let mut moves = 25;
        self.world.describe(&mut self.model, 0, 0).await;
        for _ in 0..20_000 {
            match self.random.u8(0..100) {
                0..3 if left > 0 => {
                    left -= 1;
                    let event = self.event(left);
                    self.world.send(&mut self.model, vec![event]).await;
                    if self.random.u8(0..8) == 0 {
                        let (track, artist) = (self.random.usize(0..2), self.random.usize(0..2));
                        self.world.describe(&mut self.model, track, artist).await;
                    }
                }
                3..8 if moves > 0 => moves -= i32::from(self.advance()),
                8..20 => self.update(),
                20..26 if self.doing(|doing| matches!(doing, Doing::Dispatching)) < DISPATCHERS => self.dispatch(),
                26..45 => self.work(),
                _ => {}
            }
            for _ in 0..6 {
                tokio::task::yield_now().await;
            }
            if !self.schedule.step(&mut self.random) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for _ in 0..6 {
                tokio::task::yield_now().await;
            }
            self.settle().await;
            if left == 0 && moves == 0 && self.acknowledged >= self.world.records().len() {
                return self.finish().await;
            }
        }
        Err("it never ends".to_owned())
    }

    /// Lets every invocation end, and does the rest without faults.
    async fn finish(&mut self) -> Result<(), String> {
        for _ in 0..20_000 {
            if self.running.is_empty() {
                return Ok(());
            }
            for _ in 0..6 {
                tokio::task::yield_now().await;
            }
            if !self.schedule.step(&mut self.random) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.settle().await;
        }
        Err("it never ends".to_owned())
    }

    async fn compare(&mut self) -> Result<(), String> {
        let queue = std::mem::take(&mut *self.queue.lock().unwrap());
        for work in &queue {
            self.world.work(work, None).await;
        }
        let end = self.world.calendar.period(Level::Day, self.world.time()).end().plus(TimeDelta::minutes(70));
        // Lost messages are sent again.
        self.world.advance(TimeDelta::minutes(31));
        self.world.settle().await;
        self.world.advance((DateTime::<Utc>::from(end) - self.world.now()).max(TimeDelta::zero()));
        self.world.settle().await;
        let checked = Checked { tracks: 2, artists: true, their_uniques: true, uniques: true, marks: false };
        check::items(&self.world, &self.model, checked).await?;
        check::reads(&self.world, &self.model, checked, self.random.u64(..)).await
    }

    fn doing(&self, what: impl Fn(&Doing) -> bool) -> usize {
        self.running.iter().filter(|running| what(&running.doing)).count()
    }

    fn event(&mut self, number: usize) -> Sent {
        let now = self.world.now();
        let minutes = match self.random.u8(0..4) {
            0 => self.random.i64(-30 * 60..0),
            1 => self.random.i64(-70..-20),
            _ => self.random.i64(-20..4),
        };
        let session = self.random.u8(0..4);
        let what = match self.random.u8(0..4) {
            0 => What::Download,
            1 => What::Share("embed"),
            _ => What::Play { source: "search", play_id: None, duration: Some(30), completion: Some(50), flags: 0 },
        };
        Sent {
            id: format!("e{number}"),
            track: self.random.usize(0..2),
            at: now + TimeDelta::minutes(minutes),
            session: format!("s{session}"),
            anonymous: None,
            user: None,
            country: None,
            what,
        }
    }

    /// Moves the clock a little, unless an invocation has been running for too long.
    fn advance(&mut self) -> bool {
        let by = TimeDelta::seconds(self.random.i64(20..400));
        let longest = self.running.iter().filter(|running| matches!(running.doing, Doing::Working(_)));
        let longest = longest.map(|running| self.world.now() - running.began).max().unwrap_or_default();
        let any_works = self.doing(|doing| matches!(doing, Doing::Working(_))) > 0;
        let by = if any_works { by.min(WORKS_FOR - longest) } else { by };
        if by <= TimeDelta::zero() {
            return false;
        }
        self.world.advance(by);
        true
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what} {}", self.count)
    }

    fn begin(&mut self, name: String, doing: Doing, task: JoinHandle<bool>) {
        self.running.push(Running { name, began: self.world.now(), doing, task });
    }

    fn update(&mut self) {
        let records = self.world.records();
        let busy = self.doing(|doing| matches!(doing, Doing::Updating(..))) >= UPDATERS;
        if busy || self.acknowledged >= records.len() {
            return;
        }
        let again = self.random.u8(0..100) < 30;
        let from = if again { self.random.usize(0..=self.acknowledged) } else { self.acknowledged };
        let to = self.random.usize(from + 1..=records.len().min(from + 4));
        let payload = self.world.payload(&records[from..to]);
        let name = self.name("updater");
        let faults = mutants::of_updater(self.mutant, &self.world, Arc::new(self.schedule.clone()));
        let updater = start(&self.world.boot(&name, Some(faults)), counter_updater::FUNCTION);
        let task = tokio::spawn(async move {
            let answer = invoke(&*updater, &payload).await;
            answer.is_ok_and(|answer| answer["batchItemFailures"].as_array().unwrap().is_empty())
        });
        self.begin(name, Doing::Updating(from, to), task);
    }

    fn dispatch(&mut self) {
        let name = self.name("dispatcher");
        let boot = self.world.boot(&name, Some(Arc::new(self.schedule.clone())));
        let (dispatch, queue, world, mutant) =
            (self.world.dispatch(&boot), Arc::clone(&self.queue), self.world.clone(), self.mutant);
        let task = tokio::spawn(async move {
            let Ok(due) = dispatch.due_tasks().await else { return false };
            for work in due {
                queue.lock().unwrap().push(work.clone());
                if dispatch.record_sent(&work).await.is_err() {
                    return false;
                }
                mutants::dispatched(mutant, &world, &work);
            }
            true
        });
        self.begin(name, Doing::Dispatching, task);
    }

    /// Gives a message to a worker; some to two at once.
    fn work(&mut self) {
        let queue = self.queue.lock().unwrap().clone();
        if queue.is_empty() || self.doing(|doing| matches!(doing, Doing::Working(_))) >= WORKERS {
            return;
        }
        let work = queue[self.random.usize(0..queue.len())].clone();
        let taken = self.doing(|doing| matches!(doing, Doing::Working(other) if *other == work)) > 0;
        if taken && self.random.u8(0..100) < 80 {
            return;
        }
        let name = self.name("worker");
        let boot = self.world.boot(&name, Some(Arc::new(self.schedule.clone())));
        let (world, mutant, message) = (self.world.clone(), self.mutant, work.clone());
        let closing = self.world.closing(&boot);
        let task = tokio::spawn(async move {
            mutants::before_work(mutant, &world, &message);
            closing.run(&message, Instant::now() + Duration::from_secs(20)).await.is_ok()
        });
        self.begin(name, Doing::Working(work), task);
    }

    /// Takes in what has ended and what has crashed.
    async fn settle(&mut self) {
        let crashed = self.schedule.crashed();
        let mut at = 0;
        while at < self.running.len() {
            let running = &self.running[at];
            let has_died = crashed.contains(&running.name);
            if !has_died && !running.task.is_finished() {
                at += 1;
                continue;
            }
            let Running { doing, task, .. } = self.running.swap_remove(at);
            task.abort();
            let done = !has_died && task.await.unwrap();
            match doing {
                Doing::Updating(from, to) if done && from <= self.acknowledged => {
                    self.acknowledged = self.acknowledged.max(to);
                }
                // A message that was not done comes again, or is lost.
                Doing::Working(work) if done && self.random.u8(0..100) < 80 || self.random.u8(0..100) < 10 => {
                    let mut queue = self.queue.lock().unwrap();
                    queue.iter().position(|other| *other == work).map(|at| queue.swap_remove(at));
                }
                _ => {}
            }
        }
    }
}
