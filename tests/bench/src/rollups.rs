//! The cost of closing periods: a day of many tracks, and an hour of one track with more and more facts.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::ensure;
use bench::events::{self, Tracks};
use bench::table::{Table, kb, ms};
use chrono::{DateTime, TimeDelta, Utc};
use local::capacity::Usage;
use serde_json::Value;

use crate::HEAP;
use crate::options::Options;
use crate::staged::{Staged, used};

/// A Wednesday in the middle of its month: with it, nothing but the day is over.
const DAY: &str = "2026-11-18T00:00:00Z";

/// The delay until an hour is closed: the dispatcher runs every five minutes.
const AFTER: TimeDelta = TimeDelta::minutes(5);

/// Average tracks per artist.
const TRACKS_OF_AN_ARTIST: usize = 10;

/// Average plays per session.
const PLAYS_OF_A_SESSION: usize = 10;

/// Dollars for a million write units and for a million read units, on demand, us-east-1
/// ([prices](https://aws.amazon.com/dynamodb/pricing/on-demand/)).
const PRICES: (f64, f64) = (0.625, 0.125);

/// Rounds of closing, taken together.
#[derive(Default)]
struct Closed {
    periods: u64,
    took: Duration,
    used: Usage,
}

impl Closed {
    fn add(&mut self, periods: u64, took: Duration, used: Usage) {
        self.periods += periods;
        self.took += took;
        self.used = Usage {
            calls: self.used.calls + used.calls,
            failures: self.used.failures + used.failures,
            read_units: self.used.read_units + used.read_units,
            write_units: self.used.write_units + used.write_units,
        };
    }

    fn row(&self, name: &str, events: usize) -> [String; 10] {
        let Self { periods, took, used } = self;
        let per_thousand = |units: f64| format!("{:.1}", units * 1000.0 / events as f64);
        let per_period = |units: f64| format!("{:.2}", units / (*periods).max(1) as f64);
        [
            name.to_owned(),
            format!("{periods}"),
            format!("{:.1}", took.as_secs_f64()),
            format!("{:.0}", events as f64 / took.as_secs_f64()),
            per_thousand(used.write_units),
            per_thousand(used.read_units),
            per_period(used.write_units),
            per_period(used.read_units),
            format!("{} of {}", used.failures, used.calls),
            dollars(used, events),
        ]
    }
}

/// Dollars for a million events.
fn dollars(used: &Usage, events: usize) -> String {
    let (writes, reads) = PRICES;
    format!("{:.2}", (used.write_units * writes + used.read_units * reads) / events as f64)
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let mut tables = Box::pin(day(options)).await?;
    tables.push(("Closing one hour of one track", Box::pin(one_hour(options.patience)).await?));
    Ok(tables)
}

