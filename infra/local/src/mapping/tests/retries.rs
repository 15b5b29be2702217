//! What becomes of failures.

use std::collections::HashMap;

use super::*;

/// Fails the first so many times.
fn failing(times: usize) -> Arc<Function> {
    let left = Mutex::new(times);
    Function::new(move |_| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return Ok(String::new());
        }
        *left -= 1;
        Err(failure())
    })
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_retried_before_later_records() {
    let world = World::new(failing(3));
    world.write(["a", "b", "c"]);
    let batches = world.deliver(StreamMapping { batch_size: 2, ..world.mapping() }).await;
    assert_eq!(
        batches,
        [["a", "b"], ["a", "b"], ["a", "b"], ["a", "b"]]
            .iter()
            .map(|pair| pair.to_vec())
            .chain([vec!["c"]])
            .collect::<Vec<_>>()
    );
    assert!(world.failures().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_panics_count_as_failures() {
    for failure in [InvokeFailure::TimedOut, InvokeFailure::Panicked("x".to_owned())] {
        let first = Mutex::new(Some(failure));
        let world = World::new(Function::new(move |_| first.lock().unwrap().take().map_or(Ok(String::new()), Err)));
        world.write(["a"]);
        assert_eq!(world.deliver(world.mapping()).await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_retry_records_go_to_the_on_failure_queue_and_the_stream_continues() {
    let world = World::new(Function::new(|batch| if batch[0] == "a" { Err(failure()) } else { Ok(String::new()) }));
    world.write(["a", "b", "c"]);
    let mapping = StreamMapping { batch_size: 2, maximum_retry_attempts: 3, ..world.mapping() };
    let first = world.sources.database.records_after("Facts", 0).unwrap();
    let batches = world.deliver(mapping).await;
    assert_eq!(batches.iter().map(|batch| batch[0].as_str()).collect::<Vec<_>>(), ["a", "a", "a", "a", "c"]);
    let failures = world.failures().await;
    assert_eq!(failures.len(), 1);
    let failure = &failures[0];
    assert_eq!(failure["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(failure["requestContext"]["approximateInvokeCount"], 4);
    assert_eq!(failure["requestContext"]["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(failure["version"], "1.0");
    let batch = &failure["DDBStreamBatchInfo"];
    assert_eq!(batch["startSequenceNumber"], first[0].sequence_number());
    assert_eq!(batch["endSequenceNumber"], first[1].sequence_number());
    assert_eq!(batch["batchSize"], 2);
    assert_eq!(batch["streamArn"], crate::wire::stream_arn("Facts"));
    let arrival = batch["approximateArrivalOfFirstRecord"].as_str().unwrap();
    assert_eq!(chrono::DateTime::parse_from_rfc3339(arrival).unwrap().timestamp(), first[0].created_at);
}

#[tokio::test(start_paused = true)]
async fn bisecting_isolates_poison_without_using_up_retries() {
    let world =
        World::new(Function::new(
            |batch| {
                if batch.contains(&"05".to_owned()) { Err(failure()) } else { Ok(String::new()) }
            },
        ));
    world.write(names(0, 16));
    let mapping = StreamMapping { bisect: true, maximum_retry_attempts: 1, ..world.mapping() };
    let batches = world.deliver(mapping).await;
    let mut successes: Vec<String> =
        batches.iter().filter(|batch| !batch.contains(&"05".to_owned())).flatten().cloned().collect();
    let order = successes.clone();
    successes.sort();
    assert_eq!(order, successes);
    assert_eq!(successes.len(), 15);
    assert_eq!(batches.iter().filter(|batch| **batch == ["05"]).count(), 2);
    assert_eq!(batches[..4].iter().map(Vec::len).collect::<Vec<_>>(), [16, 8, 4, 4]);
    let failures = world.failures().await;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0]["DDBStreamBatchInfo"]["batchSize"], 1);
}

/// Reports these names as failed, so many times each.
fn reporting(times: &[(&str, usize)]) -> Arc<Function> {
    let left: Mutex<HashMap<String, usize>> =
        Mutex::new(times.iter().map(|(name, times)| ((*name).to_owned(), *times)).collect());
    Function::new(move |batch| {
        let mut left = left.lock().unwrap();
        let failed = batch.iter().filter(|name| match left.get_mut(*name) {
            Some(0) | None => false,
            Some(times) => {
                *times -= 1;
                true
            }
        });
        Ok(failed.cloned().collect::<Vec<_>>().join(","))
    })
}

/// Turns the names that a function reports into the answer that Lambda reads.
struct Reporting(Arc<Function>);

impl Invoker for Reporting {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let batch: Value = serde_json::from_str(&event.payload).unwrap();
            let failed = self.0.invoke(function, event).await?;
            let identifier = |name: &str| {
                let record = batch["Records"].as_array().unwrap().iter();
                let mut record = record.filter(|record| record["dynamodb"]["Keys"]["sk"]["S"] == name);
                json!({ "itemIdentifier": record.next().unwrap()["dynamodb"]["SequenceNumber"] })
            };
            let failures: Vec<Value> = failed.split(',').filter(|name| !name.is_empty()).map(identifier).collect();
            Ok(json!({ "batchItemFailures": failures }).to_string())
        }
        .boxed()
    }
}

fn reporting_world(times: &[(&str, usize)]) -> World {
    let mut world = World::new(reporting(times));
    world.sources.invoker = Arc::new(Reporting(Arc::clone(&world.function)));
    world
}

#[tokio::test(start_paused = true)]
async fn retries_start_at_the_lowest_failed_record() {
    for bisect in [false, true] {
        let world = reporting_world(&[("04", 1), ("02", 1)]);
        world.write(names(0, 6));
        let mapping = StreamMapping { report_batch_item_failures: true, bisect, ..world.mapping() };
        assert_eq!(world.deliver(mapping).await, [names(0, 6), names(2, 6)]);
        assert!(world.failures().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_bisecting_a_failing_record_discards_those_behind_it() {
    let world = reporting_world(&[("02", 100)]);
    world.write(names(0, 5));
    let retries = StreamMapping { report_batch_item_failures: true, maximum_retry_attempts: 2, ..world.mapping() };
    let batches = world.deliver(retries).await;
    // Twice more after the first try, in which what is before the failed record gets done.
    assert_eq!(batches, [names(0, 5), names(2, 5), names(2, 5)]);
    assert_eq!(world.failures().await[0]["DDBStreamBatchInfo"]["batchSize"], 3);

    // Where batches are split there, the split is no try.
    let world = reporting_world(&[("02", 100)]);
    world.write(names(0, 5));
    let retries =
        StreamMapping { report_batch_item_failures: true, maximum_retry_attempts: 2, bisect: true, ..world.mapping() };
    assert_eq!(world.deliver(retries).await, [names(0, 5), names(2, 5), names(2, 5), names(2, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_response_fails_the_batch() {
    let answers = Mutex::new(vec![r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#, "nonsense"]);
    let world = World::new(Function::new(move |_| Ok(answers.lock().unwrap().pop().unwrap_or_default().to_owned())));
    world.write(["a", "b"]);
    let mapping = StreamMapping { report_batch_item_failures: true, ..world.mapping() };
    assert_eq!(world.deliver(mapping).await, [["a", "b"]; 3]);
}

#[tokio::test(start_paused = true)]
async fn records_above_the_maximum_age_are_discarded() {
    let world = World::new(Function::new(|_| Err(failure())));
    world.write(["a", "b"]);
    let age = Some(Duration::from_secs(60));
    let mapping = StreamMapping { maximum_record_age: age, ..world.mapping() };
    let started = tokio::time::Instant::now();
    world.deliver(mapping).await;
    assert!((59..70).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    let failures = world.failures().await;
    assert_eq!(failures[0]["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(failures[0]["DDBStreamBatchInfo"]["batchSize"], 2);
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_function_uses_up_no_retries() {
    let left = Mutex::new(5);
    let world = World::new(Function::new(move |_| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return Ok(String::new());
        }
        *left -= 1;
        Err(InvokeFailure::Unavailable)
    }));
    world.write(["a"]);
    let batches = world.deliver(StreamMapping { maximum_retry_attempts: 0, ..world.mapping() }).await;
    assert_eq!(batches.len(), 6);
    assert!(world.failures().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_recovers_after_hundreds_of_failures_loses_no_record() {
    for bisect in [false, true] {
        let world = World::new(failing(700));
        world.write(names(0, 5));
        let age = Some(Duration::from_secs(82_800));
        let mapping = StreamMapping { maximum_retry_attempts: -1, maximum_record_age: age, bisect, ..world.mapping() };
        let batches = world.deliver(mapping).await;
        assert!(batches.len() > 700, "{}", batches.len());
        let done: Vec<String> = batches[700..].iter().flatten().cloned().collect();
        assert_eq!(done, names(0, 5));
        assert!(world.failures().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn unlimited_retries_end_at_the_maximum_age_in_the_on_failure_queue() {
    let world =
        World::new(Function::new(
            |batch| {
                if batch.contains(&"01".to_owned()) { Err(failure()) } else { Ok(String::new()) }
            },
        ));
    world.write(names(0, 2));
    let age = Some(Duration::from_secs(600));
    let mapping =
        StreamMapping { maximum_retry_attempts: -1, maximum_record_age: age, bisect: true, ..world.mapping() };
    let batches = world.deliver(mapping).await;
    let tries = batches.iter().filter(|batch| **batch == ["01"]).count();
    assert!((100..200).contains(&tries), "a pause of seconds lies between the tries: {tries}");
    assert!(batches.contains(&vec!["00".to_owned()]), "only what fails is given up");
    let failures = world.failures().await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0]["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(failures[0]["DDBStreamBatchInfo"]["batchSize"], 1);
}

/// A clock that is this much ahead of another.
struct Ahead(TestClock, chrono::TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.now() + self.1
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_maximum_age_the_stream_drops_records_after_a_day_silently() {
    let mut world = World::new(Function::new(|_| Err(failure())));
    let ahead = chrono::TimeDelta::hours(24) - chrono::TimeDelta::seconds(60);
    world.sources.clock = Arc::new(Ahead(TestClock::default(), ahead));
    world.write(["a"]);
    let started = tokio::time::Instant::now();
    world.deliver(StreamMapping { maximum_retry_attempts: -1, ..world.mapping() }).await;
    assert!((59..70).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(world.failures().await.is_empty());
}
