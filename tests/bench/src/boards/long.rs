//! The cost of reading a long board.

use std::collections::BTreeMap;

use anyhow::ensure;
use bench::table::{Table, ms};
use chrono::{DateTime, TimeDelta, Utc};
use domain::board::{self, Board, Entrant, Metric, Season};
use domain::id::UserId;
use domain::time::Time;
use serde_json::{Value, json};
use store::Shards;
use store::keys::{self, Key};

use super::{divided, entries, number, value_of};
use crate::options::Options;
use crate::staged::{Item, Staged, item};

/// Into how many shards the board is divided: as deployed by default, and where it is hot.
const SHARDS: [u32; 4] = [2, 5, 8, 16];

/// Sellers per bulk write.
const MADE: usize = 50_000;

/// The number of sellers with at least this value: a few have much, half of them almost nothing.
pub(super) fn value(sellers: usize, place: usize) -> u64 {
    (sellers / place.max(1)).max(1) as u64
}

/// The seller at a place from the top, from 1; an id as long as those of identity providers.
pub(super) fn seller(place: usize) -> String {
    format!("{SELLER}{place:012}")
}

/// The prefix of seller ids.
pub(super) const SELLER: &str = "0199e6a0-0000-7000-8000-";

/// The places to read: at the top, in the middle, and among many with equal values.
pub(super) fn places(sellers: usize) -> [usize; 3] {
    [10.min(sellers), (sellers / 100).max(1), (sellers - sellers / 10).max(1)]
}

pub(super) async fn measure(options: &Options, now: DateTime<Utc>) -> anyhow::Result<Table> {
    let columns = ["sellers", "BoardShards", "request", "p50 ms", "p99 ms", "read units", "DynamoDB calls"];
    let mut table = Table::new(columns);
    let sellers = options.sellers;
    for shards in SHARDS {
        let cloud = Staged::start_as(divided(shards), now, options.patience).await?;
        fill(&cloud, sellers, shards, now)?;
        check(&cloud, sellers).await?;
        let mut requests = vec![("the first 100".to_owned(), "limit=100".to_owned())];
        for place in places(sellers) {
            let around = format!("around={}", seller(place));
            requests.push((format!("around place {place}, 5 on each side"), around.clone()));
            requests.push((format!("around place {place}, 1 on each side"), format!("{around}&limit=1")));
        }
        for (what, query) in requests {
            let path = format!("/api/leaderboard?period=all&metric=sales&{query}");
            let asked = cloud.ask(&path, options.requests, "GetLeaderboard").await?;
            table.row([
                format!("{sellers}"),
                format!("{shards}"),
                what,
                ms(asked.p50),
                ms(asked.p99),
                format!("{:.1}", asked.read_units),
                format!("{:.0}", asked.calls),
            ]);
        }
        cloud.stop().await;
    }
    Ok(table)
}

/// Writes what the updater would have: what the sellers have on the board, their places there, and the counts.
fn fill(cloud: &Staged, sellers: usize, shards: u32, now: DateTime<Utc>) -> anyhow::Result<()> {
    let divided: Shards = shards.to_string().parse().map_err(anyhow::Error::msg)?;
    let (metric, season) = (Metric::Sales, Season::All);
    let board = Board::Sellers(metric, season);
    let mut counts: BTreeMap<Key, BTreeMap<u8, u64>> = BTreeMap::new();
    let mut items: Vec<Item> = Vec::with_capacity(2 * MADE);
    for place in 1..=sellers {
        let (seller, value): (UserId, u64) = (seller(place).parse()?, value(sellers, place));
        let (shard, reached) = (divided.of(seller.as_str()), Time::from(now - TimeDelta::minutes(place as i64)));
        let mut has = json!({"version": "v", "of": "v", "sales": value});
        if let Some(has) = has.as_object_mut() {
            has.insert(format!("reached#{metric}"), json!(reached));
        }
        items.push(item(&keys::on_boards(&Entrant::Seller(seller.clone()), &season), &has));
        let listed = Key { pk: keys::board(&board, shard), sk: keys::place(value, reached, seller.as_str()) };
        items.push(item(&listed, &json!({})));
        for (node, digit) in board::path(value) {
            *counts.entry(keys::counted(&board, shard, &node)).or_default().entry(digit).or_default() += 1;
        }
        if items.len() >= 2 * MADE {
            cloud.write("StatsTable", &items)?;
            items.clear();
        }
    }
    items.extend(counts.iter().map(|(key, counts)| {
        let counts = counts.iter().map(|(digit, count)| (format!("{digit:02}"), json!(count)));
        let said = [("version".to_owned(), json!("v")), ("asOf".to_owned(), json!(Time::from(now)))];
        item(key, &Value::Object(counts.chain(said).collect()))
    }));
    cloud.write("StatsTable", &items)
}

/// That the board is what the updater would have made: the first hundred, and ranks.
async fn check(cloud: &Staged, sellers: usize) -> anyhow::Result<()> {
    let anybody = cloud.anybody()?;
    let first = entries(&anybody, "period=all&metric=sales&limit=100").await?;
    ensure!(first.len() == sellers.min(100), "the first page has {} entries", first.len());
    let told: Vec<u64> = first.iter().map(|entry| number(entry, "value")).collect();
    let expected: Vec<u64> = (1..=first.len()).map(|place| value(sellers, place)).collect();
    ensure!(told == expected, "the first have {told:?}");
    for place in places(sellers) {
        let (seller, expected) = (seller(place), value(sellers, place));
        let near = entries(&anybody, &format!("period=all&metric=sales&around={seller}")).await?;
        ensure!(value_of(&near, &seller) == expected, "{seller} has {}", value_of(&near, &seller));
        let is_theirs = |entry: &&Value| entry.get("sellerId").and_then(Value::as_str) == Some(seller.as_str());
        let rank = near.iter().find(is_theirs).map_or(0, |entry| number(entry, "rank"));
        // So many have at least one more.
        let ahead = sellers as u64 / (expected + 1);
        ensure!(rank == ahead + 1, "{seller} is at {rank}, behind {ahead}");
    }
    Ok(())
}
