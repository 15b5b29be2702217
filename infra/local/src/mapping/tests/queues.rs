//! What is delivered of a queue, and what becomes of failures.

use super::*;

fn send(world: &World, bodies: impl IntoIterator<Item = impl Into<String>>) {
    for body in bodies {
        world.sources.queues.send("work", &body.into()).unwrap();
    }
}

fn start(world: &World, mapping: QueueMapping) -> Mappings {
    Mappings::start(&world.sources, Vec::new(), vec![mapping]).unwrap()
}

fn mapping() -> QueueMapping {
    QueueMapping::new("f", "work")
}

#[tokio::test(start_paused = true)]
async fn messages_are_delivered_and_deleted() {
    let world = World::new(Function::succeeding());
    send(&world, names(0, 15));
    let mappings = start(&world, mapping());
    drained(&mappings).await;
    send(&world, ["late"]);
    assert!(!mappings.is_drained().unwrap());
    drained(&mappings).await;
    mappings.stop().await;
    let batches = world.function.batches();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 5, 1]);
    let mut bodies = batches.concat();
    bodies.sort();
    assert_eq!(bodies, [names(0, 15), vec!["late".to_owned()]].concat());
    let events = world.function.events.lock().unwrap();
    let typed: aws_lambda_events::event::sqs::SqsEvent = serde_json::from_value(events[0].clone()).unwrap();
    assert_eq!(typed.records.len(), 10);
    let record = &events[0]["Records"][0];
    assert_eq!(record["eventSourceARN"], queue_arn("work"));
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_window_fills_batches_beyond_ten() {
    let world = World::new(Function::succeeding());
    let window = Duration::from_secs(5);
    let mappings = start(&world, QueueMapping { batch_size: 100, batching_window: window, ..mapping() });
    send(&world, names(0, 12));
    tokio::time::sleep(Duration::from_secs(2)).await;
    send(&world, names(12, 24));
    tokio::time::sleep(Duration::from_secs(20)).await;
    mappings.stop().await;
    assert_eq!(world.function.batches().iter().map(Vec::len).collect::<Vec<_>>(), [24]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_becomes_visible_again_and_then_a_dead_letter() {
    let world = World::new(Function::new(|_| Err(failure())));
    send(&world, ["poison"]);
    let started = tokio::time::Instant::now();
    let mappings = start(&world, mapping());
    drained(&mappings).await;
    mappings.stop().await;
    assert_eq!(world.function.batches().len(), 2);
    assert!((60..62).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(world.sources.queues.receive("failures", 1, Duration::ZERO, None).await.unwrap()[0].body, "poison");
}

/// Reports messages with this body as failed, for as long as they come.
struct Reporting(Arc<Function>, &'static str);

impl Invoker for Reporting {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let batch: Value = serde_json::from_str(&event.payload).unwrap();
            self.0.invoke(function, event).await?;
            let failed = batch["Records"].as_array().unwrap().iter().filter(|record| record["body"] == self.1);
            let failures: Vec<Value> = failed.map(|record| json!({ "itemIdentifier": record["messageId"] })).collect();
            Ok(json!({ "batchItemFailures": failures }).to_string())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn only_reported_failures_are_delivered_again() {
    let mut world = World::new(Function::succeeding());
    world.sources.invoker = Arc::new(Reporting(Arc::clone(&world.function), "01"));
    send(&world, names(0, 3));
    let mappings = start(&world, QueueMapping { report_batch_item_failures: true, ..mapping() });
    drained(&mappings).await;
    mappings.stop().await;
    assert_eq!(world.function.batches(), [names(0, 3), names(1, 2)]);
    assert_eq!(world.sources.queues.receive("failures", 1, Duration::ZERO, None).await.unwrap()[0].body, "01");
}

#[tokio::test(start_paused = true)]
async fn concurrency_never_exceeds_its_maximum() {
    let world = World::new(Function::taking(Duration::from_secs(1), |_| Ok(String::new())));
    send(&world, names(0, 40));
    let limited = QueueMapping { maximum_concurrency: Some(3), batch_size: 2, ..mapping() };
    let mappings = start(&world, limited);
    drained(&mappings).await;
    mappings.stop().await;
    assert_eq!((world.function.batches().len(), world.function.most_at_once()), (20, 3));
}

#[tokio::test(start_paused = true)]
async fn messages_that_match_no_filter_are_deleted() {
    let world = World::new(Function::succeeding());
    send(&world, [r#"{"kind":"a"}"#, r#"{"kind":"b"}"#, "no json"]);
    let filter = json!({"body": {"kind": ["a"]}});
    let mappings = start(&world, QueueMapping { filters: vec![filter], ..mapping() });
    drained(&mappings).await;
    mappings.stop().await;
    assert_eq!(world.function.batches(), [[r#"{"kind":"a"}"#]]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_running_batches() {
    let world = World::new(Function::taking(Duration::from_secs(10), |_| Ok(String::new())));
    send(&world, ["a"]);
    let mappings = start(&world, mapping());
    tokio::time::sleep(Duration::from_secs(1)).await;
    mappings.stop().await;
    assert_eq!(world.sources.queues.depth("work").unwrap().total(), 0);
}
