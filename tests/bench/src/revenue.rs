//! The cost of analytics of many purchases.

use std::time::Instant;

use bench::events::{Draw, Tracks};
use bench::table::{Table, ms};
use chrono::{DateTime, TimeDelta, Utc};
use domain::purchase::{Buyer, Purchase};
use domain::sale::SaleFact;
use domain::time::Time;
use serde_json::json;
use store::keys;

use crate::options::Options;
use crate::staged::{Item, Staged, item, used};

/// The present: a month has just ended.
const NOW: &str = "2026-12-01T06:00:00Z";

/// Over how many days purchases lie, and how many things are bought, Zipf-distributed.
const DAYS: usize = 365;
const CATALOGUE: usize = 1_000;

/// Purchases of a thing in one minute, and how many of them are one buyer's: what is new is bought by many at once.
const TOGETHER: usize = 50;
const OF_A_BUYER: usize = 10;

/// Items per bulk write.
const WRITTEN: usize = 100_000;

const ASKED: [(&str, &str); 5] = [
    ("12 months", "from=2025-12-01&to=2026-11-30"),
    ("12 months by day", "from=2025-12-01&to=2026-11-30&interval=day"),
    ("12 months that begin in the middle of one", "from=2025-12-15&to=2026-11-30"),
    ("30 days", "from=2026-11-01&to=2026-11-30&interval=day"),
    ("a day", "from=2026-11-20&to=2026-11-20&interval=day"),
];

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let cloud = Staged::start(now, options.patience.saturating_mul(20)).await?;
    let mut made =
        Table::new(["purchases", "folded after s", "per second", "revenue-updater, writes each", "reads each"]);
    let mut told = Table::new(["purchases", "analytics of", "p50 ms", "p99 ms", "read units", "DynamoDB calls"]);
    let mut drops = Drops { now, things: Tracks::Zipf(CATALOGUE).draw(), next: 0 };
    let mut there = 0;
    for purchases in [options.purchases.div_ceil(100), options.purchases.div_ceil(10), options.purchases] {
        let (more, began) = (purchases - there, Instant::now());
        cloud.metered();
        let mut left = more.div_ceil(TOGETHER);
        while left > 0 {
            let now = left.min(WRITTEN / TOGETHER);
            cloud.write("PurchasesTable", &(0..now).flat_map(|_| drops.one()).collect::<Vec<_>>())?;
            left -= now;
            cloud.drained().await?;
        }
        there = purchases;
        let (took, updater) = (began.elapsed().as_secs_f64(), used(&cloud.metered(), &["RevenueUpdater"]));
        let each = |units: f64| format!("{:.2}", units / more as f64);
        made.row([
            format!("{more}"),
            format!("{took:.0}"),
            format!("{:.0}", more as f64 / took),
            each(updater.write_units),
            each(updater.read_units),
        ]);
        for (what, query) in ASKED {
            let path = format!("/api/purchases/analytics?{query}");
            let asked = cloud.ask(&path, options.requests, "GetPurchaseAnalytics").await?;
            told.row([
                format!("{purchases}"),
                what.to_owned(),
                ms(asked.p50),
                ms(asked.p99),
                format!("{:.1}", asked.read_units),
                format!("{:.0}", asked.calls),
            ]);
        }
    }
    cloud.stop().await;
    Ok(vec![("Folding purchases, fifty of a thing in a minute", made), ("Analytics of purchases", told)])
}

/// Makes purchases: of one thing at a time, many in a minute.
struct Drops {
    now: DateTime<Utc>,
    things: Draw,
    next: usize,
}

impl Drops {
    /// The items of the next one in the ledger: a sale, and the entry among the buyer's, of each purchase.
    fn one(&mut self) -> Vec<Item> {
        let number = self.next;
        self.next += 1;
        // A step that shares no divisor with the number of days: every day comes as often.
        let day = (number * 151) % DAYS;
        let at = self.now - TimeDelta::days(day as i64 + 1) + TimeDelta::minutes((number * 7 % 1_000) as i64);
        let thing = format!("course-{}", self.things.next().unwrap_or_default());
        let mut items = Vec::new();
        for place in 0..TOGETHER {
            let id = format!("p-{number}-{place}");
            // Each buys in two of the drops, some months apart.
            let buyer = format!("u:b-{}-{}", number / 2, place / OF_A_BUYER);
            items.extend(purchase(&id, &buyer, &thing, at + TimeDelta::milliseconds(place as i64)));
        }
        items
    }
}

fn purchase(id: &str, buyer: &str, thing: &str, at: DateTime<Utc>) -> Vec<Item> {
    let at = Time::from(at);
    let method = if id.ends_with('7') { "paypal" } else { "card" };
    let read = serde_json::from_value::<Purchase>(json!({
        "id": id, "buyer": buyer, "itemType": "course", "itemId": thing, "quantity": 1,
        "paid": {"listed": 1_999, "discount": 0, "refunded": 0, "currency": "USD"}, "paymentMethod": method,
        "status": "completed", "purchasedAt": at, "completedAt": at,
    }));
    let Ok(purchase) = read else { return Vec::new() };
    let among = |buyer: &Buyer| keys::purchase_of(buyer, at, &purchase.id);
    let sale = keys::sale(&purchase.item, at, "sale", id);
    vec![item(&sale, &json!(SaleFact::sale(&purchase))), item(&among(&purchase.buyer), &json!(purchase))]
}
