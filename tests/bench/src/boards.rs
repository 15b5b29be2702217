//! The cost of boards: of hot updates, and of reads of long boards.

mod activity;
mod hot;
mod long;
mod redis;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use bench::table::Table;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use local::cloud;
use replay::api::Api;
use serde_json::Value;

use crate::options::Options;

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let mut tables = Box::pin(activity::measure(options, now)).await?;
    tables.push(("A hot board: one month, every change another seller's", Box::pin(hot::measure(options, now)).await?));
    tables.push(("Reading a board of all times", Box::pin(long::measure(options, now)).await?));
    tables.push(("Redis on this machine, with the same sellers and values", redis::measure(options)?));
    Ok(tables)
}

/// A cloud whose boards are divided into so many shards.
fn divided(shards: u32) -> cloud::Options {
    let parameters = BTreeMap::from([("BoardShards".to_owned(), shards.to_string())]);
    cloud::Options { parameters, ..cloud::Options::of_workspace() }.without_limits()
}

/// The entries of a board; none if the seller of `around` is not on it.
async fn entries(api: &Api, query: &str) -> anyhow::Result<Vec<Value>> {
    let path = format!("/api/leaderboard?{query}");
    let answer = api.send(Method::GET, &path, Bytes::new()).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(Vec::new());
    }
    let said = || String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status == StatusCode::OK, "{path}: {} {}", answer.status, said());
    let mut board: Value = serde_json::from_slice(&answer.body)?;
    let entries = board.get_mut("entries").and_then(Value::as_array_mut).context("no entries")?;
    Ok(std::mem::take(entries))
}

/// A number of an entry.
fn number(entry: &Value, name: &str) -> u64 {
    entry.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The value of a seller in these entries.
fn value_of(entries: &[Value], seller: &str) -> u64 {
    let theirs = entries.iter().find(|entry| entry.get("sellerId").and_then(Value::as_str) == Some(seller));
    theirs.map_or(0, |entry| number(entry, "value"))
}
