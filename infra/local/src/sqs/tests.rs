//! Queues through the SDK, under the test's own time.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::operation::start_message_move_task::builders::StartMessageMoveTaskFluentBuilder;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use super::*;
use crate::iam::{Policy, Statement};
use crate::testing_time::TestClock;
use crate::wire::{ClientOptions, Fault, Services};

const URL: &str = "http://127.0.0.1:9999/000000000000/work";

fn configs() -> Vec<QueueConfig> {
    let redrive = Redrive { dead_letter_queue: "dead".to_owned(), max_receive_count: 2 };
    vec![
        QueueConfig { redrive: Some(redrive), ..QueueConfig::new("Work", "work") },
        QueueConfig::new("Dead", "dead"),
        QueueConfig::new("Spare", "spare"),
    ]
}

fn queues() -> Queues {
    Queues::memory(&configs(), "http://127.0.0.1:9999/", Arc::new(TestClock::default()), system::ids::random()).unwrap()
}

fn client(queues: &Queues, options: ClientOptions) -> Client {
    let services = Services { sqs: Some(queues.clone()), ..Services::default() };
    Client::new(&services.sdk_config(options))
}

fn both() -> (Queues, Client) {
    let queues = queues();
    let client = client(&queues, ClientOptions::default());
    (queues, client)
}

fn receive(client: &Client) -> ReceiveMessageFluentBuilder {
    let receive = client.receive_message().queue_url(URL).max_number_of_messages(10);
    receive.message_system_attribute_names(MessageSystemAttributeName::All)
}

async fn bodies(client: &Client) -> Vec<String> {
    let messages = receive(client).send().await.unwrap().messages.unwrap_or_default();
    messages.into_iter().map(|message| message.body.unwrap()).collect()
}

async fn send(client: &Client, body: &str) {
    client.send_message().queue_url(URL).message_body(body).send().await.unwrap();
}

