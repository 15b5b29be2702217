//! Starting, stopping, and what outlives it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_restart_continues_behind_acknowledged_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamodb.sqlite");
    {
        let function = Function::new(|batch| if batch[0] == "02" { Err(failure()) } else { Ok(String::new()) });
        let world = World::with_database(function, Database::open(&path).unwrap(), StreamView::KeysOnly);
        world.write(names(0, 6));
        let mappings = world.start(StreamMapping { batch_size: 2, ..world.mapping() });
        tokio::time::sleep(Duration::from_secs(5)).await;
        mappings.stop().await;
        assert_eq!(world.function.batches()[..2], [names(0, 2), names(2, 4)]);
    }
    let world = World::with_database(Function::succeeding(), Database::open(&path).unwrap(), StreamView::KeysOnly);
    let batches = world.deliver(StreamMapping { batch_size: 2, ..world.mapping() }).await;
    assert_eq!(batches, [names(2, 4), names(4, 6)]);
    drop(world);

    let world = World::with_database(Function::succeeding(), Database::open(&path).unwrap(), StreamView::KeysOnly);
    assert!(world.deliver(world.mapping()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn batches_in_flight_at_a_crash_are_delivered_again() {
    let database = Database::memory().unwrap();
    let function = Function::taking(Duration::from_secs(10), |_| Ok(String::new()));
    let world = World::with_database(function, database.clone(), StreamView::KeysOnly);
    world.write(["a"]);
    let mappings = world.start(world.mapping());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.function.batches().len(), 1);
    drop(mappings);
    let world = World::with_database(Function::succeeding(), database, StreamView::KeysOnly);
    assert_eq!(world.deliver(world.mapping()).await, [["a"]]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_running_batches_and_starts_none() {
    let world = World::new(Function::taking(Duration::from_secs(10), |_| Ok(String::new())));
    world.write(["a", "b"]);
    let mappings = world.start(StreamMapping { batch_size: 1, ..world.mapping() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopping = tokio::time::Instant::now();
    mappings.stop().await;
    assert_eq!(stopping.elapsed().as_secs(), 9);
    assert_eq!(world.function.batches(), [["a"]]);
    let records = world.sources.database.records_after("Facts", 0).unwrap();
    let checkpoint = world.sources.database.checkpoint("f/Facts").unwrap().unwrap();
    assert!((records[0].sequence..records[1].sequence).contains(&checkpoint));
}

#[tokio::test(start_paused = true)]
async fn streams_are_pruned_behind_their_slowest_reader() {
    let function = Function::new(|batch| if batch[0] == "10" { Err(failure()) } else { Ok(String::new()) });
    let world = World::new(function);
    world.write(names(0, 20));
    let one =
        |function: &str, batch_size| StreamMapping { function: function.to_owned(), batch_size, ..world.mapping() };
    let mappings = Mappings::start(&world.sources, vec![one("f", 1), one("g", 1)], Vec::new()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    mappings.stop().await;
    let left = world.sources.database.records_after("Facts", 0).unwrap();
    assert!((10..14).contains(&left.len()), "{}", left.len());
    assert!(left.iter().any(|record| record.keys.contains("\"10\"")));
}

#[tokio::test(start_paused = true)]
async fn latest_starts_with_new_records() {
    let world = World::new(Function::succeeding());
    world.write(["before"]);
    let mapping = StreamMapping { starting_position: StartingPosition::Latest, ..world.mapping() };
    let mappings = world.start(mapping);
    world.write(["after"]);
    drained(&mappings).await;
    mappings.stop().await;
    assert_eq!(world.function.batches(), [["after"]]);
}

#[tokio::test(start_paused = true)]
async fn drained_means_that_every_record_was_handled() {
    let world = World::new(Function::taking(Duration::from_secs(3), |_| Ok(String::new())));
    let mappings = world.start(world.mapping());
    assert!(mappings.is_drained().unwrap());
    world.write(["a"]);
    assert!(!mappings.is_drained().unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!mappings.is_drained().unwrap());
    drained(&mappings).await;
    assert_eq!(world.function.batches().len(), 1);
    mappings.stop().await;
}

#[tokio::test]
async fn rejects_invalid_mappings_by_name() {
    let world = World::new(Function::succeeding());
    let refused = |streams, queues| Mappings::start(&world.sources, streams, queues).unwrap_err().to_string();
    let base = || world.mapping();
    for (mapping, problem) in [
        (StreamMapping { batch_size: 10_001, ..base() }, "BatchSize is 10001"),
        (StreamMapping { parallelization_factor: 11, ..base() }, "ParallelizationFactor is 11"),
        (StreamMapping { maximum_retry_attempts: -2, ..base() }, "MaximumRetryAttempts is -2"),
        (StreamMapping { on_failure_queue: Some("none".to_owned()), ..base() }, "no queue none"),
        (StreamMapping { table: "none".to_owned(), ..base() }, "no table none"),
        (
            StreamMapping { filters: vec![json!({"a": [{"cidr": "x"}]})], ..base() },
            "filter 1, at a: unknown operator cidr",
        ),
    ] {
        let message = refused(vec![mapping], Vec::new());
        assert!(message.contains("mapping of f") && message.contains(problem), "{message}");
    }
    for (mapping, problem) in [
        (QueueMapping { batch_size: 11, ..QueueMapping::new("f", "work") }, "BatchSize is 11"),
        (QueueMapping { maximum_concurrency: Some(1), ..QueueMapping::new("f", "work") }, "MaximumConcurrency is 1"),
        (QueueMapping::new("f", "none"), "no queue none"),
    ] {
        let message = refused(Vec::new(), vec![mapping]);
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn checks_the_rights_that_lambda_needs() {
    let mapping = StreamMapping { on_failure_queue: Some("q".to_owned()), ..StreamMapping::new("f", "Facts") };
    let accesses = stream_accesses(&mapping);
    assert!(accesses.contains(&Access::new("dynamodb:GetRecords", stream_arn("Facts"))));
    assert!(accesses.contains(&Access::new("sqs:SendMessage", queue_arn("q"))));
    let accesses = queue_accesses(&QueueMapping::new("f", "work"));
    assert!(accesses.contains(&Access::new("sqs:DeleteMessage", queue_arn("work"))));
}
