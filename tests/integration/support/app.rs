//! A local cloud for one test, and a client of its API.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local::cloud::LocalCloud;
use local::cloud::Options;
use local::lambda::InvokeFailure;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use store::Setup;
use system::clock::Clock;

/// How long anything that should happen soon may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// A local cloud, which must be finished: then nothing is left undelivered, and nothing was given up on.
pub(crate) struct App {
    pub(crate) cloud: LocalCloud,
    client: Client<HttpConnector, Full<Bytes>>,
    is_finished: AtomicBool,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts that this is a problem of this status, with all that a problem has.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail", "requestId"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
        &self.body
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::of_workspace();
        // Most tests need completed purchases, not their approval.
        options.parameters.insert("PurchaseApproval".to_owned(), "false".to_owned());
        change(&mut options);
        // All requests of a test come from one machine. A test of quotas sets its own.
        let options = options.without_limits();
        let cloud = LocalCloud::start(options).await.unwrap();
        Self { cloud, client: Client::builder(TokioExecutor::new()).build_http(), is_finished: AtomicBool::new(false) }
    }

    /// Opens a type of the store on the tables of this cloud.
    pub(crate) fn open<T>(&self, open: impl FnOnce(&mut Setup<'_>) -> T) -> T {
        let config = self.cloud.database().sdk_config(ClientOptions::default());
        let tables = [("STATE_TABLE", "StateTable"), ("STATS_TABLE", "StatsTable"), ("OUTBOX_TABLE", "OutboxTable")];
        let table = |(variable, id): (&str, &str)| (variable.to_owned(), self.cloud.table(id).unwrap().to_owned());
        let environment = tables.map(table).into_iter().collect();
        let injected = (system::clock::system(), system::ids::random());
        let mut setup = Setup::new(aws_sdk_dynamodb::Client::new(&config), injected, &environment);
        let opened = open(&mut setup);
        setup.finish(opened).unwrap()
    }

    pub(crate) fn token(&self, role: &str) -> String {
        format!("Bearer {}", self.cloud.tokens()[role])
    }

    /// A token of a role that is good for ten years.
    pub(crate) fn long_token(&self, role: &str) -> String {
        let exp = system::clock::SystemClock.now().timestamp() + 3650 * 24 * 3600;
        let key = jsonwebtoken::EncodingKey::from_secret(self.cloud.jwt_secret().as_bytes());
        let claims = json!({"sub": format!("{role}-1"), "role": role, "exp": exp});
        format!("Bearer {}", jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap())
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.cloud.api_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes)));
        Answer { status: parts.status, headers: parts.headers, body, bytes }
    }

    /// Sends events as an anonymous page would.
    pub(crate) async fn post(&self, events: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("x-write-key", self.cloud.write_key())];
        self.send(Method::POST, "/api/stats/events", &headers, json!({"events": events}).to_string()).await
    }

    /// Sends events as a signed-in user.
    pub(crate) async fn post_as(&self, role: &str, events: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("authorization", &self.token(role))];
        self.send(Method::POST, "/api/stats/events", &headers, json!({"events": events}).to_string()).await
    }

    pub(crate) async fn put_track(&self, role: &str, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let token = self.token(role);
        let mut all = vec![("content-type", "application/json"), ("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.send(Method::PUT, &format!("/api/tracks/{id}"), &all, body.to_string()).await
    }

    pub(crate) async fn get_track(&self, id: &str) -> Answer {
        self.send(Method::GET, &format!("/api/tracks/{id}"), &[], "").await
    }

    /// Waits until something holds.
    pub(crate) async fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let until = std::time::Instant::now() + PATIENCE;
        while !holds() {
            assert!(std::time::Instant::now() < until, "it never came about: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every fact has reached its counter.
    pub(crate) async fn settled(&self) {
        self.cloud.wait_until_drained(PATIENCE).await.unwrap();
    }

    /// The counters of a track, when every fact has reached them.
    pub(crate) async fn counters(&self, id: &str) -> Value {
        self.settled().await;
        let answer = self.get_track(id).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["counters"].clone()
    }

    /// Calls the database directly, without a function.
    pub(crate) fn database(&self, operation: &str, table: &str, mut request: Value) -> Value {
        request["TableName"] = json!(self.cloud.table(table).unwrap());
        let answer = self.cloud.database().call(operation, &request.to_string(), &ClientOptions::default());
        assert!(answer.is_ok(), "{operation} {request}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The items of a table.
    pub(crate) fn scan(&self, table: &str) -> Vec<Value> {
        items_of(self.pages("Scan", table, json!({"ConsistentRead": true})))
    }

    /// The items of a partition.
    pub(crate) fn query(&self, table: &str, pk: &str) -> Vec<Value> {
        let condition = json!({
            "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}, "ConsistentRead": true,
        });
        items_of(self.pages("Query", table, condition))
    }

    /// The pages of a scan or a query.
    pub(crate) fn pages(&self, operation: &str, table: &str, request: Value) -> impl Iterator<Item = Value> {
        let mut request = Some(request);
        std::iter::from_fn(move || {
            let page = self.database(operation, table, request.clone()?);
            match &page["LastEvaluatedKey"] {
                Value::Null => request = None,
                last => request.as_mut()?["ExclusiveStartKey"] = last.clone(),
            }
            Some(page)
        })
    }

    /// The number of items in a table.
    pub(crate) fn items(&self, table: &str) -> u64 {
        self.pages("Scan", table, json!({"Select": "COUNT"})).map(|page| page["Count"].as_u64().unwrap()).sum()
    }

    /// Invokes a function by its logical id, as its operator may.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, InvokeFailure> {
        let answer = self.cloud.invoke(function, payload.to_string()).await?;
        Ok(serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{function} answers {answer}: {error}")))
    }

    /// How many messages a queue holds, by its logical id: those that wait, and those that are worked on.
    pub(crate) fn queue_depth(&self, queue: &str) -> u64 {
        let name = self.cloud.queue(queue).unwrap_or_else(|| panic!("no queue {queue}"));
        self.cloud.queues().depth(name).unwrap().total()
    }

    /// The failure queues: those of stream consumers, and dead-letter queues.
    fn failures(&self) -> Vec<&str> {
        let queues = &self.cloud.template().queues;
        let is_dead_letters = |name: &str| {
            queues.iter().filter_map(|queue| queue.redrive.as_ref()).any(|redrive| redrive.dead_letter_queue == name)
        };
        let of_failures =
            queues.iter().filter(|queue| queue.logical_id.ends_with("FailuresQueue") || is_dead_letters(&queue.name));
        of_failures.map(|queue| queue.logical_id.as_str()).collect()
    }

    /// Ends the test: all is delivered, nothing was given up on.
    pub(crate) async fn finish(&self) {
        self.finish_with_failures(&[]).await;
    }

    /// Ends the test: all is delivered, and something was given up on in these queues alone.
    pub(crate) async fn finish_with_failures(&self, expected: &[&str]) {
        self.settled().await;
        let failures = self.failures();
        assert!(!failures.is_empty(), "no queue of the template holds failures");
        for queue in expected {
            assert!(failures.contains(queue), "{queue} is no queue of failures: {failures:?}");
        }
        for queue in failures {
            let (depth, is_expected) = (self.queue_depth(queue), expected.contains(&queue));
            assert_eq!(depth > 0, is_expected, "{queue} holds {depth} messages that were given up on");
        }
        self.is_finished.store(true, Ordering::Relaxed);
    }
}

/// The items of the pages of a scan or a query.
pub(crate) fn items_of(pages: impl Iterator<Item = Value>) -> Vec<Value> {
    pages.flat_map(|page| page["Items"].as_array().unwrap().clone()).collect()
}

impl Drop for App {
    fn drop(&mut self) {
        assert!(
            self.is_finished.load(Ordering::Relaxed) || std::thread::panicking(),
            "the test did not finish its cloud"
        );
    }
}

/// The present time in the format of events.
pub(crate) fn now() -> String {
    ago(chrono::TimeDelta::zero())
}

/// A past time in the format of events.
pub(crate) fn ago(by: chrono::TimeDelta) -> String {
    domain::time::Time::from(system::clock::SystemClock.now() - by).to_string()
}

/// A play that qualifies, with some fields changed.
pub(crate) fn event(id: &str, patch: &Value) -> Value {
    let mut event = json!({
        "id": id, "type": "play", "trackId": "song", "sessionId": "s1", "timestamp": now(), "source": "search",
        "duration": 30,
    });
    for (field, value) in patch.as_object().unwrap() {
        event[field] = value.clone();
    }
    event
}
