//! Everybody at once, call by call, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use local::dynamodb::StreamRecord;
use local::wire::{Call, Fault, Faults};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::actions::{Action, Answer, BEGIN, DELETED, PRODUCTS, VIEWERS, Viewer, act, seller_of};
use super::{answers, check};
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
    (any::<u64>(), 3..12_usize, faults, 2..25_u8, stalls).prop_map(|(seed, actions, faults, switches, stalls)| Plan {
        seed,
        actions,
        faults,
        switches,
        stalls,
    })
}

const CLIENTS: usize = 4;
const UPDATERS: usize = 3;

/// Prices, most of them the same, and such as have one digit more than others in the trees.
const PRICES: [u64; 8] = [0, 5, 5, 5, 63, 64, 4_096, 1_000_000_000_000];

/// Does one thing after the other; what its sandbox did not end is done again.
#[derive(Default)]
struct Client {
    left: usize,
    doing: Option<Action>,
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
    /// How often who was told that a look at which product counts.
    counted: BTreeMap<(usize, Viewer), usize>,
    acknowledged: usize,
    deliveries: Vec<Delivery>,
    count: usize,
}

/// Whether the template's filter lets a record through.
fn is_let_through(record: &StreamRecord) -> bool {
    record.keys.contains("\"PRODUCT#") || record.keys.contains("\"VIEWS#")
}

fn told(stage: &Stage) -> Vec<StreamRecord> {
    stage.records("Interactions").into_iter().filter(is_let_through).collect()
}

/// Runs a plan to its end; what was wrong, if anything was.
pub(super) fn run(plan: &Plan) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    runtime.block_on(async {
        let mut driver = Driver {
            stage: Stage::new(BEGIN.parse().unwrap()),
            schedule: Schedule::new(plan.faults, plan.switches, plan.stalls),
            random: fastrand::Rng::with_seed(plan.seed),
            clients: (0..CLIENTS).map(|_| Client { left: plan.actions, ..Client::default() }).collect(),
            counted: BTreeMap::new(),
            acknowledged: 0,
            deliveries: Vec::new(),
            count: 0,
        };
        // All but the last are on offer.
        for product in 0..PRODUCTS.len() - 1 {
            calmly(&driver.stage, describe(product, "active", 5)).await;
        }
        driver.drive().await?;
        found(check::at_the_end(&driver.stage))?;
        found(driver.told_twice())?;
        found(answers::wrong(&driver.stage).await)
    })
}

/// What a seller says of a product.
fn describe(product: usize, status: &'static str, price: u64) -> Action {
    Action::Describe { product, is_new: false, status, price, currency: "USD", days_ago: None }
}

