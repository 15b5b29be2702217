//! Compares answers and stored items with the independent count.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::Level;
use domain::counters::TrackCounters;
use domain::rollup::{Rollup, Scope};
use domain::time::Time;
use domain::time_span::TimeSpan;
use store::{RollupReader, keys};
use tokio::time::Instant;

use super::answers;
use super::model::{Model, Numbers, Whose};
use super::world::World;

/// How many questions are asked at a time.
const QUESTIONS: usize = 3;

/// The parts that are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked {
    pub(crate) tracks: usize,
    /// Whether every track has come to its artist.
    pub(crate) artists: bool,
    /// Whether sketches of artists and of the platform are; not after an erasure, for they cannot forget.
    pub(crate) their_uniques: bool,
    /// Whether no mark may be left; an updater that dies may leave one without its page, if its records are done already.
    pub(crate) marks: bool,
    /// Whether figures of tracks are compared; not while erased facts are not closed again.
    pub(crate) uniques: bool,
}

impl Checked {
    fn scopes(self) -> Vec<(Whose, Scope)> {
        let tracks = (0..self.tracks).map(|track| (Whose::Track(track), scope(Whose::Track(track))));
        let artists =
            (0..2).filter(|_| self.artists).map(|artist| (Whose::Artist(artist), scope(Whose::Artist(artist))));
        tracks.chain(artists).chain([(Whose::Platform, Scope::Platform)]).collect()
    }

    /// Whether distinct counts are compared.
    pub(crate) fn counts_uniques(self, whose: Whose) -> bool {
        if matches!(whose, Whose::Track(_)) { self.uniques } else { self.their_uniques }
    }

    /// Removes what is not compared.
    pub(crate) fn cut(self, whose: Whose, mut numbers: Numbers) -> Numbers {
        if !self.counts_uniques(whose) {
            numbers = without_uniques(numbers);
        }
        numbers
    }
}

pub(crate) fn scope(whose: Whose) -> Scope {
    match whose {
        Whose::Track(track) => Scope::Track(format!("t{track}").parse().unwrap()),
        Whose::Artist(artist) => Scope::Artist(format!("a{artist}").parse().unwrap()),
        Whose::Platform => Scope::Platform,
    }
}

/// The sums of counters in the words of the model.
fn sums(counters: &TrackCounters) -> Numbers {
    let plain = [
        ("plays", counters.plays),
        ("skips", counters.skips),
        ("replays", counters.replays),
        ("duration", counters.duration_ms),
        ("timed", counters.timed),
        ("completion", counters.completion),
        ("measured", counters.measured),
        ("likes", counters.likes),
        ("unlikes", counters.unlikes),
        ("saves", counters.saves),
        ("unsaves", counters.unsaves),
        ("downloads", counters.downloads),
    ];
    let mut numbers: Numbers = plain.map(|(name, count)| (name.to_owned(), count)).into();
    numbers.extend(counters.by_source.iter().map(|(source, count)| (format!("plays from {source}"), *count)));
    numbers.extend(counters.by_platform.iter().map(|(platform, count)| (format!("shares to {platform}"), *count)));
    numbers.extend(counters.by_country.iter().map(|(country, count)| (format!("plays in {country}"), *count)));
    numbers.retain(|_, count| *count > 0);
    numbers
}

fn numbers(rollup: &Rollup) -> Numbers {
    let mut numbers = sums(&rollup.counters);
    numbers.insert("sessions".to_owned(), rollup.counters.sessions.count());
    numbers.insert("listeners".to_owned(), rollup.counters.listeners.count());
    for (track, share) in rollup.tracks.each().into_iter().flatten() {
        numbers.insert(format!("plays of {track}"), share.plays);
        numbers.insert(format!("likes of {track}"), share.likes);
    }
    numbers.retain(|_, count| *count > 0);
    numbers
}

fn utc(time: Time) -> DateTime<Utc> {
    time.into()
}

