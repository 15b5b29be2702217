//! More sums than one expression of DynamoDB takes.

use std::sync::Arc;

use local::wire::Faults;

use super::actions::{Action, act};
use super::check;
use super::driver::{records, stage};
use crate::support::stage::{Stage, invoke, paused, start};

const CURRENCIES: [&str; 4] = ["USD", "EUR", "INR", "JPY"];
const METHODS: [&str; 14] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];

async fn buy_by_all_means(stage: &Stage, round: usize) {
    for (at, currency) in CURRENCIES.iter().enumerate() {
        for (way, method) in METHODS.iter().enumerate() {
            let action = Action::Buy {
                user: 0,
                item: 1,
                price: 5,
                currency,
                method,
                pending: false,
                discount: false,
                days_ago: None,
            };
            let calm: Arc<dyn Faults> = Arc::new(|_: &local::wire::Call| local::wire::Fault::None);
            let key = format!("{round}-{at}-{way}");
            let answer = act(stage.clone(), calm, "client".to_owned(), key, action).await;
            assert_eq!(answer.unwrap().0, 201);
        }
    }
}

#[test]
fn bucket_with_every_currency_and_payment_method_is_folded_at_once() {
    paused(async {
        let stage = stage();
        let each = CURRENCIES.len() * METHODS.len();
        // Into numbers that are not there yet, and into those that are.
        for round in 1..=2 {
            buy_by_all_means(&stage, round).await;
            let updater = start(&stage.boot("updater", None, "UTC"), revenue_updater::FUNCTION);
            let answer = invoke(&*updater, &stage.payload("Purchases", &records(&stage))).await.unwrap();
            assert_eq!(answer["batchItemFailures"], serde_json::json!([]));
            assert_eq!(check::at_the_end(&stage, round * each), Vec::<String>::new(), "round {round}");
        }
    });
}
