//! Everybody at once, call by call, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use local::dynamodb::StreamRecord;
use local::wire::Faults;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::actions::{Action, Answer, BEGIN, ITEMS, MAX_USES, act};
use super::auditing::audit;
use super::{analytics, check};
use crate::delivery::schedule::Schedule;
use crate::stage::{Stage, invoke, start};

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    seed: u64,
    actions: usize,
    faults: u8,
    switches: u8,
    stalls: u8,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let faults = prop::sample::select(vec![0_u8, 4, 12]);
    let stalls = prop::sample::select(vec![0_u8, 30, 60]);
    (any::<u64>(), 2..8_usize, faults, 2..25_u8, stalls).prop_map(|(seed, actions, faults, switches, stalls)| Plan {
        seed,
        actions,
        faults,
        switches,
        stalls,
    })
}

/// What is asked for in the end: months and days of which some are whole, and how long the points are.
const QUESTIONS: [(&str, &str, &str); 5] = [
    ("2025-11-01", "2026-02-28", "month"),
    ("2026-01-01", "2026-01-31", "day"),
    ("2025-12-15", "2026-02-01", "week"),
    ("2026-01-31", "2026-01-31", "day"),
    ("2025-12-30", "2026-02-20", "year"),
];

const CLIENTS: usize = 4;
const UPDATERS: usize = 3;

/// Does one thing after the other; what its sandbox did not end is done again, under the same key.
#[derive(Default)]
struct Client {
    left: usize,
    doing: Option<(String, Action)>,
    running: Option<(String, JoinHandle<Option<Answer>>)>,
}

struct Delivery {
    name: String,
    range: (usize, usize),
    task: JoinHandle<bool>,
}

struct Driver {
    stage: Stage,
    schedule: Schedule,
    random: fastrand::Rng,
    clients: Vec<Client>,
    /// What was answered under each key: always the same.
    answered: BTreeMap<String, (Action, Answer)>,
    acknowledged: usize,
    deliveries: Vec<Delivery>,
    /// An audit that goes on beside, and what it finds.
    audit: Option<(String, JoinHandle<Option<Vec<String>>>)>,
    count: usize,
}

/// Whether the template's filter lets a record through.
pub(super) fn is_let_through(record: &StreamRecord) -> bool {
    record.keys.contains("\"SALES#") || record.keys.contains("\"BUYER#")
}

/// A stage with the discount that all want.
pub(super) fn stage() -> Stage {
    let stage = Stage::new(BEGIN.parse().unwrap());
    stage.call("PutItem", &json!({"TableName": "State", "Item": {
        "pk": {"S": "DISCOUNT#HALF"}, "sk": {"S": "DOC"}, "version": {"S": "v"}, "uses": {"N": "0"},
        "discount": {"M": {"kind": {"S": "percent"}, "percent": {"N": "50"}, "maxUses": {"N": MAX_USES.to_string()}}},
    }}));
    stage
}

/// Runs a plan to its end; what was wrong, if anything was.
pub(super) fn run(plan: &Plan) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    runtime.block_on(async {
        let mut driver = Driver {
            stage: stage(),
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random: fastrand::Rng::with_seed(plan.seed),
            clients: (0..CLIENTS).map(|_| Client { left: plan.actions, ..Client::default() }).collect(),
            answered: BTreeMap::new(),
            acknowledged: 0,
            deliveries: Vec::new(),
            audit: None,
            count: 0,
        };
        driver.drive().await?;
        let made = driver.answered.values().filter(|(_, (status, _))| *status == 201).count();
        found(check::at_the_end(&driver.stage, made))?;
        // When all had time to be counted, all is looked at.
        driver.stage.advance(TimeDelta::minutes(20));
        let wrong = audit(driver.stage.clone(), None, "auditor".to_owned()).await;
        found(wrong.unwrap_or_else(|| vec!["an audit was cut off that nothing stood in the way of".to_owned()]))?;
        found(check::at_the_end(&driver.stage, made))?;
        found(analytics::wrong(&driver.stage, &QUESTIONS).await)
    })
}

