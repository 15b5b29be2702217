//! The cost and the delay of live updates.

mod pages;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::table::{Table, ms, percentile};
use chrono::{DateTime, Utc};
use futures::future::{self, Either};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use local::channels::Application;
use local::cloud;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::options::Options;
use crate::staged::{Staged, used};

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// How often the clock is advanced.
const TICK: Duration = Duration::from_millis(10);

/// Tracks whose plays are published.
const TRACKS: usize = 10;

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let taken = Arc::new(Mutex::new(Taken::default()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let host = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(serve(listener, Arc::clone(&taken)));
    let [app, key, secret] = ["a", "k", "s"].map(str::to_owned);
    let mut staged = cloud::Options::of_workspace().without_limits();
    staged.publish_to(&Application { app, key, secret }, &host);
    let cloud = Staged::start_as(staged, now, options.patience).await?;
    let began = Instant::now();
    // Queues hold messages back by the cloud's clock, so it has to go.
    let clock = async {
        loop {
            cloud.at(now + began.elapsed());
            tokio::time::sleep(TICK).await;
        }
    };
    let mut tables = {
        let measured = std::pin::pin!(tables(&cloud, options, &taken));
        match future::select(measured, std::pin::pin!(clock)).await {
            Either::Left((tables, _)) => tables?,
            Either::Right((never, _)) => never,
        }
    };
    cloud.stop().await;
    server.abort();
    let pages = pages::measure(options).await?;
    tables.extend(pages.map(|table| ("From a change to an open page: Sockudo and pusher-js", table)));
    Ok(tables)
}

async fn tables(cloud: &Staged, options: &Options, taken: &Shared) -> anyhow::Result<Vec<(&'static str, Table)>> {
    Ok(vec![
        ("Telling open pages, a server of channels that takes all at once", events(cloud, options, taken).await?),
        ("Numbers that change, told once a second", numbers(cloud, options, taken).await?),
    ])
}

/// The requests to the Pusher server.
#[derive(Debug, Default)]
struct Taken {
    calls: usize,
    /// When each event came, by its id.
    events: BTreeMap<String, Instant>,
}

type Shared = Arc<Mutex<Taken>>;

fn taken(shared: &Shared) -> Taken {
    std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Accepts all requests.
async fn serve(listener: TcpListener, shared: Shared) {
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(answer(connection, Arc::clone(&shared)));
    }
}

async fn answer(connection: TcpStream, shared: Shared) -> Option<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if connection.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = given.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.ok()?;
        let at = Instant::now();
        let body: Value = serde_json::from_slice(&body).ok()?;
        let ids: Vec<String> = body.get("batch")?.as_array()?.iter().filter_map(id).collect();
        {
            let mut taken = shared.lock().unwrap_or_else(PoisonError::into_inner);
            taken.calls += 1;
            for id in ids {
                taken.events.entry(id).or_insert(at);
            }
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(answer).await.ok()?;
    }
}

fn id(event: &Value) -> Option<String> {
    let data: Value = serde_json::from_str(event.get("data")?.as_str()?).ok()?;
    Some(data.get("id")?.as_str()?.to_owned())
}

/// Sends a notification to a user. Returns its id and the time of the answer.
async fn notify(cloud: &Staged, number: usize) -> anyhow::Result<(String, Instant)> {
    let body = json!({"userId": format!("person-{}", number % 100), "title": "Hello", "message": "m", "type": "info"});
    let answer = cloud.api.send(Method::POST, "/api/notifications", body.to_string().into()).await?;
    let at = Instant::now();
    ensure!(answer.status == StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer.body));
    let body: Value = serde_json::from_slice(&answer.body)?;
    let id = body.get("notificationId").and_then(Value::as_str).context("no id")?;
    Ok((id.to_owned(), at))
}

/// Notifications one by one, and as fast as the API takes them.
async fn events(cloud: &Staged, options: &Options, shared: &Shared) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "notifications of 100 people",
        "how many",
        "a second",
        "from the answer to the server, p50 ms",
        "p99 ms",
        "calls of the server for 1,000",
        "writes each",
        "realtime-publisher, writes each",
        "reads each",
    ]);
    for (what, count, at_once) in
        [("one after the other", options.probes, 1), ("many at once", options.interactions, options.connections)]
    {
        cloud.drained().await?;
        cloud.metered();
        drop(taken(shared));
        let began = Instant::now();
        let sent: Vec<_> = (0..count).map(|number| notify(cloud, number)).collect();
        let answers: Vec<(String, Instant)> = stream::iter(sent).buffer_unordered(at_once).try_collect().await?;
        cloud.drained().await?;
        let took = began.elapsed();
        let (metered, taken) = (cloud.metered(), taken(shared));
        let mut lags: Vec<Duration> = Vec::with_capacity(count);
        for (id, answered) in &answers {
            let came = taken.events.get(id).with_context(|| format!("{id} was not sent"))?;
            lags.push(came.saturating_duration_since(*answered));
        }
        lags.sort_unstable();
        let (asked, sent) = (used(&metered, &["SendNotification"]), used(&metered, &["RealtimePublisher"]));
        let each = |units: f64| format!("{:.2}", units / count as f64);
        table.row([
            what.to_owned(),
            format!("{count}"),
            format!("{:.0}", count as f64 / took.as_secs_f64()),
            ms(percentile(&lags, 50)),
            ms(percentile(&lags, 99)),
            format!("{:.0}", taken.calls as f64 * 1_000.0 / count as f64),
            each(asked.write_units),
            each(sent.write_units),
            each(asked.read_units + sent.read_units),
        ]);
    }
    Ok(table)
}

/// Plays of a few tracks, for some seconds.
async fn numbers(cloud: &Staged, options: &Options, shared: &Shared) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "plays of 10 tracks",
        "for s",
        "events sent",
        "calls of the server for 1,000 plays",
        "stats-announcer, writes for 1,000",
        "reads for 1,000",
    ]);
    let plays = options.interactions;
    cloud.drained().await?;
    cloud.metered();
    drop(taken(shared));
    let began = Instant::now();
    let play = |number: usize| async move {
        let event = json!({
            "id": format!("live-{number}"), "type": "play", "trackId": format!("track-{}", number % TRACKS),
            "sessionId": format!("s-{number}"), "timestamp": NOW, "source": "player", "duration": 42,
        });
        let answer = cloud.api.send(Method::POST, "/api/stats/events", json!({"events": [event]}).to_string().into());
        let answer = answer.await?;
        ensure!(answer.status == StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
        Ok(())
    };
    let sent: Vec<_> = (0..plays).map(play).collect();
    stream::iter(sent).buffer_unordered(options.connections).try_collect::<()>().await?;
    let took = began.elapsed();
    cloud.drained().await?;
    let (taken, announcer) = (taken(shared), used(&cloud.metered(), &["StatsAnnouncer"]));
    let of_thousand = |units: f64| format!("{:.1}", units * 1_000.0 / plays as f64);
    table.row([
        format!("{plays}"),
        format!("{:.1}", took.as_secs_f64()),
        format!("{}", taken.events.len()),
        of_thousand(taken.calls as f64),
        of_thousand(announcer.write_units),
        of_thousand(announcer.read_units),
    ]);
    Ok(table)
}
