//! The command line.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use lexopt::prelude::*;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Measures Tally on this machine, over a local cloud of its own that keeps nothing, and prints
tables in Markdown.

Usage: cargo run --release -p bench -- [options]

  --bill             only what a month costs on AWS, at three volumes of events
  --per-request N    events of a request, for the bill [10]
  --only LIST        of bill, ingest, lag, units, rollups, analytics, dashboard, packages, purchases,
                     revenue, boards, classroom, live, limits, functions,
                     with commas between [all]; live tells pages, too, where tests/live/install
                     was run
  --events N         events of the ingestion in batches of 50 [100000]
  --singles N        events of the ingestion one by one [20000]
  --connections N    requests at the same time [16]
  --tracks N         tracks that are played, Zipf-distributed [1000]
  --probes N         events whose lag is measured, per row; a third of them of numbers that pages
                     are told once a second [300]
  --background N     events per second meanwhile [200]
  --day N            events of the day that is rolled up [200000]
  --catalogue N      tracks of that day, Zipf-distributed [2000]
  --requests N       requests per row of analytics, the dashboard, packages and boards [200]
  --interactions N   interactions with quizzes, purchases, views and sales of products, and notes of
                     attendance, as fast as they are taken [5000]
  --purchases N      purchases over a year, of which analytics are asked [1000000]
  --sellers N        sellers on the board that is read, and in Redis where redis-server is
                     installed [1000000]
  --starts N         starts per function [21]
  --patience SECONDS the longest wait for counters [120]
  --help             print this
";

/// A table to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Events per second, and the latency of requests.
    Ingest,
    /// From answer to visible counter.
    Lag,
    /// What a month costs on AWS.
    Bill,
    /// Read and write units per event.
    Units,
    /// What closing a day costs.
    Rollups,
    /// Latency and read units of analytics after five years.
    Analytics,
    /// The same of the dashboard of an artist of many tracks.
    Dashboard,
    /// What interactions with quizzes cost until packages show them.
    Packages,
    /// What purchases cost.
    Purchases,
    /// What analytics of many purchases cost.
    Revenue,
    /// What boards of sellers cost to be kept up to date, and to be read.
    Boards,
    /// What courses and dashboards cost.
    Courses,
    /// What it costs to tell open pages what happens.
    Live,
    /// What a listener notices of a bomb.
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
    ("classroom", Part::Courses),
    ("live", Part::Live),
    ("limits", Part::Limits),
    ("functions", Part::Functions),
];

/// What is to be done.
pub(crate) enum Task {
    /// Print this text.
    Help,
    /// Be the local cloud of another process of this program.
    Serve(Serve),
    /// Measure.
    Measure(Options),
}

/// What to measure, and how.
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

/// What the command line of this process says.
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
    /// One that takes whatever comes.
    WithoutLimits,
    /// One with the quotas of a deployment; its routes take whatever comes.
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