fn found(wrong: Vec<String>) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:#?}")) }
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for step in 0..60_000 {
            let mut busy = false;
            for at in 0..CLIENTS {
                busy |= self.clients[at].left > 0;
                if self.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 if self.audit.is_none() && busy => {
                    let name = self.name("auditor");
                    let audit = tokio::spawn(audit(self.stage.clone(), Some(self.faults()), name.clone()));
                    self.audit = Some((name, audit));
                }
                32..34 => self.stage.advance(TimeDelta::seconds(self.random.i64(0..40))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await?;
            if step % 25 == 0 {
                found(check::at_any_time(&self.stage))?;
            }
            if !busy && self.audit.is_none() && self.deliveries.is_empty() && self.acknowledged >= self.records().len()
            {
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
        if self.clients[at].running.is_some() || self.clients[at].left == 0 {
            return;
        }
        if self.clients[at].doing.is_none() {
            self.clients[at].doing = Some(self.next());
        }
        let (key, action) = self.clients[at].doing.clone().unwrap();
        let name = self.name("client");
        let task = tokio::spawn(act(self.stage.clone(), self.faults(), name.clone(), key, action));
        self.clients[at].running = Some((name, task));
    }

    /// Something new, what was answered before, or what another client is at.
    fn next(&mut self) -> (String, Action) {
        let random = &mut self.random;
        let with_key = |doing: &&(String, Action)| matches!(doing.1, Action::Buy { .. } | Action::Refund { .. });
        let under_way: Vec<_> =
            self.clients.iter().filter_map(|client| client.doing.as_ref()).filter(with_key).collect();
        if !under_way.is_empty() && random.u8(0..100) < 20 {
            return under_way[random.usize(0..under_way.len())].clone();
        }
        if !self.answered.is_empty() && random.u8(0..100) < 15 {
            let at = random.usize(0..self.answered.len());
            let (key, (action, _)) = self.answered.iter().nth(at).unwrap();
            return (key.clone(), action.clone());
        }
        let bought: Vec<String> = self
            .answered
            .values()
            .filter(|(_, (status, _))| *status == 201)
            .map(|(_, (_, body))| {
                serde_json::from_str::<Value>(body).unwrap()["purchaseId"].as_str().unwrap().to_owned()
            })
            .collect();
        let action = match random.u8(0..100) {
            0..60 => Action::Buy {
                user: random.usize(0..2),
                item: random.usize(0..ITEMS.len()),
                price: random.u64(0..10),
                currency: if random.bool() { "USD" } else { "INR" },
                method: if random.u8(0..100) < 70 { "card" } else { "paypal" },
                pending: random.u8(0..100) < 30,
                discount: random.u8(0..100) < 30,
                days_ago: (random.u8(0..100) < 40).then(|| random.i64(0..70)),
            },
            _ if bought.is_empty() => return self.next(),
            what => {
                let purchase = bought[random.usize(0..bought.len())].clone();
                match what {
                    60..72 => Action::Complete { purchase },
                    72..88 => {
                        let amount = if random.bool() { Some(random.u64(1..6)) } else { None };
                        Action::Refund { purchase, amount }
                    }
                    _ => Action::End { purchase },
                }
            }
        };
        self.count += 1;
        (format!("k{}", self.count), action)
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) -> Result<(), String> {
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
            let answer = if has_died { None } else { task.await.unwrap() };
            client.running = None;
            let Some(answer) = answer else { continue };
            let (key, action) = client.doing.take().unwrap();
            client.left -= 1;
            // What was done is answered the same for ever; what was refused may be done later.
            let is_kept = matches!(action, Action::Buy { .. } | Action::Refund { .. }) && answer.0 < 300;
            match self.answered.get(&key) {
                Some((_, before)) if before.0 < 300 && *before != answer => {
                    return Err(format!("{action:?} was answered {before:?}, then {answer:?}"));
                }
                _ if is_kept => {
                    self.answered.insert(key, (action, answer));
                }
                _ => {}
            }
        }
        if let Some((name, audit)) = self.audit.take_if(|(name, audit)| crashed.contains(name) || audit.is_finished()) {
            let has_died = crashed.contains(&name);
            audit.abort();
            found(if has_died { Vec::new() } else { audit.await.unwrap().unwrap_or_default() })?;
        }
        let mut at = 0;
        while at < self.deliveries.len() {
            let has_died = crashed.contains(&self.deliveries[at].name);
            if !has_died && !self.deliveries[at].task.is_finished() {
                at += 1;
                continue;
            }
            let Delivery { range: (from, to), task, .. } = self.deliveries.swap_remove(at);
            task.abort();
            if !has_died && task.await.unwrap() && from <= self.acknowledged {
                self.acknowledged = self.acknowledged.max(to);
            }
        }
        Ok(())
    }

    /// What the updater is told of.
    fn records(&self) -> Vec<StreamRecord> {
        let records = self.stage.records("Purchases").into_iter();
        records.filter(is_let_through).collect()
    }

    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        let records = self.records();
        if self.deliveries.len() >= UPDATERS || self.acknowledged >= records.len() {
            return;
        }
        let again = self.random.u8(0..100) < 30;
        let from = if again { self.random.usize(0..=self.acknowledged) } else { self.acknowledged };
        let to = self.random.usize(from + 1..=records.len().min(from + 4));
        let payload = self.stage.payload("Purchases", &records[from..to]);
        let name = self.name("updater");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let task = tokio::spawn(async move {
            let answer = invoke(&*start(&boot, sales_updater::FUNCTION), &payload).await;
            answer.is_ok_and(|answer| answer["batchItemFailures"].as_array().unwrap().is_empty())
        });
        self.deliveries.push(Delivery { name, range: (from, to), task });
    }
}

