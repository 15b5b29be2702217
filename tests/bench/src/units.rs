//! Read and write units per event, from the ConsumedCapacity of every call that functions make.

use std::time::Duration;

use anyhow::ensure;
use bench::events::Tracks;
use bench::ingest::Load;
use bench::table::Table;
use local::capacity::{Meter, Metered as Call, Usage};
use system::clock::Clock;

use crate::cloud::Metered;

/// Measures three mixes of events, each on a cloud of its own.
pub(crate) async fn measure(clock: &dyn Clock, patience: Duration) -> anyhow::Result<Table> {
    let load = |events, batch, tracks| Load { name: "track".to_owned(), events, batch, connections: 16, tracks };
    let mixes = [
        ("1,000 events of one track, in one batch", load(1_000, 1_000, Tracks::InTurn(1))),
        ("1,000 events of as many tracks, in one batch", load(1_000, 1_000, Tracks::InTurn(1_000))),
        ("10,000 events of 1,000 tracks (Zipf), in batches of 50", load(10_000, 50, Tracks::Zipf(1_000))),
    ];
    let mut table = Table::new(["mix", "writes", "of them ingest-events", "counter-updater", "reads", "updater calls"]);
    for (name, load) in mixes {
        let cloud = Metered::start().await?;
        let done = load.run(&cloud.api()?, clock.now(), patience).await?;
        ensure!(done.caught_up.is_some(), "not all of {name} were counted within {patience:?}");
        settle(&cloud.meter).await;
        let usage: Vec<(Call, Usage)> = cloud.meter.snapshot().into_iter().collect();
        cloud.cloud.stop().await;

        let of = |function: &str, units: fn(&Usage) -> f64| {
            let matching = usage.iter().filter(|(call, _)| call.function.starts_with(function));
            matching.map(|(_, usage)| units(usage)).sum::<f64>()
        };
        let per_event = |units: f64| format!("{:.3}", units / load.events as f64);
        let (ingest, updater) = ("IngestEvents", "CounterUpdater");
        table.row([
            name.to_owned(),
            per_event(of(ingest, |usage| usage.write_units) + of(updater, |usage| usage.write_units)),
            per_event(of(ingest, |usage| usage.write_units)),
            per_event(of(updater, |usage| usage.write_units)),
            per_event(of(ingest, |usage| usage.read_units) + of(updater, |usage| usage.read_units)),
            format!("{}", of(updater, |usage| usage.calls as f64)),
        ]);
    }
    Ok(table)
}

/// Waits until nothing more is used: counters may be right before the last updater has ended.
async fn settle(meter: &Meter) {
    const QUIET: Duration = Duration::from_millis(500);
    let mut last = meter.snapshot();
    loop {
        tokio::time::sleep(QUIET).await;
        let now = meter.snapshot();
        if now == last {
            return;
        }
        last = now;
    }
}
