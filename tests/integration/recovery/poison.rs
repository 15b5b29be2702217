//! No stored item, however it is spoiled, makes an updater ask for its records again: that would hold up a shard for as
//! long as the stream keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::market::{Market, delivery};

/// Each updater, the table of its facts, and their partitions.
const UPDATERS: [(&str, &str, &[&str], &str); 4] = [
    ("CounterUpdaterFunction", "EventsTable", &["TRACK#"], "CounterFailuresQueue"),
    ("PackageStatsUpdaterFunction", "InteractionsTable", &["QUIZ#"], "PackageStatsFailuresQueue"),
    ("LeaderboardUpdaterFunction", "InteractionsTable", &["PRODUCT#", "VIEWS#"], "LeaderboardFailuresQueue"),
    ("RevenueUpdaterFunction", "PurchasesTable", &["SALES#", "BUYER#"], "RevenueFailuresQueue"),
];

/// A value of another type.
fn spoiled(value: &Value) -> Value {
    if value.get("S").is_some() { json!({"N": "7"}) } else { json!({"S": "spoiled"}) }
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_item_blocks_no_shard() {
    let mut market = Market::open().await;
    for _ in 0..2 {
        market.goes_on().await;
    }
    market.app.settled().await;
    let mut queues = Vec::new();
    let mut tried = 0;
    for (updater, table, prefixes, queue) in UPDATERS {
        let facts: Vec<_> = prefixes.iter().flat_map(|prefix| market.facts(table, prefix)).collect();
        assert!(!facts.is_empty(), "{table} has no facts of {prefixes:?}");
        let right = [market.dump("StatsTable"), market.dump(table)].into_iter().flatten();
        for ((table, pk, sk), item) in right.collect::<Vec<_>>() {
            for (name, value) in item.as_object().unwrap() {
                // By its version an item is written over; without one nothing is.
                if ["pk", "sk", "version"].contains(&name.as_str()) {
                    continue;
                }
                let mut wrong = item.clone();
                wrong[name] = spoiled(value);
                market.put(table, &wrong);
                let answer = market.app.invoke(updater, &delivery(&facts)).await;
                let nothing = json!({"batchItemFailures": []});
                assert_eq!(answer.as_ref(), Ok(&nothing), "{updater}: {pk}/{sk} has another {name}");
                tried += 1;
                market.put(table, &item);
            }
        }
        if market.app.queue_depth(queue) > 0 {
            queues.push(queue);
        }
    }
    assert!(tried > 300, "{tried}");
    // Some items cannot be read, and some block a write beside them.
    let mut reasons = BTreeSet::new();
    for queue in &queues {
        let name = market.app.cloud.queue(queue).unwrap();
        loop {
            let received = market.app.cloud.queues().receive(name, 10, Duration::ZERO, None).await.unwrap();
            if received.is_empty() {
                break;
            }
            for message in received {
                let body: Value = serde_json::from_str(&message.body).unwrap();
                reasons.insert(body["reason"].as_str().unwrap().split(' ').next().unwrap().to_owned());
            }
        }
    }
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["corrupt", "refused:"], "{queues:?}");
    market.app.finish_with_failures(&queues).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_mappings_retry_for_a_day_and_have_failure_queue() {
    let app = crate::support::app::App::start().await;
    let mappings = &app.cloud.template().stream_mappings;
    assert!(mappings.len() >= 6);
    for mapping in mappings {
        let name = format!("{} of {}", mapping.function, mapping.table);
        assert_eq!(mapping.maximum_retry_attempts, -1, "{name}");
        // A stream keeps records for 24 hours; one hour is left to read the abandoned ones.
        let age = mapping.maximum_record_age.unwrap_or_else(|| panic!("{name} has no age")).as_secs();
        assert!((20 * 3600..=23 * 3600).contains(&age), "{name}: {age}");
        assert!(mapping.on_failure_queue.is_some() && mapping.bisect && mapping.report_batch_item_failures, "{name}");
    }
    app.finish().await;
}
