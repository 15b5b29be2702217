//! Streams: which records there are, and what they show.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use serde_json::Value;

use super::super::Change;
use super::*;

#[tokio::test]
async fn writes_that_change_nothing_leave_no_record() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    for (sk, value) in [("a", 1), ("b", 1), ("a", 1), ("a", 2), ("a", 2)] {
        put(&client, "Facts", sk, value).await;
    }
    client.delete_item().table_name("Facts").key("pk", text("p")).key("sk", text("b")).send().await.unwrap();
    let records = database.records_after("Facts", 0).unwrap();
    let changes: Vec<_> = records.iter().map(|record| (record.change, record.keys.contains("\"b\""))).collect();
    let expected = [(Change::Insert, false), (Change::Insert, true), (Change::Modify, false), (Change::Remove, true)];
    assert_eq!(changes, expected);
    assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(database.records_after("Facts", records[1].sequence).unwrap(), records[2..]);
}

#[tokio::test]
async fn the_order_of_a_set_is_no_change() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let write = |members: [&str; 3]| {
        let set = AttributeValue::Ss(members.iter().map(|&member| member.to_owned()).collect());
        let nested = AttributeValue::M([("s".to_owned(), set.clone()), ("l".to_owned(), text("x"))].into());
        let item = client.put_item().table_name("Facts").item("pk", text("p")).item("sk", text("a"));
        item.item("set", set).item("map", nested).item("list", AttributeValue::L(vec![number(1), number(2)]))
    };
    write(["a", "b", "c"]).send().await.unwrap();
    write(["c", "a", "b"]).send().await.unwrap();
    assert_eq!(database.records_after("Facts", 0).unwrap().len(), 1);
    write(["c", "a", "d"]).send().await.unwrap();
    assert_eq!(database.records_after("Facts", 0).unwrap().len(), 2);
}

#[tokio::test]
async fn records_show_what_the_view_shows() {
    for (view, new, old) in [
        (StreamView::KeysOnly, false, false),
        (StreamView::NewImage, true, false),
        (StreamView::OldImage, false, true),
        (StreamView::NewAndOldImages, true, true),
    ] {
        let database = database(view);
        let client = client(&database, ClientOptions::default());
        put(&client, "Facts", "a", 1).await;
        put(&client, "Facts", "a", 2).await;
        let record = database.records_after("Facts", 0).unwrap().remove(1);
        let json: Value = serde_json::from_str(&record.to_json(&database.table("Facts").unwrap())).unwrap();
        assert_eq!(json["eventName"], "MODIFY");
        assert_eq!(json["eventSourceARN"], crate::wire::stream_arn("Facts"));
        let shown = &json["dynamodb"];
        assert_eq!(shown["StreamViewType"], view.as_str());
        assert_eq!(shown["Keys"]["sk"]["S"], "a");
        assert_eq!(shown["SequenceNumber"].as_str().unwrap().len(), 21);
        assert_eq!(shown.get("NewImage").map(|image| &image["n"]["N"]), new.then_some(&Value::from("2")));
        assert_eq!(shown.get("OldImage").map(|image| &image["n"]["N"]), old.then_some(&Value::from("1")));
    }
}

#[tokio::test]
async fn the_streams_api_shows_the_same_records() {
    let database = database(StreamView::KeysOnly);
    let config = database.sdk_config(ClientOptions::default());
    let dynamodb = Client::new(&config);
    for (sk, value) in [("a", 1), ("a", 1), ("b", 1)] {
        put(&dynamodb, "Facts", sk, value).await;
    }
    let streams = aws_sdk_dynamodbstreams::Client::new(&config);
    let arn = crate::wire::stream_arn("Facts");
    let listed = streams.list_streams().table_name("Facts").send().await.unwrap();
    assert_eq!(listed.streams()[0].stream_arn(), Some(arn.as_str()));
    let described = streams.describe_stream().stream_arn(&arn).send().await.unwrap().stream_description.unwrap();
    assert_eq!(described.stream_view_type().unwrap().as_str(), "KEYS_ONLY");
    let iterator = streams.get_shard_iterator().stream_arn(&arn).shard_id(described.shards()[0].shard_id().unwrap());
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let page = streams.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    let numbers: Vec<_> =
        page.records().iter().map(|record| record.dynamodb().unwrap().sequence_number().unwrap().to_owned()).collect();
    let expected: Vec<_> =
        database.records_after("Facts", 0).unwrap().iter().map(super::super::StreamRecord::sequence_number).collect();
    assert_eq!(numbers, expected);
    assert!(page.records()[0].dynamodb().unwrap().new_image().is_none());
}

#[tokio::test]
async fn pruning_keeps_unread_records_and_rising_sequence_numbers() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    for sk in ["a", "b", "c"] {
        put(&client, "Facts", sk, 1).await;
    }
    let records = database.records_after("Facts", 0).unwrap();
    assert_eq!(database.prune("Facts", records[1].sequence).unwrap(), 2);
    assert_eq!(database.records_after("Facts", 0).unwrap(), records[2..]);
    let last = database.last_sequence("Facts").unwrap();
    assert_eq!(database.prune("Facts", last).unwrap(), 0);
    put(&client, "Facts", "d", 1).await;
    assert!(database.last_sequence("Facts").unwrap() > last);
    assert_eq!(database.last_sequence("Other").unwrap(), 0);
}

#[tokio::test]
async fn only_writes_wake_the_readers() {
    let database = database(StreamView::KeysOnly);
    let client = client(&database, ClientOptions::default());
    let mut writes = database.writes();
    count(&client, "Facts").await;
    assert!(!writes.has_changed().unwrap());
    put(&client, "Facts", "a", 1).await;
    assert!(writes.has_changed().unwrap());
    writes.mark_unchanged();
    let batch = aws_sdk_dynamodb::types::DeleteRequest::builder().key("pk", text("p")).key("sk", text("a"));
    let batch = aws_sdk_dynamodb::types::WriteRequest::builder().delete_request(batch.build().unwrap()).build();
    client.batch_write_item().request_items("Facts", vec![batch]).send().await.unwrap();
    assert!(writes.has_changed().unwrap());
}

#[test]
fn renamed_readers_keep_their_checkpoints() {
    let database = database(StreamView::KeysOnly);
    for (reader, sequence) in [("Old/Facts", 3), ("Old/Other", 4), ("Older/Facts", 5), ("Kept/Facts", 6)] {
        database.set_checkpoint(reader, sequence).unwrap();
    }
    for _ in ["renames", "has nothing to rename"] {
        database.rename_reader("Old", "New").unwrap();
        let kept = ["Old/Facts", "New/Facts", "New/Other", "Older/Facts", "Kept/Facts"];
        let sequences = kept.map(|reader| database.checkpoint(reader).unwrap());
        assert_eq!(sequences, [None, Some(3), Some(4), Some(5), Some(6)]);
    }
}
