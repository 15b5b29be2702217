//! The cost of a month on AWS: a part of a month runs on a local cloud, and its usage is extrapolated.
//!
//! The local DynamoDB counts units as DynamoDB does, functions write the log lines and metrics that they write on AWS, and what
//! a table keeps is read from it, each item with the time that is left to it. Not measured but assumed is what
//! [`ASSUMED`] prints.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bench::bill::{self, HOURS, Month};
use bench::events::{self, Tracks};
use bench::table::Table;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use local::capacity::{Invocations, Metered as Call, Usage};
use local::cloud::Options as Cloud;
use local::functions::TEMPLATE;
use local::wire::{Call as Asked, Fault, Faults};
use replay::api::EVENTS;
use runtime::obs::metrics::Sink;
use serde_json::{Value, json};

use crate::options::Options;
use crate::staged::{Item, Staged};

/// Events a month, the tracks they are of, and how many minutes of the month are played.
const VOLUMES: [(f64, usize, u32); 3] = [(1e5, 300, 60), (1e7, 3_000, 6), (1e9, 30_000, 1)];

/// The text above the bill.
const ASSUMED: [&str; 9] = [
    "Prices are list prices of us-east-1 without free tiers; functions run on arm64.",
    "Events are plays of anonymous listeners, evenly over the month (a real access log is as even), Zipf-distributed over 300, \
     3,000 and 30,000 tracks, ten of an artist. A request carries events of one session, of its last 30 seconds.",
    "For every 20 events somebody reads a track's numbers.",
    "The table of events has four shards; each delivers what its batching window collects, and Lambda looks four times a \
     second.",
    "Durations are measured on this machine, with 4 ms added to every call of a service, and no cold starts.",
    "Lambda's pollers ask every queue that a function reads five times in 20 seconds.",
    "Storage is that of a month after a year: what expires is there for as long as its ttl says, what does not has come for a \
     year.",
    "Live updates are off. Purchases, quizzes and boards are not part of an event's price.",
    "Custom metrics are all that a stack at full use emits. Where Lambda logs every invocation, its lines are as long as in its \
     documentation.",
];

/// Reads of a track for every event.
const READS: f64 = 1.0 / 20.0;

/// Shards of the table of events.
const SHARDS: u64 = 4;

/// The interval at which Lambda polls a shard.
const LOOKS: TimeDelta = TimeDelta::milliseconds(250);

/// The latency of a call to a service.
const DISTANCE: Duration = Duration::from_millis(4);

/// Tracks of an artist.
const TRACKS_OF_AN_ARTIST: usize = 10;

/// The maximum age of an event at its request.
const COLLECTED: i64 = 30_000;

/// Requests over which the units of one are averaged.
const REQUESTS: usize = 60;

/// The last hour of a Wednesday in the middle of its month: with it a day is over, and nothing else.
const HOUR: &str = "2026-11-18T23:00:00Z";

/// Seconds of a month.
const MONTH: f64 = HOURS * 3600.0;

/// So long an item is paid that never expires, in a month after a year.
const A_YEAR: f64 = 12.0 * MONTH;

/// Requests to a queue that one of Lambda's pollers makes in a month: each waits for 20 seconds.
const POLLS: f64 = 5.0 * MONTH / 20.0;

/// The log lines of Lambda per invocation at the level INFO
/// ([events](https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html)).
const LAMBDA_LOGS: [&str; 2] = [
    r#"{"time":"2026-11-18T23:00:00.000Z","type":"platform.start","record":{"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa","version":"$LATEST"}}"#,
    r#"{"time":"2026-11-18T23:00:00.000Z","type":"platform.report","record":{"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa","metrics":{"durationMs":23.06,"billedDurationMs":24,"memorySizeMB":256,"maxMemoryUsedMB":32},"status":"success"}}"#,
];

/// A browser, as most listeners have one.
const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/// Lets every call of a service take as long as on AWS.
struct Distant;

impl Faults for Distant {
    fn before<'a>(&'a self, _: &'a Asked) -> BoxFuture<'a, Fault> {
        tokio::time::sleep(DISTANCE).map(|()| Fault::None).boxed()
    }
}

/// Counts the bytes that functions write, lines of logs and of metrics alike, by function.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<BTreeMap<String, f64>>>);

impl Written {
    fn count(&self, line: &str) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let function = line.split(r#""function":""#).nth(1).and_then(|rest| rest.split('"').next());
        *bytes.entry(plain(function.unwrap_or_default())).or_default() += line.len() as f64;
    }

