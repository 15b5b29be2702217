//! Plain batches against the engine: both must leave the same behind.

use serde_json::{Value, json};

use super::*;
use crate::wire::Answer;

/// A table without indexes, so that batches into it are plain.
fn plain(view: StreamView) -> Database {
    let database = Database::memory().unwrap();
    let table = TableConfig { gsis: Vec::new(), ..table("Facts", Some(view)) };
    let attributes = table.attributes.iter().filter(|attribute| attribute.name != "g").cloned().collect();
    database.create_tables(&[TableConfig { attributes, ..table }]).unwrap();
    database
}

/// Sends a batch; one that asks for the units of indexes goes to the engine.
fn send(database: &Database, items: &[Value], by_engine: bool) -> Answer {
    let requests: Vec<Value> = items.iter().map(|item| json!({ "PutRequest": { "Item": item } })).collect();
    let mode = if by_engine { "INDEXES" } else { "TOTAL" };
    let request = json!({ "RequestItems": { "Facts": requests }, "ReturnConsumedCapacity": mode });
    database.call("BatchWriteItem", &request.to_string(), &ClientOptions::default())
}

fn rows(database: &Database) -> Vec<(String, String, Value, i64, String)> {
    let storage = database.lock();
    let query = "SELECT pk, sk, item_json, item_size, hash_prefix FROM Facts ORDER BY pk, sk";
    let mut statement = storage.conn().prepare(query).unwrap();
    let rows = statement.query_map([], |row| {
        let item: String = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, serde_json::from_str(&item).unwrap(), row.get(3)?, row.get(4)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// What readers see of the stream, but for what no two streams share.
fn records(database: &Database) -> Vec<Value> {
    let table = database.table("Facts").unwrap();
    let record = |record: super::super::StreamRecord| {
        assert_eq!(record.event_id.len(), 32);
        let mut json: Value = serde_json::from_str(&record.to_json(&table)).unwrap();
        json["eventID"].take();
        json["dynamodb"]["SequenceNumber"].take();
        json["dynamodb"]["ApproximateCreationDateTime"].take();
        json
    };
    database.records_after("Facts", 0).unwrap().into_iter().map(record).collect()
}

fn item(sk: &str, more: Value) -> Value {
    let mut item = json!({ "pk": { "S": "p" }, "sk": { "S": sk } });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

#[test]
fn bulk_path_and_engine_leave_the_same_items_records_and_units() {
    for view in [StreamView::KeysOnly, StreamView::NewImage, StreamView::OldImage, StreamView::NewAndOldImages] {
        let (bulk, engine) = (plain(view), plain(view));
        let large = "x".repeat(5000);
        for batch in [
            vec![item("a", json!({})), item("b", json!({ "n": { "N": "1.50" }, "t": { "BOOL": true } }))],
            // The same again, and in part changed.
            vec![item("a", json!({})), item("b", json!({ "n": { "N": "2" }, "t": { "BOOL": false } }))],
            vec![
                item("c", json!({ "text": { "S": large }, "nothing": { "NULL": true } })),
                item("d", json!({ "e": { "S": "" } })),
            ],
            // Smaller than before: the larger one is what it costs.
            vec![item("c", json!({ "n": { "N": "1E3" }, "m": { "N": "-0010" } }))],
            vec![json!({ "pk": { "S": "ü\u{1F600}\"'" }, "sk": { "S": "\\ \n" }, "ttl": { "N": "5" } })],
            (0..25)
                .map(|number| item(&format!("many-{number}"), json!({ "n": { "N": number.to_string() } })))
                .collect(),
        ] {
            let (answer, expected) = (send(&bulk, &batch, false), send(&engine, &batch, true));
            assert!(answer.is_ok() && expected.is_ok(), "{answer:?} {expected:?}");
            let units = |answer: &Answer| {
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!(body["UnprocessedItems"], json!({}));
                body["ConsumedCapacity"][0]["CapacityUnits"].clone()
            };
            assert_eq!(units(&answer), units(&expected), "{batch:?}");
        }
        assert_eq!(rows(&bulk), rows(&engine));
        assert_eq!(records(&bulk), records(&engine));
    }
}

#[test]
fn bulk_path_and_engine_agree_on_refusals_and_complex_batches() {
    let (bulk, engine) = (plain(StreamView::NewAndOldImages), plain(StreamView::NewAndOldImages));
    for batch in [
        vec![],
        (0..26).map(|number| item(&number.to_string(), json!({}))).collect(),
        vec![item("a", json!({})), item("a", json!({ "n": { "N": "1" } }))],
        vec![item("", json!({}))],
        vec![json!({ "pk": { "S": "p" } })],
        vec![json!({ "pk": { "N": "1" }, "sk": { "S": "a" } })],
        vec![item(&"x".repeat(1025), json!({}))],
        vec![json!({ "pk": { "S": "x".repeat(2049) }, "sk": { "S": "a" } })],
        vec![item("a", json!({ "n": { "N": "not a number" } }))],
        vec![item("a", json!({ "": { "S": "x" } }))],
        vec![item("a", json!({ "s": { "SS": [] } }))],
        vec![item("good", json!({})), item("large", json!({ "text": { "S": "x".repeat(410_000) } }))],
        vec![item(
            "a",
            json!({ "s": { "SS": ["b", "a"] }, "l": { "L": [{ "N": "1" }] }, "m": { "M": { "x": { "S": "y" } } } }),
        )],
    ] {
        let (answer, expected) = (send(&bulk, &batch, false), send(&engine, &batch, true));
        assert_eq!(answer.status, expected.status, "{batch:?}");
        if !answer.is_ok() {
            assert_eq!(answer.body, expected.body, "{batch:?}");
        }
    }
    assert_eq!(rows(&bulk), rows(&engine));
    assert_eq!(records(&bulk), records(&engine));
}

#[tokio::test]
async fn batches_and_single_writes_share_one_order() {
    let database = plain(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    for round in 0..5 {
        put(&client, "Facts", &format!("single-{round}"), 1).await;
        let batch: Vec<Value> = (0..25).map(|number| item(&format!("batch-{round}-{number}"), json!({}))).collect();
        assert!(send(&database, &batch, false).is_ok());
    }
    let records = database.records_after("Facts", 0).unwrap();
    assert_eq!(records.len(), 5 * 26);
    assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert!(records[26].keys.contains("single-1"));
}
