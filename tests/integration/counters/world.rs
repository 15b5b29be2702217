//! Clients, updaters and the stream between them, run to the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use local::dynamodb::StreamRecord;
use runtime::context::FunctionContext;
use runtime::function::Function;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::model;
use super::mutants::{self, Mutant};
use super::plan::{LENGTH_S, Plan, Sent, Step};
use crate::support::schedule::Schedule;
use crate::support::stage::{Stage, http, invoke, paused, person, start};

/// The updater of the counters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Updater {
    /// The function itself.
    Real,
    /// One that breaks a rule.
    Mutant(Mutant),
}

/// The time at which everything begins.
const BEGIN: &str = "2026-01-31T12:00:00Z";

/// How many deliveries may be under way at once.
const UPDATERS: usize = 4;

/// The stage, and what plays on it.
#[derive(Clone)]
pub(crate) struct World {
    stage: Stage,
}

impl World {
    fn new() -> Self {
        Self { stage: Stage::new(BEGIN.parse().unwrap()) }
    }

    /// What surrounds one invocation; its calls wait for their turns, if there is a schedule.
    pub(crate) fn boot(&self, invocation: &str, schedule: Option<&Schedule>) -> FunctionContext {
        self.stage.boot(invocation, schedule.map(|schedule| Arc::new(schedule.clone()) as _), "UTC")
    }

    async fn invoke(boot: FunctionContext, function: Function, payload: Value) -> Result<Value, String> {
        invoke(&*start(&boot, function), &payload).await
    }

    fn records(&self) -> Vec<StreamRecord> {
        self.stage.records("Events")
    }

    /// The counters of a track, as the API answers them.
    async fn counters(&self, track: u8) -> Option<Value> {
        let request =
            http("GET /api/tracks/{trackId}", &json!({}), &json!({"trackId": format!("t{track}")}), None, &json!(null));
        let answer = Self::invoke(self.boot("get", None), get_track::FUNCTION, request).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        match answer["statusCode"].as_u64() {
            Some(200) => Some(body["counters"].clone()),
            Some(404) => None,
            _ => panic!("{answer}"),
        }
    }

    fn describe_track(&self) {
        let item = json!({"TableName": "State", "Item": {
            "pk": {"S": "TRACK#t0"}, "sk": {"S": "DOC"}, "version": {"S": "v"},
            "title": {"S": "Song"}, "artist": {"S": "ann"}, "durationMs": {"N": (LENGTH_S * 1000).to_string()},
        }});
        self.stage.call("PutItem", &item);
    }
}

/// Sends events until all are accepted. Returns where to resume if the sandbox crashes.
async fn send(world: World, schedule: Schedule, name: String, (user, events): (Option<String>, Vec<Value>)) {
    let caller = user.map_or_else(|| json!({"caller": "anonymous"}), |user| person(&user, "student"));
    let mut left = events;
    for attempt in 0.. {
        assert!(attempt < 50, "never accepted: {left:?}");
        let request = http("POST /api/stats/events", &caller, &json!({}), None, &json!(left));
        let boot = world.boot(&name, Some(&schedule));
        let answer = World::invoke(boot, ingest_events::FUNCTION, request).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let rejected = body["rejected"].as_array().unwrap();
        assert_eq!(body["accepted"].as_u64().unwrap() as usize + rejected.len(), left.len(), "{body}");
        assert_eq!(answer["statusCode"], if rejected.is_empty() { 200 } else { 207 });
        left = rejected
            .iter()
            .map(|rejected| {
                assert_eq!(rejected["reason"], "retry", "{rejected}");
                left[rejected["index"].as_u64().unwrap() as usize].clone()
            })
            .collect();
        if left.is_empty() {
            return;
        }
    }
}

/// A client works off its steps; a request whose sandbox dies is sent again.
struct Client {
    number: usize,
    steps: Vec<Step>,
    at: usize,
    /// How far an erasure has come: sent, erased, sent again.
    phase: u8,
    running: Option<(String, JoinHandle<()>)>,
    tries: usize,
}

impl Client {
    fn scope(&self, step: usize) -> String {
        format!("{}.{step}", self.number)
    }

    fn events(&self, step: usize) -> Vec<Value> {
        match &self.steps[step] {
            Step::Send(events) | Step::SignIn { events, .. } => {
                events.iter().map(|sent| sent.json(&self.scope(step))).collect()
            }
            Step::Erase { sent, .. } => vec![sent.json(&self.scope(step))],
            Step::SendAgain(_) => Vec::new(),
        }
    }

