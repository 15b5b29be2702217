//! The cost of views and sales, and their delay on boards.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::table::{Table, ms, percentile};
use chrono::{DateTime, Utc};
use futures::future::{self, Either};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use replay::api::Api;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::{entries, number, value_of};
use crate::options::Options;
use crate::staged::{Staged, used};

/// Products that are looked at, and sellers whose they are.
const SPREAD: (usize, usize) = (200, 50);

/// By how much fewer views there are meanwhile than there are events elsewhere: each is a request of its own, and is followed
/// to two boards.
const FEWER: u32 = 4;

/// The rest between two requests for what shall show a sale; the lag is known to this and the time of one request.
const INTERVAL: Duration = Duration::from_millis(2);

pub(super) async fn measure(options: &Options, now: DateTime<Utc>) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let cloud = Staged::start(now, options.patience).await?;
    let tables = vec![
        ("Views and sales of the products of 50 sellers", throughput(&cloud, options).await?),
        ("From the answer to a sale until the board shows it", lag(&cloud, options, now).await?),
    ];
    cloud.stop().await;
    Ok(tables)
}

/// Sends a request that must be done; how long it took.
async fn send(api: &Api, method: Method, path: String, body: Value) -> anyhow::Result<Duration> {
    let sent = Instant::now();
    let answer = api.send(method, &path, body.to_string().into()).await?;
    let took = sent.elapsed();
    ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(took)
}

fn seller(product: usize) -> String {
    format!("seller-{}", product % SPREAD.1)
}

async fn offer(api: &Api, id: String, seller: String) -> anyhow::Result<Duration> {
    let body = json!({"productId": id, "title": "A thing", "price": 1_999, "currency": "USD", "sellerId": seller});
    send(api, Method::POST, "/api/products".to_owned(), body).await
}

async fn sell(api: &Api, id: String) -> anyhow::Result<Duration> {
    let body = json!({"title": "A thing", "price": 1_999, "currency": "USD", "status": "sold"});
    send(api, Method::PUT, format!("/api/products/{id}"), body).await
}

async fn view(api: &Api, id: String, session: String) -> anyhow::Result<Duration> {
    send(api, Method::POST, format!("/api/products/{id}/views"), json!({"sessionId": session})).await
}

/// Views and sales as fast as the API takes them.
async fn throughput(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "what",
        "how many",
        "a second",
        "p50 ms",
        "p99 ms",
        "all on the board after ms",
        "writes each",
        "leaderboard-updater, writes each",
        "reads each",
    ]);
    let anybody = cloud.anybody()?;
    let (seen, sold) = (|number: usize| format!("seen-{}", number % SPREAD.0), |number| format!("sold-{number}"));
    let all = 0..options.interactions;
    let offers = (0..SPREAD.0).map(|number| (number, seen(number))).chain(all.clone().map(|n| (n, sold(n))));
    let offers: Vec<_> = offers.map(|(number, id)| offer(&cloud.api, id, seller(number))).collect();
    stream::iter(offers).buffer_unordered(options.connections).try_collect::<Vec<_>>().await?;
    for (what, function) in [("views", "RecordProductView"), ("sales", "PutProduct")] {
        cloud.drained().await?;
        cloud.metered();
        let began = Instant::now();
        let mut latencies: Vec<Duration> = if what == "views" {
            let sent: Vec<_> =
                all.clone().map(|number| view(&anybody, seen(number), format!("viewer-{number}"))).collect();
            stream::iter(sent).buffer_unordered(options.connections).try_collect().await?
        } else {
            let sent: Vec<_> = all.clone().map(|number| sell(&cloud.api, sold(number))).collect();
            stream::iter(sent).buffer_unordered(options.connections).try_collect().await?
        };
        let took = began.elapsed();
        cloud.drained().await?;
        let shown = began.elapsed() - took;
        let metered = cloud.metered();
        let listed = entries(&anybody, &format!("metric={what}&limit=100")).await?;
        let told: u64 = listed.iter().map(|entry| number(entry, "value")).sum();
        ensure!(told == latencies.len() as u64, "the board tells of {told} {what}, not of {}", latencies.len());
        let each = |units: f64| format!("{:.2}", units / latencies.len() as f64);
        let (asked, updated) = (used(&metered, &[function]), used(&metered, &["LeaderboardUpdater"]));
        let writes = (each(asked.write_units), each(updated.write_units));
        let reads = each(asked.read_units + updated.read_units);
        latencies.sort_unstable();
        table.row([
            what.to_owned(),
            format!("{}", latencies.len()),
            format!("{:.0}", latencies.len() as f64 / took.as_secs_f64()),
            ms(percentile(&latencies, 50)),
            ms(percentile(&latencies, 99)),
            ms(shown),
            writes.0,
            writes.1,
            reads,
        ]);
    }
    Ok(table)
}

