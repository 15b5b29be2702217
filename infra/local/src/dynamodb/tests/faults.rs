//! Faults: what a function sees of each, and what became of its call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, TransactWriteItem, Update, WriteRequest};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::*;
use crate::wire::{Call, Fault, Faults};

/// A client without retries of its own, whose first call meets the fault.
fn failing(database: &Database, fault: Fault) -> Client {
    let first = Mutex::new(Some(fault));
    let faults = move |_: &Call| first.lock().unwrap().take().unwrap_or_default();
    let options = ClientOptions { faults: Some(Arc::new(faults)), ..ClientOptions::default() };
    let config = database.sdk_config(options).into_builder().retry_config(RetryConfig::disabled()).build();
    Client::new(&config)
}

fn attempt(client: &Client, sk: &str) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
    client.put_item().table_name("Facts").item("pk", text("p")).item("sk", text(sk))
}

#[tokio::test]
async fn every_fault_has_its_own_error_and_effect() {
    for (fault, code, is_written) in [
        (Fault::DropBefore, None, 0),
        (Fault::DropAfter, None, 1),
        (Fault::TimeoutBefore, None, 0),
        (Fault::TimeoutAfter, None, 1),
        (Fault::Throttle, Some("ProvisionedThroughputExceededException"), 0),
        (Fault::ServerError, Some("InternalServerError"), 0),
        (Fault::ServerErrorAfter, Some("InternalServerError"), 1),
        (Fault::TransactionConflict, Some("TransactionConflictException"), 0),
    ] {
        let database = database(StreamView::KeysOnly);
        let client = failing(&database, fault);
        let error = attempt(&client, "a").send().await.unwrap_err();
        match code {
            Some(code) => assert_eq!(error.into_service_error().meta().code(), Some(code), "{fault:?}"),
            None => {
                let SdkError::DispatchFailure(failure) = error else { panic!("{fault:?}: {error:?}") };
                let is_timeout = matches!(fault, Fault::TimeoutBefore | Fault::TimeoutAfter);
                assert_eq!((failure.is_timeout(), failure.is_io()), (is_timeout, !is_timeout), "{fault:?}");
            }
        }
        assert_eq!(count(&client, "Facts").await, is_written, "{fault:?}");
    }
}

#[tokio::test]
async fn a_crashed_caller_gets_no_answer() {
    for (fault, is_written) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
        let database = database(StreamView::KeysOnly);
        let client = failing(&database, fault);
        let mut call = attempt(&client, "a").send().boxed();
        assert!((&mut call).now_or_never().is_none());
        tokio::task::yield_now().await;
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        assert_eq!(count(&client, "Facts").await, is_written, "{fault:?}");
    }
}