    fn take(&self) -> BTreeMap<String, f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A function's name, of its crate or in the template.
fn plain(name: &str) -> String {
    name.replace('-', "").to_lowercase().trim_end_matches("function").to_owned()
}

impl Write for Written {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.count(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink for Written {
    fn line(&self, line: String) {
        self.count(&format!("{line}\n"));
    }
}

/// The usage of a part.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    invocations: f64,
    gigabyte_seconds: f64,
    write_units: f64,
    read_units: f64,
    log_bytes: f64,
}

impl Used {
    fn times(self, factor: f64) -> Self {
        Self {
            invocations: self.invocations * factor,
            gigabyte_seconds: self.gigabyte_seconds * factor,
            write_units: self.write_units * factor,
            read_units: self.read_units * factor,
            log_bytes: self.log_bytes * factor,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            invocations: self.invocations + other.invocations,
            gigabyte_seconds: self.gigabyte_seconds + other.gigabyte_seconds,
            write_units: self.write_units + other.write_units,
            read_units: self.read_units + other.read_units,
            log_bytes: self.log_bytes + other.log_bytes,
        }
    }
}

/// The usage of some functions since the last call.
fn used(
    cloud: &Staged,
    functions: &[&str],
    calls: &BTreeMap<Call, Usage>,
    ran: &BTreeMap<String, Invocations>,
    logs: &BTreeMap<String, f64>,
) -> Used {
    let is_one = |name: &str| functions.iter().any(|function| plain(function) == plain(name));
    let mut used = Used::default();
    for (call, usage) in calls.iter().filter(|(call, _)| is_one(&call.function)) {
        // Queues and secrets have no units.
        if !call.table.is_empty() {
            used.write_units += usage.write_units;
            used.read_units += usage.read_units;
        }
    }
    for (function, invocations) in ran.iter().filter(|(function, _)| is_one(function)) {
        let memory = cloud.template().functions.get(function).map_or(0.0, |function| f64::from(function.memory));
        used.invocations += invocations.count as f64;
        used.gigabyte_seconds += invocations.billed.as_secs_f64() * memory / 1024.0;
    }
    used.log_bytes = logs.iter().filter(|(function, _)| is_one(function)).map(|(_, bytes)| bytes).sum();
    if default_text("SystemLogLevel") != Some("WARN") {
        used.log_bytes += used.invocations * LAMBDA_LOGS.iter().map(|line| line.len() as f64 + 1.0).sum::<f64>();
    }
    used
}

/// Events of one request, with the names that clients give.
struct Requests {
    draw: bench::events::Draw,
    random: fastrand::Rng,
    per_request: usize,
}

/// An id as long as clients' are.
fn uuid(random: &mut fastrand::Rng) -> String {
    let [a, b] = [random.u64(..), random.u64(..)];
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// A track's id, as long as those of MongoDB.
fn track_id(number: usize) -> String {
    format!("{number:024x}")
}

impl Requests {
    fn next(&mut self, at: DateTime<Utc>) -> Vec<(DateTime<Utc>, usize, Value)> {
        let (session, device) = (uuid(&mut self.random), uuid(&mut self.random));
        (0..self.per_request)
            .map(|_| {
                let track = self.draw.next().unwrap_or_default();
                let when = at - TimeDelta::milliseconds(self.random.i64(0..COLLECTED));
                let event = json!({
                    "id": uuid(&mut self.random),
                    "type": "play",
                    "trackId": track_id(track),
                    "sessionId": session,
                    "anonymousId": device,
                    "timestamp": when.to_rfc3339_opts(SecondsFormat::Millis, true),
                    "source": "search",
                    "duration": 187.5,
                    "completionRate": 93.75,
                });
                (when, track, event)
            })
            .collect()
    }
}

/// A part of a month and its usage.
struct Played {
    events: f64,
    /// A request with events: both functions.
    request: Used,
    /// Bytes of its answer.
    answer_bytes: f64,
    /// A read of a track, without the authorizer.
    read: Used,
    read_bytes: f64,
    /// All deliveries of the events, without the lists of active tracks.
    folding: Used,
    /// Write units of those lists.
    lists: f64,
    track_hours: f64,
    /// Closing the hour.
    hour: Used,
    track_days: f64,
    /// Closing the day.
    day: Used,
    /// A run of the dispatcher that finds nothing.
    idle: Used,
    messages: f64,
    /// Byte-seconds of every item that is there afterwards, by its kind.
    kept: BTreeMap<&'static str, f64>,
    window: f64,
    queues: f64,
}

/// Measures the bill of every volume.
pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let written = Written::default();
    let writer = written.clone();
    // The local cloud speaks too, and is not on the bill.
    let filter = "info,local=off,hyper=off".parse().context("a filter")?;
    runtime::obs::log::start_to(move || writer.clone(), filter);

    let mut months = Vec::new();
    for (volume, tracks, minutes) in VOLUMES {
        let played = Box::pin(play(options, &written, volume, tracks, minutes)).await?;
        months.push((month(&played, options, volume, tracks)?, played));
    }
    let mut assumed = Table::new(["assumed"]);
    for assumption in ASSUMED {
        assumed.row([assumption.to_owned()]);
    }
    assumed.row([format!("A request carries {} events.", options.per_request)]);

    let mut whole = Table::new(["per month, $", "100,000 events", "10 million", "1,000 million", "price", "source"]);
    let lines: Vec<_> = months.iter().map(|(month, _)| month.lines()).collect();
    let dollars = |amount: f64| format!("{amount:.2}");
    let [small, middle, large] = lines.as_slice() else { anyhow::bail!("three volumes") };
    for ((small, middle), large) in small.iter().zip(middle).zip(large) {
        let price = small.price;
        let cell = |line: &bill::Line| match line.units {
            0.0 => "-".to_owned(),
            _ => dollars(line.dollars),
        };
        let each = format!("${} / {}", price.dollars, price.unit);
        whole.row([price.name.to_owned(), cell(small), cell(middle), cell(large), each, price.source.to_owned()]);
    }
    let of_all = |figure: &dyn Fn(&Month, f64) -> String| {
        let mut all = months.iter().zip(VOLUMES).map(|((month, _), (volume, ..))| figure(month, volume));
        [(); 3].map(|()| all.next().unwrap_or_default())
    };
    let [a, b, c] = of_all(&|month, _| dollars(month.total()));
    whole.row(["total".to_owned(), a, b, c, String::new(), String::new()]);
    let [a, b, c] = of_all(&|month, volume| dollars(month.total() / volume * 1e6));
    whole.row(["a million events".to_owned(), a, b, c, String::new(), String::new()]);

    let mut units = Table::new(["measured, per event", "100,000 events", "10 million", "1,000 million"]);
    let mut row = |name: &str, figure: &dyn Fn(&Played, f64, usize) -> String| {
        let mut all =
            months.iter().zip(VOLUMES).map(|((_, played), (volume, tracks, _))| figure(played, volume, tracks));
        let [a, b, c] = [(); 3].map(|()| all.next().unwrap_or_default());
        units.row([name.to_owned(), a, b, c]);
    };
    let three = |number: f64| format!("{number:.3}");
    row("writes: fact", &|played, _, _| three(played.request.write_units / options.per_request as f64));
    row("writes: minute", &|played, _, _| three(played.folding.write_units / played.events));
    row("writes: lists of active tracks", &|played, volume, tracks| three(lists(played, volume, tracks) / volume));
    row("writes: closing hours", &|played, volume, tracks| {
        three(closing_hours(played, volume, tracks).write_units / volume)
    });
    row("writes: closing days and more", &|played, volume, tracks| {
        three(closing_days(played, volume, tracks).write_units / volume)
    });
    row("track-hours", &|_, volume, tracks| three(track_hours(volume, tracks) / volume));
    row("writes of a track-hour", &|played, _, _| three(played.hour.write_units / played.track_hours));
    row("reads: request", &|played, _, _| three(played.request.read_units / options.per_request as f64));
    row("reads: folding", &|played, _, _| three(played.folding.read_units / played.events));
    row("reads: closing hours", &|played, volume, tracks| {
        three(closing_hours(played, volume, tracks).read_units / volume)
    });
    row("reads: of a track's numbers, each", &|played, _, _| three(played.read.read_units));
    row("deliveries", &|played, _, _| three(played.folding.invocations / played.events));
    row("log bytes, of a request", &|played, _, _| format!("{:.0}", played.request.log_bytes));
    row("log bytes, of a delivery", &|played, _, _| {
        format!("{:.0}", played.folding.log_bytes / played.folding.invocations)
    });
    for kind in KINDS {
        row(&format!("stored bytes, times days: {kind}"), &|played, volume, tracks| {
            format!("{:.0}", stored(played, kind, volume, tracks) / volume / 86_400.0)
        });
    }
    row("batching window, s", &|played, _, _| format!("{}", played.window));
    Ok(vec![("What is assumed", assumed), ("The bill of a month", whole), ("Where it comes from", units)])
}

/// Plays a part of a month.
async fn play(
    options: &Options,
    written: &Written,
    volume: f64,
    tracks: usize,
    minutes: u32,
) -> anyhow::Result<Played> {
    let begin: DateTime<Utc> = HOUR.parse()?;
    let per_request = options.per_request;
    let mut requests = Requests { draw: Tracks::Zipf(tracks).draw(), random: fastrand::Rng::with_seed(3), per_request };
    let between = TimeDelta::microseconds((MONTH * 1e6 * per_request as f64 / volume) as i64);

    // With quotas, and one request after the other: what a request with events uses.
    let cloud = Box::pin(Staged::start_as(
        distant(Cloud::of_workspace().without_throttles(), written),
        begin,
        options.patience,
    ))
    .await?;
    let anybody = cloud.anybody()?.with_agent(BROWSER);
    let mut answer_bytes = 0.0;
    for number in 0..REQUESTS {
        let at = begin + TimeDelta::minutes(1) + between * i32::try_from(number)?;
        cloud.at(at);
        let events: Vec<Value> = requests.next(at).into_iter().map(|(_, _, event)| event).collect();
        let answer = anybody.send(Method::POST, EVENTS, events::body(&events)).await?;
        ensure!(answer.status.is_success(), "refused with {}", answer.status);
        answer_bytes += answer.body.len() as f64;
    }
    cloud.drained().await?;
    let every = 1.0 / REQUESTS as f64;
    let ingesting = ["IngestEventsFunction", "AuthorizerFunction"];
    let request = used(&cloud, &ingesting, &cloud.metered(), &cloud.invocations(), &written.take()).times(every);
    let window = Duration::from_secs_f64(default_of("CounterBatchingWindowSeconds")?);
    let queues = cloud.template().queue_mappings.len() as f64;
    cloud.stop().await;

    // Without quotas; the benchmark itself defines the batches.
    let options_of_cloud = distant(Cloud::of_workspace().without_limits(), written);
    let cloud = Box::pin(Staged::start_as(options_of_cloud, begin, options.patience)).await?;
    let deliveries = deliveries(&mut requests, begin, volume, minutes, window);
    let drawn: BTreeSet<usize> =
        deliveries.iter().flat_map(|(_, batch)| batch.iter().map(|(_, track, _)| *track)).collect();
    describe(&cloud, tracks, &drawn).await?;
    let (mut folding, mut lists, mut count) = (Used::default(), 0.0, 0.0);
    for (at, batch) in &deliveries {
        cloud.at(*at);
        let events: Vec<Value> = batch.iter().map(|(_, _, event)| event.clone()).collect();
        cloud.metered();
        cloud.post(&events).await?;
        // Batch sizes depend on this machine. Only newly listed tracks matter.
        let listed = cloud.metered();
        let listed = listed
            .iter()
            .filter(|(call, _)| call.function == "CounterUpdaterFunction" && call.operation == "BatchWriteItem");
        lists += listed.map(|(_, usage)| usage.write_units).sum::<f64>();
        cloud.invocations();
        written.take();
        let answer = cloud.invoke("CounterUpdaterFunction", records(batch).to_string()).await?;
        ensure!(answer == r#"{"batchItemFailures":[]}"#, "not folded: {answer}");
        let updater = ["CounterUpdaterFunction"];
        folding = folding.plus(used(&cloud, &updater, &cloud.metered(), &cloud.invocations(), &written.take()));
        count += batch.len() as f64;
    }

    let anybody = cloud.anybody()?.with_agent(BROWSER);
    let mut read_bytes = 0.0;
    for track in drawn.iter().cycle().take(REQUESTS) {
        let answer =
            anybody.send(Method::GET, &format!("/api/tracks/{}", track_id(*track)), bytes::Bytes::new()).await?;
        ensure!(answer.status.is_success(), "{}", answer.status);
        read_bytes += answer.body.len() as f64;
    }
    let read =
        used(&cloud, &["GetTrackFunction"], &cloud.metered(), &cloud.invocations(), &written.take()).times(every);

    cloud.at(begin + TimeDelta::hours(1) + TimeDelta::minutes(5));
    let rounds = cloud.close().await?;
    let logs = written.take();
    let ran: f64 = rounds.iter().flat_map(|round| round.invocations.values()).map(|all| all.count as f64).sum();
    let of_round = |round: &crate::staged::Round| {
        let closing = ["RollupDispatcherFunction", "RollupWorkerFunction"];
        let used = used(&cloud, &closing, &BTreeMap::new(), &round.invocations, &BTreeMap::new());
        let own: f64 = logs.values().sum::<f64>() / ran * used.invocations;
        Used {
            write_units: round.used.write_units,
            read_units: round.used.read_units,
            log_bytes: used.log_bytes + own,
            ..used
        }
    };
    let [hour, days @ .., idle] = rounds.as_slice() else { anyhow::bail!("nothing was closed") };
    let messages = rounds.iter().flat_map(|round| round.invocations.get("RollupWorkerFunction"));
    let messages = messages.map(|worker| worker.count as f64).sum();
    let kept = kept(&cloud, begin + TimeDelta::hours(1))?;
    let played = Played {
        events: count,
        request,
        answer_bytes: answer_bytes * every,
        read,
        read_bytes: read_bytes * every,
        folding,
        lists,
        track_hours: hour.tracks as f64,
        hour: of_round(hour),
        track_days: days.iter().map(|round| round.tracks as f64).sum(),
        day: days.iter().map(of_round).fold(Used::default(), Used::plus),
        idle: of_round(idle),
        messages,
        kept,
        window: window.as_secs_f64(),
        queues,
    };
    cloud.stop().await;
    ensure!(played.track_hours > 0.0 && played.track_days > 0.0, "no hour or no day was closed");
    Ok(played)
}

/// Such a cloud, as far away as AWS, with its metrics counted.
fn distant(options: Cloud, written: &Written) -> Cloud {
    Cloud { metrics: Arc::new(written.clone()), faults: Some(Arc::new(Distant)), ..options }
}

/// Events that one invocation of the updater is given.
type Batch = Vec<(DateTime<Utc>, usize, Value)>;

/// The records of each shard, with their times.
fn deliveries(
    requests: &mut Requests,
    begin: DateTime<Utc>,
    volume: f64,
    minutes: u32,
    window: Duration,
) -> Vec<(DateTime<Utc>, Batch)> {
    let seconds = f64::from(minutes) * 60.0;
    let count = (volume / MONTH * seconds / requests.per_request as f64).round() as u64;
    let tick = TimeDelta::from_std(window).unwrap_or(LOOKS).max(LOOKS);
    let mut batches: BTreeMap<(i64, u64), Batch> = BTreeMap::new();
    for number in 0..count {
        // Behind the first half minute, so that all events are of the same hour.
        let after = COLLECTED as f64 + (number as f64 + requests.random.f64()) * seconds * 1000.0 / count as f64;
        let at = begin + TimeDelta::milliseconds(after as i64);
        for event in requests.next(at) {
            let shard = event.1 as u64 % SHARDS;
            batches.entry((after as i64 / tick.num_milliseconds(), shard)).or_default().push(event);
        }
    }
    let at = |tick_number: i64| begin + TimeDelta::milliseconds((tick_number + 1) * tick.num_milliseconds());
    batches.into_iter().map(|((number, _), batch)| (at(number), batch)).collect()
}

/// The records of a stream that tell of these events.
fn records(batch: &Batch) -> Value {
    let text = |event: &Value, name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let record = |(number, (when, track, event)): (usize, &(DateTime<Utc>, usize, Value))| {
        let pk = format!("TRACK#{}#{}", track_id(*track), when.format("%Y-%m-%dT%H"));
        let offset = when.format("%M:%S%.3f");
        let sk = format!("{offset}#play#{}#a:{}", text(event, "id"), text(event, "anonymousId"));
        json!({
            "eventID": format!("{number:032x}"),
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": when.timestamp(),
                "Keys": {"pk": {"S": pk}, "sk": {"S": sk}},
                "SequenceNumber": format!("{number:021}"),
                "SizeBytes": 120,
                "StreamViewType": "KEYS_ONLY",
            },
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/tally/stream/2026-01-31T00:00:00.000",
        })
    };
    json!({"Records": batch.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// Describes tracks: one through the API, the others like it.
async fn describe(cloud: &Staged, tracks: usize, drawn: &BTreeSet<usize>) -> anyhow::Result<()> {
    let artists = tracks / TRACKS_OF_AN_ARTIST;
    let artist = |track: usize| format!("{:024x}", track % artists);
    let first = *drawn.first().context("no track was played")?;
    cloud.describe(std::iter::once((track_id(first), artist(first)))).await?;
    let pk = |track: usize| json!({"S": format!("TRACK#{}", track_id(track))});
    let documents = cloud.scan("StateTable")?;
    let document = documents.iter().find(|item| item.get("pk") == Some(&pk(first)));
    let document = document.context("the track is not there")?;
    let others = drawn.iter().skip(1).map(|track| {
        let mut item = document.clone();
        item.insert("pk".to_owned(), pk(*track));
        let text = serde_json::to_string(&item)?.replace(&artist(first), &artist(*track));
        let mut item: Item = serde_json::from_str(&text)?;
        item.insert("pk".to_owned(), pk(*track));
        Ok(item)
    });
    let others: Vec<Item> = others.collect::<anyhow::Result<_>>()?;
    cloud.write("StateTable", &others)
}

/// Kinds of items, as they are stored.
const KINDS: [&str; 6] = ["facts", "minutes", "hours of tracks", "hours of artists and all", "days of tracks", "lists"];

/// Which of them an item of a table is; none where it is too few to matter.
fn kind(table: &str, item: &Item) -> Option<&'static str> {
    let text = |name: &str| item.get(name).and_then(|value| value.get("S")).and_then(Value::as_str).unwrap_or_default();
    let (pk, sk) = (text("pk"), text("sk"));
    match (table, sk.get(..2).unwrap_or_default()) {
        ("EventsTable", _) => Some("facts"),
        (_, "B#") => Some("minutes"),
        (_, "H#") if pk.starts_with("TRACK#") => Some("hours of tracks"),
        (_, "H#") => Some("hours of artists and all"),
        (_, "D#") if pk.starts_with("TRACK#") => Some("days of tracks"),
        _ if pk.starts_with("ACTIVE#") => Some("lists"),
        _ => None,
    }
}

/// Byte-seconds of what is in the tables.
fn kept(cloud: &Staged, now: DateTime<Utc>) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    let mut kept = BTreeMap::new();
    for table in ["EventsTable", "StatsTable"] {
        for item in cloud.scan(table)? {
            let Some(kind) = kind(table, &item) else { continue };
            let with = if table == "StatsTable" { bill::STORED_WITH_TRANSACTIONS } else { 0 };
            let bytes = bill::item_size(&item) + bill::STORED_WITH + with;
            let ttl = item.get("ttl").and_then(|ttl| ttl.get("N")).and_then(Value::as_str);
            let ttl: Option<i64> = ttl.map(str::parse).transpose()?;
            let left = ttl.map_or(A_YEAR, |ttl| (ttl - now.timestamp()) as f64);
            *kept.entry(kind).or_default() += bytes as f64 * left;
        }
    }
    Ok(kept)
}

/// Hours of tracks in a month.
fn track_hours(volume: f64, tracks: usize) -> f64 {
    HOURS * bill::expected_distinct(tracks, volume / HOURS)
}

/// Days, weeks, months and years of tracks in a month.
fn track_days(volume: f64, tracks: usize) -> f64 {
    let periods = [HOURS / 24.0, HOURS / 168.0, 1.0, 1.0 / 12.0];
    periods.iter().map(|number| number * bill::expected_distinct(tracks, volume / number)).sum()
}

fn lists(played: &Played, volume: f64, tracks: usize) -> f64 {
    played.lists / played.track_hours * track_hours(volume, tracks)
}

fn closing_hours(played: &Played, volume: f64, tracks: usize) -> Used {
    played.hour.times(track_hours(volume, tracks) / played.track_hours)
}

fn closing_days(played: &Played, volume: f64, tracks: usize) -> Used {
    played.day.times(track_days(volume, tracks) / played.track_days)
}

/// Byte-seconds that a month adds to what is stored of a kind.
fn stored(played: &Played, kind: &str, volume: f64, tracks: usize) -> f64 {
    let factor = match kind {
        "facts" | "minutes" => volume / played.events,
        "days of tracks" => track_days(volume, tracks) / played.track_days,
        _ => track_hours(volume, tracks) / played.track_hours,
    };
    played.kept.get(kind).copied().unwrap_or_default() * factor
}

/// The usage of a month, from the usage of a part.
fn month(played: &Played, options: &Options, volume: f64, tracks: usize) -> anyhow::Result<Month> {
    let requests = volume / options.per_request as f64;
    let reads = volume * READS;
    let runs = MONTH / 300.0;
    let all = played
        .request
        .times(requests)
        .plus(played.read.times(reads))
        .plus(played.folding.times(volume / played.events))
        .plus(closing_hours(played, volume, tracks))
        .plus(closing_days(played, volume, tracks))
        .plus(played.idle.times(runs));
    let bytes: BTreeMap<&str, f64> =
        KINDS.iter().map(|kind| (*kind, stored(played, kind, volume, tracks) / MONTH)).collect();
    let table_bytes = bytes.values().sum();
    let in_backup = |kind: &&str| restorable(if *kind == "facts" { "EventsTable" } else { "StatsTable" });
    let log_bytes = all.log_bytes + (requests + reads) * access_line();
    let retention = default_of("LogRetentionDays")?;
    let encrypted = ["EventsTable", "StatsTable", "StateTable"];
    let encrypted = encrypted.iter().filter(|table| block(table).contains("SSEEnabled: true")).count() as f64;
    let alarms = TEMPLATE.split("\n\n").filter(|block| block.contains("Type: AWS::CloudWatch::Alarm"));
    let messages = played.messages * track_hours(volume, tracks) / played.track_hours;
    Ok(Month {
        api_requests: requests + reads,
        out_bytes: requests * played.answer_bytes + reads * played.read_bytes,
        invocations: all.invocations,
        gigabyte_seconds: all.gigabyte_seconds,
        write_units: all.write_units + lists(played, volume, tracks),
        read_units: all.read_units,
        table_bytes,
        backup_bytes: bytes.iter().filter(|(kind, _)| in_backup(kind)).map(|(_, bytes)| bytes).sum(),
        deliveries: played.folding.invocations * volume / played.events,
        log_bytes,
        kept_log_bytes: log_bytes * retention / (MONTH / 86_400.0),
        metrics: runtime::obs::metrics::emitted() as f64,
        alarms: alarms.map(|block| block.matches("MetricStat:").count().max(1) as f64).sum(),
        dashboards: TEMPLATE.matches("Type: AWS::CloudWatch::Dashboard").count() as f64,
        queue_requests: played.queues * POLLS + 3.0 * messages,
        schedules: runs + MONTH / 86_400.0,
        secrets: 1.0,
        secret_reads: MONTH / 300.0,
        // Each function that uses a table requests its key every five minutes.
        key_requests: encrypted * 4.0 * MONTH / 300.0,
    })
}

/// The text of a resource of the template.
fn block(resource: &str) -> &'static str {
    let begins = format!("\n  {resource}:\n");
    let rest = TEMPLATE.split_once(begins.as_str()).map_or("", |(_, rest)| rest);
    rest.split_once("\n\n").map_or(rest, |(block, _)| block)
}

fn restorable(table: &str) -> bool {
    block(table).contains("PointInTimeRecoverySpecification")
}

/// The default of one of the template's parameters.
fn default_text(parameter: &str) -> Option<&'static str> {
    let begins = format!("\n  {parameter}:\n");
    let (_, rest) = TEMPLATE.split_once(begins.as_str())?;
    rest.split_once("Default: ")?.1.split_whitespace().next()
}

/// The default of a number among them.
fn default_of(parameter: &str) -> anyhow::Result<f64> {
    let default = default_text(parameter).with_context(|| format!("the template has no default of {parameter}"))?;
    default.parse().with_context(|| format!("{parameter} is {default}"))
}

/// The length of a line of the access log in bytes: its format, with values of usual length.
fn access_line() -> f64 {
    const VALUE: f64 = 12.0;
    let rest = TEMPLATE.split_once("AccessLogSettings").map_or("", |(_, rest)| rest);
    let format = rest.lines().map(str::trim).find(|line| line.starts_with('{')).unwrap_or_default();
    format.split("$context.").enumerate().fold(0.0, |length, (number, part)| {
        let name = part.chars().take_while(|c| c.is_alphanumeric() || *c == '.').count();
        length + if number == 0 { part.len() as f64 } else { VALUE + (part.len() - name) as f64 }
    })
}