fn equal(what: &str, counted: &Numbers, expected: &Numbers) -> Result<(), String> {
    if counted == expected {
        return Ok(());
    }
    let names: std::collections::BTreeSet<_> = counted.keys().chain(expected.keys()).collect();
    let differ = names.into_iter().filter(|name| counted.get(*name) != expected.get(*name));
    let differ: Vec<String> = differ
        .map(|name| format!("{name}: counted {:?}, expected {:?}", counted.get(name), expected.get(name)))
        .collect();
    Err(format!("{what}: {}", differ.join("; ")))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Reads all numbers of some spans and compares them.
pub(crate) async fn reads(world: &World, model: &Model, checked: Checked, seed: u64) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let reading = world.reading();
    let scopes = checked.scopes();
    for _ in 0..QUESTIONS {
        let (whose, scope) = &scopes[random.usize(0..scopes.len())];
        match (random.u8(0..4), scope) {
            (0, Scope::Track(track)) => {
                let total = reading.total(track, soon()).await.map_err(|error| format!("total of {track}: {error}"))?;
                let total = total.map(|(counters, _)| sums(&counters)).unwrap_or_default();
                equal(&format!("total of {track}"), &total, &without_uniques(everything(model, *whose)))?;
            }
            (0 | 1, _) => all(world, &reading, model, checked, (*whose, scope), &mut random).await?,
            _ => {
                let cells = any_cells(world, model, &mut random);
                read(&reading, model, checked, (*whose, scope), &cells).await?;
            }
        }
    }
    if random.u8(0..3) == 0 { answers::are_right(world, model, checked, &mut random).await } else { Ok(()) }
}

fn everything(model: &Model, whose: Whose) -> Numbers {
    model.numbers(whose, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC)
}

fn without_uniques(mut numbers: Numbers) -> Numbers {
    numbers.retain(|name, _| name != "sessions" && name != "listeners");
    numbers
}

/// Reads from the earliest on, at once or as a series.
async fn all(
    world: &World,
    reading: &RollupReader,
    model: &Model,
    checked: Checked,
    (whose, scope): (Whose, &Scope),
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let earliest = reading.earliest(scope, soon()).await.map_err(|error| format!("{whose:?}: {error}"))?;
    let to = world.time().plus(TimeDelta::minutes(6));
    let span = TimeSpan { from: earliest.unwrap_or(to).min(to), to }.rounded(&world.calendar, world.time());
    let first = model.numbers(whose, DateTime::UNIX_EPOCH, utc(span.from));
    equal(&format!("{whose:?} before the earliest, {}", span.from), &Numbers::new(), &checked.cut(whose, first))?;
    if random.bool() {
        return read(reading, model, checked, (whose, scope), &[span]).await;
    }
    let level = [Level::Day, Level::Week, Level::Month, Level::Year][random.usize(0..4)];
    let mut cells = span.split(&world.calendar, level);
    cells.drain(..cells.len().saturating_sub(60));
    read(reading, model, checked, (whose, scope), &cells).await
}

async fn read(
    reading: &RollupReader,
    model: &Model,
    checked: Checked,
    (whose, scope): (Whose, &Scope),
    cells: &[TimeSpan],
) -> Result<(), String> {
    let read = reading.read(scope, cells, soon()).await.map_err(|error| format!("{whose:?} {cells:?}: {error}"))?;
    for (cell, rollup) in cells.iter().zip(&read.cells) {
        let expected = model.numbers(whose, utc(cell.from), utc(cell.to));
        let what = format!("{whose:?} from {} to {}, read from {:?}", cell.from, cell.to, read.from);
        equal(&what, &checked.cut(whose, numbers(rollup)), &checked.cut(whose, expected))?;
    }
    Ok(())
}