#[tokio::test]
async fn parts_of_batches_are_returned_unprocessed() {
    let write = |sk: &str| {
        let put = PutRequest::builder().item("pk", text("p")).item("sk", text(sk)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let database = database(StreamView::KeysOnly);
    let request = |client: &Client| {
        let batch = client.batch_write_item().request_items("Facts", vec![write("a"), write("b")]);
        batch.request_items("Other", vec![write("c")]).send()
    };
    let client = failing(&database, Fault::Unprocessed(0b101));
    let unprocessed = request(&client).await.unwrap().unprocessed_items.unwrap();
    assert_eq!(unprocessed["Facts"], [write("a")]);
    assert_eq!(unprocessed["Other"], [write("c")]);
    assert_eq!((count(&client, "Facts").await, count(&client, "Other").await), (1, 0));

    let client = failing(&database, Fault::Unprocessed(u64::MAX));
    assert_eq!(request(&client).await.unwrap().unprocessed_items.unwrap().len(), 2);

    let key = |sk: &str| [("pk".to_owned(), text("p")), ("sk".to_owned(), text(sk))].into();
    let keys = KeysAndAttributes::builder().keys(key("a")).keys(key("b")).consistent_read(true).build().unwrap();
    let client = failing(&database, Fault::Unprocessed(0b01));
    let got = client.batch_get_item().request_items("Facts", keys).send().await.unwrap();
    assert_eq!(got.responses.unwrap()["Facts"].len(), 1);
    let unprocessed = &got.unprocessed_keys.unwrap()["Facts"];
    assert_eq!((unprocessed.keys(), unprocessed.consistent_read()), (&[key("a")][..], Some(true)));
}

#[tokio::test]
async fn a_conflicting_transaction_is_cancelled_with_its_reason() {
    let database = database(StreamView::KeysOnly);
    let client = failing(&database, Fault::TransactionConflict);
    let update = Update::builder().table_name("Facts").key("pk", text("p")).key("sk", text("a"));
    let update = update.update_expression("ADD n :one").expression_attribute_values(":one", number(1));
    let item = TransactWriteItem::builder().update(update.build().unwrap()).build();
    let error = client.transact_write_items().transact_items(item).send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
    assert_eq!(cancelled.cancellation_reasons()[0].code(), Some("TransactionConflict"));
    assert_eq!(count(&client, "Facts").await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_itself_retries_a_lost_answer_and_a_transaction_stays_one() {
    let database = database(StreamView::KeysOnly);
    let first = Mutex::new(Some(Fault::DropAfter));
    let faults = move |_: &Call| first.lock().unwrap().take().unwrap_or_default();
    let client = client(&database, ClientOptions { faults: Some(Arc::new(faults)), ..ClientOptions::default() });
    let update = Update::builder().table_name("Facts").key("pk", text("p")).key("sk", text("a"));
    let update = update.update_expression("ADD n :one").expression_attribute_values(":one", number(1));
    let item = TransactWriteItem::builder().update(update.build().unwrap()).build();
    client.transact_write_items().transact_items(item).send().await.unwrap();
    let items = client.scan().table_name("Facts").send().await.unwrap().items.unwrap();
    assert_eq!(items[0]["n"], number(1));
}

/// Holds every call until the test lets it go on.
#[derive(Default)]
struct Gate {
    waiting: Mutex<Vec<(String, oneshot::Sender<Fault>)>>,
}

impl Gate {
    fn take(&self, name: &str) -> Option<oneshot::Sender<Fault>> {
        let mut waiting = self.waiting.lock().unwrap();
        let index = waiting.iter().position(|(waiting, _)| waiting == name)?;
        Some(waiting.remove(index).1)
    }
}

struct Held(Arc<Gate>);

impl Faults for Held {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        let (go_on, held) = oneshot::channel();
        self.0.waiting.lock().unwrap().push((call.function.clone(), go_on));
        async { held.await.unwrap_or(Fault::CrashBefore) }.boxed()
    }
}

#[tokio::test]
async fn a_scheduler_can_delay_and_reorder_calls() {
    let database = database(StreamView::KeysOnly);
    let gate = Arc::new(Gate::default());
    let spawn = |name: &'static str| {
        let faults: Arc<dyn Faults> = Arc::new(Held(Arc::clone(&gate)));
        let options = ClientOptions { function: name.to_owned(), faults: Some(faults), ..ClientOptions::default() };
        let client = client(&database, options);
        tokio::spawn(async move { attempt(&client, name).send().await })
    };
    let (first, second) = (spawn("first"), spawn("second"));
    let held = |name: &'static str| {
        let gate = Arc::clone(&gate);
        let arrived = async move {
            loop {
                if let Some(go_on) = gate.take(name) {
                    return go_on;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), arrived)
    };
    let (go_first, go_second) = (held("first").await.unwrap(), held("second").await.unwrap());
    assert!(database.records_after("Facts", 0).unwrap().is_empty());
    go_second.send(Fault::None).unwrap();
    second.await.unwrap().unwrap();
    go_first.send(Fault::None).unwrap();
    first.await.unwrap().unwrap();
    let keys: Vec<_> = database.records_after("Facts", 0).unwrap().into_iter().map(|record| record.keys).collect();
    assert!(keys[0].contains("second") && keys[1].contains("first"), "{keys:?}");
}
