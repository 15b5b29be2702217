//! Waits until the API answers what was counted from the file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{Api, ApiError, Counters};
use crate::converge::{Answer, Reached, converge};
use crate::expected::{Expected, Numbers};
use crate::play;

/// A track of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its path in the log.
    pub path: String,
    /// Its id in the API.
    pub track_id: String,
    /// The expected track, from the file.
    pub expected: Numbers,
}

/// A track whose API answer differs from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The track.
    pub subject: Subject,
    /// The last answer of the API; `None` if the track does not exist.
    pub found: Option<Numbers>,
}

/// Two paths of the log with one id: their counters cannot be distinguished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first:?} and {second:?} both have the track id {track_id:?}")]
pub struct Collision {
    first: String,
    second: String,
    track_id: String,
}

/// The tracks of a log, with what is expected of them.
///
/// # Errors
/// Two paths have one id.
pub fn subjects(expected: &Expected, track_prefix: &str) -> Result<Vec<Subject>, Collision> {
    let mut by_id = BTreeMap::<String, Subject>::new();
    for (path, numbers) in &expected.paths {
        let track_id = play::track_id(track_prefix, path);
        let subject = Subject { path: path.clone(), track_id: track_id.clone(), expected: numbers.clone() };
        if let Some(first) = by_id.insert(track_id.clone(), subject) {
            return Err(Collision { first: first.path, second: path.clone(), track_id });
        }
    }
    Ok(by_id.into_values().collect())
}

/// Asks for every track until it is as expected, as long as more plays are counted within each `patience`; `progress` hears
/// how far they are. Returns those that are not as expected.
///
/// # Errors
/// A request failed in spite of all retries.
pub async fn verify(
    api: &Api,
    subjects: &[Subject],
    connections: usize,
    patience: Duration,
    progress: impl Fn(Reached),
) -> Result<Vec<Difference>, ApiError> {
    let ask = async |subject: &Subject| {
        let found = api.track(&subject.track_id).await?.map(|track| numbers(&track.counters));
        let plays = found.as_ref().map_or(0, |found| found.plays);
        let counted = plays.min(subject.expected.plays);
        let is_right = found.as_ref() == Some(&subject.expected);
        let difference = (!is_right).then(|| Difference { subject: subject.clone(), found });
        Ok(Answer { counted, differences: difference.into_iter().collect() })
    };
    let mut different = converge(subjects, connections, patience, ask, progress).await?;
    different.sort_by(|a: &Difference, b| a.subject.path.cmp(&b.subject.path));
    Ok(different)
}

fn numbers(counters: &Counters) -> Numbers {
    Numbers {
        plays: counters.total_plays,
        qualified: counters.qualified_plays,
        skipped: counters.total_skips,
        milliseconds: (counters.total_duration_seconds * 1000.0).round() as u64,
        by_source: counters
            .source_breakdown
            .iter()
            .filter(|(_, plays)| **plays > 0)
            .map(|(source, plays)| (source.clone(), *plays))
            .collect(),
    }
}

impl Difference {
    /// What differs: the counter, what is expected of it and what the API says, which is nothing
    /// where there is no such track.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64, Option<u64>)> {
        let expected = rows(&self.subject.expected);
        let found = self.found.as_ref().map(rows);
        let mut names: Vec<&String> = expected.keys().chain(found.iter().flat_map(BTreeMap::keys)).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| {
                let of = |rows: &BTreeMap<String, u64>| rows.get(name).copied().unwrap_or(0);
                (name.clone(), of(&expected), found.as_ref().map(of))
            })
            .filter(|(_, expected, found)| Some(*expected) != *found)
            .collect()
    }
}

/// The numbers by their names in the API.
fn rows(numbers: &Numbers) -> BTreeMap<String, u64> {
    let sources = numbers.by_source.iter().map(|(source, plays)| (format!("sourceBreakdown.{source}"), *plays));
    let totals = [
        ("totalPlays", numbers.plays),
        ("qualifiedPlays", numbers.qualified),
        ("totalSkips", numbers.skipped),
        ("totalDurationSeconds in ms", numbers.milliseconds),
    ];
    totals.into_iter().map(|(name, number)| (name.to_owned(), number)).chain(sources).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::expected::count;
    use crate::stub::Stub;

    const LOG: &str = r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1234 "-" "-"
1.2.3.4 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 200 20001 "http://bing.com/" "-"
1.2.3.4 - - [17/May/2015:10:05:05 +0000] "GET /b HTTP/1.1" 304 - "-" "-""#;

    fn answer(plays: u64, skips: u64, seconds: f64, sources: serde_json::Value) -> String {
        let counters = json!({
            "totalPlays": plays, "qualifiedPlays": plays - skips, "netLikes": 0, "totalSkips": skips,
            "totalDurationSeconds": seconds, "sourceBreakdown": sources,
        });
        json!({ "trackId": "-", "title": null, "counters": counters, "asOf": "-" }).to_string()
    }

    #[tokio::test]
    async fn waits_for_numbers_that_lag() {
        let stub = Stub::start(|number, request| {
            Some(match (request.line.split(' ').nth(1).unwrap(), number) {
                ("/api/tracks/log:a", _) => {
                    (200, answer(2, 1, 21.235, json!({ "direct": 1, "search": 1, "share": 0 })))
                }
                (_, 0 | 1) => (404, String::new()),
                _ => (200, answer(1, 0, 0.0, json!({ "direct": 1 }))),
            })
        })
        .await;
        let subjects = subjects(&count(LOG, ""), "log").unwrap();
        let last = Cell::new(Reached::default());
        let progress = |reached| last.set(reached);
        let different = verify(&stub.api(), &subjects, 2, Duration::from_secs(60), progress).await.unwrap();
        assert_eq!(different, []);
        assert_eq!(last.get(), Reached { right: 2, counted: 3 });
        assert!(stub.requests().len() >= 3);
    }

    #[tokio::test]
    async fn names_what_differs_when_nothing_more_is_counted() {
        let stub = Stub::start(|_, request| {
            Some(match request.line.contains("log:a") {
                true => (200, answer(3, 1, 21.236, json!({ "direct": 1, "search": 1, "share": 1 }))),
                false => (404, String::new()),
            })
        })
        .await;
        let subjects = subjects(&count(LOG, ""), "log").unwrap();
        let different = verify(&stub.api(), &subjects, 2, Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!(
            different.iter().map(|difference| difference.subject.path.as_str()).collect::<Vec<_>>(),
            ["/a", "/b"]
        );
        let row = |name: &str, expected, found| (name.to_owned(), expected, found);
        assert_eq!(
            different[0].counters(),
            [
                row("qualifiedPlays", 1, Some(2)),
                row("sourceBreakdown.share", 0, Some(1)),
                row("totalDurationSeconds in ms", 21_235, Some(21_236)),
                row("totalPlays", 2, Some(3)),
            ]
        );
        assert_eq!(different[1].counters()[0], row("qualifiedPlays", 1, None));
    }
}