/// Does something with nothing in the way.
async fn calmly(stage: &Stage, action: Action) {
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    assert!(act(stage.clone(), calm, "client".to_owned(), action).await.is_some());
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
                30..32 => self.stage.advance(TimeDelta::seconds(self.random.i64(0..40))),
                _ if !busy => self.deliver(),
                _ => {}
            }
            self.turn().await;
            if step % 50 == 0 {
                found(check::at_any_time(&self.stage))?;
            }
            if !busy && self.deliveries.is_empty() && self.acknowledged >= told(&self.stage).len() {
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
        let action = self.clients[at].doing.clone().unwrap();
        let name = self.name("client");
        let task = tokio::spawn(act(self.stage.clone(), self.faults(), name.clone(), action));
        self.clients[at].running = Some((name, task));
    }

    /// Something new, or what another client is at.
    fn next(&mut self) -> Action {
        let random = &mut self.random;
        let under_way: Vec<&Action> = self.clients.iter().filter_map(|client| client.doing.as_ref()).collect();
        if !under_way.is_empty() && random.u8(0..100) < 20 {
            return under_way[random.usize(0..under_way.len())].clone();
        }
        let product = random.usize(0..PRODUCTS.len());
        if product == DELETED && random.u8(0..100) < 30 {
            return Action::Delete { product };
        }
        if random.u8(0..100) < 40 {
            return Action::View { product, viewer: VIEWERS[random.usize(0..VIEWERS.len())] };
        }
        let status = match random.u8(0..100) {
            0..45 => "sold",
            45..90 => "active",
            _ => "draft",
        };
        Action::Describe {
            product,
            is_new: random.u8(0..100) < 25,
            status,
            price: PRICES[random.usize(0..PRICES.len())],
            currency: if random.bool() { "USD" } else { "EUR" },
            days_ago: (random.u8(0..100) < 40).then(|| random.i64(0..=70)),
        }
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
            let answer = if has_died { None } else { task.await.unwrap() };
            client.running = None;
            let Some((_, body)) = answer else { continue };
            let action = client.doing.take().unwrap();
            client.left -= 1;
            if let (Action::View { product, viewer }, Some(true)) = (action, body["counted"].as_bool()) {
                *self.counted.entry((product, viewer)).or_default() += 1;
            }
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
    }

    /// Delivers a piece of the stream: from where it was acknowledged, or from before.
    fn deliver(&mut self) {
        if self.deliveries.len() >= UPDATERS {
            return;
        }
        let records = told(&self.stage);
        if self.acknowledged >= records.len() {
            return;
        }
        let again = self.random.u8(0..100) < 30;
        let from = if again { self.random.usize(0..=self.acknowledged) } else { self.acknowledged };
        let to = self.random.usize(from + 1..=records.len().min(from + 4));
        let payload = self.stage.payload("Interactions", &records[from..to]);
        let name = self.name("updater");
        let boot = self.stage.boot(&name, Some(self.faults()), "UTC");
        let task = tokio::spawn(async move {
            let answer = invoke(&*start(&boot, leaderboard_updater::FUNCTION), &payload).await;
            answer.is_ok_and(|answer| answer["batchItemFailures"].as_array().unwrap().is_empty())
        });
        self.deliveries.push(Delivery { name, range: (from, to), task });
    }

    /// Who was told more often than once in a month that a look counts, or looked at what is theirs.
    fn told_twice(&self) -> Vec<String> {
        let mut guards: BTreeMap<(String, String), usize> = BTreeMap::new();
        for item in check::items(&self.stage, "State") {
            if let Some((product, _)) =
                check::text(&item, "sk").strip_prefix("VIEW#PRODUCT#").and_then(|view| view.split_once('#'))
            {
                *guards.entry((check::text(&item, "pk"), product.to_owned())).or_default() += 1;
            }
        }
        let mut wrong = Vec::new();
        for ((product, viewer), told) in &self.counted {
            let actor = match viewer {
                Viewer::User(user) => format!("ACTOR#u:{user}"),
                Viewer::Session(session) => format!("ACTOR#s:{session}"),
            };
            let counted = guards.get(&(actor.clone(), PRODUCTS[*product].to_owned())).copied().unwrap_or_default();
            if *told > counted {
                wrong.push(format!("{actor} looked at {} {counted} times, was told {told}", PRODUCTS[*product]));
            }
        }
        for (at, product) in PRODUCTS.iter().enumerate() {
            if guards.contains_key(&(format!("ACTOR#u:{}", seller_of(at)), (*product).to_owned())) {
                wrong.push(format!("that {} looks at their own {product} counts", seller_of(at)));
            }
        }
        wrong
    }
}

