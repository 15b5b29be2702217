//! Events of tracks, as clients send them.

use serde_json::Value;

use super::fields::{Fields, Invalid};
use super::id::{AnonymousId, EventId, PlayId, PlaylistId, SessionId, TrackId};
use super::time::Time;
use super::words::words;

/// The longest play that is believed: 10⁹ seconds, in milliseconds.
const MAX_DURATION_S: f64 = 1e9;

words! {
    /// Where in the product something was done.
    Source {
        /// The landing page.
        Landing = "landing",
        /// A playlist.
        Playlist = "playlist",
        /// A search result.
        Search = "search",
        /// The track's own address.
        Direct = "direct",
        /// A shared link.
        Share = "share",
        /// The player itself.
        Player = "player",
    }

    /// Where a track was shared to.
    Platform {
        /// Twitter.
        Twitter = "twitter",
        /// Facebook.
        Facebook = "facebook",
        /// Instagram.
        Instagram = "instagram",
        /// WhatsApp.
        Whatsapp = "whatsapp",
        /// The link was copied.
        CopyLink = "copy_link",
        /// The player was embedded in a page.
        Embed = "embed",
    }

    /// What kind of thing happened.
    Kind {
        /// A play began or ended.
        Play = "play",
        /// A like was given or taken back.
        Like = "like",
        /// A track was put into a playlist or taken out.
        Save = "save",
        /// A track was shared.
        Share = "share",
        /// A track was downloaded.
        Download = "download",
    }
}

/// What a client told of one play. Start and end of a play are two events with the same play id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Where it was started.
    pub source: Source,
    /// Which play, where several events tell of it.
    pub play_id: Option<PlayId>,
    /// The playlist it was started from.
    pub playlist: Option<PlaylistId>,
    /// How long it lasted, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How much of the track was heard, in hundredths of a percent, 0 to 10,000.
    pub completion: Option<u64>,
    /// Whether the client calls it skipped; the duration, where there is one, decides.
    pub skipped: bool,
    /// Whether it was played again.
    pub replayed: bool,
}

/// What happened to a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engagement {
    /// It was played.
    Play(Play),
    /// It was liked (`on`) or unliked.
    Like {
        /// Like, or unlike.
        on: bool,
        /// Where.
        source: Option<Source>,
    },
    /// It was saved to a playlist (`on`) or taken out.
    Save {
        /// Save, or unsave.
        on: bool,
        /// Which playlist.
        playlist: PlaylistId,
    },
    /// It was shared.
    Share {
        /// Where to.
        platform: Platform,
        /// Where from.
        source: Option<Source>,
    },
    /// It was downloaded.
    Download {
        /// Where from.
        source: Option<Source>,
    },
}

impl Engagement {
    /// The kind of event this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Play(_) => Kind::Play,
            Self::Like { .. } => Kind::Like,
            Self::Save { .. } => Kind::Save,
            Self::Share { .. } => Kind::Share,
            Self::Download { .. } => Kind::Download,
        }
    }
}

/// An event of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name, given by the client.
    pub id: EventId,
    /// The track.
    pub track: TrackId,
    /// The client's session.
    pub session: SessionId,
    /// The device, where the client knows it again.
    pub anonymous: Option<AnonymousId>,
    /// When it happened, by the client's clock.
    pub at: Time,
    /// What happened.
    pub what: Engagement,
}

impl Event {
    /// Reads one event of a batch. Fields it does not know are left out.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn parse(event: &Value) -> Result<Self, Invalid> {
        let fields = Fields(event.as_object().ok_or_else(|| Invalid::new("event", "must be an object"))?);
        let kind = fields.required("type")?;
        Ok(Self {
            id: fields.required("id")?,
            track: fields.required("trackId")?,
            session: fields.required("sessionId")?,
            anonymous: fields.parsed("anonymousId")?,
            at: fields.required("timestamp")?,
            what: match kind {
                Kind::Play => Engagement::Play(play(fields)?),
                Kind::Like => {
                    Engagement::Like { on: action(fields, "like", "unlike")?, source: fields.parsed("source")? }
                }
                Kind::Save => {
                    Engagement::Save { on: action(fields, "save", "unsave")?, playlist: fields.required("playlistId")? }
                }
                Kind::Share => {
                    Engagement::Share { platform: fields.required("platform")?, source: fields.parsed("source")? }
                }
                Kind::Download => Engagement::Download { source: fields.parsed("source")? },
            },
        })
    }
}

