//! Local clouds whose past is made: their time is put forward, and only the benchmark has periods closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::events;
use bench::table::percentile;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use local::capacity::{Invocations, Meter, Metered as Call, Usage};
use local::cloud::{LocalCloud, Options};
use local::template::Template;
use local::tokens::{self, Claims};
use local::wire::ClientOptions;
use replay::api::{Api, Credential, Patience};
use serde_json::{Value, json};
use store::keys::Key;
use system::clock::Clock;

/// Events of one request.
const BATCH: usize = 500;

/// Requests at the same time.
const AT_ONCE: usize = 4;

/// Items of one batch of writes.
const WRITTEN_AT_ONCE: usize = 25;

/// An item, in the JSON of DynamoDB.
pub(crate) type Item = serde_json::Map<String, Value>;

/// A clock that is set by hand.
struct Hands(Mutex<DateTime<Utc>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A local cloud in this process, with a clock of its own.
pub(crate) struct Staged {
    cloud: LocalCloud,
    meter: Arc<Meter>,
    hands: Arc<Hands>,
    /// A client of its API, an admin's.
    pub(crate) api: Api,
    patience: Duration,
}

/// One run of the dispatcher, with all that the workers did then.
pub(crate) struct Round {
    /// From the call until nothing was left to be done.
    pub(crate) took: Duration,
    /// Tracks that were handed over.
    pub(crate) tracks: u64,
    pub(crate) used: Usage,
    /// All invocations, by function.
    pub(crate) invocations: BTreeMap<String, Invocations>,
}

/// The latencies and usage of requests.
pub(crate) struct Asked {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Per request.
    pub(crate) read_units: f64,
    /// Calls of DynamoDB, per request.
    pub(crate) calls: f64,
}

impl Staged {
    /// Starts it at this time.
    pub(crate) async fn start(now: DateTime<Utc>, patience: Duration) -> anyhow::Result<Self> {
        Self::start_as(Options::of_workspace().without_limits(), now, patience).await
    }

    /// Starts a cloud at this time.
    pub(crate) async fn start_as(options: Options, now: DateTime<Utc>, patience: Duration) -> anyhow::Result<Self> {
        let (meter, hands) = (Arc::new(Meter::default()), Arc::new(Hands(Mutex::new(now))));
        let options = Options {
            meter: Some(Arc::clone(&meter)),
            clock: Arc::clone(&hands) as Arc<dyn Clock>,
            schedules: false,
            ..options
        };
        let cloud = LocalCloud::start(options).await?;
        let token = cloud.tokens().get("admin").context("no token of an admin")?;
        let api = Api::new(cloud.api_url(), Some(&Credential::Token(token.clone())), Patience::default())?;
        Ok(Self { cloud, meter, hands, api, patience })
    }

    /// A client of its API, a student's.
    pub(crate) fn person(&self, subject: &str) -> anyhow::Result<Api> {
        let claims = Claims { secret: self.cloud.jwt_secret().to_owned(), ..Claims::default() };
        let token = tokens::token(&claims, subject, "student", self.hands.now())?;
        Ok(Api::new(self.cloud.api_url(), Some(&Credential::Token(token)), Patience::default())?)
    }

    /// A client of its API, anonymous with the public write key.
    pub(crate) fn anybody(&self) -> anyhow::Result<Api> {
        let key = Credential::WriteKey(self.cloud.write_key().to_owned());
        Ok(Api::new(self.cloud.api_url(), Some(&key), Patience::default())?)
    }

    /// Puts the clock there.
    pub(crate) fn at(&self, now: DateTime<Utc>) {
        *self.hands.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Waits until all that was written has been delivered.
    pub(crate) async fn drained(&self) -> anyhow::Result<()> {
        self.cloud.wait_until_drained(self.patience).await
    }

    /// Sends events and waits until all of them are counted.
    pub(crate) async fn post(&self, events: &[Value]) -> anyhow::Result<()> {
        stream::iter(events.chunks(BATCH).map(events::body))
            .map(|body| async {
                let (size, receipt) = (body.len(), self.api.post_events(body).await?);
                ensure!(receipt.rejected.is_empty(), "of {size} bytes is rejected: {:?}", receipt.rejected.first());
                Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.drained().await
    }

    /// Describes tracks, each with its artist. That a track has come to its artist is work for the dispatcher too, which is
    /// done here.
    pub(crate) async fn describe(&self, tracks: impl Iterator<Item = (String, String)>) -> anyhow::Result<()> {
        let tracks: Vec<_> = tracks.collect();
        stream::iter(tracks)
            .map(|(track, artist)| async move {
                let body = json!({"title": track, "artistId": artist, "durationSeconds": 180}).to_string();
                let answer = self.api.insist(Method::PUT, &format!("/api/tracks/{track}"), body.into()).await?;
                ensure!(answer.status.is_success(), "{track} is refused with {}", answer.status);
                Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.close().await.map(drop)
    }

    /// Has closed what is over, until nothing is left to be closed.
    pub(crate) async fn close(&self) -> anyhow::Result<Vec<Round>> {
        let mut rounds = Vec::new();
        self.drained().await?;
        loop {
            self.meter.reset();
            self.meter.take_invocations();
            let began = Instant::now();
            let answer = self.cloud.invoke("RollupDispatcherFunction", "{}".to_owned()).await;
            let done: Value = serde_json::from_str(&answer.map_err(|failure| anyhow::anyhow!("{failure}"))?)?;
            self.drained().await?;
            let took = began.elapsed();
            let used = used(&self.meter.reset(), &["RollupDispatcher", "RollupWorker"]);
            let number = |field| done.get(field).and_then(Value::as_u64).context("the dispatcher does not tell");
            let invocations = self.meter.take_invocations();
            rounds.push(Round { took, tracks: number("tracks")?, used, invocations });
            if number("messages")? == 0 {
                return Ok(rounds);
            }
        }
    }

    /// The usage of functions since the last call.
    pub(crate) fn metered(&self) -> BTreeMap<Call, Usage> {
        self.meter.reset()
    }

    /// The invocations since the last call.
    pub(crate) fn invocations(&self) -> BTreeMap<String, Invocations> {
        self.meter.take_invocations()
    }

    /// Invokes a function.
    pub(crate) async fn invoke(&self, function: &str, payload: String) -> anyhow::Result<String> {
        let answer = self.cloud.invoke(function, payload).await;
        answer.map_err(|failure| anyhow::anyhow!("{function}: {failure}"))
    }

    /// The template.
    pub(crate) fn template(&self) -> &Template {
        self.cloud.template()
    }

    /// Every item of a table of the template.
    pub(crate) fn scan(&self, table: &str) -> anyhow::Result<Vec<Item>> {
        let table = self.cloud.table(table).context("unknown table")?;
        let mut request = json!({"TableName": table});
        let mut items = Vec::new();
        loop {
            let mut page = self.call("Scan", &request)?;
            let found = page.get_mut("Items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            items.extend(found.into_iter().filter_map(|item| match item {
                Value::Object(item) => Some(item),
                _ => None,
            }));
            match page.get("LastEvaluatedKey") {
                Some(last) => request = json!({"TableName": table, "ExclusiveStartKey": last}),
                None => return Ok(items),
            }
        }
    }

    /// Sends the same request so many times, one after the other.
    pub(crate) async fn ask(&self, path: &str, times: usize, function: &str) -> anyhow::Result<Asked> {
        let mut latencies = Vec::with_capacity(times);
        // The first ones find everything cold.
        for warm_up in [true, false] {
            self.meter.reset();
            for _ in 0..if warm_up { times.div_ceil(20) } else { times } {
                let sent = Instant::now();
                let answer = self.api.send(Method::GET, path, Bytes::new()).await?;
                let took = sent.elapsed();
                let said = || String::from_utf8_lossy(&answer.body).into_owned();
                ensure!(answer.status == StatusCode::OK, "{path} answers {} {}", answer.status, said());
                if !warm_up {
                    latencies.push(took);
                }
            }
        }
        let used = used(&self.meter.reset(), &[function]);
        latencies.sort_unstable();
        Ok(Asked {
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            read_units: used.read_units / times as f64,
            calls: used.calls as f64 / times as f64,
        })
    }

    fn stats(&self) -> anyhow::Result<&str> {
        self.cloud.table("StatsTable").context("no StatsTable")
    }

    fn call(&self, operation: &str, request: &Value) -> anyhow::Result<Value> {
        let answer = self.cloud.database().call(operation, &request.to_string(), &ClientOptions::default());
        ensure!(answer.is_ok(), "{operation}: {}", answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// An item of the table of numbers.
    pub(crate) fn item(&self, key: &Key) -> anyhow::Result<Item> {
        let request = json!({"TableName": self.stats()?, "Key": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}});
        let answer = self.call("GetItem", &request)?;
        let item = answer.get("Item").and_then(Value::as_object);
        item.cloned().with_context(|| format!("{}/{} is not there", key.pk, key.sk))
    }

    /// Writes the same attributes under many keys of the table of numbers.
    pub(crate) fn copy(&self, item: &Item, keys: impl IntoIterator<Item = Key>) -> anyhow::Result<()> {
        let keys: Vec<Key> = keys.into_iter().collect();
        for keys in keys.chunks(WRITTEN_AT_ONCE) {
            let put = |key: &Key| {
                let mut item = item.clone();
                item.insert("pk".to_owned(), json!({"S": key.pk}));
                item.insert("sk".to_owned(), json!({"S": key.sk}));
                json!({"PutRequest": {"Item": item}})
            };
            let puts: Vec<Value> = keys.iter().map(put).collect();
            self.call("BatchWriteItem", &json!({"RequestItems": {self.stats()?: puts}}))?;
        }
        Ok(())
    }

    /// Writes items to a table of the template.
    pub(crate) fn write(&self, table: &str, items: &[Item]) -> anyhow::Result<()> {
        let table = self.cloud.table(table).context("unknown table")?;
        for items in items.chunks(WRITTEN_AT_ONCE) {
            let puts: Vec<Value> = items.iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
            self.call("BatchWriteItem", &json!({"RequestItems": {table: puts}}))?;
        }
        Ok(())
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.cloud.stop().await;
    }
}

/// The total usage of the functions whose names have one of these prefixes.
pub(crate) fn used(metered: &BTreeMap<Call, Usage>, functions: &[&str]) -> Usage {
    let of_these = metered.iter().filter(|(call, _)| functions.iter().any(|name| call.function.starts_with(name)));
    local::capacity::total(&of_these.map(|(call, usage)| (call.clone(), *usage)).collect())
}

/// An item with this key and these fields.
pub(crate) fn item(key: &Key, fields: &Value) -> Item {
    let mut item = attributes(fields);
    item.insert("pk".to_owned(), json!({"S": key.pk}));
    item.insert("sk".to_owned(), json!({"S": key.sk}));
    item
}

fn attributes(fields: &Value) -> Item {
    let attribute = |value: &Value| match value {
        Value::Object(_) => json!({"M": attributes(value)}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::Bool(value) => json!({"BOOL": value}),
        value => json!({"S": value}),
    };
    let fields = fields.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), attribute(value))).collect()
}
