//! Tables and items: what functions rely on, and what outlives the process.

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::super::DatabaseError;
use super::*;

#[tokio::test]
async fn conditions_indexes_and_returned_values_work_through_the_sdk() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let put = client.put_item().table_name("Facts").item("pk", text("p")).item("sk", text("a")).item("g", text("x"));
    let put = put.condition_expression("attribute_not_exists(pk)");
    put.clone().send().await.unwrap();
    let again = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).send().await;
    let refused = again.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception(), "{refused:?}");

    let update = client
        .update_item()
        .table_name("Facts")
        .key("pk", text("p"))
        .key("sk", text("a"))
        .update_expression("ADD n :one")
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::UpdatedNew);
    update.clone().send().await.unwrap();
    let updated = update.send().await.unwrap();
    assert_eq!(updated.attributes.unwrap().get("n"), Some(&number(2)));

    let query = client.query().table_name("Facts").index_name("byG").key_condition_expression("g = :g");
    let found = query.expression_attribute_values(":g", text("x")).send().await.unwrap();
    assert_eq!(found.count(), 1);
    let description = client.describe_table().table_name("Facts").send().await.unwrap().table.unwrap();
    assert_eq!(description.table_arn(), Some(crate::wire::table_arn("Facts").as_str()));
}

#[tokio::test]
async fn a_transaction_is_carried_out_once_per_token_and_not_at_all_when_a_condition_fails() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let add = |sk: &str| {
        let update = Update::builder().table_name("Facts").key("pk", text("p")).key("sk", text(sk));
        let update = update.update_expression("ADD n :one").expression_attribute_values(":one", number(1));
        TransactWriteItem::builder().update(update.build().unwrap()).build()
    };
    let transact =
        |token: &str, sk: &str| client.transact_write_items().client_request_token(token).transact_items(add(sk));
    transact("t1", "a").send().await.unwrap();
    transact("t1", "a").send().await.unwrap();
    let other = transact("t1", "b").send().await.unwrap_err().into_service_error();
    assert!(other.is_idempotent_parameter_mismatch_exception(), "{other:?}");

    let exists = Put::builder().table_name("Facts").item("pk", text("p")).item("sk", text("a"));
    let exists = exists.condition_expression("attribute_not_exists(pk)").build().unwrap();
    let both = client.transact_write_items().transact_items(add("c"));
    let both = both.transact_items(TransactWriteItem::builder().put(exists).build()).send().await;
    let cancelled = both.unwrap_err().into_service_error();
    assert!(cancelled.is_transaction_canceled_exception(), "{cancelled:?}");
    let items = client.scan().table_name("Facts").send().await.unwrap().items.unwrap();
    assert_eq!(items.iter().map(|item| &item["n"]).collect::<Vec<_>>(), [&number(1)]);
}

#[tokio::test]
async fn a_file_keeps_items_streams_and_checkpoints_and_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamodb.sqlite");
    let tables = [table("Facts", Some(StreamView::KeysOnly))];
    {
        let database = Database::open(&path).unwrap();
        database.create_tables(&tables).unwrap();
        put(&client(&database, ClientOptions::default()), "Facts", "a", 1).await;
        database.set_checkpoint("reader", 7).unwrap();
        let second = Database::open(&path).unwrap_err();
        assert!(matches!(second, DatabaseError::InUse { .. }), "{second}");
    }
    let database = Database::open(&path).unwrap();
    database.create_tables(&tables).unwrap();
    assert_eq!(count(&client(&database, ClientOptions::default()), "Facts").await, 1);
    assert_eq!(database.records_after("Facts", 0).unwrap().len(), 1);
    assert_eq!(database.checkpoint("reader").unwrap(), Some(7));
    assert_eq!(database.checkpoint("stranger").unwrap(), None);
}

#[tokio::test]
async fn rejects_changed_keys_and_adopts_changed_views_and_expiry() {
    let database = database(StreamView::KeysOnly);
    let mut changed = table("Facts", Some(StreamView::NewImage));
    changed.ttl_attribute = None;
    database.create_tables(std::slice::from_ref(&changed)).unwrap();
    assert_eq!(database.table("Facts").unwrap().stream_view, Some(StreamView::NewImage));

    changed.key_schema.range = None;
    let refused = database.create_tables(&[changed]).unwrap_err();
    assert!(refused.to_string().contains("--fresh"), "{refused}");
}

#[tokio::test]
async fn expired_items_are_deleted_and_their_records_name_the_service() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let now = 1_700_000_000;
    for (sk, ttl) in [("past", now - 10), ("now", now), ("future", now + 10), ("mistake", 5)] {
        let item = client.put_item().table_name("Facts").item("pk", text("p")).item("sk", text(sk));
        item.item("ttl", number(ttl)).send().await.unwrap();
    }
    put(&client, "Facts", "without", 1).await;
    let before = database.last_sequence("Facts").unwrap();
    assert_eq!(database.sweep_expired(now).unwrap(), 1);
    let records = database.records_after("Facts", before).unwrap();
    assert_eq!(records.len(), 1);
    assert!(records[0].expired && records[0].keys.contains("past"), "{records:?}");
    assert!(
        records[0].to_json(&database.table("Facts").unwrap()).contains(r#""principalId":"dynamodb.amazonaws.com""#)
    );

    let delete = client.delete_item().table_name("Facts").key("pk", text("p")).key("sk", text("now"));
    delete.send().await.unwrap();
    assert!(!database.records_after("Facts", records[0].sequence).unwrap()[0].expired);
    assert_eq!(count(&client, "Facts").await, 3);
}

#[tokio::test]
async fn rejects_requests_that_dynamodb_rejects() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let no_table = client.get_item().table_name("nothing").key("pk", text("p")).send().await;
    assert!(no_table.unwrap_err().into_service_error().is_resource_not_found_exception());
    let empty_key = client.put_item().table_name("Facts").item("pk", text("")).item("sk", text("a")).send().await;
    let refused = empty_key.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("ValidationException"), "{refused:?}");
    let wrong = client.put_item().table_name("Facts").item("pk", AttributeValue::Bool(true)).item("sk", text("a"));
    let refused = wrong.send().await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("ValidationException"), "{refused:?}");
}

#[test]
fn a_database_with_tables_is_created_in_milliseconds() {
    let started = std::time::Instant::now();
    let rounds = 20;
    for _ in 0..rounds {
        database(StreamView::KeysOnly);
    }
    // Generous: the machine may be busy. It takes well below 5 ms on an idle one.
    assert!(started.elapsed() / rounds < std::time::Duration::from_millis(50), "{:?}", started.elapsed() / rounds);
}

#[tokio::test]
async fn day_old_records_are_dropped_unless_a_mapping_needs_them() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    put(&client, "Facts", "a", 1).await;
    put(&client, "Facts", "b", 1).await;
    let written = database.records_after("Facts", 0).unwrap()[0].created_at;
    let in_a_day = written + 24 * 3600 + 10;
    assert_eq!(database.drop_old_records(written + 3600).unwrap(), 0);
    database.set_checkpoint("reader/Facts", 0).unwrap();
    assert_eq!(database.drop_old_records(in_a_day).unwrap(), 0);
    database.set_checkpoint("reader/Facts", database.last_sequence("Facts").unwrap()).unwrap();
    assert_eq!(database.drop_old_records(in_a_day).unwrap(), 0);

    let unread = super::database(StreamView::KeysOnly);
    let client = super::client(&unread, ClientOptions::default());
    put(&client, "Facts", "a", 1).await;
    put(&client, "Facts", "b", 1).await;
    assert_eq!(unread.drop_old_records(in_a_day).unwrap(), 1);
}
