//! Policies and metering: what a function may do, and what it uses.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{
    ConditionCheck, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, TransactWriteItem, Update,
    WriteRequest,
};

use super::*;
use crate::capacity::{Meter, total};
use crate::iam::{Policy, Statement};
use crate::wire::{index_arn, table_arn};

fn only(allowed: &[(&str, String)]) -> ClientOptions {
    let statement = |(action, resource): &(&str, String)| Statement {
        actions: vec![format!("dynamodb:{action}")],
        resources: vec![resource.clone()],
        ..Statement::default()
    };
    let policy = Policy { statements: allowed.iter().map(statement).collect() };
    ClientOptions { function: "f".to_owned(), policy: Some(Arc::new(policy)), ..ClientOptions::default() }
}

fn write(sk: &str) -> WriteRequest {
    let put = PutRequest::builder().item("pk", text("p")).item("sk", text(sk)).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

#[tokio::test]
async fn denies_calls_that_the_policy_does_not_allow_without_running_them() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, only(&[("PutItem", table_arn("Facts"))]));
    put(&client, "Facts", "a", 1).await;
    let denied = client.get_item().table_name("Facts").key("pk", text("p")).key("sk", text("a")).send().await;
    let error = denied.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("AccessDeniedException"));
    let expected = "User: arn:aws:sts::000000000000:assumed-role/f/f is not authorized to perform: dynamodb:GetItem \
                    on resource: arn:aws:dynamodb:us-east-1:000000000000:table/Facts because no identity-based policy \
                    allows the dynamodb:GetItem action";
    assert_eq!(error.meta().message(), Some(expected));
    let batch = client.batch_write_item().request_items("Facts", vec![write("b")]).send().await;
    assert_eq!(batch.unwrap_err().into_service_error().meta().code(), Some("AccessDeniedException"));
    assert_eq!(database.records_after("Facts", 0).unwrap().len(), 1);
}

#[tokio::test]
async fn leading_key_conditions_apply_to_every_item_of_a_request() {
    let database = database(StreamView::KeysOnly);
    let actions = ["PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem"];
    let statement = Statement {
        actions: actions.iter().map(|action| format!("dynamodb:{action}")).collect(),
        resources: vec![table_arn("Facts")],
        leading_keys: Some(vec!["p".to_owned(), "p#*".to_owned()]),
    };
    let policy = Some(Arc::new(Policy { statements: vec![statement] }));
    let client = client(&database, ClientOptions { function: "f".to_owned(), policy, ..ClientOptions::default() });
    let key = |pk: &str| HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text("a"))]);
    let items = |pk: &str| {
        let put = PutRequest::builder().set_item(Some(key(pk))).build().unwrap();
        vec![write("b"), WriteRequest::builder().put_request(put).build()]
    };
    let keys = |pk: &str| KeysAndAttributes::builder().keys(key("p")).keys(key(pk)).build().unwrap();
    let update = |pk: &str| {
        let update = Update::builder().table_name("Facts").set_key(Some(key(pk))).update_expression("SET n = :n");
        let update = update.expression_attribute_values(":n", number(1)).build().unwrap();
        TransactWriteItem::builder().update(update).build()
    };
    for (pk, is_allowed) in [("p", true), ("p#x", true), ("q", false)] {
        let query = || {
            let query = client.query().table_name("Facts").key_condition_expression("begins_with(sk, :a) AND #k = :pk");
            let query = query.expression_attribute_names("#k", "pk").expression_attribute_values(":a", text("a"));
            query.expression_attribute_values(":pk", text(pk)).send()
        };
        let answers = [
            client.put_item().table_name("Facts").set_item(Some(key(pk))).send().await.is_ok(),
            client.get_item().table_name("Facts").set_key(Some(key(pk))).send().await.is_ok(),
            client.delete_item().table_name("Facts").set_key(Some(key(pk))).send().await.is_ok(),
            client.batch_write_item().request_items("Facts", items(pk)).send().await.is_ok(),
            client
                .batch_get_item()
                .request_items("Facts", keys(if pk == "p" { "p#y" } else { pk }))
                .send()
                .await
                .is_ok(),
            client.transact_write_items().transact_items(update(pk)).send().await.is_ok(),
            query().await.is_ok(),
        ];
        assert_eq!(answers, [is_allowed; 7], "{pk}");
    }
}

