//! Tracks, as their artists describe them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::event::thousandths;
use super::id::UserId;
use super::merge::COMPLETE;
use super::rejection::Rejection;
use super::time::Time;
use super::validation::{Fields, InvalidField, object, title};

/// The longest track: a week, in seconds.
const MAX_DURATION_S: f64 = 604_800.0;

/// A described track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// The title.
    pub title: String,
    /// The artist.
    pub artist: UserId,
    /// The duration, in milliseconds; never 0.
    pub duration_ms: u64,
    /// When it was or will be released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
}

/// A request to describe a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    title: String,
    artist: Option<UserId>,
    duration_ms: u64,
    released_at: Option<Time>,
}

/// Only artists and admins describe tracks, and artists only their own.
const NOT_THE_ARTIST: Rejection = Rejection::Forbidden("only the track's artist or an admin may change it");

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["title", "artistId", "durationSeconds", "releasedAt"])?;
        let (title, artist) = (violations.keep(title(fields)), violations.keep(fields.parsed("artistId")));
        let (duration, released_at) = (violations.keep(duration(fields)), violations.keep(fields.parsed("releasedAt")));
        let read = title.zip(artist).zip(duration.zip(released_at));
        violations.finish(read.map(|((title, artist), (duration_ms, released_at))| Self {
            title,
            artist,
            duration_ms,
            released_at,
        }))
    }

    /// The track that replaces `stored`.
    ///
    /// # Errors
    /// If the track is another artist's, or the artist is missing.
    pub fn apply(self, stored: Option<&Track>, caller: &Caller) -> Result<Track, Rejection> {
        let artist = match caller {
            Caller::User { role: Role::Admin, .. } => self
                .artist
                .or_else(|| stored.map(|track| track.artist.clone()))
                .ok_or_else(|| InvalidField::new("artistId", "is required"))?,
            Caller::User { role: Role::Artist, id }
                if stored.is_none_or(|track| track.artist == *id) && self.artist.is_none_or(|artist| artist == *id) =>
            {
                id.clone()
            }
            _ => return Err(NOT_THE_ARTIST),
        };
        Ok(Track { title: self.title, artist, duration_ms: self.duration_ms, released_at: self.released_at })
    }
}

fn duration(fields: Fields<'_>) -> Result<u64, InvalidField> {
    let seconds = fields
        .number("durationSeconds", MAX_DURATION_S)?
        .ok_or_else(|| InvalidField::new("durationSeconds", "is required"))?;
    let millis = thousandths(seconds);
    if millis == 0 { Err(InvalidField::new("durationSeconds", "must be greater than 0")) } else { Ok(millis) }
}

impl Track {
    /// The completion of a play of `played_ms`, in hundredths of a percent, at most 10,000.
    #[must_use]
    pub fn completion(duration_ms: u64, played_ms: u64) -> u64 {
        played_ms.saturating_mul(COMPLETE).checked_div(duration_ms).map_or(COMPLETE, |share| share.min(COMPLETE))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(id: &str, role: Role) -> Caller {
        Caller::User { id: id.parse().unwrap(), role }
    }

    fn description(artist: Option<&str>) -> Description {
        Description::parse(&json!({"title": "Song", "artistId": artist, "durationSeconds": 61.5})).unwrap()
    }

    #[test]
    fn reports_every_invalid_field() {
        let violations = json!({"title": "a\u{0}", "artistId": "a b", "durationSeconds": 0, "releasedAt": "soon"});
        let fields: Vec<_> =
            Description::parse(&violations).unwrap_err().iter().map(|invalid| invalid.field.clone()).collect();
        assert_eq!(fields, ["title", "artistId", "durationSeconds", "releasedAt"]);
        assert_eq!(Description::parse(&json!([])).unwrap_err().first().unwrap().field, "body");
    }

    #[test]
    fn only_artist_and_admin_describe_a_track() {
        let ann = caller("ann", Role::Artist);
        let track = description(None).apply(None, &ann).unwrap();
        assert_eq!((track.artist.as_str(), track.duration_ms), ("ann", 61_500));
        assert!(description(Some("ann")).apply(Some(&track), &ann).is_ok());
        assert_eq!(description(Some("bob")).apply(Some(&track), &ann), Err(NOT_THE_ARTIST));
        assert_eq!(description(None).apply(Some(&track), &caller("bob", Role::Artist)), Err(NOT_THE_ARTIST));
        assert_eq!(description(None).apply(None, &caller("ann", Role::Seller)), Err(NOT_THE_ARTIST));
        assert_eq!(description(None).apply(None, &Caller::Anonymous), Err(NOT_THE_ARTIST));
        let root = caller("root", Role::Admin);
        assert_eq!(description(None).apply(Some(&track), &root).unwrap().artist.as_str(), "ann");
        assert_eq!(description(Some("bob")).apply(Some(&track), &root).unwrap().artist.as_str(), "bob");
        assert!(matches!(description(None).apply(None, &root), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn completion_is_at_most_the_whole() {
        assert_eq!(Track::completion(60_000, 20_000), 3_333);
        assert_eq!(Track::completion(60_000, 90_000), COMPLETE);
    }
}
