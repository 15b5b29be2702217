//! The cost of the dashboard of an artist with many tracks.

use bench::events;
use bench::table::{Table, ms};
use chrono::{DateTime, TimeDelta, Utc};
use domain::rollup::Scope;
use serde_json::Value;

use crate::analytics::{fill, first_hour};
use crate::options::Options;
use crate::staged::Staged;

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// How far back all periods are closed: as far as the longest range looks for growth.
const DAYS: i64 = 2 * 366;

/// Tracks of the artist.
const TRACKS: usize = 500;

/// In how many minutes of the running hour each track that is active was played.
const MINUTES: usize = 5;

/// Likes of the running hour, where there are any.
const LIKES: usize = 10;

/// Plays of each track in every closed hour and day: enough to fill the sketches of the artist.
const PLAYS: usize = 10;

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "tracks active in the running hour",
        "timeRange",
        "p50 ms",
        "p99 ms",
        "read units",
        "DynamoDB calls",
    ]);
    let artists = [(TRACKS, LIKES, ""), (TRACKS / 25, LIKES, ""), (TRACKS / 25, 0, ", never liked")];
    for (active, likes, note) in artists {
        let cloud = staged(options, active, likes).await?;
        for range in ["24h", "30d", "1y"] {
            let path = format!("/api/dashboard/stats?artistId=artist&timeRange={range}");
            let asked = cloud.ask(&path, options.requests, "GetArtistDashboard").await?;
            table.row([
                format!("{active} of {TRACKS}{note}"),
                range.to_owned(),
                ms(asked.p50),
                ms(asked.p99),
                format!("{:.1}", asked.read_units),
                format!("{:.0}", asked.calls),
            ]);
        }
        cloud.stop().await;
    }
    Ok(table)
}

/// A cloud with such an artist.
async fn staged(options: &Options, active: usize, likes: usize) -> anyhow::Result<Staged> {
    let now: DateTime<Utc> = NOW.parse()?;
    let cloud = Staged::start(now - TimeDelta::days(2), options.patience).await?;
    let name = |track: usize| format!("track-{track}");
    cloud.describe((0..TRACKS).map(|track| (name(track), "artist".to_owned()))).await?;
    // The plays of one track are six minutes apart, those of different tracks spread over all minutes.
    let plays = |id: &str, tracks: usize, each: usize, from: DateTime<Utc>| -> Vec<Value> {
        let play = |number: usize| {
            let (track, turn) = (number % tracks, number / tracks);
            let at = from + TimeDelta::minutes((turn * 6 + track % 6) as i64);
            events::play(&format!("{id}-{number}"), &name(track), number, at)
        };
        (0..tracks * each).map(play).collect()
    };
    let past = first_hour(now);
    cloud.at(past + TimeDelta::minutes(59));
    cloud.post(&plays("past", TRACKS, PLAYS, past)).await?;
    fill(&cloud, now, &[Scope::Artist("artist".parse()?)], DAYS).await?;
    let running = now - TimeDelta::minutes(31);
    let mut present = plays("now", active, MINUTES, running);
    present.extend((0..likes).map(|number| events::like(&format!("like-{number}"), &name(number), number, running)));
    cloud.post(&present).await?;
    Ok(cloud)
}
