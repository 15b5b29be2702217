//! Everybody at once, call by call, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::audit::Scope;
use local::dynamodb::StreamRecord;
use local::wire::Faults;
use serde_json::{Value, json};

use super::actions::{Action, Answer, BEGIN, ITEMS, MAX_USES, act};
use super::auditor::{Auditor, audit};
use super::{analytics, check};
use crate::support::crowd::{Crowd, Plan, Running, Turns, found};
use crate::support::deliveries::{Deliveries, Way, failed};
use crate::support::schedule::Schedule;
use crate::support::stage::{Stage, invoke, paused, start};

/// What is asked for in the end: months and days of which some are whole, and how long the points are.
const QUESTIONS: [(&str, &str, &str); 5] = [
    ("2025-11-01", "2026-02-28", "month"),
    ("2026-01-01", "2026-01-31", "day"),
    ("2025-12-15", "2026-02-01", "week"),
    ("2026-01-31", "2026-01-31", "day"),
    ("2025-12-30", "2026-02-20", "year"),
];

const CLIENTS: usize = 4;
/// How the updater is told.
const WAY: Way = Way { table: "Purchases", told, at_once: 3, longest: 4, again: 30, in_part: false };

struct Driver {
    stage: Stage,
    turns: Turns,
    /// What each does, and the key under which they do it again.
    clients: Crowd<(String, Action), Answer>,
    /// What was answered under each key: always the same.
    answered: BTreeMap<String, (Action, Answer)>,
    updaters: Deliveries,
    auditor: Auditor,
    /// An audit that goes on beside, and what it finds.
    audit: Option<Running<Option<Vec<String>>>>,
}

/// What the template's filter lets through.
pub(super) fn told(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| ["\"SALES#", "\"BUYER#"].iter().any(|key| record.keys.contains(key));
    stage.records("Purchases").into_iter().filter(is_let_through).collect()
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
pub(super) fn run(plan: &Plan, auditor: Auditor) -> Result<(), String> {
    paused(async {
        let mut driver = Driver {
            stage: stage(),
            turns: Turns::new(plan.seed, Schedule::new(plan.faults, plan.switches, plan.stalls)),
            clients: Crowd::new(CLIENTS, plan.actions),
            answered: BTreeMap::new(),
            updaters: Deliveries::new(WAY),
            auditor,
            audit: None,
        };
        driver.drive().await?;
        let made = driver.answered.values().filter(|(_, (status, _))| *status == 201).count();
        found(check::at_the_end(&driver.stage, made))?;
        // When all had time to be counted, all is looked at.
        driver.stage.advance(TimeDelta::minutes(20));
        for scope in [Scope::Changes, Scope::Full] {
            let wrong = audit(driver.stage.clone(), None, "auditor".to_owned(), scope).await;
            found(wrong.unwrap_or_else(|| vec!["an audit was cut off that nothing stood in the way of".to_owned()]))?;
        }
        found(check::at_the_end(&driver.stage, made))?;
        found(analytics::wrong(&driver.stage, &QUESTIONS).await)
    })
}

impl Driver {
    async fn drive(&mut self) -> Result<(), String> {
        for step in 0..60_000 {
            let busy = self.clients.is_busy();
            for at in 0..CLIENTS {
                if self.turns.random.u8(0..100) < 12 {
                    self.begin(at);
                }
            }
            match self.turns.random.u8(0..100) {
                0..30 => self.deliver(),
                30..32 if self.audit.is_none() && busy => {
                    let name = self.turns.name("auditor");
                    let scope = if self.turns.random.bool() { Scope::Full } else { Scope::Changes };
                    let faults = self.turns.faults();
                    let doing = self.auditor.audit(self.stage.clone(), Some(faults), name.clone(), scope);
                    self.audit = Some(Running::new(name, doing));
                }
                32..34 => self.stage.advance(TimeDelta::seconds(self.turns.random.i64(0..40))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await?;
            if step % 25 == 0 {
                found(check::at_any_time(&self.stage))?;
            }
            if !busy && self.audit.is_none() && self.updaters.are_done(&self.stage) {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }

    fn begin(&mut self, at: usize) {
        if !self.clients.is_free(at) {
            return;
        }
        let (key, action) = self.clients.undone(at).unwrap_or_else(|| self.next());
        let name = self.turns.name("client");
        let doing = act(self.stage.clone(), self.turns.faults(), name.clone(), key.clone(), action.clone());
        self.clients.begin(at, (key, action), Running::new(name, doing));
    }

    /// Something new, what was answered before, or what another client is at.
    fn next(&mut self) -> (String, Action) {
        let random = &mut self.turns.random;
        let with_key = |doing: &&(String, Action)| matches!(doing.1, Action::Buy { .. } | Action::Refund { .. });
        let under_way: Vec<_> = self.clients.under_way().filter(with_key).collect();
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
        self.turns.count += 1;
        (format!("k{}", self.turns.count), action)
    }

    /// Lets one call go on, and takes note of who has ended, and who has died.
    async fn turn(&mut self) -> Result<(), String> {
        let crashed = self.turns.turn(|_| 1).await;
        for (_, (key, action), answer) in self.clients.done(&crashed).await {
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
        if let Some(audit) = self.audit.take_if(|audit| audit.is_over(&crashed)) {
            found(audit.outcome(&crashed).await.flatten().unwrap_or_default())?;
        }
        self.updaters.settle(&crashed).await;
        Ok(())
    }

    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        let Some((piece, payload)) = self.updaters.piece(&self.stage, &mut self.turns.random) else { return };
        let name = self.turns.name("updater");
        let boot = self.stage.boot(&name, Some(self.turns.faults()), "UTC");
        let doing = async move { failed(&*start(&boot, revenue_updater::FUNCTION), &payload).await };
        self.updaters.begin(piece, Running::new(name, doing));
    }
}

/// Breaks what is stored, one thing at a time, and asserts that it is found.
pub(super) fn breaks_are_found() {
    paused(async {
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
        let payload = stage.payload("Purchases", &told(&stage));
        let updater = start(&stage.boot("updater", None, "UTC"), revenue_updater::FUNCTION);
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