fn attribute<'a>(message: &'a Message, name: &MessageSystemAttributeName) -> &'a str {
    &message.attributes.as_ref().unwrap()[name]
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_hidden_and_becomes_visible_again_until_it_is_deleted() {
    let (queues, client) = both();
    send(&client, "a").await;
    let first = receive(&client).send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(attribute(&first, &MessageSystemAttributeName::ApproximateReceiveCount), "1");
    assert!(bodies(&client).await.is_empty());
    assert_eq!(queues.depth("work").unwrap(), Depth { visible: 0, in_flight: 1, delayed: 0 });
    tokio::time::sleep(Duration::from_secs(31)).await;
    let second = receive(&client).send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(attribute(&second, &MessageSystemAttributeName::ApproximateReceiveCount), "2");
    assert_ne!(first.receipt_handle, second.receipt_handle);

    // An earlier receipt is stale.
    let delete = |message: &Message| {
        client.delete_message().queue_url(URL).receipt_handle(message.receipt_handle.clone().unwrap()).send()
    };
    delete(&first).await.unwrap();
    assert_eq!(queues.depth("work").unwrap().total(), 1);
    delete(&second).await.unwrap();
    delete(&second).await.unwrap();
    assert_eq!(queues.depth("work").unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_becomes_a_dead_letter() {
    let (queues, client) = both();
    send(&client, "poison").await;
    for _ in 0..2 {
        assert_eq!(bodies(&client).await, ["poison"]);
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
    assert!(bodies(&client).await.is_empty());
    assert_eq!(queues.depth("work").unwrap().total(), 0);
    let dead = queues.receive("dead", 10, Duration::ZERO, None).await.unwrap();
    assert_eq!(dead[0].body, "poison");
    assert_eq!(dead[0].system_attributes()["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:work");
}

#[tokio::test(start_paused = true)]
async fn a_receive_waits_for_new_and_reappearing_messages() {
    let (queues, client) = both();
    let waiting = tokio::spawn(receive(&client).wait_time_seconds(20).send());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let sent_at = tokio::time::Instant::now();
    send(&client, "late").await;
    let message = waiting.await.unwrap().unwrap().messages.unwrap().remove(0);
    assert_eq!(sent_at.elapsed(), Duration::ZERO);

    let change = client.change_message_visibility().queue_url(URL).visibility_timeout(7);
    change.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
    let waited = tokio::time::Instant::now();
    assert_eq!(receive(&client).wait_time_seconds(20).send().await.unwrap().messages.unwrap().len(), 1);
    assert_eq!(waited.elapsed().as_secs(), 7);

    let waited = tokio::time::Instant::now();
    assert!(queues.receive("dead", 1, Duration::from_secs(20), None).await.unwrap().is_empty());
    assert_eq!(waited.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn delays_and_retention_are_respected() {
    let (queues, client) = both();
    client.send_message().queue_url(URL).message_body("later").delay_seconds(60).send().await.unwrap();
    assert!(bodies(&client).await.is_empty());
    assert_eq!(queues.depth("work").unwrap(), Depth { visible: 0, in_flight: 0, delayed: 1 });
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(bodies(&client).await, ["later"]);
    tokio::time::sleep(Duration::from_secs(4 * 24 * 3600)).await;
    assert!(bodies(&client).await.is_empty());
    assert_eq!(queues.depth("dead").unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn batch_entries_succeed_and_fail_independently() {
    let (queues, client) = both();
    let entry =
        |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap();
    let batch = client.send_message_batch().queue_url(URL).entries(entry("1", "a")).entries(entry("2", "\u{1}"));
    let sent = batch.entries(entry("3", "c")).send().await.unwrap();
    assert_eq!(sent.successful().iter().map(|sent| sent.id()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(sent.failed()[0].id(), "2");
    assert!(sent.failed()[0].sender_fault());

    let messages = receive(&client).send().await.unwrap().messages.unwrap();
    let delete = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let batch = client.delete_message_batch().queue_url(URL).entries(delete("bad", "no handle at all!"));
    let batch = batch.entries(delete("good", messages[0].receipt_handle().unwrap()));
    let deleted = batch.send().await.unwrap();
    assert_eq!((deleted.successful()[0].id(), deleted.failed()[0].id()), ("good", "bad"));
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(queues.depth("work").unwrap().total(), 1);

    let change = ChangeMessageVisibilityBatchRequestEntry::builder().id("now").visibility_timeout(0);
    let change = change.receipt_handle(messages[1].receipt_handle().unwrap()).build().unwrap();
    client.change_message_visibility_batch().queue_url(URL).entries(change).send().await.unwrap();
    assert_eq!(bodies(&client).await.len(), 1);
}

#[tokio::test]
async fn rejects_batches_and_messages_above_the_limits() {
    let (_queues, client) = both();
    let entry = |id: usize, body: &str| {
        SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body).build().unwrap()
    };
    let code = |entries: Vec<SendMessageBatchRequestEntry>| {
        let batch = client.send_message_batch().queue_url(URL).set_entries(Some(entries));
        async { batch.send().await.unwrap_err().into_service_error().meta().code().unwrap().to_owned() }
    };
    let of = "AWS.SimpleQueueService";
    assert_eq!(code((0..11).map(|id| entry(id, "x")).collect()).await, format!("{of}.TooManyEntriesInBatchRequest"));
    assert_eq!(code(vec![]).await, format!("{of}.EmptyBatchRequest"));
    assert_eq!(code(vec![entry(1, "x"), entry(1, "y")]).await, format!("{of}.BatchEntryIdsNotDistinct"));
    let half = "x".repeat(600_000);
    assert_eq!(code(vec![entry(1, &half), entry(2, &half)]).await, format!("{of}.BatchRequestTooLong"));

    let one = |body: String| client.send_message().queue_url(URL).message_body(body).send();
    one("x".repeat(1_048_576)).await.unwrap();
    let error = one("x".repeat(1_048_577)).await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
    let error = one("\u{0}".to_owned()).await.unwrap_err().into_service_error();
    assert!(error.is_invalid_message_contents(), "{error:?}");
    let error = receive(&client).max_number_of_messages(11).send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn attributes_and_digests_match_sqs() {
    let (_queues, client) = both();
    let text = MessageAttributeValue::builder().data_type("String").string_value("value").build().unwrap();
    let number = MessageAttributeValue::builder().data_type("Number").string_value("12").build().unwrap();
    let bytes = aws_sdk_sqs::primitives::Blob::new([1, 2, 3]);
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(bytes).build().unwrap();
    let send = client.send_message().queue_url(URL).message_body("body");
    let send = send.message_attributes("text", text.clone()).message_attributes("number", number);
    let sent = send.message_attributes("binary", binary).send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("841a2d689ad86bd1611447453c22c6fc"));
    let all = sent.md5_of_message_attributes().unwrap().to_owned();

    let received = receive(&client).visibility_timeout(0).message_attribute_names("All").send().await.unwrap();
    let message = &received.messages()[0];
    assert_eq!(message.md5_of_message_attributes(), Some(all.as_str()));
    assert_eq!(message.message_attributes().unwrap().len(), 3);
    let received = receive(&client).message_attribute_names("tex.*").send().await.unwrap();
    assert_eq!(received.messages()[0].message_attributes().unwrap(), &HashMap::from([("text".to_owned(), text)]));
}

#[test]
fn the_digest_of_attributes_matches_the_documentation() {
    // Computed by hand from the documentation: lengths in four bytes, the kind of value in one.
    let attributes: message::Attributes =
        serde_json::from_str(r#"{"a":{"DataType":"String","StringValue":"b"}}"#).unwrap();
    let bytes: &[u8] = b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01b";
    let expected: String = <md5::Md5 as md5::Digest>::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(message::md5_of_attributes(&attributes), Some(expected));
    assert_eq!(message::md5_of_attributes(&message::Attributes::new()), None);
}

#[tokio::test]
async fn queues_are_found_by_name_and_url() {
    let (_queues, client) = both();
    let url = client.get_queue_url().queue_name("work").send().await.unwrap();
    assert_eq!(url.queue_url(), Some(URL));
    assert_eq!(client.list_queues().send().await.unwrap().queue_urls().len(), 3);
    assert_eq!(client.list_queues().queue_name_prefix("de").send().await.unwrap().queue_urls().len(), 1);
    let attributes = client.get_queue_attributes().queue_url(URL).attribute_names(QueueAttributeName::All);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "30");
    assert!(attributes[&QueueAttributeName::RedrivePolicy].contains("\"maxReceiveCount\":2"));
    client
        .create_queue()
        .queue_name("work")
        .attributes(QueueAttributeName::VisibilityTimeout, "30")
        .send()
        .await
        .unwrap();

    send(&client, "gone").await;
    client.purge_queue().queue_url(URL).send().await.unwrap();
    assert!(bodies(&client).await.is_empty());

    let nowhere = client.send_message().queue_url("http://127.0.0.1:9999/000000000000/none").message_body("x");
    let error = nowhere.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    assert_eq!(error.meta().code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
}

#[tokio::test]
async fn denies_calls_that_the_policy_does_not_allow() {
    let queues = queues();
    let (actions, resources) = (vec!["sqs:SendMessage".to_owned()], vec![crate::wire::queue_arn("work")]);
    let statement = Statement { actions, resources, ..Statement::default() };
    let policy = Some(Arc::new(Policy { statements: vec![statement] }));
    let client = client(&queues, ClientOptions { function: "f".to_owned(), policy, ..ClientOptions::default() });
    send(&client, "allowed").await;
    let entry = SendMessageBatchRequestEntry::builder().id("1").message_body("too").build().unwrap();
    client.send_message_batch().queue_url(URL).entries(entry).send().await.unwrap();
    let error = receive(&client).send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("AccessDeniedException"));
    let other = client.send_message().queue_url(URL.replace("work", "dead")).message_body("x").send().await;
    assert!(other.unwrap_err().into_service_error().meta().message().unwrap().contains("sqs:SendMessage"));
    assert_eq!(queues.depth("work").unwrap().total(), 2);
}

/// Sends messages to the work queue and lets them die there.
async fn dead_letters(queues: &Queues, bodies: &[&str]) {
    for body in bodies {
        queues.send("work", body).unwrap();
    }
    for _ in 0..3 {
        queues.receive("work", 10, Duration::ZERO, None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
    assert_eq!(queues.depth("dead").unwrap().visible, bodies.len() as u64);
}

fn start_move(client: &Client) -> StartMessageMoveTaskFluentBuilder {
    client.start_message_move_task().source_arn(crate::wire::queue_arn("dead"))
}

#[tokio::test(start_paused = true)]
async fn redrive_returns_dead_letters_to_their_source_queue() {
    let (queues, client) = both();
    dead_letters(&queues, &["a", "b", "c"]).await;
    let received = queues.receive("dead", 1, Duration::ZERO, None).await.unwrap();
    let waiting = tokio::spawn(receive(&client).wait_time_seconds(20).send());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let handle = start_move(&client).send().await.unwrap().task_handle.unwrap();
    assert!(!handle.is_empty());
    // Receivers are woken, and the messages are like new.
    let back = waiting.await.unwrap().unwrap().messages.unwrap();
    assert_eq!(back.iter().map(|message| message.body().unwrap()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(attribute(&back[0], &MessageSystemAttributeName::ApproximateReceiveCount), "1");
    assert!(!back[0].attributes().unwrap().contains_key(&MessageSystemAttributeName::DeadLetterQueueSourceArn));
    assert_eq!(queues.depth("dead").unwrap(), Depth { visible: 0, in_flight: 1, delayed: 0 });
    assert!(queues.delete("dead", &received[0].receipt).unwrap());

    // Those that die again are found again, and can be moved elsewhere in the meantime.
    tokio::time::sleep(Duration::from_secs(31)).await;
    queues.receive("work", 10, Duration::ZERO, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(bodies(&client).await.is_empty());
    start_move(&client).destination_arn(crate::wire::queue_arn("spare")).send().await.unwrap();
    assert_eq!((queues.depth("dead").unwrap().total(), queues.depth("spare").unwrap().visible), (0, 2));
    let list = client.list_message_move_tasks().source_arn(crate::wire::queue_arn("dead"));
    let tasks = list.max_results(10).send().await.unwrap().results.unwrap();
    let destinations: Vec<_> = tasks.iter().map(|task| task.destination_arn()).collect();
    assert_eq!(destinations, [Some("arn:aws:sqs:us-east-1:000000000000:spare"), None]);
    assert!(tasks.iter().all(|task| task.status() == Some("COMPLETED")));
    assert!(tasks.iter().all(|task| task.approximate_number_of_messages_moved() == 2));
}

#[tokio::test(start_paused = true)]
async fn redrive_leaves_messages_without_a_source_queue() {
    let (queues, client) = both();
    dead_letters(&queues, &["a"]).await;
    queues.send("dead", "sent here").unwrap();
    start_move(&client).send().await.unwrap();
    assert_eq!((queues.depth("work").unwrap().visible, queues.depth("dead").unwrap().visible), (1, 1));
    let list = client.list_message_move_tasks().source_arn(crate::wire::queue_arn("dead"));
    let task = list.send().await.unwrap().results.unwrap().remove(0);
    assert_eq!((task.status(), task.failure_reason()), (Some("FAILED"), Some("CouldNotDetermineMessageSource")));
    assert_eq!(
        (task.approximate_number_of_messages_moved(), task.approximate_number_of_messages_to_move()),
        (1, Some(2))
    );
}

#[tokio::test]
async fn redrive_needs_a_dead_letter_queue_and_permission() {
    let (queues, caller) = both();
    let dead = crate::wire::queue_arn("dead");
    let code = |source: String, destination: Option<String>| {
        let start = caller.start_message_move_task().source_arn(source).set_destination_arn(destination);
        async { start.send().await.unwrap_err().into_service_error().meta().code().unwrap().to_owned() }
    };
    assert_eq!(code(crate::wire::queue_arn("work"), None).await, "InvalidParameterValue");
    assert_eq!(code(crate::wire::queue_arn("none"), None).await, "ResourceNotFoundException");
    assert_eq!(code(dead.clone(), Some(crate::wire::queue_arn("none"))).await, "ResourceNotFoundException");
    assert_eq!(code(dead.clone(), Some(dead.clone())).await, "InvalidParameterValue");

    let reads = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
    let statement = |actions: &[&str], queue: &str| Statement {
        actions: actions.iter().map(|action| format!("sqs:{action}")).collect(),
        resources: vec![crate::wire::queue_arn(queue)],
        ..Statement::default()
    };
    let started = |statements: Vec<Statement>| {
        let options = ClientOptions { policy: Some(Arc::new(Policy { statements })), ..ClientOptions::default() };
        let start = start_move(&client(&queues, options));
        async { start.send().await.map_err(|error| error.into_service_error().to_string()) }
    };
    let refused = started(vec![statement(&reads, "dead")]).await.unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
    started(vec![statement(&reads, "dead"), statement(&["SendMessage"], "work")]).await.unwrap();
}

#[tokio::test]
async fn sends_many_messages_despite_every_fault() {
    let queues = queues();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let faults = move |_: &crate::wire::Call| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Fault::Unprocessed(0b1010),
        1 => Fault::DropBefore,
        2 => Fault::ServerErrorAfter,
        3 => Fault::Throttle,
        _ => Fault::None,
    };
    let client = client(&queues, ClientOptions { faults: Some(Arc::new(faults)), ..ClientOptions::default() });
    let queue = runtime::messaging::sqs(client, URL.to_owned());
    let sent: Vec<String> = (0..35).map(|number| format!("{number:02}")).collect();
    queue.send_all(&sent, Instant::now() + Duration::from_secs(20)).await.unwrap();
    let mut arrived = std::collections::BTreeSet::new();
    while let messages @ [_, ..] = &queues.receive("work", 10, Duration::ZERO, None).await.unwrap()[..] {
        arrived.extend(messages.iter().map(|message| message.body.clone()));
    }
    assert_eq!(arrived.into_iter().collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn accepted_messages_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let open = || Queues::open(&path, &configs(), "http://x", Arc::new(TestClock::default()), system::ids::random());
    {
        let queues = open().unwrap();
        queues.send("work", "a").unwrap();
        queues.send("work", "b").unwrap();
        let received = queues.receive("work", 1, Duration::ZERO, None).await.unwrap();
        assert!(queues.delete("work", &received[0].receipt).unwrap());
        assert!(matches!(open(), Err(QueueError::InUse { .. })));
    }
    let received = open().unwrap().receive("work", 10, Duration::ZERO, None).await.unwrap();
    assert_eq!(received.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn receives_messages_stored_by_an_older_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE messages (
             id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL,
             attributes TEXT NOT NULL, sent_at INTEGER NOT NULL, visible_at INTEGER NOT NULL, first_received_at INTEGER,
             receive_count INTEGER NOT NULL DEFAULT 0, receipt TEXT, dead_letter_source TEXT
         );
         INSERT INTO messages (queue, message_id, body, attributes, sent_at, visible_at) VALUES ('work', 'm', 'old', '{}', 9000000000000, 0);",
    )
    .unwrap();
    drop(old);
    let clock = Arc::new(crate::testing_time::TestClock::default());
    for _ in 0..2 {
        let queues = Queues::open(&path, &configs(), "http://x", clock.clone(), system::ids::random()).unwrap();
        let received = queues.receive("work", 1, Duration::ZERO, Some(Duration::ZERO)).await.unwrap();
        assert_eq!((received[0].body.as_str(), received[0].trace()), ("old", crate::trace::Trace::default()));
    }
}

#[test]
fn rejects_invalid_queues() {
    let make = |queues: &[QueueConfig]| {
        Queues::memory(queues, "http://x", system::clock::system(), system::ids::random()).unwrap_err().to_string()
    };
    assert!(make(&configs()[..1]).contains("dead"));
    assert!(make(&[QueueConfig::new("Fifo", "work.fifo")]).contains("FIFO"));
}

#[tokio::test]
async fn renamed_queues_keep_their_messages_and_dead_letters() {
    let (queues, client) = both();
    queues.send("former", "waits").unwrap();
    queues.send("work", "died").unwrap();
    for _ in 0..3 {
        queues.receive("work", 10, Duration::ZERO, Some(Duration::ZERO)).await.unwrap();
    }
    // The dead letter comes from a queue that has another name now.
    queues.rename("work", "former").unwrap();
    for _ in ["renames", "has nothing to rename"] {
        queues.rename("former", "work").unwrap();
        assert_eq!((queues.depth("work").unwrap().total(), queues.depth("dead").unwrap().total()), (1, 1));
    }
    client.start_message_move_task().source_arn(crate::wire::queue_arn("dead")).send().await.unwrap();
    let mut moved = bodies(&client).await;
    moved.sort();
    assert_eq!(moved, ["died", "waits"]);
}
