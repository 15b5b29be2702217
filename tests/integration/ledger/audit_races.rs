//! What an audit does where something happens between two of its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use local::wire::{Call, Fault, Faults};
use serde_json::{Value, json};
use store::{AuditStep, AuditTask, Audits};
use tokio::time::Instant;

use super::actions::{Action, act};
use super::check;
use super::driver::{records, stage};
use crate::support::stage::{Stage, invoke, paused, start};

const ITEM: &str = "SALES#COURSE#c0";

/// Does something just before the call that is the `nth` of its kind.
struct Meanwhile<M, D> {
    is_meant: M,
    nth: usize,
    met: AtomicUsize,
    happens: D,
}

impl<M, D> Faults for Meanwhile<M, D>
where
    M: Fn(&Call) -> bool + Send + Sync,
    D: Fn() -> BoxFuture<'static, ()> + Send + Sync,
{
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        async move {
            if (self.is_meant)(call) && self.met.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
                (self.happens)().await;
            }
            Fault::None
        }
        .boxed()
    }
}

async fn update(stage: Stage) {
    let updater = start(&stage.boot("updater", None, "UTC"), revenue_updater::FUNCTION);
    let answer = invoke(&*updater, &stage.payload("Purchases", &records(&stage))).await.unwrap();
    assert_eq!(answer["batchItemFailures"], json!([]));
}

/// A course was sold for 7 dollars a while ago, and is counted.
async fn sold() -> Stage {
    let stage = stage();
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    let (user, item, price, currency, method) = (0, 0, 7, "USD", "card");
    let action = Action::Buy { user, item, price, currency, method, pending: false, discount: false, days_ago: None };
    let answer = act(stage.clone(), calm, "client".to_owned(), "k".to_owned(), action).await;
    assert_eq!(answer.unwrap().0, 201);
    update(stage.clone()).await;
    stage.advance(TimeDelta::minutes(20));
    assert_eq!(check::at_the_end(&stage, 1), Vec::<String>::new());
    stage
}

/// Changes attributes of an item without changing its version.
fn spoil(stage: &Stage, sk: &str, change: &str, names: Value, values: Value) {
    stage.call(
        "UpdateItem",
        &json!({
            "TableName": "Stats", "Key": {"pk": {"S": ITEM}, "sk": {"S": sk}}, "UpdateExpression": change,
            "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
        }),
    );
}

/// Audits the items of the month, and returns the findings.
async fn audit_items(stage: &Stage, faults: impl Faults + 'static) -> Vec<String> {
    let boot = stage.boot("auditor", Some(Arc::new(faults)), "UTC");
    let audits = boot.open(|setup| Audits::open(setup)).unwrap();
    let step = AuditStep::Items { month: "2026-01".to_owned(), after: None };
    let task = AuditTask { audit: "a".parse().unwrap(), step };
    let (_, outcome) = audits.run_task(&task, Instant::now() + Duration::from_secs(55)).await.unwrap();
    outcome.findings.iter().map(|finding| format!("{} {}", finding.kind, finding.subject)).collect()
}

#[test]
fn audit_compares_values_of_one_moment() {
    paused(async {
        let stage = sold().await;
        let names = json!({"#v": "value", "#t": "tills", "#u": "USD@card", "#g": "gross"});
        let fourteen = json!({":n": {"N": "14"}});
        spoil(&stage, "B#2026-01-31T23:59", "SET #v.#t.#u.#g = :n", names, fourteen);
        // The day is read while it is right, and its minute when another one has put that right, which made the day wrong.
        let of_minutes = |call: &Call| call.operation == "Query" && call.body.contains("\"B#2026-01-");
        let mended = stage.clone();
        let happens = move || update(mended.clone()).boxed();
        let meanwhile = Meanwhile { is_meant: of_minutes, nth: 2, met: AtomicUsize::new(0), happens };
        let found = audit_items(&stage, meanwhile).await;
        assert_eq!(
            found,
            [format!("total {ITEM}/D#2026-01-31"), format!("total {ITEM}/M#2026-01"), format!("total {ITEM}/T")]
        );
        assert_eq!(check::at_the_end(&stage, 1), Vec::<String>::new());
    });
}

#[test]
fn audit_reports_repair_despite_retry_of_other_item() {
    paused(async {
        let stage = sold().await;
        for sk in ["D#2026-01-31", "M#2026-01"] {
            spoil(&stage, sk, "ADD #g :n", json!({"#g": "gross#USD@card"}), json!({":n": {"N": "1"}}));
        }
        // The day is already written when another writer changes the month first.
        let of_month = |call: &Call| call.operation == "PutItem" && call.body.contains("\"M#2026-01\"");
        let faster = stage.clone();
        let happens = move || {
            let (version, other) = (json!({"#v": "version"}), json!({":v": {"S": "of somebody else"}}));
            spoil(&faster, "M#2026-01", "SET #v = :v", version, other);
            futures::future::ready(()).boxed()
        };
        let meanwhile = Meanwhile { is_meant: of_month, nth: 1, met: AtomicUsize::new(0), happens };
        let found = audit_items(&stage, meanwhile).await;
        assert_eq!(found, [format!("total {ITEM}/D#2026-01-31"), format!("total {ITEM}/M#2026-01")]);
        assert_eq!(check::at_the_end(&stage, 1), Vec::<String>::new());
    });
}
