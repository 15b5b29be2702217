//! A bomb, many events with one timestamp from many connections, against an ordinary listener beside it.

use std::time::{Duration, Instant};

use bench::events;
use bench::lag::Probing;
use bench::table::{Table, ms};
use futures::future;
use futures::stream::{self, StreamExt, TryStreamExt};
use replay::api::Api;
use system::clock::Clock;

use crate::cloud::Apart;
use crate::options::{Options, Serve};

/// Events of one request of the bomb.
const BATCH: usize = 1_000;
/// The polling interval of the flooded track.
const INTERVAL: Duration = Duration::from_millis(50);

/// The lag of a listener's events while others flood one bucket of one track, with and without quotas.
pub(crate) async fn measure(options: &Options, clock: &dyn Clock) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "quotas",
        "bomb's events",
        "taken",
        "listener's events",
        "p50 ms",
        "p99 ms",
        "longest ms",
        "bomb counted after ms",
    ]);
    for (name, serve) in [("none", Serve::WithoutLimits), ("as deployed", Serve::WithQuotas)] {
        let cloud = Apart::start_as(serve)?;
        let api = cloud.api()?;
        let listener = Probing {
            name: "listener".to_owned(),
            probes: options.probes.div_ceil(10),
            fresh: true,
            background: 0,
            patience: options.patience,
        };
        let (taken, lag) = future::try_join(bomb(options, &api, clock), listener.run(&api, clock)).await?;
        let counted = counted(&api, taken, options.patience).await?;
        table.row([
            name.to_owned(),
            format!("{}", options.events),
            format!("{taken}"),
            format!("{}", listener.probes),
            ms(lag.p50),
            ms(lag.p99),
            ms(lag.longest),
            counted.map_or_else(|| format!("> {}", ms(options.patience)), ms),
        ]);
    }
    Ok(table)
}

/// Floods the bucket and returns how many events were accepted.
async fn bomb(options: &Options, api: &Api, clock: &dyn Clock) -> anyhow::Result<u64> {
    let at = clock.now();
    let requests = options.events.div_ceil(BATCH);
    let send = |request: usize| async move {
        let plays = (0..BATCH).map(|number| events::play(&format!("bomb-{request}-{number}"), "bomb", 0, at));
        let receipt = api.post_events(events::body(&plays.collect::<Vec<_>>())).await?;
        anyhow::Ok(receipt.accepted)
    };
    let taken: Vec<u64> =
        stream::iter(0..requests).map(send).buffer_unordered(options.connections).try_collect().await?;
    Ok(taken.into_iter().sum())
}

/// The time until all accepted events of the flood are counted; `None` after the deadline.
async fn counted(api: &Api, taken: u64, patience: Duration) -> anyhow::Result<Option<Duration>> {
    let began = Instant::now();
    loop {
        let found = api.track("bomb").await?.map_or(0, |track| track.counters.total_plays);
        if found >= taken {
            return Ok(Some(began.elapsed()));
        }
        if began.elapsed() > patience {
            return Ok(None);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
