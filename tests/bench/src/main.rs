//! Prints what Tally costs and how fast it is; see `--help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks by printing")]

mod analytics;
mod boards;
mod cloud;
mod courses;
mod dashboard;
mod functions;
mod limits;
mod live;
mod monthly;
mod options;
mod packages;
mod purchases;
mod revenue;
mod rollups;
mod staged;
mod units;

use std::process::ExitCode;
use std::time::Duration;

use bench::events::Tracks;
use bench::ingest::Load;
use bench::lag::Probing;
use bench::table::{Table, ms};
use cloud::Apart;
use options::{Options, Part, Task};
use peak_alloc::PeakAlloc;
use system::clock::{Clock, SystemClock};

/// Counts what Rust allocates; SQLite allocates outside of it.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let done = match options::of_process() {
        Ok(Task::Help) => {
            print!("{}", options::HELP);
            Ok(())
        }
        Ok(Task::Serve(serve)) => cloud::serve(serve),
        Ok(Task::Measure(options)) => measure(&options),
        Err(error) => {
            eprintln!("bench: {error:#}\nSee --help.");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    // The load comes from one thread, so that most of the machine is left to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = SystemClock;
    // A cloud in this process may use all of it.
    let within = tokio::runtime::Runtime::new;
    for part in &options.parts {
        let tables = match part {
            Part::Ingest => vec![("Ingestion", runtime.block_on(ingest(options, &clock))?)],
            Part::Lag => {
                vec![("Lag, from the answer to the visible counter", runtime.block_on(lag(options, &clock))?)]
            }
            Part::Units => {
                let units = within()?.block_on(Box::pin(units::measure(&clock, options.patience)))?;
                vec![("Capacity units per event", units)]
            }
            Part::Rollups => within()?.block_on(Box::pin(rollups::measure(options)))?,
            Part::Analytics => {
                let table = within()?.block_on(Box::pin(analytics::measure(options)))?;
                vec![("Analytics after five years, every sketch full", table)]
            }
            Part::Dashboard => {
                let table = within()?.block_on(Box::pin(dashboard::measure(options)))?;
                vec![("The dashboard of an artist of 500 tracks", table)]
            }
            Part::Packages => within()?.block_on(Box::pin(packages::measure(options)))?,
            Part::Purchases => within()?.block_on(Box::pin(purchases::measure(options)))?,
            Part::Revenue => within()?.block_on(Box::pin(revenue::measure(options)))?,
            Part::Courses => within()?.block_on(Box::pin(courses::measure(options)))?,
            Part::Live => within()?.block_on(Box::pin(live::measure(options)))?,
            Part::Boards => within()?.block_on(Box::pin(boards::measure(options)))?,
            Part::Limits => {
                let table = runtime.block_on(limits::measure(options, &clock))?;
                vec![("A listener beside a bomb of one minute", table)]
            }
            Part::Bill => within()?.block_on(Box::pin(monthly::measure(options)))?,
            Part::Functions => vec![("Functions, as deployed", functions::measure(options.starts)?)],
        };
        for (title, table) in tables {
            println!("## {title}\n\n{table}");
        }
    }
    Ok(())
}

/// Events per second, one by one and in batches.
async fn ingest(options: &Options, clock: &dyn Clock) -> anyhow::Result<Table> {
    let mut table = Table::new(["batch", "events", "events/s", "p50 ms", "p99 ms", "counted after ms"]);
    for (batch, events) in [(1, options.singles), (50, options.events)] {
        let cloud = Apart::start()?;
        let api = cloud.api()?;
        let load = |name: &str, events| Load {
            name: name.to_owned(),
            events,
            batch,
            connections: options.connections,
            tracks: Tracks::Zipf(options.tracks),
        };
        load("warm-up", events.div_ceil(20)).run(&api, clock.now(), options.patience).await?;
        let done = load("track", events).run(&api, clock.now(), options.patience).await?;
        table.row([
            format!("{batch}"),
            format!("{events}"),
            format!("{:.0}", done.per_second),
            ms(done.p50),
            ms(done.p99),
            done.caught_up.map_or_else(|| format!("> {}", ms(options.patience)), ms),
        ]);
    }
    Ok(table)
}

/// Lag of tracks seen for the first time, and of one seen again and again.
async fn lag(options: &Options, clock: &dyn Clock) -> anyhow::Result<Table> {
    let mut table = Table::new(["track", "probes", "other events/s", "p50 ms", "p99 ms", "longest ms"]);
    let cloud = Apart::start()?;
    let api = cloud.api()?;
    for (name, fresh) in [("fresh", true), ("known", false)] {
        let probing = Probing {
            name: name.to_owned(),
            probes: options.probes,
            fresh,
            background: options.background,
            patience: options.patience.min(Duration::from_secs(30)),
        };
        let lag = probing.run(&api, clock).await?;
        table.row([
            name.to_owned(),
            format!("{}", options.probes),
            format!("{}", options.background),
            ms(lag.p50),
            ms(lag.p99),
            ms(lag.longest),
        ]);
    }
    Ok(table)
}
