//! A corrupt item of one product.

use std::sync::Arc;

use local::wire::{Call, Fault, Faults};
use serde_json::json;

use super::actions::{Action, BEGIN, act};
use super::check;
use crate::support::stage::{Stage, invoke, paused, start};

#[test]
fn corrupt_product_blocks_no_other_product() {
    paused(async {
        let stage = Stage::new(BEGIN.parse().unwrap());
        for product in [0, 1] {
            let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
            let action =
                Action::Describe { product, is_new: true, status: "sold", price: 5, currency: "USD", days_ago: None };
            assert!(act(stage.clone(), calm, "client".to_owned(), action).await.is_some());
        }
        stage.call("PutItem", &json!({"TableName": "Stats", "Item": {
            "pk": {"S": "PRODUCT#p0"}, "sk": {"S": "B#2026-01-31T23:59"}, "version": {"S": "v"}, "value": {"S": "?"},
        }}));
        let updater = start(&stage.boot("updater", None, "UTC"), leaderboard_updater::FUNCTION);
        let answer = invoke(&*updater, &stage.payload("Interactions", &stage.records("Interactions"))).await;
        let places = check::places(&stage.scan("Stats"));
        let sales = places.get(&("SALES".to_owned(), "all".to_owned()));
        assert_eq!(sales.map(|places| places[0].id.as_str()), Some("bob"), "{answer:?}");
        let whole = stage
            .scan("Stats")
            .iter()
            .any(|item| check::text(item, "pk") == "SELLER#bob" && check::text(item, "sk") == "T");
        assert!(whole);
    });
}