fn play(fields: Fields<'_>) -> Result<Play, Invalid> {
    Ok(Play {
        source: fields.required("source")?,
        play_id: fields.parsed("playId")?,
        playlist: fields.parsed("playlistId")?,
        duration_ms: fields.number("duration", MAX_DURATION_S)?.map(thousandths),
        completion: fields.number("completionRate", 100.0)?.map(|percent| whole(percent * 100.0)),
        skipped: fields.flag("skipped")?.unwrap_or(false),
        replayed: fields.flag("replayed")?.unwrap_or(false),
    })
}

/// Seconds in whole milliseconds.
#[must_use]
pub fn thousandths(seconds: f64) -> u64 {
    whole(seconds * 1000.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers have checked the range")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn action(fields: Fields<'_>, on: &str, off: &str) -> Result<bool, Invalid> {
    match fields.text("action")? {
        Some(action) if action == on => Ok(true),
        Some(action) if action == off => Ok(false),
        Some(_) => Err(Invalid::new("action", format!("must be one of {on}, {off}"))),
        None => Err(Invalid::new("action", "is missing")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(patch: &Value) -> Result<Event, Invalid> {
        let mut event = json!({
            "id": "e1", "type": "play", "trackId": "t1", "sessionId": "s1", "timestamp": "2026-01-31T09:30:00Z",
            "source": "search",
        });
        for (field, value) in patch.as_object().unwrap() {
            event[field] = value.clone();
        }
        Event::parse(&event)
    }

    #[test]
    fn reads_each_type() {
        let play =
            with(&json!({"duration": 12.3456, "completionRate": 33.333, "replayed": true, "unknown": {}})).unwrap();
        let Engagement::Play(play) = play.what else { panic!("{play:?}") };
        assert_eq!(
            (play.duration_ms, play.completion, play.replayed, play.skipped),
            (Some(12_346), Some(3_333), true, false)
        );
        let kinds = [
            json!({"type": "like", "action": "unlike"}),
            json!({"type": "save", "action": "save", "playlistId": "p1"}),
            json!({"type": "share", "platform": "copy_link"}),
            json!({"type": "download", "source": null}),
        ];
        for kind in &kinds {
            assert_eq!(with(kind).unwrap().what.kind().to_string(), kind["type"].as_str().unwrap());
        }
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let cases = [
            (json!({"id": ""}), "id"),
            (json!({"id": "x".repeat(100_000)}), "id"),
            (json!({"id": 7}), "id"),
            (json!({"trackId": "a#b"}), "trackId"),
            (json!({"trackId": "a\u{0}b"}), "trackId"),
            (json!({"sessionId": null}), "sessionId"),
            (json!({"timestamp": 1_770_000_000}), "timestamp"),
            (json!({"timestamp": "yesterday"}), "timestamp"),
            (json!({"type": "PLAY"}), "type"),
            (json!({"type": ["play"]}), "type"),
            (json!({"source": "radio"}), "source"),
            (json!({"source": null}), "source"),
            (json!({"duration": -1}), "duration"),
            (json!({"duration": "12"}), "duration"),
            (json!({"duration": 1e300}), "duration"),
            (json!({"completionRate": 100.1}), "completionRate"),
            (json!({"skipped": "yes"}), "skipped"),
            (json!({"playId": "a b"}), "playId"),
            (json!({"type": "like"}), "action"),
            (json!({"type": "like", "action": "save"}), "action"),
            (json!({"type": "save", "action": "save"}), "playlistId"),
            (json!({"type": "share", "platform": "fax"}), "platform"),
        ];
        for (patch, field) in cases {
            assert_eq!(with(&patch).unwrap_err().field, field, "{patch}");
        }
        assert_eq!(Event::parse(&json!([1])).unwrap_err().field, "event");
    }
}