/// Breaks what is stored, one thing at a time, and asserts that it is found.
pub(super) fn breaks_are_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = stage();
        let calm: Arc<dyn Faults> = Arc::new(|_: &local::wire::Call| local::wire::Fault::None);
        let action = Action::Buy {
            user: 0,
            item: 0,
            price: 7,
            currency: "USD",
            method: "card",
            pending: false,
            discount: true,
            days_ago: None,
        };
        let answer = act(stage.clone(), Arc::clone(&calm), "client".to_owned(), "k".to_owned(), action).await;
        assert_eq!(answer.unwrap().0, 201);
        let records: Vec<StreamRecord> = stage.records("Purchases").into_iter().filter(is_let_through).collect();
        let payload = stage.payload("Purchases", &records);
        let updater = start(&stage.boot("updater", None, "UTC"), sales_updater::FUNCTION);
        assert_eq!(invoke(&*updater, &payload).await.unwrap()["batchItemFailures"], json!([]));
        assert_eq!(check::at_the_end(&stage, 1), Vec::<String>::new());
        assert_eq!(check::at_the_end(&stage, 2).len(), 1, "a purchase that was answered is not there");
        let breaks = [
            ("State", "OWNER#u:u0", "COURSE#c0", "standing", "0", "1"),
            ("State", "DISCOUNT#HALF", "DOC", "uses", "2", "1"),
            ("Stats", "SALES#COURSE#c0", "T", "gross#USD@card", "7", "3"),
            ("Stats", "REVENUE", "M#2026-01#COURSE", "purchases#USD@card", "2", "1"),
            ("Stats", "COHORTS", "2026-01", "2026-01", "0", "1"),
        ];
        for (table, pk, sk, name, broken, whole) in breaks {
            let set = |value: &str| {
                stage.call("UpdateItem", &json!({
                    "TableName": table, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}, "UpdateExpression": "SET #n = :v",
                    "ExpressionAttributeNames": {"#n": name}, "ExpressionAttributeValues": {":v": {"N": value}},
                }));
            };
            set(broken);
            assert_eq!(check::at_the_end(&stage, 1).len(), 1, "{name} of {pk}");
            let is_told = pk == "REVENUE" || pk == "COHORTS";
            assert_eq!(!analytics::wrong(&stage, &QUESTIONS).await.is_empty(), is_told, "{name} of {pk}");
            set(whole);
            assert_eq!(check::at_the_end(&stage, 1), Vec::<String>::new(), "{name} of {pk}");
        }
        // Who bought lies in sketches, which only analytics read.
        assert_eq!(analytics::wrong(&stage, &QUESTIONS).await, Vec::<String>::new());
        let key = json!({"pk": {"S": "REVENUE"}, "sk": {"S": "U#D#2026-01-31"}});
        stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
        assert!(!analytics::wrong(&stage, &QUESTIONS).await.is_empty());
    });
}
