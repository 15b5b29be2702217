//! Torn reads: who sees what of a transaction whose caller has no answer yet.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::*;
use crate::wire::{Call, Fault, Faults};

/// Delays the answer of a transaction until the test releases it.
#[derive(Default)]
struct Held {
    written: Notify,
    go_on: Notify,
}

impl Faults for Held {
    fn before<'a>(&'a self, _: &'a Call) -> BoxFuture<'a, Fault> {
        Box::pin(std::future::ready(Fault::None))
    }

    fn after<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if call.operation == "TransactWriteItems" {
                self.written.notify_one();
                self.go_on.notified().await;
            }
        })
    }
}

/// What a query of the partition shows, by sort key.
async fn seen(client: &Client) -> String {
    let query = client.query().table_name("Other").consistent_read(true).key_condition_expression("pk = :pk");
    let items = query.expression_attribute_values(":pk", text("p")).send().await.unwrap().items.unwrap();
    let one = |item: &std::collections::HashMap<String, AttributeValue>| {
        format!("{}{}", item["sk"].as_s().unwrap(), item["n"].as_n().unwrap())
    };
    items.iter().map(one).collect::<Vec<_>>().join(" ")
}

async fn got(client: &Client, sk: &str) -> Option<String> {
    let get = client.get_item().table_name("Other").key("pk", text("p")).key("sk", text(sk)).consistent_read(true);
    get.send().await.unwrap().item.map(|item| item["n"].as_n().unwrap().clone())
}

/// Changes a and b, takes c away and brings d; what a reader saw before the answer, in that order, and after it.
async fn read_while_it_is_written(seed: u64, gets: bool) -> (Vec<String>, String) {
    let database = database(StreamView::KeysOnly);
    database.tear(seed);
    let held = Arc::new(Held::default());
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    let reader = client(&database, ClientOptions { faults: Some(calm), ..ClientOptions::default() });
    for sk in ["a", "b", "c"] {
        put(&reader, "Other", sk, 1).await;
    }
    let writer = client(&database, ClientOptions { faults: Some(held.clone()), ..ClientOptions::default() });
    let transaction = tokio::spawn(async move {
        let put = |sk: &str| {
            let put =
                Put::builder().table_name("Other").item("pk", text("p")).item("sk", text(sk)).item("n", number(2));
            TransactWriteItem::builder().put(put.build().unwrap()).build()
        };
        let delete = Delete::builder().table_name("Other").key("pk", text("p")).key("sk", text("c")).build().unwrap();
        let items = ["a", "b", "d"].map(put).into_iter();
        let items = items.chain([TransactWriteItem::builder().delete(delete).build()]).collect();
        writer.transact_write_items().set_transact_items(Some(items)).send().await.unwrap();
    });
    held.written.notified().await;
    let mut reads = Vec::new();
    if gets {
        let all = [got(&reader, "a").await, got(&reader, "b").await, got(&reader, "c").await, got(&reader, "d").await];
        assert_eq!(all, [Some("2".to_owned()), Some("2".to_owned()), None, Some("2".to_owned())]);
    }
    for _ in 0..3 {
        reads.push(seen(&reader).await);
    }
    held.go_on.notify_one();
    transaction.await.unwrap();
    (reads, seen(&reader).await)
}

#[tokio::test]
async fn a_query_may_see_a_part_of_a_transaction_until_its_caller_has_the_answer() {
    let mut first = std::collections::BTreeSet::new();
    for seed in 0..256 {
        let (reads, after) = read_while_it_is_written(seed, false).await;
        assert_eq!(after, "a2 b2 d2");
        // What was seen once is seen from then on.
        for sk in ["a", "b"] {
            let shown: Vec<bool> = reads.iter().map(|read| read.contains(&format!("{sk}2"))).collect();
            assert!(shown.is_sorted(), "{reads:?}");
        }
        first.insert(reads[0].clone());
        assert_eq!(read_while_it_is_written(seed, false).await.0, reads, "the same from the same seed");
    }
    assert_eq!(first.len(), 16, "every part of it: {first:?}");
}

#[tokio::test]
async fn an_item_that_was_read_by_key_is_visible_to_all_queries() {
    for seed in 0..8 {
        let (reads, after) = read_while_it_is_written(seed, true).await;
        assert!(reads.iter().all(|read| *read == after), "{reads:?}");
    }
}

#[tokio::test]
async fn transactions_are_atomic_to_queries_by_default() {
    let database = database(StreamView::KeysOnly);
    let calm: Arc<dyn Faults> = Arc::new(|_: &Call| Fault::None);
    let reader = client(&database, ClientOptions { faults: Some(calm), ..ClientOptions::default() });
    put(&reader, "Other", "a", 1).await;
    assert!(database.under_way().is_none());
    assert_eq!(seen(&reader).await, "a1");
}
