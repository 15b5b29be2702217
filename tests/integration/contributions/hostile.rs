//! Everybody at once, call by call, in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use local::dynamodb::StreamRecord;
use local::wire::Faults;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::store::PackageUpdates;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::actions::{Action, CURRENCIES, MAX_SCORE, act};
use super::model::Model;
use super::mutants::{self, Mutant};
use crate::delivery::schedule::Schedule;
use crate::stage::{Item, Stage, http, invoke, person, start};

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
const MENDERS: usize = 1;

/// Works off what it has to do; what its sandbox did not end is done again.
struct Client {
    user: usize,
    todo: VecDeque<Action>,
    running: Option<(String, JoinHandle<bool>)>,
}

/// The way of one stream to the updaters.
struct Line {
    table: &'static str,
    acknowledged: usize,
}

struct Delivery {
    name: String,
    line: usize,
    range: (usize, usize),
    task: JoinHandle<bool>,
}

struct Driver {
    stage: Stage,
    model: Model,
    schedule: Schedule,
    random: fastrand::Rng,
    mutant: Option<Mutant>,
    again: u8,
    clients: Vec<Client>,
    lines: [Line; 2],
    deliveries: Vec<Delivery>,
    menders: Vec<(String, JoinHandle<()>)>,
    count: usize,
}

/// Runs a plan to its end, with one who breaks a rule or with none; what was wrong, if anything was.
pub(super) fn run(plan: &Plan, mutant: Option<Mutant>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    runtime.block_on(async {
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
        let mut random = fastrand::Rng::with_seed(plan.seed);
        let clients = (0..CLIENTS).map(|user| {
            let todo = (0..plan.actions).map(|_| action(&mut random, plan.authors, user)).collect();
            Client { user, todo, running: None }
        });
        let clients = clients.collect();
        let mut driver = Driver {
            stage,
            model: Model::default(),
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random,
            mutant,
            again: plan.again,
            clients,
            lines: ["Interactions", "State"].map(|table| Line { table, acknowledged: 0 }),
            deliveries: Vec::new(),
            menders: Vec::new(),
            count: 0,
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

/// Whether the template's filter lets a record of this stream through.
fn is_for_updater(table: &str, record: &StreamRecord) -> bool {
    table == "Interactions" || record.keys.contains("\"PACKAGE#") && record.keys.contains("\"DOC\"")
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for _ in 0..60_000 {
            let mut busy = false;
            for at in 0..self.clients.len() {
                // They take their time, so that what they did before is read before they do more.
                busy |= self.clients[at].running.is_some() || !self.clients[at].todo.is_empty();
                if self.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 => self.mend(),
                32..34 => self.stage.advance(TimeDelta::seconds(self.random.i64(0..40))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await;
            let is_delivered = (0..2).all(|line| self.lines[line].acknowledged >= self.records(line).len());
            if !busy && is_delivered && self.deliveries.is_empty() && self.menders.is_empty() {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if !self.schedule.step(&mut self.random) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let crashed = self.schedule.crashed();
        for client in &mut self.clients {
            let Some((name, task)) = &mut client.running else { continue };
            let has_died = crashed.contains(name);
            if has_died {
                task.abort();
            } else if !task.is_finished() {
                continue;
            }
            let is_done = !has_died && task.await.unwrap();
            client.running = None;
            if is_done {
                let action = client.todo.pop_front().unwrap();
                self.model.done(client.user, &action);
            }
        }
        let mut at = 0;
        while at < self.deliveries.len() {
            let has_died = crashed.contains(&self.deliveries[at].name);
            if !has_died && !self.deliveries[at].task.is_finished() {
                at += 1;
                continue;
            }
            let Delivery { line, range: (from, to), task, .. } = self.deliveries.swap_remove(at);
            task.abort();
            let line = &mut self.lines[line];
            if !has_died && task.await.unwrap() && from <= line.acknowledged {
                line.acknowledged = line.acknowledged.max(to);
            }
        }
        self.menders.retain(|(name, task)| {
            let has_died = crashed.contains(name);
            if has_died {
                task.abort();
            }
            !has_died && !task.is_finished()
        });
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what} {}", self.count)
    }

    fn faults(&self) -> Arc<dyn Faults> {
        mutants::faults(self.mutant, &self.stage, Arc::new(self.schedule.clone()))
    }

    fn begin(&mut self, at: usize) {
        if self.clients[at].running.is_some() {
            return;
        }
        let Some(action) = self.clients[at].todo.front().cloned() else { return };
        let name = self.name("client");
        let task = tokio::spawn(act(self.stage.clone(), self.faults(), name.clone(), self.clients[at].user, action));
        self.clients[at].running = Some((name, task));
    }

    fn records(&self, line: usize) -> Vec<StreamRecord> {
        let table = self.lines[line].table;
        let records = self.stage.records(table).into_iter();
        records.filter(|record| is_for_updater(table, record)).collect()
    }

    /// Delivers a piece of a stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        let line = self.random.usize(0..2);
        let records = self.records(line);
        let Line { table, acknowledged } = self.lines[line];
        if self.deliveries.len() >= UPDATERS || acknowledged >= records.len() {
            return;
        }
        let again = self.random.u8(0..100) < self.again;
        let from = if again { self.random.usize(0..=acknowledged) } else { acknowledged };
        let to = self.random.usize(from + 1..=records.len().min(from + 4));
        let piece = &records[from..to];
        let payload = self.stage.payload(table, piece);
        let name = self.name("updater");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let (stage, mutant) = (self.stage.clone(), self.mutant);
        let task = tokio::spawn(async move {
            if let Some(is_done) = mutants::instead(mutant, &stage, &boot, &payload).await {
                return is_done;
            }
            let answer = invoke(&*start(&boot, package_stats_updater::FUNCTION), &payload).await;
            answer.is_ok_and(|answer| answer["batchItemFailures"].as_array().unwrap().is_empty())
        });
        self.deliveries.push(Delivery { name, line, range: (from, to), task });
    }

    /// Mends a package while all goes on.
    fn mend(&mut self) {
        if self.menders.len() >= MENDERS || self.mutant.is_some() {
            return;
        }
        let name = self.name("mender");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let package = format!("p{}", self.random.usize(0..PACKAGES)).parse().unwrap();
        let updates = PackageUpdates::new(boot.dynamodb(), "State".into(), "Stats".into(), boot.clock, boot.ids);
        let task = tokio::spawn(async move {
            // It may run out of time: then it has mended a part, or nothing.
            updates.mend(&package, Instant::now() + Duration::from_secs(10)).await.ok();
        });
        self.menders.push((name, task));
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
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
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

    async fn get(&self, function: shared::function::Function, route: &str, path: &Value, query: &str) -> (u64, Value) {
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