/// The delay of a sale on the board, with and without concurrent views.
async fn lag(cloud: &Staged, options: &Options, now: DateTime<Utc>) -> anyhow::Result<Table> {
    let (anybody, began) = (cloud.anybody()?, Instant::now());
    // Time goes on meanwhile: what falls into one minute is read together.
    let tick = || cloud.at(now + began.elapsed());
    let mut table = Table::new(["views a second meanwhile", "sales", "p50 ms", "p99 ms", "longest ms"]);
    for background in BTreeSet::from([0, options.background.div_ceil(FEWER)]) {
        let seller = format!("prober-{background}");
        let product = |number| format!("probe-{background}-{number}");
        for number in 0..options.probes {
            offer(&cloud.api, product(number), seller.clone()).await?;
        }
        cloud.drained().await?;
        let probes = pin!(async {
            let mut lags = Vec::with_capacity(options.probes);
            for number in 0..options.probes {
                lags.push(probe((&cloud.api, &anybody), options, product(number), &seller, number as u64 + 1).await?);
                // Random pauses, so that probes do not synchronize with periodic work.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
            }
            anyhow::Ok(lags)
        });
        let mut lags =
            match future::select(probes, pin!(disturb(&anybody, background, options.connections, &tick))).await {
                Either::Left((lags, _)) => lags?,
                Either::Right((failure, _)) => return Err(failure),
            };
        lags.sort_unstable();
        table.row([
            format!("{background}"),
            format!("{}", options.probes),
            ms(percentile(&lags, 50)),
            ms(percentile(&lags, 99)),
            ms(percentile(&lags, 100)),
        ]);
    }
    Ok(table)
}

async fn probe(
    (admin, anybody): (&Api, &Api),
    options: &Options,
    product: String,
    seller: &str,
    expected: u64,
) -> anyhow::Result<Duration> {
    sell(admin, product).await?;
    let answered = Instant::now();
    loop {
        let near = entries(anybody, &format!("metric=sales&around={seller}&limit=1")).await?;
        let found = value_of(&near, seller);
        ensure!(found <= expected, "{found} sales of {seller} counted, {expected} made");
        if found == expected {
            return Ok(answered.elapsed());
        }
        ensure!(answered.elapsed() < options.patience, "a sale did not show within {:?}", options.patience);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks at products, so often a second, until it is dropped; returns only if that fails.
async fn disturb(anybody: &Api, background: u32, connections: usize, tick: &impl Fn()) -> anyhow::Error {
    if background == 0 {
        return future::pending().await;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / background);
    // Skips views that this machine cannot keep up with.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let views = stream::unfold((ticks, 0_usize), |(mut ticks, number)| async move {
        ticks.tick().await;
        tick();
        Some((number, (ticks, number + 1)))
    });
    let sent = views.map(|number| view(anybody, format!("seen-{}", number % SPREAD.0), format!("other-{number}")));
    match sent.buffer_unordered(connections).try_for_each(|_| future::ok(())).await {
        Ok(()) => future::pending().await,
        Err(error) => error,
    }
}
