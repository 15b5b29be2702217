//! What is delivered of a stream: order, batches, windows, filters.

use super::*;

#[tokio::test(start_paused = true)]
async fn records_arrive_in_order_in_batches_of_the_configured_size() {
    let world = World::new(Function::succeeding());
    world.write(names(0, 25));
    let batches = world.deliver(StreamMapping { batch_size: 10, ..world.mapping() }).await;
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(batches.concat(), names(0, 25));
    let events = world.function.events.lock().unwrap();
    let record = &events[0]["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["dynamodb"].get("NewImage"), None);
    assert_eq!(record["dynamodb"]["StreamViewType"], "KEYS_ONLY");
    assert!(record["dynamodb"]["ApproximateCreationDateTime"].is_i64());
    let typed: aws_lambda_events::event::dynamodb::Event = serde_json::from_value(events[0].clone()).unwrap();
    assert_eq!(typed.records.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_window_delays_delivery_until_the_batch_is_full() {
    for (window, expected) in [(0, vec![1, 1, 1]), (5, vec![2, 1])] {
        let world = World::new(Function::succeeding());
        let window = Duration::from_secs(window);
        let mappings = world.start(StreamMapping { batching_window: window, ..world.mapping() });
        for name in ["a", "b", "c"] {
            world.write([name]);
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        drained(&mappings).await;
        mappings.stop().await;
        let sizes: Vec<_> = world.function.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, expected, "{window:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait_for_its_window() {
    let world = World::new(Function::succeeding());
    let window = Duration::from_secs(300);
    let mappings = world.start(StreamMapping { batching_window: window, batch_size: 4, ..world.mapping() });
    world.write(names(0, 8));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.function.batches().len(), 2);
    mappings.stop().await;
}

#[tokio::test(start_paused = true)]
async fn batches_are_limited_to_six_megabytes() {
    let world = World::with_database(Function::succeeding(), Database::memory().unwrap(), StreamView::NewImage);
    for number in 0..20 {
        let text = "x".repeat(390_000);
        world.put(json!({ "pk": { "S": "p" }, "sk": { "S": format!("{number:02}") }, "text": { "S": text } }));
    }
    let batches = world.deliver(StreamMapping { batch_size: 100, ..world.mapping() }).await;
    assert_eq!(batches.concat(), names(0, 20));
    assert!(batches.len() == 2 && batches[0].len() == 16, "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn records_that_match_no_filter_are_skipped_and_acknowledged() {
    let world = World::with_database(Function::succeeding(), Database::memory().unwrap(), StreamView::NewAndOldImages);
    world.write_to("TRACK#1", "wanted");
    world.write_to("ALBUM#1", "unwanted");
    world.put(json!({ "pk": { "S": "TRACK#2" }, "sk": { "S": "loud" }, "volume": { "N": "11" } }));
    let keys = json!({"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "TRACK#"}]}}}});
    let batches = world.deliver(StreamMapping { filters: vec![keys], ..world.mapping() }).await;
    assert_eq!(batches.concat(), ["wanted", "loud"]);

    // A second function has its own place in the stream, and its own filter, here on an image.
    let images = json!({"dynamodb": {"NewImage": {"volume": {"N": [{"numeric": [">", 10]}]}}}});
    let second = StreamMapping { function: "g".to_owned(), filters: vec![images], ..world.mapping() };
    let batches = world.deliver(second).await;
    assert_eq!(batches.concat(), ["wanted", "loud", "loud"]);
}

#[tokio::test(start_paused = true)]
async fn expiries_are_delivered_with_the_identity_of_the_service_and_no_op_writes_are_not() {
    let world = World::new(Function::succeeding());
    let now = world.sources.clock.now().timestamp();
    let item = |sk: &str, ttl: i64| json!({"pk": {"S": "p"}, "sk": {"S": sk}, "ttl": {"N": ttl.to_string()}});
    world.put(item("a", now - 100));
    world.put(item("a", now - 100));
    world.put(item("b", now + 100));
    assert_eq!(world.sources.database.sweep_expired(now).unwrap(), 1);
    let batches = world.deliver(world.mapping()).await;
    assert_eq!(batches.concat(), ["a", "b", "a"]);
    let events = world.function.events.lock().unwrap();
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    let deleted_by: Vec<(&Value, Option<&Value>)> =
        records.map(|record| (&record["eventName"], record.get("userIdentity"))).collect();
    let service = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    assert_eq!(deleted_by, [(&json!("INSERT"), None), (&json!("INSERT"), None), (&json!("REMOVE"), Some(&service))]);
}

#[tokio::test(start_paused = true)]
async fn lanes_keep_the_order_of_a_partition_and_do_not_wait_for_each_other() {
    let function = Function::taking(Duration::from_millis(100), |batch| {
        if batch.iter().any(|name| name == "stuck") { Err(failure()) } else { Ok(String::new()) }
    });
    let world = World::new(function);
    world.write_to("bad", "stuck");
    for number in 0..10 {
        world.write_to("bad", &format!("later-{number}"));
        for partition in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            world.write_to(partition, &format!("{partition}-{number}"));
        }
    }
    let mappings = world.start(StreamMapping { parallelization_factor: 10, batch_size: 3, ..world.mapping() });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!mappings.is_drained().unwrap());
    mappings.stop().await;
    let is_stuck = |batch: &&Vec<String>| batch.iter().any(|name| name == "stuck");
    let batches = world.function.batches();
    let delivered: Vec<&String> = batches.iter().filter(|batch| !is_stuck(batch)).flatten().collect();
    let mut complete = 0;
    for partition in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let own = delivered.iter().filter(|name| name.starts_with(&format!("{partition}-")));
        let own: Vec<&str> = own.map(|name| name.as_str()).collect();
        let expected: Vec<String> = (0..own.len()).map(|number| format!("{partition}-{number}")).collect();
        assert_eq!(own, expected);
        complete += usize::from(own.len() == 10);
    }
    // Partitions may share the lane of the stuck one, but not all of them.
    assert!(complete >= 4, "{complete}");
    assert!(world.function.most_at_once() > 1);
    assert!(!delivered.iter().any(|name| name.starts_with("later")));
    assert!(batches.iter().filter(is_stuck).count() > 1);
}