    /// Begins the next thing to do; `false` when nothing is left.
    fn begin(&mut self, world: &World, schedule: &Schedule) -> bool {
        while self.running.is_none() {
            let Some(step) = self.steps.get(self.at).cloned() else { return false };
            // A sign-in comes before or after the events are sent anonymously.
            let is_signed_in = matches!(step, Step::SignIn { first, .. } if first == (self.phase == 0));
            let user = is_signed_in.then(|| model::user(&self.scope(self.at)));
            let events = match (step, self.phase) {
                (Step::Send(_), 0) | (Step::Erase { .. }, 0) | (Step::SignIn { .. }, 0 | 1) => self.events(self.at),
                (Step::SendAgain(back), 0) => match self.at.checked_sub(back).map(|at| (at, &self.steps[at])) {
                    Some((at, Step::Send(_))) => self.events(at),
                    _ => {
                        self.done();
                        continue;
                    }
                },
                (Step::Erase { sent, again }, 1) => {
                    erase(world, &sent, &self.scope(self.at));
                    self.phase = 2;
                    if again {
                        self.events(self.at)
                    } else {
                        self.done();
                        continue;
                    }
                }
                // Sent again after the erasure, and the sandbox died.
                (Step::Erase { .. }, 2) => self.events(self.at),
                _ => {
                    self.done();
                    continue;
                }
            };
            self.tries += 1;
            let name = format!("client {} try {}", self.number, self.tries);
            let task = tokio::spawn(send(world.clone(), schedule.clone(), name.clone(), (user, events)));
            self.running = Some((name, task));
        }
        true
    }

    fn has_more(&self) -> bool {
        self.running.is_some() || self.at < self.steps.len()
    }

    fn done(&mut self) {
        self.at += 1;
        self.phase = 0;
    }

    /// Goes on to what comes next, if the request has ended.
    async fn settle(&mut self, crashed: &[String]) {
        let Some((name, task)) = &mut self.running else { return };
        if crashed.contains(name) {
            task.abort();
            self.running = None;
        } else if task.is_finished() {
            task.await.unwrap();
            self.running = None;
            match (&self.steps[self.at], self.phase) {
                (Step::Erase { .. } | Step::SignIn { .. }, 0) => self.phase = 1,
                _ => self.done(),
            }
        }
    }
}

/// Erases a fact, as a person's right to be forgotten would.
fn erase(world: &World, sent: &Sent, scope: &str) {
    let event = sent.json(scope);
    let time = sent.time();
    let (hour, rest) = time.split_at(13);
    let text = |field: &str| event[field].as_str().unwrap();
    let key = json!({
        "pk": {"S": format!("TRACK#{}#{hour}", event["trackId"].as_str().unwrap())},
        "sk": {"S": format!("{}#{}#{}#s:{}", &rest[1..rest.len() - 1], text("type"), text("id"), text("sessionId"))},
    });
    let request = json!({"TableName": "Events", "Key": key, "ReturnValues": "ALL_OLD"});
    assert!(world.stage.call("DeleteItem", &request)["Attributes"].is_object(), "nothing was erased: {request}");
}

/// A delivery under way.
struct Delivery {
    name: String,
    /// Which records of the stream it holds, where they come in a row.
    range: (usize, usize),
    task: JoinHandle<Option<Vec<String>>>,
    numbers: Vec<String>,
    /// Whether a lost batch is delivered again.
    is_refold: bool,
}

/// The stream's way to the updaters.
struct Deliveries {
    acknowledged: usize,
    /// Records that were never delivered, and are to be folded again.
    lost: Vec<usize>,
    under_way: Vec<Delivery>,
    count: usize,
    updater: Updater,
}

impl Deliveries {
    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn begin(&mut self, world: &World, schedule: &Schedule, random: &mut fastrand::Rng) {
        let records = world.records();
        if self.under_way.len() >= UPDATERS {
            return;
        }
        let is_real = matches!(self.updater, Updater::Real);
        if is_real && !self.lost.is_empty() && (random.bool() || self.acknowledged >= records.len()) {
            let lost = self.lost.swap_remove(random.usize(..self.lost.len()));
            let mut payload = world.stage.payload("Events", [&records[lost]]);
            payload["Records"][0]["eventName"] = json!("REFOLD");
            let numbers = vec![records[lost].sequence_number()];
            return self.deliver(world, schedule, payload, ((lost, lost + 1), numbers), true);
        }
        if self.acknowledged >= records.len() {
            return;
        }
        // A mapping gives up a record, and an operator has it folded again at some time.
        if is_real && random.u8(0..100) < 10 {
            self.lost.push(self.acknowledged);
            self.acknowledged += 1;
            return;
        }
        let from = if random.u8(0..100) < 70 { self.acknowledged } else { random.usize(0..=self.acknowledged) };
        let to = random.usize(from + 1..=records.len().min(from + 6));
        let mut piece: Vec<&StreamRecord> = records[from..to].iter().collect();
        let numbers = piece.iter().map(|record| record.sequence_number()).collect();
        if random.bool() {
            shuffle_between_keys(&mut piece, random);
        }
        let payload = world.stage.payload("Events", piece);
        self.deliver(world, schedule, payload, ((from, to), numbers), false);
    }

