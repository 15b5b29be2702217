//! Users act on quizzes, authors change packages and purchases change earnings at the same time, while the updater gets both
//! streams.

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
use crate::support::deliveries::{Consumer, Deliveries, consume};
use crate::support::driver::{Clients, Running, Scenario, Turns, drive, ensure_none};
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

/// Few actions and no redelivery, so that an error is never repaired by chance; most writes are stalled.
pub(super) fn races() -> impl Strategy<Value = Plan> {
    (any::<u64>(), 1..4_usize, 2..10_u8, prop::sample::select(vec![30_u8, 60, 90])).prop_map(
        |(seed, actions, switches, stalls)| Plan { seed, actions, faults: 0, switches, stalls, authors: 50, again: 0 },
    )
}

const BEGIN: &str = "2026-01-31T11:59:30Z";
pub(super) const QUIZZES: usize = 2;
pub(super) const PACKAGES: usize = 2;
const UPDATERS: usize = 3;

struct School {
    stage: Stage,
    model: Model,
    mutant: Option<Mutant>,
    /// The actions that each client has yet to begin.
    todo: Vec<VecDeque<Action>>,
    streams: [Deliveries; 2],
    rebuild: Option<Running<()>>,
}

/// Runs a plan to its end, with a mutant or without.
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
        let todo = (0..School::CLIENTS)
            .map(|user| (0..plan.actions).map(|_| action(&mut turns.random, plan.authors, user)).collect())
            .collect();
        let streams = consumers(plan.again).map(Deliveries::new);
        let school = School { stage, model: Model::default(), mutant, todo, streams, rebuild: None };
        drive(school, turns, plan.actions).await?.compare().await
    })
}

fn action(random: &mut fastrand::Rng, authors: u8, user: usize) -> Action {
    let quiz = random.usize(0..QUIZZES);
    let package = random.usize(0..PACKAGES);
    if random.u8(0..100) < authors {
        return match random.u8(0..10) {
            0..2 => Action::Delete { package },
            // Each author sells in a currency of their own, so that the earnings of a currency change one after the
            // other.
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

/// The consumers of both streams.
fn consumers(redelivered: u8) -> [Consumer; 2] {
    let of =
        |table, records| Consumer { table, records, concurrency: UPDATERS, batch: 4, redelivered, is_partial: false };
    [of("Interactions", |stage| stage.records("Interactions")), of("State", package_records)]
}

/// The records of packages that the template's filter lets through.
fn package_records(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| ["\"PACKAGE#", "\"DOC\""].iter().all(|key| record.keys.contains(key));
    stage.records("State").into_iter().filter(is_let_through).collect()
}

impl Scenario for School {
    type Action = Action;
    type Answer = ();

    fn next(&mut self, client: usize, _: &mut Turns, _: &Clients<Action, ()>) -> Action {
        self.todo[client].pop_front().unwrap()
    }

    fn act(
        &self,
        client: usize,
        name: String,
        faults: Arc<dyn Faults>,
        action: Action,
    ) -> impl Future<Output = Option<()>> + Send + 'static {
        act(self.stage.clone(), mutants::faults(self.mutant, &self.stage, faults), name, client, action)
    }

    fn step(&mut self, turns: &mut Turns, is_busy: bool) {
        match turns.random.u8(0..100) {
            0..30 => self.deliver(turns),
            30..32 => self.rebuild(turns),
            32..34 => self.stage.advance(TimeDelta::seconds(turns.random.i64(0..40))),
            _ if !is_busy => self.deliver(turns),
            _ => {}
        }
    }

    async fn settle(&mut self, done: Vec<(usize, Action, ())>, crashed: &[String]) -> Result<(), String> {
        for (user, action, ()) in done {
            self.model.done(user, &action);
        }
        for stream in &mut self.streams {
            stream.settle(crashed).await;
        }
        if let Some(rebuild) = self.rebuild.take_if(|rebuild| rebuild.is_over(crashed)) {
            rebuild.outcome(crashed).await;
        }
        Ok(())
    }

    fn is_over(&self, was_busy: bool, _: bool) -> bool {
        let is_delivered = self.streams.iter().all(|stream| stream.are_done(&self.stage));
        !was_busy && is_delivered && self.rebuild.is_none()
    }
}

impl School {
    /// Delivers a batch of one of the streams.
    fn deliver(&mut self, turns: &mut Turns) {
        let at = turns.random.usize(0..2);
        if self.streams.iter().map(Deliveries::under_way).sum::<usize>() >= UPDATERS {
            return;
        }
        let (stage, mutant) = (self.stage.clone(), self.mutant);
        let faults = mutants::faults(mutant, &stage, turns.faults());
        self.streams[at].deliver(&self.stage, turns, "updater", |name, payload| async move {
            let boot = stage.boot(&name, Some(faults), "UTC");
            if let Some(is_done) = mutants::instead(mutant, &stage, &boot, &payload).await {
                return is_done.then(Vec::new);
            }
            consume(&*start(&boot, package_stats_updater::FUNCTION), &payload).await
        });
    }

    /// Rebuilds a package.
    fn rebuild(&mut self, turns: &mut Turns) {
        if self.rebuild.is_some() || self.mutant.is_some() {
            return;
        }
        let name = turns.name("rebuild");
        let boot = self.stage.boot(&name, Some(mutants::faults(self.mutant, &self.stage, turns.faults())), "UTC");
        let package = format!("p{}", turns.random.usize(0..PACKAGES)).parse().unwrap();
        let projector = boot.open(|setup| PackageProjector::open(setup)).unwrap();
        let rebuild = async move {
            // It may run out of time, and repair a part or nothing.
            projector.rebuild(&package, Instant::now() + Duration::from_secs(10)).await.ok();
        };
        self.rebuild = Some(Running::new(name, rebuild));
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
        ensure_none(wrong)
    }

    /// The stored items of a package besides its answer: exactly its quizzes contribute and refer to it, and they add
    /// up to its sums.
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

/// The fields of an answer that are compared.
fn fields_of(expected: &Value, answered: &Value) -> Value {
    expected.as_object().unwrap().keys().map(|field| (field.clone(), answered[field].clone())).collect()
}