/// Walks through a day, hour by hour, and closes each when it is over.
async fn day(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let begin: DateTime<Utc> = DAY.parse()?;
    let cloud = Staged::start(begin, options.patience).await?;
    let artists = (options.catalogue / TRACKS_OF_AN_ARTIST).max(1);
    let track = |number: usize| format!("track-{number}");
    // Tracks of all ranks among those of each artist.
    cloud
        .describe((0..options.catalogue).map(|number| (track(number), format!("artist-{}", number % artists))))
        .await?;

    let mut draw = Tracks::Zipf(options.catalogue).draw();
    let mut random = fastrand::Rng::with_seed(2);
    let sessions = (options.day / PLAYS_OF_A_SESSION).max(1);
    let (mut active, mut track_hours) = (HashSet::new(), 0);
    let (mut hours, mut days, mut before) = (Closed::default(), Closed::default(), Closed::default());
    let mut sent = 0;
    for hour in 0..24_u32 {
        let start = begin + TimeDelta::hours(hour.into());
        let count = options.day * (hour as usize + 1) / 24 - sent;
        let mut in_hour = HashSet::new();
        let plays: Vec<Value> = (0..count)
            .zip(draw.by_ref())
            .map(|(number, drawn)| {
                in_hour.insert(drawn);
                let at = start + TimeDelta::milliseconds((number * 3_600_000 / count) as i64);
                events::play(&format!("play-{}", sent + number), &track(drawn), random.usize(0..sessions), at)
            })
            .collect();
        cloud.at(start + TimeDelta::minutes(60) - TimeDelta::milliseconds(1));
        cloud.metered();
        cloud.post(&plays).await?;
        before.add(0, Duration::ZERO, used(&cloud.metered(), &["IngestEvents", "CounterUpdater"]));
        sent += count;
        track_hours += in_hour.len() as u64;
        active.extend(in_hour);

        cloud.at(start + TimeDelta::hours(1) + AFTER);
        // The first run hands over the hour; what it is part of can be closed when that is done.
        for (number, round) in cloud.close().await?.into_iter().enumerate() {
            let closed = if number == 0 { &mut hours } else { &mut days };
            closed.add(round.tracks, round.took, round.used);
        }
    }
    cloud.stop().await;
    ensure!(hours.periods == track_hours, "{} track-hours were closed, {track_hours} active", hours.periods);
    ensure!(days.periods == active.len() as u64, "{} tracks' days were closed, {} active", days.periods, active.len());

    let mut together = Closed::default();
    for closed in [&hours, &days] {
        together.add(closed.periods, closed.took, closed.used);
    }
    let mut closing = Table::new([
        "closed",
        "track-periods",
        "s",
        "events/s",
        "writes / 1,000 events",
        "reads / 1,000 events",
        "writes / track-period",
        "reads / track-period",
        "failed calls",
        "$ / million events",
    ]);
    closing.row(hours.row("24 hours", options.day));
    closing.row(days.row("the day", options.day));
    closing.row(together.row("together", options.day));
    let mut beside = Table::new(["of one event", "writes", "reads", "$ / million events"]);
    for (name, Closed { used, .. }) in [("ingestion and counters", &before), ("closing hours and the day", &together)] {
        let per_event = |units: f64| format!("{:.3}", units / options.day as f64);
        let (writes, reads) = (per_event(used.write_units), per_event(used.read_units));
        beside.row([name.to_owned(), writes, reads, dollars(used, options.day)]);
    }
    let mut what = Table::new(["a day of", "n"]);
    let rows = [
        ("events", options.day),
        ("tracks", options.catalogue),
        ("tracks that were active", active.len()),
        ("track-hours", usize::try_from(track_hours)?),
        ("artists", artists),
    ];
    for (name, number) in rows {
        what.row([name.to_owned(), format!("{number}")]);
    }
    Ok(vec![("Closing a day", what), ("What it takes", closing), ("Beside what an event costs anyway", beside)])
}

/// Closes an hour in which every play is another session's, so that sketches are as large as they become.
async fn one_hour(patience: Duration) -> anyhow::Result<Table> {
    let mut table = Table::new(["events in the hour", "reads", "writes", "ms", "peak heap kB"]);
    let start: DateTime<Utc> = DAY.parse()?;
    for count in [1_000_usize, 10_000, 100_000] {
        let cloud = Staged::start(start, patience).await?;
        cloud.describe(std::iter::once(("track".to_owned(), "artist".to_owned()))).await?;
        let play = |number: usize| {
            let at = start + TimeDelta::milliseconds((number * 3_600_000 / count) as i64);
            events::play(&format!("play-{number}"), "track", number, at)
        };
        cloud.at(start + TimeDelta::minutes(59));
        cloud.post(&(0..count).map(play).collect::<Vec<_>>()).await?;
        cloud.at(start + TimeDelta::hours(1) + AFTER);
        let held = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let rounds = cloud.close().await?;
        let peak = HEAP.peak_usage().saturating_sub(held);
        cloud.stop().await;
        let mut closed = Closed::default();
        for round in &rounds {
            closed.add(round.tracks, round.took, round.used);
        }
        table.row([
            format!("{count}"),
            format!("{:.1}", closed.used.read_units),
            format!("{:.1}", closed.used.write_units),
            ms(closed.took),
            kb(peak as u64),
        ]);
    }
    Ok(table)
}
