//! Tables, a movable clock, and the surroundings of functions: the base of hostile tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use local::dynamodb::{Attribute, AttributeKind, Database, KeySchema, StreamRecord, StreamView, TableConfig};
use local::wire::{ClientOptions, Faults};
use proptest::test_runner::{Config, RngSeed};
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, Invoke};
use runtime::obs::metrics::Nowhere;
use serde_json::{Value, json};
use system::clock::Clock;
use system::ids::Ids;
use tokio::time::Instant;

/// The configuration of a property: this many cases, the same in every run. `PROPTEST_RNG_SEED` selects others.
pub(crate) fn config(cases: u32) -> Config {
    let given = Config::default();
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(7) } else { given.rng_seed };
    Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 0, ..given }
}

/// Runs a test in which time passes only while all wait for it.
pub(crate) fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// A clock that goes by itself, and that the test moves.
struct MovedClock {
    began: Instant,
    base: DateTime<Utc>,
    moved_ms: AtomicI64,
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        let moved = TimeDelta::milliseconds(self.moved_ms.load(Ordering::Relaxed));
        self.base + TimeDelta::from_std(self.began.elapsed()).unwrap() + moved
    }
}

#[derive(Default)]
struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn fresh(&self) -> String {
        format!("v{:06}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The tables, the time and the ids that all share.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) database: Database,
    clock: Arc<MovedClock>,
    ids: Arc<CountedIds>,
}

/// An item as the SDK has it.
pub(crate) type Item = std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

impl Stage {
    pub(crate) fn new(begin: DateTime<Utc>) -> Self {
        let database = Database::memory().unwrap();
        let table = |name: &str, stream_view| TableConfig {
            logical_id: name.to_owned(),
            name: name.to_owned(),
            attributes: ["pk", "sk"]
                .map(|name| Attribute { name: name.to_owned(), kind: AttributeKind::String })
                .to_vec(),
            key_schema: KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) },
            gsis: Vec::new(),
            lsis: Vec::new(),
            stream_view,
            ttl_attribute: Some("ttl".to_owned()),
        };
        let tables = [
            table("Events", Some(StreamView::KeysOnly)),
            table("Interactions", Some(StreamView::KeysOnly)),
            table("Purchases", Some(StreamView::KeysOnly)),
            table("State", Some(StreamView::NewAndOldImages)),
            table("Stats", None),
        ];
        database.create_tables(&tables).unwrap();
        // The seed of the test's case, where it has one.
        database.tear(fastrand::u64(..));
        let clock = MovedClock { began: Instant::now(), base: begin, moved_ms: AtomicI64::new(0) };
        Self { database, clock: Arc::new(clock), ids: Arc::default() }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.moved_ms.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }

    /// What surrounds one sandbox.
    pub(crate) fn boot(&self, function: &str, faults: Option<Arc<dyn Faults>>, zone: &str) -> FunctionContext {
        let options = ClientOptions { function: function.to_owned(), faults, ..ClientOptions::default() };
        let variables = [
            ("BOARD_SHARDS", "2"),
            ("EVENTS_TABLE", "Events"),
            ("INTERACTIONS_TABLE", "Interactions"),
            ("PURCHASES_TABLE", "Purchases"),
            ("PURCHASE_APPROVAL", "false"),
            ("PAYMENT_METHODS", "card,paypal,a,b,c,d,e,f,g,h,i,j,k,l,m,n"),
            ("CURRENCIES", "USD,EUR,INR,JPY"),
            ("SELLER_SALES_PER_DAY", "1000000"),
            ("STATE_TABLE", "State"),
            ("STATS_TABLE", "Stats"),
            ("RETENTION_DAYS", "90"),
            ("TIME_ZONE", zone),
            ("TRUST_VIEWER_COUNTRY", "true"),
            ("FAILURES_QUEUE_URL", "http://localhost/failures"),
        ];
        FunctionContext {
            environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
            aws: self.database.sdk_config(options),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            metrics: Arc::new(Nowhere),
        }
    }

    /// All records of the stream of a table.
    pub(crate) fn records(&self, table: &str) -> Vec<StreamRecord> {
        self.database.records_after(table, 0).unwrap()
    }

    /// Records as a function is given them.
    pub(crate) fn payload<'a>(&self, table: &str, records: impl IntoIterator<Item = &'a StreamRecord>) -> Value {
        let table = self.database.table(table).unwrap();
        let json = |record: &StreamRecord| {
            self.database.mark_delivered(&table.name, record);
            record.to_json(&table)
        };
        let json: Vec<String> = records.into_iter().map(json).collect();
        serde_json::from_str(&format!(r#"{{"Records":[{}]}}"#, json.join(","))).unwrap()
    }

    /// The items of a table, as JSON.
    pub(crate) fn scan(&self, table: &str) -> Vec<Value> {
        let answer = self.call("Scan", &json!({"TableName": table, "ConsistentRead": true}));
        assert!(answer["LastEvaluatedKey"].is_null(), "the scan is not complete");
        answer["Items"].as_array().unwrap().clone()
    }

    /// Everything in a table.
    pub(crate) async fn items(&self, table: &str) -> BTreeMap<(String, String), Item> {
        let client = self.boot("look", None, "UTC").dynamodb();
        let items = client.scan().table_name(table).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await.unwrap();
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        items.into_iter().map(|item| ((text(&item, "pk"), text(&item, "sk")), item)).collect()
    }

    /// Calls the database directly.
    pub(crate) fn call(&self, operation: &str, request: &Value) -> Value {
        let answer = self.database.call(operation, &request.to_string(), &ClientOptions::default());
        assert!(answer.is_ok(), "{operation} {request}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// A warm sandbox of a function.
pub(crate) fn start(boot: &FunctionContext, function: Function) -> Box<dyn Invoke> {
    (function.start)(boot).unwrap_or_else(|error| panic!("{}: {error}", function.name))
}

pub(crate) async fn invoke(started: &dyn Invoke, payload: &Value) -> Result<Value, String> {
    let invocation = Invocation { request_id: "r".to_owned(), deadline: Instant::now() + Duration::from_secs(20) };
    let answer = started.invoke(&payload.to_string(), &invocation).await.map_err(|error| error.message)?;
    Ok(serde_json::from_str(&answer).unwrap())
}

/// The context that the authorizer returns for a user.
pub(crate) fn person(user: &str, role: &str) -> Value {
    json!({"caller": "user", "sub": user, "role": role, "expiresAt": "2099-01-01T00:00:00Z"})
}

/// A request of the HTTP API, payload format 2.0.
pub(crate) fn http(route: &str, context: &Value, path: &Value, country: Option<&str>, body: &Value) -> Value {
    let (method, raw_path) = route.split_once(' ').unwrap();
    let mut headers = json!({"content-type": "application/json"});
    if let Some(country) = country {
        headers["cloudfront-viewer-country"] = json!(country);
    }
    json!({
        "version": "2.0", "routeKey": route, "rawPath": raw_path, "rawQueryString": "",
        "headers": headers, "pathParameters": path,
        "requestContext": {
            "accountId": "0", "apiId": "a", "domainName": "d", "requestId": "r", "routeKey": route, "stage": "$default",
            "time": "31/Jan/2026:12:00:00 +0000", "timeEpoch": 0, "authorizer": {"lambda": context},
            "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "x"},
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}