    fn deliver(
        &mut self,
        world: &World,
        schedule: &Schedule,
        payload: Value,
        (range, numbers): ((usize, usize), Vec<String>),
        is_refold: bool,
    ) {
        self.count += 1;
        let name = format!("delivery {}", self.count);
        let boot = world.boot(&name, Some(schedule));
        let task = match self.updater {
            Updater::Real => tokio::spawn(async move {
                let answer = World::invoke(boot, counter_updater::FUNCTION, payload).await.ok()?;
                let failures = answer["batchItemFailures"].as_array()?.iter();
                Some(failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect())
            }),
            Updater::Mutant(mutant) => tokio::spawn(mutants::update(mutant, boot, payload)),
        };
        self.under_way.push(Delivery { name, range, task, numbers, is_refold });
    }

    /// Acknowledges deliveries. A crashed invocation acknowledges nothing.
    async fn settle(&mut self, crashed: &[String]) {
        let mut at = 0;
        while at < self.under_way.len() {
            let delivery = &self.under_way[at];
            if crashed.contains(&delivery.name) {
                delivery.task.abort();
                let dead = self.under_way.swap_remove(at);
                self.lost.extend(dead.is_refold.then_some(dead.range.0));
            } else if delivery.task.is_finished() {
                let Delivery { range: (from, to), task, numbers, is_refold, .. } = self.under_way.swap_remove(at);
                let failed = task.await.unwrap();
                if is_refold {
                    self.lost.extend(failed.is_none_or(|failed| !failed.is_empty()).then_some(from));
                    continue;
                }
                let Some(failed) = failed else { continue };
                // Everything from the lowest failed record on is delivered again.
                let done = numbers.iter().position(|number| failed.contains(number)).unwrap_or(to - from);
                if from <= self.acknowledged {
                    self.acknowledged = self.acknowledged.max(from + done);
                }
            } else {
                at += 1;
            }
        }
    }
}

/// Any order between keys; the records of one key stay in theirs.
fn shuffle_between_keys(piece: &mut [&StreamRecord], random: &mut fastrand::Rng) {
    let mut ranks: HashMap<&str, u32> = HashMap::new();
    piece.iter().for_each(|record| *ranks.entry(&record.keys).or_default() = random.u32(..));
    piece.sort_by_key(|record| ranks[record.keys.as_str()]);
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan, updater: Updater) -> Result<(), String> {
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    paused(async {
        let world = World::new();
        world.describe_track();
        drive(&world, plan, updater).await?;
        compare(&world, plan).await
    })
}

async fn drive(world: &World, plan: &Plan, updater: Updater) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let schedule = Schedule::new(plan.faults, plan.switches, plan.stalls);
    let mut clients: Vec<Client> = plan
        .clients
        .iter()
        .enumerate()
        .map(|(number, steps)| Client { number, steps: steps.clone(), at: 0, phase: 0, running: None, tries: 0 })
        .collect();
    let mut deliveries = Deliveries { acknowledged: 0, lost: Vec::new(), under_way: Vec::new(), count: 0, updater };
    for _ in 0..200_000 {
        let mut busy = false;
        for client in &mut clients {
            // Clients take their time, so that what they did before is read before they do more.
            let is_late = random.u8(0..100) < 85;
            busy |= if is_late { client.has_more() } else { client.begin(world, &schedule) };
        }
        if random.u8(0..100) < 30 || !busy {
            deliveries.begin(world, &schedule, &mut random);
        }
        // Every invocation runs up to its next call.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        if !schedule.step(&mut random) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let crashed = schedule.crashed();
        for client in &mut clients {
            client.settle(&crashed).await;
        }
        deliveries.settle(&crashed).await;
        let all_delivered = deliveries.acknowledged >= world.records().len() && deliveries.lost.is_empty();
        if !busy && deliveries.under_way.is_empty() && all_delivered {
            return Ok(());
        }
    }
    Err("it never ends".to_owned())
}

async fn compare(world: &World, plan: &Plan) -> Result<(), String> {
    let expected = model::expected(plan);
    let mut wrong = BTreeMap::new();
    for track in 0..2 {
        let counted = world.counters(track).await;
        let zero = |value: &Value| {
            value["totalPlays"] == 0
                && value["netLikes"] == 0
                && value["netSaves"] == 0
                && value["totalShares"] == 0
                && value["totalDownloads"] == 0
        };
        match (&counted, expected.get(&track)) {
            (Some(counted), Some(expected)) if counted == expected => {}
            // A track may exist only through its description, and an unlike without a like is no fact.
            (Some(counted), None) if zero(counted) => {}
            (None, Some(expected)) if zero(expected) => {}
            (None, None) => {}
            (counted, expected) => {
                wrong.insert(track, format!("counted {counted:?}, expected {expected:?}"));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
}
