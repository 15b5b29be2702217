//! Top items of several months, with more items than one read returns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::calendar::{Calendar, Level, Period};
use domain::purchase::Item;
use domain::revenue_totals::Ranking;
use domain::time::{Minute, Time};
use serde_json::json;
use store::{RevenueProjector, RevenueReader};
use tokio::time::Instant;

use super::driver::stage;
use crate::support::stage::paused;

const MONTHS: [&str; 3] = ["2026-01", "2026-02", "2026-03"];

/// What each thing brought in in each month, as purchases; in cents it is as much, or as much less than nothing.
type Sales = BTreeMap<String, [i64; 3]>;

/// Some things are far ahead in one month or in two and nowhere else, and there are more of them than are read of a list at
/// once; those that are ahead in all months together may be behind them in each.
fn sales(random: &mut fastrand::Rng) -> Sales {
    let mut sales = Sales::new();
    let mut add = |name: String, of: [i64; 3]| sales.insert(name, of.map(|value| value.max(0)));
    for month in 0..MONTHS.len() {
        for number in 0..random.usize(0..220) {
            let mut of = [0; 3];
            of[month] = random.i64(200..320);
            add(format!("once-{month}-{number}"), of);
        }
        for number in 0..random.usize(0..150) {
            let mut of = [random.i64(150..260), random.i64(150..260), random.i64(150..260)];
            of[month] = random.i64(0..60);
            add(format!("twice-{month}-{number}"), of);
        }
    }
    let level = random.i64(90..200);
    for number in 0..random.usize(1..60) {
        add(format!("always-{number}"), [0; 3].map(|_| level + random.i64(-20..20)));
    }
    sales
}

async fn compare(seed: u64) {
    let (stage, mut random) = (stage(), fastrand::Rng::with_seed(seed));
    let sales = sales(&mut random);
    let mut minutes: BTreeMap<Item, BTreeSet<Minute>> = BTreeMap::new();
    for (name, of) in &sales {
        let item: Item = serde_json::from_value(json!({"itemType": "course", "itemId": name})).unwrap();
        for (month, value) in MONTHS.iter().zip(of) {
            let word = if name.ends_with('3') { "refunded" } else { "gross" };
            stage.call("PutItem", &json!({"TableName": "Stats", "Item": {
                "pk": {"S": format!("SALES#COURSE#{name}")}, "sk": {"S": format!("M#{month}")}, "version": {"S": "v"},
                "purchases#USD@card": {"N": value.to_string()}, format!("{word}#USD@card"): {"N": value.to_string()},
            }}));
            let noon: Time = format!("{month}-10T12:00:00Z").parse().unwrap();
            minutes.entry(item.clone()).or_default().insert(noon.minute());
        }
    }
    let boot = stage.boot("updater", None, "UTC");
    let deadline = Instant::now() + Duration::from_secs(600);
    let updates = boot.open(|setup| RevenueProjector::open(setup)).unwrap();
    assert!(updates.refresh(&minutes, deadline).await.is_empty());

    let reading = boot.open(|setup| RevenueReader::open(setup)).unwrap();
    let periods = MONTHS.map(|month| Calendar::default().parse(Level::Month, month).unwrap());
    let usd = Ranking::Net("USD".parse().unwrap());
    for (by, skipped) in [(Ranking::Purchases, 0), (Ranking::Purchases, 1), (Ranking::Purchases, 2), (usd, 0), (usd, 1)]
    {
        let value = |name: &str| {
            let sum: i64 = sales[name][skipped..].iter().sum();
            if by == usd && name.ends_with('3') { -sum } else { sum }
        };
        let mut expected: Vec<i64> = sales.keys().map(|name| value(name)).filter(|value| *value > 0).collect();
        expected.sort_unstable_by_key(|value| Reverse(*value));
        expected.truncate(10);
        let periods: &[Period] = &periods[skipped..];
        let top = reading.top(periods, by, 10, deadline).await.unwrap();
        let told: Vec<i64> = top.items.iter().map(|(item, _)| value(item.id.as_str())).collect();
        assert_eq!((told, top.is_exact), (expected, true), "seed {seed}: {by:?} of {periods:?}");
        assert!(top.items.iter().all(|(item, by_key)| by_key.rank(by) == value(item.id.as_str())));
    }
}

#[test]
fn top_items_of_several_months_match_full_count() {
    for seed in 0..16 {
        paused(compare(seed));
    }
}
