//! The services over HTTP, through the SDK with sockets.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::dynamodb::{Attribute, AttributeKind, Database, KeySchema, StreamView, TableConfig};
use crate::sqs::{QueueConfig, Queues};

struct Served {
    config: SdkConfig,
    url: String,
    _stop: oneshot::Sender<()>,
    database: Database,
}

async fn served() -> Served {
    let database = Database::memory().unwrap();
    let table = TableConfig {
        logical_id: "FactsTable".to_owned(),
        name: "Facts".to_owned(),
        attributes: vec![Attribute { name: "pk".to_owned(), kind: AttributeKind::String }],
        key_schema: KeySchema { hash: "pk".to_owned(), range: None },
        gsis: Vec::new(),
        lsis: Vec::new(),
        stream_view: Some(StreamView::KeysOnly),
        ttl_attribute: None,
    };
    database.create_tables(&[table]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let queue = QueueConfig::new("Work", "work");
    let queues = Queues::memory(&[queue], &url, system::clock::system(), system::ids::random()).unwrap();
    let services = Services { dynamodb: Some(database.clone()), sqs: Some(queues), secrets: None };
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(crate::endpoint::serve(services, crate::loopback::Hosts::default(), listener, async {
        // Dropping the sender ends the server.
        stopped.await.unwrap_or_default();
    }));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys("any", "any", None)))
        .endpoint_url(&url)
        .build();
    Served { config, url, _stop: stop, database }
}

#[tokio::test]
async fn external_clients_reach_both_services_and_wake_the_readers() {
    let served = served().await;
    let writes = served.database.writes();
    let dynamodb = aws_sdk_dynamodb::Client::new(&served.config);
    dynamodb.put_item().table_name("Facts").item("pk", AttributeValue::S("a".to_owned())).send().await.unwrap();
    assert!(writes.has_changed().unwrap());
    assert_eq!(dynamodb.scan().table_name("Facts").send().await.unwrap().count(), 1);
    let missing = dynamodb.scan().table_name("nothing").send().await.unwrap_err().into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");

    let sqs = aws_sdk_sqs::Client::new(&served.config);
    let url = sqs.get_queue_url().queue_name("work").send().await.unwrap().queue_url.unwrap();
    assert!(url.starts_with(&served.url));
    sqs.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let received = sqs.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap();
    assert_eq!(received[0].body(), Some("hello"));
    let missing = sqs.purge_queue().queue_url(format!("{url}-not")).send().await.unwrap_err().into_service_error();
    assert!(missing.is_queue_does_not_exist(), "{missing:?}");
}

#[tokio::test]
async fn unknown_targets_are_unknown_operations() {
    let database = Database::memory().unwrap();
    let services = Services { dynamodb: Some(database), ..Services::default() };
    for target in
        ["", "DynamoDB_20120810.Nothing", "Other.PutItem", "AmazonSQS.SendMessage", "secretsmanager.GetSecretValue"]
    {
        let answer = services.call(target, "{}", &ClientOptions::default()).await;
        assert!(answer.body.contains("UnknownOperationException") && answer.status == 400, "{target}");
    }
    let policy = Arc::new(crate::iam::Policy::default());
    let caller = ClientOptions { policy: Some(policy), ..ClientOptions::default() };
    let answer = services.call("DynamoDB_20120810.ListTables", "{}", &caller).await;
    assert!(answer.body.contains("AccessDeniedException"));
}
