//! The cost of analytics after five years.

use bench::events;
use bench::table::{Table, ms};
use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::{Calendar, Level, Period};
use domain::rollup::Scope;
use domain::time::Time;
use serde_json::{Value, json};
use store::keys;

use crate::options::Options;
use crate::staged::Staged;

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// How far back all periods are closed.
const DAYS: i64 = 5 * 365 + 2;

/// How far back hours are kept.
const DAYS_OF_HOURS: i64 = 90;

/// Distinct sessions that fill a sketch: an hour and a day of them are as large as a year.
const SESSIONS: usize = 5_000;

/// Plays of the track, and of each other one, in every minute of the running hour.
const PLAYS_A_MINUTE: (usize, usize) = (20, 1);

/// Tracks of the artist, and of all.
const TRACKS: (usize, usize) = (20, 200);

/// Tracks of all when there are many.
const MANY_TRACKS: usize = 2_000;

const RANGES: [&str; 6] = ["24h", "7d", "30d", "90d", "1y", "all"];

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Table> {
    let now: DateTime<Utc> = NOW.parse()?;
    let cloud = Staged::start(now - TimeDelta::days(2), options.patience).await?;
    let (of_artist, of_all) = TRACKS;
    cloud.describe((0..of_artist).map(|number| (name(number), "artist".to_owned()))).await?;
    let scopes = [Scope::Track(name(0).parse()?), Scope::Artist("artist".parse()?), Scope::Platform];
    past(&cloud, now, &scopes, DAYS).await?;
    running_hour(&cloud, now, 0..of_all).await?;

    let mut table = Table::new(["scope", "timeRange", "p50 ms", "p99 ms", "read units", "DynamoDB calls"]);
    let scopes = [
        (format!("a track of {} plays a minute", PLAYS_A_MINUTE.0), format!("trackId={}", name(0))),
        (format!("an artist, {of_artist} tracks active"), "artistId=artist".to_owned()),
        (format!("all, {of_all} tracks active"), String::new()),
    ];
    for (scope, query) in &scopes {
        for range in RANGES {
            row(&mut table, &cloud, options.requests, scope, range, &format!("{query}&timeRange={range}")).await?;
        }
        let compared = format!("{query}&timeRange=1y&interval=day&compare=previous");
        row(&mut table, &cloud, options.requests, scope, "1y by day, compared", &compared).await?;
    }
    running_hour(&cloud, now, of_all..MANY_TRACKS).await?;
    // Few requests tell it, and each takes long.
    let (scope, times) = (format!("all, {MANY_TRACKS} tracks active"), options.requests.div_ceil(40));
    for range in ["24h", "all"] {
        row(&mut table, &cloud, times, &scope, range, &format!("timeRange={range}")).await?;
    }
    cloud.stop().await;
    Ok(table)
}

async fn row(
    table: &mut Table,
    cloud: &Staged,
    times: usize,
    scope: &str,
    range: &str,
    query: &str,
) -> anyhow::Result<()> {
    let path = format!("/api/stats/analytics?{}", query.trim_start_matches('&'));
    let asked = cloud.ask(&path, times, "GetAnalytics").await?;
    table.row([
        scope.to_owned(),
        range.to_owned(),
        ms(asked.p50),
        ms(asked.p99),
        format!("{:.1}", asked.read_units),
        format!("{:.0}", asked.calls),
    ]);
    Ok(())
}

fn name(track: usize) -> String {
    format!("track-{track}")
}

/// Makes one real hour and one real day, and every other closed period of them.
async fn past(cloud: &Staged, now: DateTime<Utc>, scopes: &[Scope], days: i64) -> anyhow::Result<()> {
    let start = first_hour(now);
    let play = |number: usize| {
        let at = start + TimeDelta::milliseconds((number * 3_600_000 / SESSIONS) as i64);
        events::play(&format!("past-{number}"), &name(0), number, at)
    };
    cloud.at(start + TimeDelta::minutes(59));
    cloud.post(&(0..SESSIONS).map(play).collect::<Vec<_>>()).await?;
    fill(cloud, now, scopes, days).await
}

/// When the one real hour of the past begins: two days ago.
pub(crate) fn first_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    let calendar = Calendar::default();
    calendar.period(Level::Hour, Time::from(now - TimeDelta::days(2))).start().into()
}

/// Closes the day of the first hour, and copies what comes of it to every closed period of so many days. Leaves the clock
/// at the present.
pub(crate) async fn fill(cloud: &Staged, now: DateTime<Utc>, scopes: &[Scope], days: i64) -> anyhow::Result<()> {
    let calendar = Calendar::default();
    let (first, present) = (Time::from(first_hour(now)), Time::from(now));
    let day = calendar.period(Level::Day, first);
    cloud.at(DateTime::<Utc>::from(day.end()) + TimeDelta::minutes(5));
    cloud.close().await?;
    let mut frontier = cloud.item(&keys::frontier())?;
    for level in Level::ALL {
        let last = calendar.previous(&calendar.period(level, present));
        frontier.insert(level.name().to_owned(), json!({"S": last.to_string()}));
        let (source, reach) = match level {
            Level::Hour => (calendar.period(level, first), DAYS_OF_HOURS.min(days)),
            _ => (day, days),
        };
        let mut periods: Vec<Period> = Vec::new();
        let mut period = last;
        while period.end() > present.plus(-TimeDelta::days(reach)) {
            periods.push(period);
            period = calendar.previous(&period);
        }
        for scope in scopes {
            let item = cloud.item(&keys::rollup(scope, &source))?;
            cloud.copy(&item, periods.iter().map(|period| keys::rollup(scope, period)))?;
        }
    }
    cloud.copy(&frontier, [keys::frontier()])?;
    cloud.at(now);
    Ok(())
}

/// Plays tracks in every minute of the running hour.
async fn running_hour(cloud: &Staged, now: DateTime<Utc>, tracks: std::ops::Range<usize>) -> anyhow::Result<()> {
    let hour = DateTime::<Utc>::from(Calendar::default().period(Level::Hour, Time::from(now)).start());
    let mut plays: Vec<Value> = Vec::new();
    for minute in 0..=(now - hour).num_minutes() {
        for track in tracks.clone() {
            for _ in 0..if track == 0 { PLAYS_A_MINUTE.0 } else { PLAYS_A_MINUTE.1 } {
                let number = plays.len();
                let id = format!("now-{}-{number}", tracks.start);
                plays.push(events::play(&id, &name(track), number, hour + TimeDelta::minutes(minute)));
            }
        }
    }
    cloud.post(&plays).await
}