/// Breaks what is stored, one thing at a time, and asserts that it is found.
pub(super) fn breaks_are_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::new(BEGIN.parse().unwrap());
        let view = |product, viewer| Action::View { product, viewer };
        let actions = [
            describe(0, "sold", 70),
            describe(1, "sold", 5),
            describe(2, "sold", 5),
            describe(3, "active", 9),
            view(3, Viewer::User("u0")),
            view(3, Viewer::Session("s0")),
            view(3, Viewer::User("ann")),
        ];
        for action in actions {
            calmly(&stage, action).await;
        }
        let updater = start(&stage.boot("updater", None, "UTC"), leaderboard_updater::FUNCTION);
        let payload = stage.payload("Interactions", &told(&stage));
        assert_eq!(invoke(&*updater, &payload).await.unwrap()["batchItemFailures"], json!([]));
        let is_whole = async || {
            assert_eq!(check::at_the_end(&stage), Vec::<String>::new());
            assert_eq!(answers::wrong(&stage).await, Vec::<String>::new());
        };
        is_whole().await;

        let stats = check::items(&stage, "Stats");
        let item = |pk: &str, sk: &str| -> Value {
            let is_it =
                |item: &&Value| check::text(item, "pk").starts_with(pk) && check::text(item, "sk").ends_with(sk);
            stats.iter().find(is_it).unwrap_or_else(|| panic!("{pk}/{sk}")).clone()
        };
        let place_of_ann = check::text(&item("BOARD#SALES#all#", "#ann"), "pk");
        let shard = place_of_ann.rsplit_once('#').unwrap().1;
        let of_tree = |board: &str, node: &str| item(&format!("RANKS#{board}#{shard}"), node);
        let put = |item: &Value| stage.call("PutItem", &json!({"TableName": "Stats", "Item": item}));
        let delete = |item: &Value| {
            let key = json!({"pk": item["pk"], "sk": item["sk"]});
            stage.call("DeleteItem", &json!({"TableName": "Stats", "Key": key}));
        };
        // A number, how often the check is to complain of it, and whether answers tell it too.
        let numbers = [
            (item("SELLER#ann", "T"), "views", "3", 1, false),
            (item("SELLER#ann", "M#2026-01"), "revenue#USD", "71", 1, false),
            (item("PRODUCT#p0", "T"), "sales", "0", 1, false),
            (item("PRODUCT#p3", "M#2026-01"), "views", "1", 1, false),
            (item("SELLER#ann", "C#BOARD#all"), "sales", "2", 2, true),
            (item("SELLER#ann", "ACTIVE"), "views", "1", 2, true),
            (item("PRODUCT#p3", "C#BOARD#all"), "listings", "0", 2, false),
            // Ann's 70 has two digits in base 64, others' 5 has one.
            (of_tree("REVENUE.USD#all", "#"), "02", "0", 1, true),
            (of_tree("REVENUE.USD#all", "02.01"), "06", "2", 1, false),
            (of_tree("SALES#2026-01", "01"), "02", "1", 1, true),
        ];
        for (whole, name, value, complaints, is_told) in numbers {
            let what = format!("{name} of {whole}");
            let mut broken = whole.clone();
            broken[name] = json!({"N": value});
            put(&broken);
            assert_eq!(check::at_the_end(&stage).len(), complaints, "{what}: {:?}", check::at_the_end(&stage));
            assert_eq!(!answers::wrong(&stage).await.is_empty(), is_told, "{what}");
            put(&whole);
        }
        is_whole().await;

        // A place that is not there, one that is somebody else's, and one that is too many.
        let place = item("BOARD#REVENUE.USD#all#", "#bob");
        delete(&place);
        assert!(!check::at_any_time(&stage).is_empty() && !answers::wrong(&stage).await.is_empty());
        let mut moved = place.clone();
        moved["sk"] = json!({"S": check::text(&place, "sk").replace("#bob", "#cem")});
        put(&moved);
        assert!(!check::at_the_end(&stage).is_empty() && !answers::wrong(&stage).await.is_empty());
        delete(&moved);
        put(&item("BOARD#REVENUE.USD#all#", "#cem"));
        put(&place);
        let mut doubled = place.clone();
        doubled["sk"] = json!({"S": check::text(&place, "sk").replace("#2026-01", "#2025-01")});
        put(&doubled);
        assert!(!check::at_the_end(&stage).is_empty() && !answers::wrong(&stage).await.is_empty());
        delete(&doubled);
        let place = item("BOARD#PRODUCT.VIEWS#all#", "#p3");
        delete(&place);
        assert!(!check::at_any_time(&stage).is_empty() && !answers::wrong(&stage).await.is_empty());
        put(&place);
        is_whole().await;
    });
}
