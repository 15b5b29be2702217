//! The command line.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use lexopt::prelude::*;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Measures Tally on this machine, on its own local cloud in memory, and prints tables in Markdown.

Usage: cargo run --release -p bench -- [options]

  --bill             only the cost of a month on AWS, at three volumes of events
  --per-request N    events per request of the bill [10]
  --only LIST        comma-separated parts: bill, ingest, lag, units, rollups, analytics, dashboard,
                     packages, purchases, revenue, boards, courses, live, limits, functions
                     [all]; live includes pages if tests/live/install was run
  --events N         events of the ingestion in batches of 50 [100000]
  --singles N        events of the ingestion one by one [20000]
  --connections N    concurrent requests [16]
  --tracks N         played tracks, Zipf-distributed [1000]
  --probes N         events per row whose lag is measured; a third of them for stats that are
                     published once a second [300]
  --background N     events per second meanwhile [200]
  --day N            events of the closed day [200000]
  --catalogue N      tracks of that day, Zipf-distributed [2000]
  --requests N       requests per row of analytics, the dashboard, packages and boards [200]
  --interactions N   interactions with quizzes, purchases, views and sales of products, and
                     attendance records, as fast as the API accepts them [5000]
  --purchases N      purchases of a year in analytics [1000000]
  --sellers N        sellers on the board, and in Redis if redis-server is installed [1000000]
  --starts N         starts per function [21]
  --patience SECONDS the longest wait for counters [120]
  --help             print this
";

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Events per second, and the latency of requests.
    Ingest,
    /// The time from the answer to the visible counter.
    Lag,
    /// The cost of a month on AWS.
    Bill,
    /// Read and write units per event.
    Units,
    /// The cost of closing a day.
    Rollups,
    /// Latency and read units of analytics after five years.
    Analytics,
    /// The same of the dashboard of an artist of many tracks.
    Dashboard,
    /// The cost of interactions with quizzes, including the stats of packages.
    Packages,
    /// The cost of purchases.
    Purchases,
    /// The cost of analytics of many purchases.
    Revenue,
    /// The cost of updates and reads of boards.
    Boards,
    /// The cost of course stats and dashboards.
    Courses,
    /// The cost and delay of live updates.
    Live,
    /// The effect of a flood on other listeners.
    Limits,
    /// Size, start and memory of functions.
    Functions,
}

/// Every part, by its name on the command line.
const PARTS: [(&str, Part); 15] = [
    ("bill", Part::Bill),
    ("ingest", Part::Ingest),
    ("lag", Part::Lag),
    ("units", Part::Units),
    ("rollups", Part::Rollups),
    ("analytics", Part::Analytics),
    ("dashboard", Part::Dashboard),
    ("packages", Part::Packages),
    ("purchases", Part::Purchases),
    ("revenue", Part::Revenue),
    ("boards", Part::Boards),
    ("courses", Part::Courses),
    ("live", Part::Live),
    ("limits", Part::Limits),
    ("functions", Part::Functions),
];

/// The task of this process.
pub(crate) enum Task {
    /// Print the help.
    Help,
    /// Run the local cloud for another process of this program.
    Serve(Serve),
    /// Measure.
    Measure(Options),
}

/// The options of a measurement.
pub(crate) struct Options {
    pub(crate) parts: BTreeSet<Part>,
    pub(crate) events: usize,
    pub(crate) singles: usize,
    pub(crate) connections: usize,
    pub(crate) tracks: usize,
    pub(crate) probes: usize,
    pub(crate) background: u32,
    pub(crate) day: usize,
    pub(crate) catalogue: usize,
    pub(crate) requests: usize,
    pub(crate) interactions: usize,
    pub(crate) purchases: usize,
    pub(crate) sellers: usize,
    pub(crate) starts: usize,
    /// Events of one request, for the bill.
    pub(crate) per_request: usize,
    pub(crate) patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: PARTS.into_iter().map(|(_, part)| part).collect(),
            events: 100_000,
            singles: 20_000,
            connections: 16,
            tracks: 1_000,
            probes: 300,
            background: 200,
            day: 200_000,
            catalogue: 2_000,
            requests: 200,
            interactions: 5_000,
            purchases: 1_000_000,
            sellers: 1_000_000,
            starts: 21,
            per_request: 10,
            patience: Duration::from_secs(120),
        }
    }
}

/// The task of the command line.
pub(crate) fn of_process() -> anyhow::Result<Task> {
    let mut arguments = lexopt::Parser::from_env();
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("events") => options.events = number(&mut arguments)?,
            Long("singles") => options.singles = number(&mut arguments)?,
            Long("connections") => options.connections = number(&mut arguments)?,
            Long("tracks") => options.tracks = number(&mut arguments)?,
            Long("probes") => options.probes = number(&mut arguments)?,
            Long("background") => options.background = number(&mut arguments)?.try_into()?,
            Long("day") => options.day = number(&mut arguments)?,
            Long("catalogue") => options.catalogue = number(&mut arguments)?,
            Long("requests") => options.requests = number(&mut arguments)?,
            Long("interactions") => options.interactions = number(&mut arguments)?,
            Long("purchases") => options.purchases = number(&mut arguments)?,
            Long("sellers") => options.sellers = number(&mut arguments)?,
            Long("starts") => options.starts = number(&mut arguments)?,
            Long("patience") => options.patience = Duration::from_secs(number(&mut arguments)? as u64),
            Long("bill") => options.parts = BTreeSet::from([Part::Bill]),
            Long("per-request") => options.per_request = number(&mut arguments)?,
            Long("only") => options.parts = parts(&arguments.value()?.string()?)?,
            Long("help") | Short('h') => return Ok(Task::Help),
            Value(word) if word == Serve::WithoutLimits.word() => return Ok(Task::Serve(Serve::WithoutLimits)),
            Value(word) if word == Serve::WithQuotas.word() => return Ok(Task::Serve(Serve::WithQuotas)),
            other => return Err(other.unexpected().into()),
        }
    }
    let positive = [
        options.events,
        options.singles,
        options.connections,
        options.tracks,
        options.probes,
        options.day,
        options.catalogue,
        options.requests,
        options.interactions,
        options.purchases,
        options.sellers,
        options.starts,
        options.per_request,
    ];
    ensure!(positive.iter().all(|&number| number > 0), "every number must be at least 1");
    Ok(Task::Measure(options))
}

fn number(arguments: &mut lexopt::Parser) -> anyhow::Result<usize> {
    Ok(arguments.value()?.parse()?)
}

/// Which local cloud this program may be for another process of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serve {
    /// Without quotas and throttles.
    WithoutLimits,
    /// With the quotas of a deployment, without throttles.
    WithQuotas,
}

impl Serve {
    /// The word that makes this program one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::WithoutLimits => "serve",
            Self::WithQuotas => "serve-with-quotas",
        }
    }
}

fn parts(list: &str) -> anyhow::Result<BTreeSet<Part>> {
    let part = |name| match PARTS.into_iter().find(|(known, _)| *known == name) {
        Some((_, part)) => Ok(part),
        None => bail!("{name:?} is none of {}", PARTS.map(|(known, _)| known).join(", ")),
    };
    list.split(',').map(|name| part(name.trim())).collect::<anyhow::Result<_>>().context("--only")
}
