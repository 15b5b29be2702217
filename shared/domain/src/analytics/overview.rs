//! The overview of an artist.

use std::cmp::Reverse;

use serde::Serialize;

use super::figures::{Uniques, average_completion, average_duration, net, percent};
use crate::counters::TrackCounters;
use crate::id::TrackId;
use crate::rollup::{Rollup, Share};
use crate::time_span::TimeSpan;

/// The totals of a range.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    total_tracks: usize,
    total_plays: u64,
    qualified_plays: u64,
    total_likes: u64,
    net_likes: i64,
    total_shares: u64,
    total_downloads: u64,
    total_saves: u64,
    unique_listeners: u64,
    uniques: UniquesOfOverview,
    average_duration_seconds: Option<f64>,
    average_completion_rate: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct UniquesOfOverview {
    unique_listeners: Uniques,
}

impl Overview {
    /// The totals of an artist with this number of tracks.
    #[must_use]
    pub fn of(counters: &TrackCounters, tracks: usize) -> Self {
        Self {
            total_tracks: tracks,
            total_plays: counters.plays,
            qualified_plays: counters.qualified_plays(),
            total_likes: counters.likes,
            net_likes: net(counters.likes, counters.unlikes),
            total_shares: counters.shares(),
            total_downloads: counters.downloads,
            total_saves: counters.saves,
            unique_listeners: counters.listeners.count_among(counters.plays),
            uniques: UniquesOfOverview { unique_listeners: Uniques::of(&counters.listeners) },
            average_duration_seconds: average_duration(counters),
            average_completion_rate: average_completion(counters),
        }
    }
}

/// Engagement per hundred plays.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Engagement {
    like_rate: Option<f64>,
    share_rate: Option<f64>,
    save_rate: Option<f64>,
    download_rate: Option<f64>,
    average_completion_rate: Option<f64>,
}

impl Engagement {
    /// The rates of these counters.
    #[must_use]
    pub fn of(counters: &TrackCounters) -> Self {
        let rate = |total| percent(total, counters.plays);
        Self {
            like_rate: rate(counters.likes),
            share_rate: rate(counters.shares()),
            save_rate: rate(counters.saves),
            download_rate: rate(counters.downloads),
            average_completion_rate: average_completion(counters),
        }
    }
}

/// A point of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendPoint {
    #[serde(flatten)]
    span: TimeSpan,
    total_plays: u64,
    total_likes: u64,
    total_shares: u64,
    total_downloads: u64,
    total_saves: u64,
}

impl TrendPoint {
    /// The point of this span.
    #[must_use]
    pub fn of(span: TimeSpan, counters: &TrackCounters) -> Self {
        Self {
            span,
            total_plays: counters.plays,
            total_likes: counters.likes,
            total_shares: counters.shares(),
            total_downloads: counters.downloads,
            total_saves: counters.saves,
        }
    }
}

/// A track that did well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopTrack {
    /// The track.
    pub track: TrackId,
    /// Its plays and likes.
    pub share: Share,
}

/// The tracks with the most plays, equal ones by id, without those that have none. Empty if the artist has too many
/// tracks to list each.
#[must_use]
pub fn top_tracks(rollup: &Rollup, most: usize) -> Option<Vec<TopTrack>> {
    let tracks = rollup.tracks.each()?;
    let mut tracks: Vec<(&TrackId, &Share)> = tracks.iter().filter(|(_, share)| **share != Share::default()).collect();
    tracks.sort_by_key(|(track, share)| (Reverse(share.plays), *track));
    tracks.truncate(most);
    Some(tracks.into_iter().map(|(track, share)| TopTrack { track: track.clone(), share: *share }).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollup::Shares;

    #[test]
    fn top_tracks_are_ordered_by_plays_then_id() {
        let shares = [("d", 2, 0), ("a", 0, 0), ("c", 7, 1), ("b", 2, 9), ("e", 0, 1)];
        let shares = shares.map(|(track, plays, likes)| (track.parse().unwrap(), Share { plays, likes }));
        let rollup = Rollup { tracks: Shares::Each(shares.into()), ..Rollup::default() };
        let top = |most| -> Vec<String> {
            top_tracks(&rollup, most).unwrap().into_iter().map(|top| top.track.to_string()).collect()
        };
        let of_many = Rollup { tracks: Shares::TooMany, ..Rollup::default() };
        assert_eq!(top_tracks(&of_many, 3), None);
        assert_eq!(top(3), ["c", "b", "d"]);
        assert_eq!(top(9), ["c", "b", "d", "e"]);
    }

    #[test]
    fn rates_without_plays_are_null() {
        let counters = TrackCounters { likes: 3, ..TrackCounters::default() };
        let rates = serde_json::to_value(Engagement::of(&counters)).unwrap();
        assert!(rates.as_object().unwrap().values().all(serde_json::Value::is_null), "{rates}");
        let counters = TrackCounters { plays: 4, likes: 3, measured: 1, completion: 2_500, ..counters };
        let rates = serde_json::to_value(Engagement::of(&counters)).unwrap();
        assert_eq!((&rates["likeRate"], &rates["averageCompletionRate"]), (&json!(75.0), &json!(25.0)));
        let overview = serde_json::to_value(Overview::of(&counters, 2)).unwrap();
        assert_eq!((&overview["totalTracks"], &overview["averageDurationSeconds"]), (&json!(2), &json!(null)));
        let span =
            TimeSpan { from: "2026-01-31T09:00:00Z".parse().unwrap(), to: "2026-01-31T10:00:00Z".parse().unwrap() };
        assert_eq!(
            serde_json::to_value(TrendPoint::of(span, &counters)).unwrap(),
            json!({
                "from": "2026-01-31T09:00:00.000Z", "to": "2026-01-31T10:00:00.000Z",
                "totalPlays": 4, "totalLikes": 3, "totalShares": 0, "totalDownloads": 0, "totalSaves": 0,
            })
        );
    }
}
