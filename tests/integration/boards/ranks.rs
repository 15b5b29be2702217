//! Ranks among many sellers, most of whom have equal values.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use domain::board::{Entrant, Metric, Season};
use domain::time::Time;
use runtime::context::FunctionContext;
use serde_json::json;
use store::{BoardProjector, Boards};
use tokio::time::Instant;

use super::actions::BEGIN;
use crate::support::stage::{Stage, paused};

const SELLERS: usize = 2_000;
const ASKED: usize = 50;
const MOST: u64 = 1_000_000_000_000;

/// What a seller has, and since when.
type Having = BTreeMap<String, (u64, Time)>;

/// A value: one of few, any of many, or next to where another digit begins.
fn value(random: &mut fastrand::Rng) -> u64 {
    match random.u8(0..100) {
        0..5 => 0,
        5..45 => random.u64(1..40),
        45..60 => MOST - random.u64(0..3),
        60..75 => (1_u64 << (6 * random.u32(1..7))) - 1 + random.u64(0..3),
        _ => {
            let bits = random.u32(1..39);
            random.u64(1..=1 << bits)
        }
    }
}

/// Gives a seller so much, as numbers that were counted some time after the beginning.
fn give(stage: &Stage, having: &mut Having, random: &mut fastrand::Rng, seller: String, version: &str) {
    let value = value(random);
    let counted: Time = BEGIN.parse::<Time>().unwrap().plus(TimeDelta::seconds(random.i64(0..3)));
    stage.call(
        "PutItem",
        &json!({"TableName": "Stats", "Item": {
            "pk": {"S": format!("SELLER#{seller}")}, "sk": {"S": "T"}, "version": {"S": version},
            "asOf": {"S": counted}, "revenue#USD": {"N": value.to_string()},
        }}),
    );
    let now = having.entry(seller).or_insert((value, counted));
    if now.0 != value {
        *now = (value, counted);
    }
}

#[test]
fn ranks_match_full_count() {
    paused(async {
        let stage = Stage::new(BEGIN.parse().unwrap());
        let variables = [("STATS_TABLE", "Stats"), ("BOARD_SHARDS", "3")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let boot = FunctionContext { environment, ..stage.boot("updater", None, "UTC") };
        let updates = boot.open(|setup| BoardProjector::open(setup)).unwrap();
        let boards = boot.open(|setup| Boards::open(setup)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(3_600);
        let mut random = fastrand::Rng::with_seed(7);
        let mut having = Having::new();

        // All of them, then some of them again.
        let all = (0..SELLERS).collect();
        let some = (0..SELLERS / 10).map(|_| random.usize(0..SELLERS)).collect();
        for (version, sellers) in [("v1", all), ("v2", some)] {
            let sellers: BTreeSet<usize> = sellers;
            let mut follow: BTreeSet<(Entrant, Season)> = BTreeSet::new();
            for seller in sellers {
                let seller = format!("seller-{seller}");
                follow.insert((Entrant::Seller(seller.parse().unwrap()), Season::All));
                give(&stage, &mut having, &mut random, seller, version);
            }
            assert!(updates.refresh(&follow, deadline).await.is_empty());
        }

        let mut ordered: Vec<(u64, Time, String)> =
            having.iter().map(|(seller, (value, since))| (*value, *since, seller.clone())).collect();
        ordered.retain(|(value, _, _)| *value > 0);
        ordered.sort_by_key(|(value, since, seller)| (Reverse(*value), *since, seller.clone()));
        let rank = |value: u64| 1 + ordered.iter().filter(|(other, _, _)| *other > value).count() as u64;
        let entry = |(value, _, seller): &(u64, Time, String)| (rank(*value), seller.clone(), *value);
        let told = |entries: Vec<store::Ranked>| -> Vec<(u64, String, u64)> {
            entries.into_iter().map(|entry| (entry.rank, entry.seller.to_string(), entry.value)).collect()
        };
        let (metric, season) = (Metric::Revenue("USD".parse().unwrap()), Season::All);

        for _ in 0..ASKED {
            let seller = format!("seller-{}", random.usize(0..SELLERS));
            let count = random.usize(1..20);
            let around = boards.around(metric, season, &seller.parse().unwrap(), count, deadline).await.unwrap();
            let at = ordered.iter().position(|(_, _, other)| *other == seller);
            let near = at.map(|at| &ordered[at.saturating_sub(count)..ordered.len().min(at + count + 1)]);
            let near = near.map(|near| near.iter().map(entry).collect::<Vec<_>>());
            assert_eq!(around.map(|around| told(around.entries)), near, "{count} around {seller}");
        }
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = boards.page(metric, season, after.as_deref(), 97, deadline).await.unwrap();
            pages.extend(told(page.entries));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, ordered.iter().map(entry).collect::<Vec<_>>());
    });
}
