//! The maximum rate of changes of one board.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bench::table::Table;
use chrono::{DateTime, TimeDelta, Utc};
use domain::money::Currency;
use domain::product::{ProductEvent, ProductFact};
use domain::time::Time;
use futures::future::BoxFuture;
use local::cloud;
use local::wire::{Call, Fault, Faults};
use serde_json::{Value, json};
use store::keys;

use super::divided;
use crate::options::Options;
use crate::staged::{Item, Staged, item, used};

/// Into how many shards the board is divided.
const SHARDS: [u32; 5] = [1, 2, 5, 8, 16];

/// Sales per seller.
const ROUNDS: usize = 5;

/// The write units per second of a partition
/// ([partition keys](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html)).
const UNITS: f64 = 1_000.0;

/// The write units of an item in a transaction: all items here are smaller than a kilobyte.
const WRITTEN: f64 = 2.0;

/// For how long a transaction keeps others from the items that it writes, where it does.
const HELD: Duration = Duration::from_millis(10);

pub(super) async fn measure(options: &Options, now: DateTime<Utc>) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "BoardShards",
        "changes",
        "per second, here",
        "leaderboard-updater, writes each",
        "of these the busiest partition, sales",
        "revenue",
        "per second at 1,000 units, sales",
        "revenue",
        "per second here, items locked 10 ms",
        "conflicts each",
    ]);
    for shards in SHARDS {
        let free = changes(options, options.interactions, now, shards, Duration::ZERO).await?;
        // It takes long, and fewer tell it.
        let held = changes(options, options.interactions.div_ceil(5), now, shards, HELD).await?;
        let (sales, revenue) = (free.busiest("SALES"), free.busiest("REVENUE.USD"));
        table.row([
            format!("{shards}"),
            format!("{}", free.count),
            format!("{:.0}", free.per_second()),
            format!("{:.1}", free.writes),
            format!("{sales:.2}"),
            format!("{revenue:.2}"),
            format!("{:.0}", UNITS / sales),
            format!("{:.0}", UNITS / revenue),
            format!("{:.0}", held.per_second()),
            format!("{:.2}", held.transactions.conflicts as f64 / held.count as f64),
        ]);
    }
    Ok(table)
}

/// The cost of changes of a board.
struct Changes {
    count: usize,
    took: Duration,
    /// Write units of each, all in all.
    writes: f64,
    transactions: Seen,
}

impl Changes {
    fn per_second(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }

    /// The units of a change in the partition of a month's board, or of its counts, that takes most of them.
    fn busiest(&self, metric: &str) -> f64 {
        let prefixes = ["BOARD", "RANKS"].map(|of| format!("{of}#{metric}#2026-11#"));
        let theirs = self.transactions.units.iter().filter(|(pk, _)| prefixes.iter().any(|of| pk.starts_with(of)));
        theirs.map(|(_, units)| units / self.count as f64).fold(0.0, f64::max)
    }
}

/// Has sellers sell one thing each, again and again.
async fn changes(
    options: &Options,
    count: usize,
    now: DateTime<Utc>,
    shards: u32,
    held: Duration,
) -> anyhow::Result<Changes> {
    let transactions = Arc::new(Transactions { lasts: held, seen: Mutex::default() });
    let faults = Some(Arc::clone(&transactions) as Arc<dyn Faults>);
    let cloud = Staged::start_as(cloud::Options { faults, ..divided(shards) }, now, options.patience).await?;
    let sellers = count.div_ceil(ROUNDS);
    let currency: Currency = "USD".parse()?;
    let (mut took, mut writes) = (Duration::ZERO, 0.0);
    for round in 0..=ROUNDS {
        let at = now - TimeDelta::minutes((2 * ROUNDS - round) as i64);
        let sales = (0..sellers).map(|seller| sale(seller, round, at, currency));
        let sales: Vec<Item> = sales.collect::<anyhow::Result<_>>()?;
        cloud.metered();
        let began = Instant::now();
        cloud.write("InteractionsTable", &sales)?;
        cloud.drained().await?;
        if round == 0 {
            // It brings them onto the board; those that follow move them there.
            transactions.taken();
        } else {
            took += began.elapsed();
            writes += used(&cloud.metered(), &["LeaderboardUpdater"]).write_units;
        }
    }
    cloud.stop().await;
    let count = sellers * ROUNDS;
    Ok(Changes { count, took, writes: writes / count as f64, transactions: transactions.taken() })
}

/// The fact of a sale.
fn sale(seller: usize, round: usize, at: DateTime<Utc>, currency: Currency) -> anyhow::Result<Item> {
    let at = Time::from(at + TimeDelta::milliseconds((seller % 30_000) as i64));
    let key = keys::product_sale(&format!("product-{seller}").parse()?, at, "sale", &format!("sale-{round}").parse()?);
    let price = 500 + fastrand::u64(0..50_000);
    let fact = ProductFact {
        seller: format!("seller-{seller}").parse()?,
        what: ProductEvent::Sale { on: true, price, currency },
    };
    Ok(item(&key, &json!(fact)))
}

/// The transactions of the updater, which may keep others from what they write.
struct Transactions {
    lasts: Duration,
    seen: Mutex<Seen>,
}

/// The observed transactions.
#[derive(Default)]
struct Seen {
    /// Their write units, by partition.
    units: BTreeMap<String, f64>,
    conflicts: usize,
    /// The items that are being written.
    held: BTreeSet<(String, String)>,
}

impl Transactions {
    fn with<T>(&self, what: impl FnOnce(&mut Seen) -> T) -> T {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The transactions since the last call.
    fn taken(&self) -> Seen {
        self.with(std::mem::take)
    }
}

/// The keys that a transaction of the updater writes; none of any other call.
fn written(call: &Call) -> Vec<(String, String)> {
    if call.operation != "TransactWriteItems" || !call.function.starts_with("LeaderboardUpdater") {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
    let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
    let actions = items.filter_map(|item| item.as_object()?.values().next());
    let keys = actions.filter_map(|action| {
        let key = action.get("Key").or_else(|| action.get("Item"))?;
        let part = |name| key.get(name)?.get("S")?.as_str().map(str::to_owned);
        Some((part(keys::PK)?, part(keys::SK)?))
    });
    keys.collect()
}

impl Faults for Transactions {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        Box::pin(async move {
            let keys = written(call);
            if keys.is_empty() || self.lasts.is_zero() {
                return Fault::None;
            }
            let may = self.with(|seen| {
                let may = keys.iter().all(|key| !seen.held.contains(key));
                if may {
                    seen.held.extend(keys)
                } else {
                    seen.conflicts += 1
                }
                may
            });
            // A conflict is reported after the same delay.
            tokio::time::sleep(self.lasts).await;
            if may { Fault::None } else { Fault::TransactionConflict }
        })
    }

    fn after<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.with(|seen| {
                for key in written(call) {
                    seen.held.remove(&key);
                    *seen.units.entry(key.0).or_default() += WRITTEN;
                }
            });
        })
    }
}
