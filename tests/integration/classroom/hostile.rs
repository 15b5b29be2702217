//! Teachers, students and admins at once, call by call, in any order.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::task::JoinHandle;

use super::actions::{Action, Answer, COURSES, PRESENCES, STATUSES, STUDENTS, act};
use super::check::wrong;
use crate::delivery::schedule::Schedule;
use crate::stage::Stage;

const PEOPLE: usize = 4;

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) actions: usize,
    pub(super) faults: u8,
    pub(super) switches: u8,
    pub(super) stalls: u8,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let percent = |of: [u8; 3]| prop::sample::select(of.to_vec());
    (any::<u64>(), 3..20_usize, percent([0, 4, 12]), 2..25_u8, percent([0, 30, 60]))
        .prop_map(|(seed, actions, faults, switches, stalls)| Plan { seed, actions, faults, switches, stalls })
}

/// Does one thing after the other; what its sandbox did not end is done again.
#[derive(Default)]
struct Somebody {
    left: usize,
    doing: Option<Action>,
    running: Option<(String, JoinHandle<Option<Answer>>)>,
}

struct Driver {
    stage: Stage,
    schedule: Schedule,
    random: fastrand::Rng,
    people: Vec<Somebody>,
    count: usize,
    scores: Vec<(String, &'static str)>,
    purchases: Vec<(usize, String)>,
    payments: Vec<String>,
}

/// Runs a plan to its end, and meddles with what is left; what dashboards say wrongly then, if they do.
pub(super) fn run(plan: &Plan, meddle: impl Fn(&Stage)) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    runtime.block_on(async {
        let stage = Stage::new("2026-01-31T12:00:00Z".parse().unwrap());
        for (at, (id, _)) in COURSES.iter().enumerate() {
            act(stage.clone(), None, "begin".to_owned(), Action::Describe(at, format!("About {id}"))).await.unwrap();
        }
        let mut driver = Driver {
            stage,
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random: fastrand::Rng::with_seed(plan.seed),
            people: (0..PEOPLE).map(|_| Somebody { left: plan.actions, ..Somebody::default() }).collect(),
            count: 0,
            scores: Vec::new(),
            purchases: Vec::new(),
            payments: Vec::new(),
        };
        driver.drive().await?;
        meddle(&driver.stage);
        let wrong = wrong(&driver.stage).await;
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
    })
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            for at in 0..PEOPLE {
                if self.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            self.turn().await;
            if self.people.iter().all(|somebody| somebody.left == 0) {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    fn begin(&mut self, at: usize) {
        if self.people[at].running.is_some() || self.people[at].left == 0 {
            return;
        }
        let doing = self.people[at].doing.take().unwrap_or_else(|| self.next());
        self.people[at].doing = Some(doing.clone());
        self.count += 1;
        let name = format!("somebody {}", self.count);
        let task = tokio::spawn(act(self.stage.clone(), Some(Arc::new(self.schedule.clone())), name.clone(), doing));
        self.people[at].running = Some((name, task));
    }

    fn next(&mut self) -> Action {
        let random = &mut self.random;
        // Mostly one student in one course: that is where they meet.
        let mut mostly_first = |of: usize| if random.u8(0..100) < 60 { 0 } else { random.usize(0..of) };
        let (student, course) = (mostly_first(STUDENTS.len()), mostly_first(COURSES.len()));
        let (eighths, key) = (random.u8(0..=8), format!("k{}", self.count));
        match random.u8(0..100) {
            0..3 => Action::Describe(course, format!("About {key}")),
            3..20 => Action::Ask(student, course),
            20..40 => Action::Status(student, course, STATUSES[random.usize(0..4)]),
            40..52 => Action::Give { key, student, course, eighths },
            52..62 if !self.scores.is_empty() => {
                let (score, teacher) = self.scores[random.usize(0..self.scores.len())].clone();
                Action::PutRight { score, teacher, eighths }
            }
            62..80 => {
                let presence = PRESENCES[random.usize(0..4)];
                Action::Mark { student, course, day: random.u8(0..2), presence }
            }
            80..90 if !self.purchases.is_empty() => {
                let (student, purchase) = self.purchases[random.usize(0..self.purchases.len())].clone();
                Action::Pay { key, student, purchase }
            }
            90..96 if !self.payments.is_empty() => {
                Action::Approve(self.payments[random.usize(0..self.payments.len())].clone())
            }
            _ => Action::Order { key, student, currency: ["USD", "JPY"][random.usize(0..2)] },
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
        let crashed = self.schedule.crashed();
        for somebody in &mut self.people {
            let Some((name, task)) = &mut somebody.running else { continue };
            let has_died = crashed.contains(name);
            if has_died {
                task.abort();
            } else if !task.is_finished() {
                continue;
            }
            let answer = if has_died { None } else { task.await.unwrap() };
            somebody.running = None;
            let Some((_, body)) = answer else { continue };
            somebody.left -= 1;
            let named = |field: &str| body[field].as_str().map(str::to_owned);
            match somebody.doing.take() {
                Some(Action::Give { course, .. }) => {
                    self.scores.extend(named("scoreId").map(|score| (score, COURSES[course].1)));
                }
                Some(Action::Order { student, .. }) => {
                    self.purchases.extend(named("purchaseId").map(|purchase| (student, purchase)));
                }
                Some(Action::Pay { .. }) => self.payments.extend(named("paymentId")),
                _ => {}
            }
        }
    }
}

/// A number that is off by one is found out, whosever it is.
#[test]
fn what_is_counted_wrong_is_found() {
    let plan = Plan { seed: 7, actions: 19, faults: 4, switches: 10, stalls: 30 };
    run(&plan, |_| ()).unwrap();
    for (pk, name) in [
        ("COURSE#algebra", "enrollments#active"),
        ("COURSE#cooking", "scores"),
        ("STUDENT#sam", "scores"),
        ("STUDENT#sid", "attendance#late"),
        ("TEACHER#tim", "scoreSum"),
        ("TEACHER#tom", "courses"),
        ("CLASSROOMS#03", "enrollments#dropped"),
        ("CLASSROOMS#00", "payments#received#USD"),
        ("CLASSROOMS#15", "payments#approved#-"),
    ] {
        let off = run(&plan, |stage| {
            let update = json!({
                "TableName": "Stats", "Key": {"pk": {"S": pk}, "sk": {"S": "T"}},
                "UpdateExpression": "ADD #name :one",
                "ExpressionAttributeNames": {"#name": name}, "ExpressionAttributeValues": {":one": {"N": "1"}},
            });
            stage.call("UpdateItem", &update);
        });
        assert!(off.is_err(), "{pk} {name}");
    }
}
