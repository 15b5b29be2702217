//! Everybody at once, call by call, in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use local::dynamodb::StreamRecord;
use local::wire::Faults;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::PackageProjector;
use tokio::time::Instant;

use super::actions::{Action, CURRENCIES, MAX_SCORE, act};
use super::model::Model;
use super::mutants::{self, Mutant};
use crate::support::crowd::{Crowd, Running, Turns, found};
use crate::support::deliveries::{Deliveries, Way, failed};
use crate::support::schedule::Schedule;
use crate::support::stage::{Item, Stage, http, invoke, paused, person, start};

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    seed: u64,
    actions: usize,
    faults: u8,
    switches: u8,
    stalls: u8,
    /// How many of a hundred actions are an author's.
    authors: u8,
    /// How many of a hundred deliveries begin where others have been.
    again: u8,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let faults = prop::sample::select(vec![0_u8, 4, 12]);
    let stalls = prop::sample::select(vec![0_u8, 30, 60]);
    let authors = prop::sample::select(vec![25_u8, 50, 75]);
    let again = prop::sample::select(vec![0_u8, 30]);
    (any::<u64>(), 1..7_usize, faults, 2..25_u8, stalls, authors, again).prop_map(
        |(seed, actions, faults, switches, stalls, authors, again)| Plan {
            seed,
            actions,
            faults,
            switches,
            stalls,
            authors,
            again,
        },
    )
}

/// Little is done, and nothing twice, so that what goes wrong once stays wrong; and whoever is about to write is held up.
pub(super) fn races() -> impl Strategy<Value = Plan> {
    (any::<u64>(), 1..4_usize, 2..10_u8, prop::sample::select(vec![30_u8, 60, 90])).prop_map(
        |(seed, actions, switches, stalls)| Plan { seed, actions, faults: 0, switches, stalls, authors: 50, again: 0 },
    )
}

const BEGIN: &str = "2026-01-31T11:59:30Z";
pub(super) const QUIZZES: usize = 2;
pub(super) const PACKAGES: usize = 2;
const CLIENTS: usize = 4;
const UPDATERS: usize = 3;
struct Driver {
    stage: Stage,
    model: Model,
    turns: Turns,
    mutant: Option<Mutant>,
    clients: Crowd<Action, ()>,
    /// What each client has yet to begin.
    todo: Vec<VecDeque<Action>>,
    lines: [Deliveries; 2],
    mender: Option<Running<()>>,
}

/// Runs a plan to its end, with one who breaks a rule or with none; what was wrong, if anything was.
pub(super) fn run(plan: &Plan, mutant: Option<Mutant>) -> Result<(), String> {
    paused(async {
        let stage = Stage::new(BEGIN.parse().unwrap());
        for quiz in 0..QUIZZES {
            stage.call(
                "PutItem",
                &json!({"TableName": "State", "Item": {
                    "pk": {"S": format!("QUIZ#q{quiz}")}, "sk": {"S": "DOC"},
                    "version": {"S": "v"}, "title": {"S": "Quiz"}, "creator": {"S": "ann"},
                }}),
            );
        }
        let mut turns = Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls));
        let todo = (0..CLIENTS)
            .map(|user| (0..plan.actions).map(|_| action(&mut turns.random, plan.authors, user)).collect())
            .collect();
        let mut driver = Driver {
            stage,
            model: Model::default(),
            turns,
            mutant,
            clients: Crowd::new(CLIENTS, plan.actions),
            todo,
            lines: ways(plan.again).map(Deliveries::new),
            mender: None,
        };
        driver.drive().await?;
        driver.compare().await
    })
}

fn action(random: &mut fastrand::Rng, authors: u8, user: usize) -> Action {
    let quiz = random.usize(0..QUIZZES);
    let package = random.usize(0..PACKAGES);
    if random.u8(0..100) < authors {
        return match random.u8(0..10) {
            0..2 => Action::Delete { package },
            // Each sells packages of its own currency, so that what they say of it comes one after the other.
            2 if user < CURRENCIES.len() => Action::Sell { package, currency: user, earned: random.i64(-3..9) },
            _ => Action::Put { package, quizzes: (0..QUIZZES).filter(|_| random.bool()).collect() },
        };
    }
    match random.u8(0..4) {
        0 | 1 => Action::Like { quiz, on: random.u8(0..100) < 60 },
        2 => Action::Rate { quiz, rating: random.u8(1..=5) },
        // The same attempt reaches the same, however often it is reported.
        _ => {
            let id = random.usize(0..2);
            Action::Attempt { quiz, id, score: ((user + quiz + id) as u8 * 3) % (MAX_SCORE + 1) }
        }
    }
}

