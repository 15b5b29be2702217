//! The figures that sums and counts make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::counters::TrackCounters;
use crate::distinct::Sketch;
use crate::event::{Platform, Source};
use crate::time_span::TimeSpan;

/// A metric of the analytics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Plays.
    Plays,
    /// Likes and unlikes.
    Likes,
    /// Shares.
    Shares,
    /// Downloads.
    Downloads,
    /// Saves and unsaves.
    Saves,
}

impl Metric {
    /// All values.
    pub const ALL: [Self; 5] = [Self::Plays, Self::Likes, Self::Shares, Self::Downloads, Self::Saves];

    fn name(self) -> &'static str {
        match self {
            Self::Plays => "plays",
            Self::Likes => "likes",
            Self::Shares => "shares",
            Self::Downloads => "downloads",
            Self::Saves => "saves",
        }
    }

    /// The number of distinct ones.
    fn total(self, counters: &TrackCounters) -> u64 {
        match self {
            Self::Plays => counters.plays,
            Self::Likes => counters.likes,
            Self::Shares => counters.shares(),
            Self::Downloads => counters.downloads,
            Self::Saves => counters.saves,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| format!("must be one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The method of a distinct count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uniques {
    /// Whether it is exact.
    exact: bool,
    /// The standard error of an estimate, as a part of the whole.
    standard_error: Option<f64>,
}

impl Uniques {
    /// The method of this count.
    #[must_use]
    pub fn of<const LG_K: u8>(distinct: &Sketch<LG_K>) -> Self {
        let exact = distinct.is_exact();
        Self { exact, standard_error: (!exact).then_some(Sketch::<LG_K>::STANDARD_ERROR) }
    }
}

/// The figures of the requested metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    plays: Option<Plays>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likes: Option<Likes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<Shares>,
    #[serde(skip_serializing_if = "Option::is_none")]
    downloads: Option<Downloads>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saves: Option<Saves>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plays {
    total_plays: u64,
    qualified_plays: u64,
    unique_plays: u64,
    unique_listeners: u64,
    uniques: UniquesOfPlays,
    source_breakdown: BTreeMap<Source, u64>,
    country_breakdown: BTreeMap<String, u64>,
    average_duration_seconds: Option<f64>,
    average_completion_rate: Option<f64>,
    skip_rate: Option<f64>,
    replay_rate: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct UniquesOfPlays {
    unique_plays: Uniques,
    unique_listeners: Uniques,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Likes {
    total_likes: u64,
    total_unlikes: u64,
    net_likes: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shares {
    total_shares: u64,
    platform_breakdown: BTreeMap<Platform, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Downloads {
    total_downloads: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Saves {
    total_saves: u64,
    total_unsaves: u64,
    net_saves: i64,
}

impl Figures {
    /// The figures of these counters.
    #[must_use]
    pub fn of(counters: &TrackCounters, asked: &BTreeSet<Metric>) -> Self {
        let asked = |metric| asked.contains(&metric).then_some(());
        Self {
            plays: asked(Metric::Plays).map(|()| Plays {
                total_plays: counters.plays,
                qualified_plays: counters.qualified_plays(),
                unique_plays: counters.sessions.count_among(counters.plays),
                unique_listeners: counters.listeners.count_among(counters.plays),
                uniques: UniquesOfPlays {
                    unique_plays: Uniques::of(&counters.sessions),
                    unique_listeners: Uniques::of(&counters.listeners),
                },
                source_breakdown: filled(&counters.by_source, Source::ALL),
                country_breakdown: counters.by_country.clone(),
                average_duration_seconds: average_duration(counters),
                average_completion_rate: average_completion(counters),
                skip_rate: percent(counters.skips, counters.plays),
                replay_rate: percent(counters.replays, counters.plays),
            }),
            likes: asked(Metric::Likes).map(|()| Likes {
                total_likes: counters.likes,
                total_unlikes: counters.unlikes,
                net_likes: net(counters.likes, counters.unlikes),
            }),
            shares: asked(Metric::Shares).map(|()| Shares {
                total_shares: counters.shares(),
                platform_breakdown: filled(&counters.by_platform, Platform::ALL),
            }),
            downloads: asked(Metric::Downloads).map(|()| Downloads { total_downloads: counters.downloads }),
            saves: asked(Metric::Saves).map(|()| Saves {
                total_saves: counters.saves,
                total_unsaves: counters.unsaves,
                net_saves: net(counters.saves, counters.unsaves),
            }),
        }
    }
}

/// A point of a series: the figures of a span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    #[serde(flatten)]
    span: TimeSpan,
    #[serde(flatten)]
    figures: Figures,
}

impl Point {
    /// The point of this span.
    #[must_use]
    pub fn of(span: TimeSpan, counters: &TrackCounters, asked: &BTreeSet<Metric>) -> Self {
        Self { span, figures: Figures::of(counters, asked) }
    }
}

/// By how much metrics have grown, in percent; `None` where there was nothing to grow from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Growth(BTreeMap<&'static str, Option<f64>>);

impl Growth {
    /// The growth from one to the other.
    #[must_use]
    pub fn of(previous: &TrackCounters, current: &TrackCounters, asked: &BTreeSet<Metric>) -> Self {
        let of = |metric: &Metric| growth(metric.total(previous), metric.total(current));
        Self(asked.iter().map(|metric| (metric.name(), of(metric))).collect())
    }
}

fn filled<K: Ord + Copy>(counts: &BTreeMap<K, u64>, every: &[K]) -> BTreeMap<K, u64> {
    every.iter().map(|key| (*key, counts.get(key).copied().unwrap_or(0))).collect()
}

/// Given less taken back; below 0 if a range has more of the latter.
pub(super) fn net(given: u64, taken: u64) -> i64 {
    given.cast_signed().saturating_sub(taken.cast_signed())
}

/// A quotient, `None` where there is nothing to divide by.
#[allow(clippy::cast_precision_loss, reason = "an average needs no 53 bits")]
fn ratio(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// The share of a whole in percent; `None` if the whole is 0.
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    ratio(part, whole).map(|share| share * 100.0)
}

/// By how much something has grown, in percent; `None` from nothing.
#[allow(clippy::cast_precision_loss, reason = "a percentage needs no 53 bits")]
fn growth(previous: u64, current: u64) -> Option<f64> {
    (previous > 0).then(|| (current as f64 - previous as f64) / previous as f64 * 100.0)
}

/// The average duration of a play in seconds, over plays of known duration.
pub(super) fn average_duration(counters: &TrackCounters) -> Option<f64> {
    ratio(counters.duration_ms, counters.timed).map(|millis| millis / 1000.0)
}

/// The average completion of a play in percent, over plays of known completion.
pub(super) fn average_completion(counters: &TrackCounters) -> Option<f64> {
    ratio(counters.completion, counters.measured).map(|hundredths| hundredths / 100.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn all() -> BTreeSet<Metric> {
        Metric::ALL.into_iter().collect()
    }

    fn figures(counters: &TrackCounters) -> Value {
        serde_json::to_value(Figures::of(counters, &all())).unwrap()
    }

    #[test]
    fn empty_figures_have_zero_sums_and_null_ratios() {
        let exact = json!({"exact": true, "standardError": null});
        assert_eq!(
            figures(&TrackCounters::default()),
            json!({
                "plays": {
                    "totalPlays": 0, "qualifiedPlays": 0, "uniquePlays": 0, "uniqueListeners": 0,
                    "uniques": {"uniquePlays": exact, "uniqueListeners": exact},
                    "sourceBreakdown": {
                        "landing": 0, "playlist": 0, "search": 0, "direct": 0, "share": 0, "player": 0,
                    },
                    "countryBreakdown": {},
                    "averageDurationSeconds": null, "averageCompletionRate": null, "skipRate": null, "replayRate": null,
                },
                "likes": {"totalLikes": 0, "totalUnlikes": 0, "netLikes": 0},
                "shares": {
                    "totalShares": 0,
                    "platformBreakdown": {
                        "twitter": 0, "facebook": 0, "instagram": 0, "whatsapp": 0, "copy_link": 0, "embed": 0,
                    },
                },
                "downloads": {"totalDownloads": 0},
                "saves": {"totalSaves": 0, "totalUnsaves": 0, "netSaves": 0},
            })
        );
    }

    #[test]
    fn averages_cover_known_values_and_rates_all_plays() {
        let mut counters = TrackCounters {
            plays: 8,
            skips: 2,
            replays: 1,
            duration_ms: 90_500,
            timed: 2,
            completion: 15_000,
            measured: 3,
            likes: 1,
            unlikes: 3,
            ..TrackCounters::default()
        };
        counters.by_source.insert(Source::Search, 8);
        counters.by_country.insert("DE".to_owned(), 5);
        (0..500).for_each(|n| counters.sessions.insert(&n.to_string()));
        let plays = &figures(&counters)["plays"];
        assert_eq!((&plays["averageDurationSeconds"], &plays["averageCompletionRate"]), (&json!(45.25), &json!(50.0)));
        assert_eq!((&plays["skipRate"], &plays["replayRate"]), (&json!(25.0), &json!(12.5)));
        assert_eq!((&plays["qualifiedPlays"], &plays["sourceBreakdown"]["search"]), (&json!(6), &json!(8)));
        assert_eq!(plays["countryBreakdown"], json!({"DE": 5}));
        assert_eq!(plays["uniques"]["uniquePlays"], json!({"exact": false, "standardError": 0.01625}));
        assert_eq!(figures(&counters)["likes"]["netLikes"], -2);
    }

    #[test]
    fn only_requested_metrics_are_answered() {
        let asked = BTreeSet::from(["likes".parse().unwrap(), "saves".parse().unwrap()]);
        let (before, after) = (
            TrackCounters { likes: 4, ..TrackCounters::default() },
            TrackCounters { likes: 3, saves: 1, ..TrackCounters::default() },
        );
        let figures = serde_json::to_value(Figures::of(&after, &asked)).unwrap();
        assert_eq!(figures.as_object().unwrap().keys().collect::<Vec<_>>(), ["likes", "saves"]);
        let span =
            TimeSpan { from: "2026-01-31T09:00:00Z".parse().unwrap(), to: "2026-01-31T10:00:00Z".parse().unwrap() };
        let point = serde_json::to_value(Point::of(span, &after, &asked)).unwrap();
        assert_eq!(point.as_object().unwrap().keys().collect::<Vec<_>>(), ["from", "likes", "saves", "to"]);
        let growth = serde_json::to_value(Growth::of(&before, &after, &asked)).unwrap();
        assert_eq!(growth, json!({"likes": -25.0, "saves": null}));
        assert_eq!(
            "listens".parse::<Metric>(),
            Err("must be one of plays, likes, shares, downloads, saves".to_owned())
        );
    }
}