#[tokio::test]
async fn a_batch_needs_rights_on_every_table_and_a_query_on_its_index() {
    let database = database(StreamView::KeysOnly);
    let narrow = client(&database, only(&[("BatchWriteItem", table_arn("Facts")), ("Query", table_arn("Facts"))]));
    let both =
        narrow.batch_write_item().request_items("Facts", vec![write("a")]).request_items("Other", vec![write("a")]);
    assert!(both.send().await.unwrap_err().into_service_error().meta().message().unwrap().contains("table/Other"));
    narrow.batch_write_item().request_items("Facts", vec![write("a")]).send().await.unwrap();

    let by_index = |client: &Client| {
        let query = client.query().table_name("Facts").index_name("byG").key_condition_expression("g = :g");
        query.expression_attribute_values(":g", text("x"))
    };
    let denied = by_index(&narrow).send().await.unwrap_err().into_service_error();
    assert!(denied.meta().message().unwrap().contains("table/Facts/index/byG"), "{denied:?}");
    let wide = client(&database, only(&[("Query", index_arn("Facts", "*"))]));
    by_index(&wide).send().await.unwrap();
}

#[tokio::test]
async fn a_transaction_needs_the_rights_of_its_parts() {
    let database = database(StreamView::KeysOnly);
    let update = Update::builder().table_name("Facts").key("pk", text("p")).key("sk", text("a"));
    let update = update.update_expression("ADD n :one").expression_attribute_values(":one", number(1));
    let update = TransactWriteItem::builder().update(update.build().unwrap()).build();
    let check = ConditionCheck::builder().table_name("Other").key("pk", text("p")).key("sk", text("a"));
    let check = check.condition_expression("attribute_not_exists(pk)").build().unwrap();
    let check = TransactWriteItem::builder().condition_check(check).build();
    let send = |client: Client| {
        client.transact_write_items().transact_items(update.clone()).transact_items(check.clone()).send()
    };
    let rights = [("UpdateItem", table_arn("Facts")), ("ConditionCheckItem", table_arn("Other"))];
    for missing in [&rights[..1], &rights[1..]] {
        let denied = send(client(&database, only(missing))).await.unwrap_err().into_service_error();
        assert_eq!(denied.meta().code(), Some("AccessDeniedException"));
    }
    send(client(&database, only(&rights))).await.unwrap();
}

#[tokio::test]
async fn units_are_metered_per_function_operation_and_table() {
    let database = database(StreamView::KeysOnly);
    let meter = Arc::new(Meter::default());
    let options =
        ClientOptions { function: "f".to_owned(), meter: Some(Arc::clone(&meter)), ..ClientOptions::default() };
    let client = client(&database, options);
    let answer = client.batch_write_item().request_items("Facts", (0..25).map(|n| write(&n.to_string())).collect());
    assert_eq!(answer.send().await.unwrap().consumed_capacity, None);
    let keys = KeysAndAttributes::builder().keys([("pk".to_owned(), text("p")), ("sk".to_owned(), text("0"))].into());
    client.batch_get_item().request_items("Facts", keys.consistent_read(true).build().unwrap()).send().await.unwrap();
    let put = client.put_item().table_name("Facts").item("pk", text("p")).item("sk", text("0"));
    let put = put.return_consumed_capacity(ReturnConsumedCapacity::Total);
    assert_eq!(put.clone().send().await.unwrap().consumed_capacity.unwrap().capacity_units(), Some(1.0));
    put.condition_expression("attribute_not_exists(pk)").send().await.unwrap_err();

    let used = meter.snapshot();
    let of = |operation: &str| {
        let (metered, usage) = used.iter().find(|(metered, _)| metered.operation == operation).unwrap();
        assert_eq!((metered.function.as_str(), metered.table.as_str()), ("f", "Facts"));
        (usage.calls, usage.failures, usage.read_units, usage.write_units)
    };
    assert_eq!(of("BatchWriteItem"), (1, 0, 0.0, 25.0));
    assert_eq!(of("BatchGetItem"), (1, 0, 1.0, 0.0));
    assert_eq!(of("PutItem"), (2, 1, 0.0, 2.0));
    assert_eq!(total(&meter.reset()).write_units, 27.0);
    assert!(meter.snapshot().is_empty());

    let delete = DeleteRequest::builder().key("pk", text("p")).key("sk", text("0")).build().unwrap();
    let delete = WriteRequest::builder().delete_request(delete).build();
    client.batch_write_item().request_items("Facts", vec![delete]).send().await.unwrap();
    assert_eq!(total(&meter.snapshot()).write_units, 1.0);
}