/// How updaters are told of both streams.
fn ways(again: u8) -> [Way; 2] {
    let of = |table, told| Way { table, told, at_once: UPDATERS, longest: 4, again, in_part: false };
    [of("Interactions", |stage| stage.records("Interactions")), of("State", told)]
}

/// What the template's filter lets through of what packages say.
fn told(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| ["\"PACKAGE#", "\"DOC\""].iter().all(|key| record.keys.contains(key));
    stage.records("State").into_iter().filter(is_let_through).collect()
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            let busy = self.clients.is_busy();
            for at in 0..CLIENTS {
                // They take their time, so that what they did before is read before they do more.
                if self.turns.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.turns.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 => self.mend(),
                32..34 => self.stage.advance(TimeDelta::seconds(self.turns.random.i64(0..40))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await;
            let is_delivered = self.lines.iter().all(|line| line.are_done(&self.stage));
            if !busy && is_delivered && self.mender.is_none() {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) {
        let crashed = self.turns.turn(|_| 1).await;
        for (user, action, ()) in self.clients.done(&crashed).await {
            self.model.done(user, &action);
        }
        for line in &mut self.lines {
            line.settle(&crashed).await;
        }
        if let Some(mender) = self.mender.take_if(|mender| mender.is_over(&crashed)) {
            mender.outcome(&crashed).await;
        }
    }

    fn faults(&self) -> Arc<dyn Faults> {
        mutants::faults(self.mutant, &self.stage, self.turns.faults())
    }

    fn begin(&mut self, at: usize) {
        if !self.clients.is_free(at) {
            return;
        }
        let action = self.clients.undone(at).unwrap_or_else(|| self.todo[at].pop_front().unwrap());
        let name = self.turns.name("client");
        let doing = act(self.stage.clone(), self.faults(), name.clone(), at, action.clone());
        self.clients.begin(at, action, Running::new(name, doing));
    }

    /// Delivers a piece of a stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        let line = self.turns.random.usize(0..2);
        if self.lines.iter().map(Deliveries::under_way).sum::<usize>() >= UPDATERS {
            return;
        }
        let Some((piece, payload)) = self.lines[line].piece(&self.stage, &mut self.turns.random) else { return };
        let name = self.turns.name("updater");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let (stage, mutant) = (self.stage.clone(), self.mutant);
        let doing = async move {
            if let Some(is_done) = mutants::instead(mutant, &stage, &boot, &payload).await {
                return is_done.then(Vec::new);
            }
            failed(&*start(&boot, package_stats_updater::FUNCTION), &payload).await
        };
        self.lines[line].begin(piece, Running::new(name, doing));
    }

    /// Mends a package while all goes on.
    fn mend(&mut self) {
        if self.mender.is_some() || self.mutant.is_some() {
            return;
        }
        let name = self.turns.name("mender");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let package = format!("p{}", self.turns.random.usize(0..PACKAGES)).parse().unwrap();
        let updates = boot.open(|setup| PackageProjector::open(setup)).unwrap();
        let doing = async move {
            // It may run out of time: then it has mended a part, or nothing.
            updates.rebuild(&package, Instant::now() + Duration::from_secs(10)).await.ok();
        };
        self.mender = Some(Running::new(name, doing));
    }

    /// Holds all that is stored and all that is answered against the plain count.
    async fn compare(&self) -> Result<(), String> {
        let (state, stats) = (self.stage.items("State").await, self.stage.items("Stats").await);
        let mut wrong = Vec::new();
        for quiz in 0..QUIZZES {
            let expected = self.model.of(&BTreeSet::from([quiz]));
            let path = json!({"quizId": format!("q{quiz}")});
            let (status, answered) = self.get(get_quiz_stats::FUNCTION, "GET /api/quizzes/q/stats", &path, "").await;
            let fields = fields_of(&expected, &answered);
            if status != 200 || fields != expected {
                wrong.push(format!("quiz {quiz}: answered {answered}, expected {expected}"));
            }
        }
        for package in 0..PACKAGES {
            let document = state.get(&(format!("PACKAGE#p{package}"), "DOC".to_owned()));
            let named = document.map(named).unwrap_or_default();
            let sum = self.model.of(&named);
            let query = format!("packageId=p{package}");
            let (status, answered) =
                self.get(get_package_stats::FUNCTION, "GET /api/packages/stats", &json!({}), &query).await;
            let exists = document.is_some_and(|document| !document.contains_key("gone"));
            if !exists {
                if status != 404 {
                    wrong.push(format!("package {package} is gone, and {answered} was answered"));
                }
            } else {
                let answered = &answered["packages"][0];
                let earned: BTreeMap<String, Value> =
                    serde_json::from_value(answered["earningsByCurrency"].clone()).unwrap_or_default();
                let earned: Value = earned.into_iter().filter(|(_, earned)| *earned != 0).collect();
                if fields_of(&sum, answered) != sum || earned != self.model.earned(package) {
                    let expected = format!("{sum} and {}", self.model.earned(package));
                    wrong.push(format!("package {package}: answered {answered}, expected {expected}"));
                }
            }
            wrong.extend(self.leftovers(package, &named, &stats));
        }
        found(wrong)
    }

    /// What is stored of a package beside its answer: exactly the quizzes it names contribute, name it, and make its sums.
    fn leftovers(
        &self,
        package: usize,
        named: &BTreeSet<usize>,
        stats: &BTreeMap<(String, String), Item>,
    ) -> Vec<String> {
        let pk = format!("PACKAGE#p{package}");
        let mut wrong = Vec::new();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        let (mut contributing, mut naming) = (BTreeSet::new(), BTreeSet::new());
        for ((at, sk), item) in stats {
            if *at == pk && sk.starts_with("C#") {
                numbers(item).for_each(|(name, number)| *sums.entry(name).or_default() += number);
                if let Some(quiz) = sk.strip_prefix("C#QUIZ#q").filter(|_| !item.contains_key("gone")) {
                    contributing.insert(quiz.parse().unwrap());
                }
            }
            if *sk == format!("IN#p{package}") {
                naming.insert(at.strip_prefix("QUIZ#q").unwrap().parse().unwrap());
            }
        }
        if contributing != *named || naming != *named {
            wrong.push(format!("package {package} names {named:?}: {contributing:?} contribute, {naming:?} name it"));
        }
        let mut total: BTreeMap<String, i64> = stats.get(&(pk, "T".to_owned())).into_iter().flat_map(numbers).collect();
        total.retain(|_, number| *number != 0);
        sums.retain(|_, number| *number != 0);
        if total != sums {
            wrong.push(format!("package {package}: {sums:?} are contributed, {total:?} are stored"));
        }
        wrong
    }

    async fn get(&self, function: runtime::function::Function, route: &str, path: &Value, query: &str) -> (u64, Value) {
        let mut request = http(route, &person("root", "admin"), path, None, &json!(null));
        request["rawQueryString"] = json!(query);
        let parameters: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        request["queryStringParameters"] = json!(parameters);
        let answer = invoke(&*start(&self.stage.boot("reader", None, "UTC"), function), &request).await.unwrap();
        let body = answer["body"].as_str().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), body)
    }
}

/// The quizzes that a package's document names.
fn named(document: &Item) -> BTreeSet<usize> {
    let Some(quizzes) = document.get("quizzes") else { return BTreeSet::new() };
    let quizzes = quizzes.as_l().unwrap().iter();
    quizzes.map(|quiz| quiz.as_s().unwrap().strip_prefix('q').unwrap().parse().unwrap()).collect()
}

fn numbers(item: &Item) -> impl Iterator<Item = (String, i64)> {
    let numbers = item.iter().filter(|(name, _)| *name != "ttl");
    numbers.filter_map(|(name, value)| Some((name.clone(), value.as_n().ok()?.parse().unwrap())))
}

/// Of an answer, what there is to be compared.
fn fields_of(expected: &Value, answered: &Value) -> Value {
    expected.as_object().unwrap().keys().map(|field| (field.clone(), answered[field].clone())).collect()
}
