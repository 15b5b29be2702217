//! Clients describe, sell, delete and view products at the same time, while the updater gets the stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use local::dynamodb::StreamRecord;
use local::wire::{Call, Fault, Faults};
use serde_json::{Value, json};

use super::actions::{Action, Answer, BEGIN, DELETED, PRODUCTS, VIEWERS, Viewer, act, seller_of};
use super::{answers, check};
use crate::support::deliveries::{Consumer, Deliveries, consume_in};
use crate::support::driver::{Clients, Plan, Scenario, Turns, drive, ensure_none};
use crate::support::stage::{Stage, invoke, paused, start};

const UPDATER: Consumer =
    Consumer { table: "Interactions", records, concurrency: 3, batch: 4, redelivered: 30, is_partial: false };

/// Prices, most of them the same, and such as have one digit more than others in the trees.
const PRICES: [u64; 8] = [0, 5, 5, 5, 63, 64, 4_096, 1_000_000_000];

struct Marketplace {
    stage: Stage,
    /// How often a viewer was told that a view of a product counts.
    counted: BTreeMap<(usize, Viewer), usize>,
    updaters: Deliveries,
}

/// The records that the template's filter lets through.
fn records(stage: &Stage) -> Vec<StreamRecord> {
    let is_let_through = |record: &StreamRecord| ["\"PRODUCT#", "\"VIEWS#"].iter().any(|key| record.keys.contains(key));
    stage.records("Interactions").into_iter().filter(is_let_through).collect()
}

/// Runs a plan to its end.
pub(super) fn run(plan: &Plan) -> Result<(), String> {
    paused(async {
        let stage = Stage::new(BEGIN.parse().unwrap());
        let turns = Turns::of(plan);
        let marketplace = Marketplace { stage, counted: BTreeMap::new(), updaters: Deliveries::new(UPDATER) };
        // All but the last are on offer.
        for product in 0..PRODUCTS.len() - 1 {
            calmly(&marketplace.stage, describe(product, "active", 5)).await;
        }
        let marketplace = drive(marketplace, turns, plan.actions).await?;
        ensure_none(check::at_the_end(&marketplace.stage))?;
        ensure_none(marketplace.counted_twice())?;
        ensure_none(answers::wrong(&marketplace.stage).await)
    })
}

/// A description of a product by its seller.
fn describe(product: usize, status: &'static str, price: u64) -> Action {
    Action::Describe { product, is_new: false, status, price, currency: "USD", days_ago: None }
}

/// Does something with nothing in the way.
async fn calmly(stage: &Stage, action: Action) {
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    assert!(act(stage.clone(), calm, "client".to_owned(), action).await.is_some());
}

impl Scenario for Marketplace {
    type Action = Action;
    type Answer = Answer;

    /// Something new, or an action of another client.
    fn next(&mut self, _: usize, turns: &mut Turns, clients: &Clients<Action, Answer>) -> Action {
        let random = &mut turns.random;
        let under_way: Vec<&Action> = clients.under_way().collect();
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

    fn act(
        &self,
        _: usize,
        name: String,
        faults: Arc<dyn Faults>,
        action: Action,
    ) -> impl Future<Output = Option<Answer>> + Send + 'static {
        act(self.stage.clone(), faults, name, action)
    }

    fn step(&mut self, turns: &mut Turns, is_busy: bool) {
        match turns.random.u8(0..100) {
            0..30 => self.deliver(turns),
            30..32 => self.stage.advance(TimeDelta::seconds(turns.random.i64(0..40))),
            _ if !is_busy => self.deliver(turns),
            _ => {}
        }
    }

    async fn settle(&mut self, done: Vec<(usize, Action, Answer)>, crashed: &[String]) -> Result<(), String> {
        for (_, action, (_, body)) in done {
            if let (Action::View { product, viewer }, Some(true)) = (action, body["counted"].as_bool()) {
                *self.counted.entry((product, viewer)).or_default() += 1;
            }
        }
        self.updaters.settle(crashed).await;
        Ok(())
    }

    fn check(&self, turn: usize) -> Result<(), String> {
        if turn.is_multiple_of(50) { ensure_none(check::at_any_time(&self.stage)) } else { Ok(()) }
    }

    fn is_over(&self, was_busy: bool, _: bool) -> bool {
        !was_busy && self.updaters.are_done(&self.stage)
    }
}

impl Marketplace {
    fn deliver(&mut self, turns: &mut Turns) {
        let (stage, faults) = (self.stage.clone(), turns.faults());
        self.updaters.deliver(&self.stage, turns, "updater", |name, payload| {
            consume_in(stage, name, faults, leaderboard_updater::FUNCTION, payload)
        });
    }

    /// Viewers whose views were counted more than once a month, or who viewed their own product.
    fn counted_twice(&self) -> Vec<String> {
        let mut guards: BTreeMap<(String, String), usize> = BTreeMap::new();
        for item in self.stage.scan("State") {
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

/// Corrupts one stored value at a time and asserts that the check reports it.
pub(super) fn assert_corruption_is_detected() {
    paused(async {
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
        let payload = stage.payload("Interactions", &records(&stage));
        assert_eq!(invoke(&*updater, &payload).await.unwrap()["batchItemFailures"], json!([]));
        let is_whole = async || {
            assert_eq!(check::at_the_end(&stage), Vec::<String>::new());
            assert_eq!(answers::wrong(&stage).await, Vec::<String>::new());
        };
        is_whole().await;

        let stats = stage.scan("Stats");
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
        // The value, the number of errors that the check reports for it, and whether answers are wrong too.
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

        // A missing place, a place of another seller, and a superfluous place.
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
