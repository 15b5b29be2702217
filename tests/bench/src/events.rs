//! Events to send.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Which tracks are played, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracks {
    /// The n-th most popular one 1/n as often as the first: Zipf's law, s = 1.
    Zipf(usize),
    /// One after the other.
    InTurn(usize),
}

/// Draws tracks, in the same order every time.
#[derive(Debug, Clone)]
pub struct Draw {
    tracks: Tracks,
    drawn: usize,
    random: fastrand::Rng,
    /// The part of all plays that goes to a track or a more popular one, by track.
    cumulated: Vec<f64>,
}

impl Tracks {
    /// Starts to draw.
    #[must_use]
    pub fn draw(self) -> Draw {
        let mut cumulated = Vec::new();
        if let Self::Zipf(tracks) = self {
            let mut sum = 0.0;
            for rank in 1..=tracks {
                sum += 1.0 / rank as f64;
                cumulated.push(sum);
            }
            cumulated.iter_mut().for_each(|part| *part /= sum);
        }
        Draw { tracks: self, drawn: 0, random: fastrand::Rng::with_seed(1), cumulated }
    }
}

impl Iterator for Draw {
    type Item = usize;

    /// The number of the next track, from 0, the most popular; there always is one.
    fn next(&mut self) -> Option<usize> {
        self.drawn += 1;
        Some(match self.tracks {
            Tracks::InTurn(tracks) => (self.drawn - 1) % tracks.max(1),
            Tracks::Zipf(tracks) => {
                let part = self.random.f64();
                self.cumulated.partition_point(|&cumulated| cumulated <= part).min(tracks.saturating_sub(1))
            }
        })
    }
}

/// A play of 30 seconds.
#[must_use]
pub fn play(id: &str, track: &str, session: usize, at: DateTime<Utc>) -> Value {
    json!({
        "id": id,
        "type": "play",
        "trackId": track,
        "sessionId": format!("session-{session}"),
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "source": "search",
        "duration": 30,
    })
}

/// A like.
#[must_use]
pub fn like(id: &str, track: &str, session: usize, at: DateTime<Utc>) -> Value {
    json!({
        "id": id,
        "type": "like",
        "action": "like",
        "trackId": track,
        "sessionId": format!("session-{session}"),
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, true),
    })
}

/// The body of a request that sends these events.
#[must_use]
pub fn body(events: &[Value]) -> Bytes {
    json!({ "events": events }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_falls_with_the_rank() {
        let mut drawn = vec![0; 1_000];
        for track in Tracks::Zipf(1_000).draw().take(100_000) {
            drawn[track] += 1;
        }
        // 1 / (1 + 1/2 + … + 1/1000) of the plays are the first track's: 13.4 %.
        assert!((13_000..13_800).contains(&drawn[0]), "{}", drawn[0]);
        assert!((6_400..7_000).contains(&drawn[1]), "{}", drawn[1]);
        assert!(drawn[900..].iter().all(|&times| times < 50));
    }

    #[test]
    fn each_track_has_its_turn() {
        assert_eq!(Tracks::InTurn(3).draw().take(5).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
    }
}