/// Cells that follow each other, with their ends near to where something happened.
fn any_cells(world: &World, model: &Model, random: &mut fastrand::Rng) -> Vec<TimeSpan> {
    let now = world.time();
    let mut ends: Vec<Time> = Vec::new();
    let facts: Vec<DateTime<Utc>> = model.facts.values().map(|fact| fact.sent.at).collect();
    for _ in 0..random.usize(2..6) {
        let near = match random.u8(0..4) {
            0 if !facts.is_empty() => Time::from(facts[random.usize(0..facts.len())]),
            1 => now.plus(-TimeDelta::days(random.i64(0..88))),
            2 => now.plus(-TimeDelta::hours(random.i64(0..48))),
            _ => now,
        };
        let end = match random.u8(0..3) {
            0 => near.plus(TimeDelta::minutes(random.i64(-61..62))),
            1 => near,
            _ => {
                let level = Level::ALL[random.usize(0..5)];
                let period = world.calendar.period(level, near);
                if random.bool() { period.start() } else { period.end() }
            }
        };
        ends.push(end);
    }
    ends.sort();
    let cells = ends.windows(2).map(|pair| TimeSpan { from: pair[0], to: pair[1] }.rounded(&world.calendar, now));
    let cells: Vec<TimeSpan> = cells.filter(|cell| !cell.is_empty()).collect();
    match cells.last() {
        // Sometimes as a series.
        Some(last) if random.u8(0..3) == 0 => {
            let level = [Level::Hour, Level::Day, Level::Week, Level::Month][random.usize(0..4)];
            let span = TimeSpan { from: cells[0].from, to: last.to };
            let mut series = span.split(&world.calendar, level);
            series.truncate(40);
            series
        }
        _ => cells,
    }
}

/// Compares the items themselves, when nothing is due any more.
pub(crate) async fn items(world: &World, model: &Model, checked: Checked) -> Result<(), String> {
    let stats = world.stats().await;
    if let Some((pk, sk)) =
        stats.keys().find(|(pk, sk)| pk == "LATE" || (checked.marks && sk.starts_with(keys::CHANGED)))
    {
        return Err(format!("{pk} {sk} was left"));
    }
    let Some(frontier) = stats.get(&("ROLLUPS".to_owned(), "FRONTIER".to_owned())) else {
        return if model.facts.is_empty() { Ok(()) } else { Err("there is no frontier".to_owned()) };
    };
    let reached = |level: Level| {
        let name = frontier[level.name()].as_s().unwrap();
        world.calendar.parse(level, name).unwrap()
    };
    let due = world.time().plus(-store::GRACE);
    for level in Level::ALL {
        let next = world.calendar.next(&reached(level));
        if next.end() <= due {
            return Err(format!("the frontier has not passed {level} {next}"));
        }
    }
    for (whose, scope) in checked.scopes() {
        for level in Level::ALL {
            let mut periods: Vec<_> =
                model.facts.values().map(|fact| world.calendar.period(level, Time::from(fact.sent.at))).collect();
            periods.sort();
            periods.dedup();
            for period in periods.into_iter().filter(|period| period.end() <= reached(level).end()) {
                let key = keys::rollup(&scope, &period);
                let item = stats.get(&(key.pk.clone(), key.sk.clone()));
                // Hours go when they are old enough.
                if item.is_none() && level == Level::Hour && world.time().since(period.end()) > TimeDelta::days(88) {
                    continue;
                }
                let rollup: Option<Rollup> =
                    item.map(|item| serde_dynamo::from_attribute_value(item["value"].clone()).unwrap());
                let expected = model.numbers(whose, utc(period.start()), utc(period.end()));
                let counted = rollup.as_ref().map(numbers).unwrap_or_default();
                let what = format!("item {} {}", key.pk, key.sk);
                equal(&what, &checked.cut(whose, counted), &checked.cut(whose, expected))?;
            }
        }
        if let Scope::Track(track) = &scope {
            let key = keys::total(track);
            let total: Option<TrackCounters> = stats
                .get(&(key.pk, key.sk))
                .map(|item| serde_dynamo::from_attribute_value(item["value"].clone()).unwrap());
            let expected = model.numbers(whose, DateTime::UNIX_EPOCH, utc(reached(Level::Day).end()));
            let expected = without_uniques(expected);
            equal(&format!("item T of {track}"), &total.as_ref().map(sums).unwrap_or_default(), &expected)?;
        }
    }
    Ok(())
}

/// The numbers of one span, as they are read.
pub(crate) async fn read_one(world: &World, scope: &Scope, span: TimeSpan) -> Rollup {
    let read = world.reading().read(scope, &[span], soon()).await.unwrap();
    read.cells.into_iter().next().unwrap()
}
