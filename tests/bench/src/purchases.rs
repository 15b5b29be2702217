//! The cost of a purchase and of ownership checks.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bench::table::{Table, ms, percentile};
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::options::Options;
use crate::staged::{Staged, used};

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// Things that are bought, each by another person.
const ITEMS: usize = 200;

/// Items per ownership check.
const TOGETHER: usize = 100;

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let cloud = Staged::start(now, options.patience).await?;
    let tables = vec![
        ("Purchases, each by another person, and their refunds", changes(&cloud, options).await?),
        ("Who has what", ownership(&cloud, options).await?),
    ];
    cloud.stop().await;
    Ok(tables)
}

/// Sends a request under a key; how long it took, and what was answered.
async fn send(
    cloud: &Staged,
    path: &str,
    key: &str,
    status: StatusCode,
    body: &Value,
) -> anyhow::Result<(Duration, Value)> {
    let sent = Instant::now();
    let answer = cloud.api.send_once(Method::POST, path, Some(key), body.to_string().into()).await?;
    let took = sent.elapsed();
    ensure!(answer.status == status, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok((took, serde_json::from_slice(&answer.body)?))
}

async fn buy(cloud: &Staged, number: usize, person: &str) -> anyhow::Result<(Duration, Value)> {
    let body = json!({
        "itemType": "course", "itemId": format!("course-{}", number % ITEMS), "userId": person,
        "amount": 999, "currency": "USD", "paymentMethod": "card",
    });
    send(cloud, "/api/purchases", &format!("{person}-{number}"), StatusCode::CREATED, &body).await
}

/// Purchases and refunds as fast as the API takes them.
async fn changes(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "operation",
        "count",
        "per second",
        "p50 ms",
        "p99 ms",
        "all folded after ms",
        "writes each",
        "revenue-updater, writes each",
        "reads each",
    ]);
    let mut bought = Vec::new();
    for what in ["purchases", "refunds"] {
        cloud.drained().await?;
        cloud.metered();
        let began = Instant::now();
        let answers: Vec<(Duration, Value)> = if what == "purchases" {
            let sent: Vec<_> = (0..options.interactions)
                .map(|number| async move { buy(cloud, number, &format!("person-{number}")).await })
                .collect();
            stream::iter(sent).buffer_unordered(options.connections).try_collect().await?
        } else {
            let ids: Vec<String> = std::mem::take(&mut bought);
            let sent: Vec<_> = ids
                .into_iter()
                .map(|id| async move {
                    let path = format!("/api/purchases/{id}/refund");
                    send(cloud, &path, &id, StatusCode::OK, &json!({})).await
                })
                .collect();
            stream::iter(sent).buffer_unordered(options.connections).try_collect().await?
        };
        let took = began.elapsed();
        cloud.drained().await?;
        let folded = began.elapsed() - took;
        let metered = cloud.metered();
        let each = |units: f64| format!("{:.2}", units / answers.len() as f64);
        let asked = used(&metered, &["CreatePurchase", "RefundPurchase"]);
        let ids = answers.iter().filter_map(|(_, body)| body.get("purchaseId")?.as_str().map(str::to_owned));
        bought.extend(ids);
        let mut latencies: Vec<Duration> = answers.iter().map(|(took, _)| *took).collect();
        latencies.sort_unstable();
        table.row([
            what.to_owned(),
            format!("{}", answers.len()),
            format!("{:.0}", answers.len() as f64 / took.as_secs_f64()),
            ms(percentile(&latencies, 50)),
            ms(percentile(&latencies, 99)),
            ms(folded),
            each(asked.write_units),
            each(used(&metered, &["RevenueUpdater"]).write_units),
            each(asked.read_units),
        ]);
    }
    Ok(table)
}

/// Asking for one thing and for many.
async fn ownership(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    for number in 0..TOGETHER / 2 {
        buy(cloud, number, "collector").await?;
    }
    cloud.drained().await?;
    let mut table = Table::new(["request", "p50 ms", "p99 ms", "read units", "per item"]);
    for (things, strong) in [(1, false), (1, true), (TOGETHER, false)] {
        let ids: Vec<String> = (0..things).map(|thing| format!("course-{thing}")).collect();
        let query = if strong { "&strong=true" } else { "" };
        let path = format!("/api/purchases/owned?userId=collector&itemType=course&itemId={}{query}", ids.join(","));
        let asked = cloud.ask(&path, options.requests, "CheckOwnership").await?;
        table.row([
            format!("{things}{}", if strong { ", reading its own writes" } else { "" }),
            ms(asked.p50),
            ms(asked.p99),
            format!("{:.1}", asked.read_units),
            format!("{:.2}", asked.read_units / things as f64),
        ]);
    }
    Ok(table)
}
