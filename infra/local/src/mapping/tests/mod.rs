//! Mappings over real tables and queues, with scripted functions, in controlled time.

mod lifecycle;
mod queues;
mod retries;
mod streams;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::dynamodb::{Attribute, AttributeKind, KeySchema, StreamView, TableConfig};
use crate::lambda::{Event, InvokeFailure};
use crate::sqs::{QueueConfig, Redrive};
use crate::testing_time::TestClock;
use crate::wire::ClientOptions;

/// What a function does with a batch.
type Behaviour = dyn Fn(&[String]) -> Result<String, InvokeFailure> + Send + Sync;

/// A function that records its events, waits a moment, and then returns the scripted response.
struct Function {
    behaviour: Box<Behaviour>,
    takes: Duration,
    /// The sort keys, or the bodies, of each batch.
    batches: Mutex<Vec<Vec<String>>>,
    events: Mutex<Vec<Value>>,
    running: Mutex<(usize, usize)>,
}

impl Function {
    fn new(behaviour: impl Fn(&[String]) -> Result<String, InvokeFailure> + Send + Sync + 'static) -> Arc<Self> {
        Self::taking(Duration::from_millis(1), behaviour)
    }

    fn taking(
        takes: Duration,
        behaviour: impl Fn(&[String]) -> Result<String, InvokeFailure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            behaviour: Box::new(behaviour),
            takes,
            batches: Mutex::default(),
            events: Mutex::default(),
            running: Mutex::default(),
        })
    }

    fn succeeding() -> Arc<Self> {
        Self::new(|_| Ok("null".to_owned()))
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }

    fn most_at_once(&self) -> usize {
        self.running.lock().unwrap().1
    }
}

impl Invoker for Function {
    fn invoke<'a>(&'a self, _: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let event: Value = serde_json::from_str(&event.payload).unwrap();
            let name = |record: &Value| match record.get("body") {
                Some(body) => body.as_str().unwrap().to_owned(),
                None => record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap().to_owned(),
            };
            let batch: Vec<String> = event["Records"].as_array().unwrap().iter().map(name).collect();
            self.batches.lock().unwrap().push(batch.clone());
            self.events.lock().unwrap().push(event);
            {
                let mut running = self.running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            tokio::time::sleep(self.takes).await;
            self.running.lock().unwrap().0 -= 1;
            (self.behaviour)(&batch)
        }
        .boxed()
    }
}

fn failure() -> InvokeFailure {
    InvokeFailure::Failed { message: "scripted".to_owned() }
}

/// Everything that a mapping needs around it.
struct World {
    sources: Sources,
    function: Arc<Function>,
}

impl World {
    fn new(function: Arc<Function>) -> Self {
        Self::with_database(function, Database::memory().unwrap(), StreamView::KeysOnly)
    }

    fn with_database(function: Arc<Function>, database: Database, view: StreamView) -> Self {
        let string = |name: &str| Attribute { name: name.to_owned(), kind: AttributeKind::String };
        let table = TableConfig {
            logical_id: "FactsTable".to_owned(),
            name: "Facts".to_owned(),
            attributes: vec![string("pk"), string("sk")],
            key_schema: KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) },
            gsis: Vec::new(),
            lsis: Vec::new(),
            stream_view: Some(view),
            ttl_attribute: Some("ttl".to_owned()),
        };
        database.create_tables(&[table]).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let redrive = Redrive { dead_letter_queue: "failures".to_owned(), max_receive_count: 2 };
        let work = QueueConfig { redrive: Some(redrive), ..QueueConfig::new("Work", "work") };
        let queues = [work, QueueConfig::new("Failures", "failures")];
        let queues = Queues::memory(&queues, "http://x", Arc::clone(&clock), system::ids::random()).unwrap();
        let invoker = Arc::clone(&function) as Arc<dyn Invoker>;
        let sources = Sources { database, queues, invoker, clock, ids: system::ids::random() };
        Self { sources, function }
    }

    /// Writes items, each with its sort key, into one partition.
    fn write(&self, items: impl IntoIterator<Item = impl Into<String>>) {
        for item in items {
            self.write_to("p", &item.into());
        }
    }

    fn write_to(&self, partition: &str, item: &str) {
        self.put(json!({ "pk": { "S": partition }, "sk": { "S": item } }));
    }

    fn put(&self, item: Value) {
        let request = json!({ "TableName": "Facts", "Item": item }).to_string();
        let answer = self.sources.database.call("PutItem", &request, &ClientOptions::default());
        assert!(answer.is_ok(), "{answer:?}");
    }

    fn start(&self, mapping: StreamMapping) -> Mappings {
        Mappings::start(&self.sources, vec![mapping], Vec::new()).unwrap()
    }

    fn mapping(&self) -> StreamMapping {
        StreamMapping { on_failure_queue: Some("failures".to_owned()), ..StreamMapping::new("f", "Facts") }
    }

    /// Delivers everything, stops, and returns the batches that the function received.
    async fn deliver(&self, mapping: StreamMapping) -> Vec<Vec<String>> {
        let mappings = self.start(mapping);
        drained(&mappings).await;
        mappings.stop().await;
        self.function.batches()
    }

    /// The messages of the on-failure queue.
    async fn failures(&self) -> Vec<Value> {
        let received = self.sources.queues.receive("failures", 10, Duration::ZERO, None).await.unwrap();
        received.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }
}

async fn drained(mappings: &Mappings) {
    tokio::time::timeout(Duration::from_secs(24 * 3600), mappings.drained()).await.unwrap().unwrap();
}

fn names(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| format!("{number:02}")).collect()
}
