//! Clients buy, complete, refund and cancel at the same time, while the updater gets the stream and audits run.

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
use crate::support::deliveries::{Consumer, Deliveries, consume_in};
use crate::support::driver::{Clients, Plan, Running, Scenario, Turns, drive, ensure_none};
use crate::support::stage::{Stage, invoke, paused, start};

/// The queries at the end: some ranges begin or end within a month, with several intervals.
const QUESTIONS: [(&str, &str, &str); 5] = [
    ("2025-11-01", "2026-02-28", "month"),
    ("2026-01-01", "2026-01-31", "day"),
    ("2025-12-15", "2026-02-01", "week"),
    ("2026-01-31", "2026-01-31", "day"),
    ("2025-12-30", "2026-02-20", "year"),
];

const UPDATER: Consumer =
    Consumer { table: "Purchases", records, concurrency: 3, batch: 4, redelivered: 30, is_partial: false };

/// An action with its idempotency key.
type Request = (String, Action);

struct Shop {
    stage: Stage,
    /// The answer to each idempotency key, which never changes.
    answered: BTreeMap<String, (Action, Answer)>,
    updaters: Deliveries,
    auditor: Auditor,
    /// The audit that runs, with its findings.
    audit: Option<Running<Option<Vec<String>>>>,
}

/// The records that the template's filter lets through.
pub(super) fn records(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| ["\"SALES#", "\"BUYER#"].iter().any(|key| record.keys.contains(key));
    stage.records("Purchases").into_iter().filter(is_let_through).collect()
}

/// A stage with the discount that every client uses.
pub(super) fn stage() -> Stage {
    let stage = Stage::new(BEGIN.parse().unwrap());
    stage.call("PutItem", &json!({"TableName": "State", "Item": {
        "pk": {"S": "DISCOUNT#HALF"}, "sk": {"S": "DOC"}, "version": {"S": "v"}, "uses": {"N": "0"},
        "discount": {"M": {"kind": {"S": "percent"}, "percent": {"N": "50"}, "maxUses": {"N": MAX_USES.to_string()}}},
    }}));
    stage
}

/// Runs a plan to its end.
pub(super) fn run(plan: &Plan, auditor: Auditor) -> Result<(), String> {
    paused(async {
        let stage = stage();
        let turns = Turns::of(plan);
        let updaters = Deliveries::new(UPDATER);
        let shop = Shop { stage, answered: BTreeMap::new(), updaters, auditor, audit: None };
        let shop = drive(shop, turns, plan.actions).await?;
        let made = shop.answered.values().filter(|(_, (status, _))| *status == 201).count();
        ensure_none(check::at_the_end(&shop.stage, made))?;
        // An audit skips what is recent.
        shop.stage.advance(TimeDelta::minutes(20));
        for scope in [Scope::Changes, Scope::Full] {
            let wrong = audit(shop.stage.clone(), None, "auditor".to_owned(), scope).await;
            ensure_none(wrong.unwrap_or_else(|| vec!["an audit failed without a fault".to_owned()]))?;
        }
        ensure_none(check::at_the_end(&shop.stage, made))?;
        ensure_none(analytics::wrong(&shop.stage, &QUESTIONS).await)
    })
}

impl Scenario for Shop {
    type Action = Request;
    type Answer = Answer;

    /// Something new, a request that was answered before, or a request of another client.
    fn next(&mut self, _: usize, turns: &mut Turns, clients: &Clients<Request, Answer>) -> Request {
        let random = &mut turns.random;
        let has_key = |request: &&Request| matches!(request.1, Action::Buy { .. } | Action::Refund { .. });
        let under_way: Vec<_> = clients.under_way().filter(has_key).collect();
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
            _ if bought.is_empty() => return self.next(0, turns, clients),
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
        turns.count += 1;
        (format!("k{}", turns.count), action)
    }

    fn act(
        &self,
        _: usize,
        name: String,
        faults: Arc<dyn Faults>,
        (key, action): Request,
    ) -> impl Future<Output = Option<Answer>> + Send + 'static {
        act(self.stage.clone(), faults, name, key, action)
    }

    fn step(&mut self, turns: &mut Turns, is_busy: bool) {
        match turns.random.u8(0..100) {
            0..30 => self.deliver(turns),
            30..32 if self.audit.is_none() && is_busy => {
                let name = turns.name("auditor");
                let scope = if turns.random.bool() { Scope::Full } else { Scope::Changes };
                let audit = self.auditor.audit(self.stage.clone(), Some(turns.faults()), name.clone(), scope);
                self.audit = Some(Running::new(name, audit));
            }
            32..34 => self.stage.advance(TimeDelta::seconds(turns.random.i64(0..40))),
            _ if !is_busy => self.deliver(turns),
            _ => {}
        }
    }

    async fn settle(&mut self, done: Vec<(usize, Request, Answer)>, crashed: &[String]) -> Result<(), String> {
        for (_, (key, action), answer) in done {
            // A success has the same answer for ever; what was rejected may succeed later.
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
        if let Some(audit) = self.audit.take_if(|audit| audit.is_over(crashed)) {
            ensure_none(audit.outcome(crashed).await.flatten().unwrap_or_default())?;
        }
        self.updaters.settle(crashed).await;
        Ok(())
    }

    fn check(&self, turn: usize) -> Result<(), String> {
        if turn.is_multiple_of(25) { ensure_none(check::at_any_time(&self.stage)) } else { Ok(()) }
    }

    fn is_over(&self, was_busy: bool, _: bool) -> bool {
        !was_busy && self.audit.is_none() && self.updaters.are_done(&self.stage)
    }
}

impl Shop {
    fn deliver(&mut self, turns: &mut Turns) {
        let (stage, faults) = (self.stage.clone(), turns.faults());
        self.updaters.deliver(&self.stage, turns, "updater", |name, payload| {
            consume_in(stage, name, faults, revenue_updater::FUNCTION, payload)
        });
    }
}

/// Corrupts one stored value at a time and asserts that the check reports it.
pub(super) fn assert_corruption_is_detected() {
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
        let payload = stage.payload("Purchases", &records(&stage));
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
        // Distinct buyers are stored as sketches, which only analytics read.
        assert_eq!(analytics::wrong(&stage, &QUESTIONS).await, Vec::<String>::new());
        let key = json!({"pk": {"S": "REVENUE"}, "sk": {"S": "U#D#2026-01-31"}});
        stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
        assert!(!analytics::wrong(&stage, &QUESTIONS).await.is_empty());
    });
}
