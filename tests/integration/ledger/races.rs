//! Sixty-four at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use local::wire::Faults;
use serde_json::{Value, json};

use super::actions::{Action, Answer, act};
use super::check;
use super::driver::stage;
use crate::support::app::App;
use crate::support::schedule::Schedule;
use crate::support::stage::paused;

const CLIENTS: usize = 64;

/// Lets as many clients buy the same for the same person, each with the key that is its own or all with one, while calls
/// fail in every way; each tries until it is answered. What they were answered.
fn all_buy(seed: u64, key: fn(usize) -> String, buy: &Action) -> Vec<Answer> {
    fastrand::seed(seed);
    paused(async {
        let stage = stage();
        // Many writes are stalled, so that what their invocations have read is old.
        let schedule = Schedule::new(15, 10, 80);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut running = BTreeMap::new();
        let mut tries = 0;
        for _ in 0..400_000 {
            for client in (0..CLIENTS).filter(|client| !answers.contains_key(client)) {
                running.entry(client).or_insert_with(|| {
                    tries += 1;
                    let name = format!("client {client} try {tries}");
                    let faults: Arc<dyn Faults> = Arc::new(schedule.clone());
                    (name.clone(), tokio::spawn(act(stage.clone(), faults, name, key(client), buy.clone())))
                });
            }
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            if !schedule.step(&mut random) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            let crashed = schedule.crashed();
            let ended: Vec<usize> = running
                .iter()
                .filter(|(_, (name, task))| crashed.contains(name) || task.is_finished())
                .map(|(client, _)| *client)
                .collect();
            for client in ended {
                let (name, task) = running.remove(&client).unwrap();
                if crashed.contains(&name) {
                    task.abort();
                } else if let Some(answer) = task.await.unwrap() {
                    answers.insert(client, answer);
                }
            }
            if answers.len() == CLIENTS {
                let wrong = check::at_any_time(&stage);
                assert!(wrong.is_empty(), "{wrong:#?}");
                return answers.into_values().collect();
            }
        }
        panic!("it never ends: {} of {CLIENTS} are answered", answers.len());
    })
}

fn bought(item: usize, discount: bool) -> Action {
    Action::Buy { user: 0, item, price: 999, currency: "USD", method: "card", pending: false, discount, days_ago: None }
}

#[test]
fn concurrent_purchases_of_single_ownership_item_succeed_once() {
    for seed in 0..6 {
        let answers = all_buy(seed, |client| format!("k{client}"), &bought(0, false));
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 201);
        assert_eq!((done.len(), refused.len()), (1, CLIENTS - 1), "seed {seed}");
        let purchase = serde_json::from_str::<Value>(&done[0].1).unwrap()["purchaseId"].clone();
        for (status, body) in refused {
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &problem["purchaseId"]), (409, &purchase), "{problem}");
        }
    }
}

#[test]
fn concurrent_purchases_with_one_key_get_one_answer() {
    for seed in 10..16 {
        for item in 0..2 {
            let answers = all_buy(seed, |_| "k".to_owned(), &bought(item, false));
            assert_eq!(answers[0].0, 201, "{answers:?}");
            assert!(answers.iter().all(|answer| *answer == answers[0]), "seed {seed}: {answers:?}");
        }
    }
}

#[test]
fn discount_limit_holds_under_concurrency() {
    for seed in 20..22 {
        // A product, so that only the discount is limited.
        let answers = all_buy(seed, |client| format!("k{client}"), &bought(1, true));
        let done = answers.iter().filter(|(status, _)| *status == 201).count();
        let refused = answers.iter().filter(|(status, body)| *status == 422 && body.contains("no uses left")).count();
        assert_eq!((done, refused), (2, CLIENTS - 2), "seed {seed}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discount_limit_holds_for_hundred_concurrent_buyers() {
    let app = App::start().await;
    let admin = app.token("admin");
    let headers = |key: Option<String>| {
        let key = key.map(|key| ("idempotency-key".to_owned(), key));
        let fixed = [("content-type", "application/json"), ("authorization", admin.as_str())];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        fixed.into_iter().chain(key).collect::<Vec<_>>()
    };
    let send = async |method: Method, path: String, key: Option<String>, body: Value| {
        let headers = headers(key);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.send(method, &path, &headers, body.to_string()).await
    };
    let once = json!({"type": "fixed", "amount": 100, "currency": "USD", "maxUses": 1});
    let path = "/api/discounts/LAST-ONE".to_owned();
    assert_eq!(send(Method::PUT, path.clone(), None, once).await.status, 201);
    let buys = (0..100).map(|buyer| {
        let body = json!({
            "itemType": "course", "itemId": "algebra", "amount": 500, "currency": "USD", "paymentMethod": "card",
            "userId": format!("buyer-{buyer}"), "discountCode": "LAST-ONE",
        });
        send(Method::POST, "/api/purchases".to_owned(), Some(format!("k{buyer}")), body)
    });
    let answers = futures::future::join_all(buys).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    assert_eq!((&done[0].body["amount"], &done[0].body["discountAmount"]), (&json!(400), &json!(100)));
    let refused = answers.iter().filter(|answer| answer.status == 422);
    assert_eq!(refused.count(), 99, "{answers:?}");
    assert_eq!(send(Method::GET, path, None, json!(null)).await.body["uses"], 1);
    app.finish().await;
}
