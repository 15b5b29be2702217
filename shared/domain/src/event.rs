//! Events of tracks, as clients send them.

use super::country::Country;
use super::event_time::check_event_time;
use super::fact::MAX_USER_AGENT;
use super::id::{AnonymousId, EventId, PlayId, PlaylistId, SessionId, TrackId, UserId};
use super::raw_json::RawObject;
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{Fields, InvalidField, Violations};

/// The longest play that is believed, in seconds: a day.
const MAX_DURATION_S: f64 = 86_400.0;

string_enum! {
    /// The part of the product where an event began.
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

    /// The platform that a track was shared to.
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

    /// The kind of an event.
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

/// The content of a play event. Start and end of a play are two events with the same play id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Where the play began.
    pub source: Source,
    /// The id of the play, if several events describe it.
    pub play_id: Option<PlayId>,
    /// The playlist it was started from.
    pub playlist: Option<PlaylistId>,
    /// The duration, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The completion, in hundredths of a percent: 0 to 10,000.
    pub completion: Option<u64>,
    /// Whether the client calls it skipped; the duration, where there is one, decides.
    pub skipped: bool,
    /// Whether it was played again.
    pub replayed: bool,
}

/// An engagement with a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engagement {
    /// A play.
    Play(Play),
    /// A like (`on`) or an unlike.
    Like {
        /// Like, or unlike.
        on: bool,
        /// The part of the product.
        source: Option<Source>,
    },
    /// An addition to a playlist (`on`) or a removal.
    Save {
        /// Save, or unsave.
        on: bool,
        /// The playlist.
        playlist: PlaylistId,
    },
    /// A share.
    Share {
        /// The platform.
        platform: Platform,
        /// Where the share or download began.
        source: Option<Source>,
    },
    /// A download.
    Download {
        /// Where the share or download began.
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

/// What an admin states about an event that another user caused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The user, if one was signed in.
    pub user: Option<UserId>,
    /// The client's program.
    pub user_agent: Option<String>,
    /// The country that the address was of.
    pub country: Option<Country>,
}

/// An event of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The id, chosen by the client.
    pub id: EventId,
    /// The track.
    pub track: TrackId,
    /// The client's session.
    pub session: SessionId,
    /// The device, where the client knows it again.
    pub anonymous: Option<AnonymousId>,
    /// When it happened, by the client's clock.
    pub at: Time,
    /// The engagement.
    pub what: Engagement,
    /// The user and the origin of an imported event; otherwise empty.
    pub named: Named,
}

/// The fields of every event.
const COMMON: [&str; 5] = ["id", "trackId", "sessionId", "anonymousId", "timestamp"];

/// The fields that only imports have.
const IMPORTED: [&str; 3] = ["userId", "userAgent", "country"];

/// The fields that only events of a kind have.
fn own_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Play => &["source", "playId", "playlistId", "duration", "completionRate", "skipped", "replayed"],
        Kind::Like => &["action", "source"],
        Kind::Save => &["action", "playlistId"],
        Kind::Share => &["platform", "source"],
        Kind::Download => &["source"],
    }
}

impl Event {
    /// Reads an event of a batch that arrived at `now`. Only the fields of its type are read; `userId`, `userAgent` and
    /// `country` only of an import, which may be of any age.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn read(event: &RawObject<'_>, now: Time, is_import: bool) -> Result<Self, Vec<InvalidField>> {
        let (mut unreadable, mut violations) = (Vec::new(), Violations::default());
        let kind = event.read(["type"], &mut unreadable);
        let kind: Option<Kind> = violations.keep(Fields(&kind).required("type"));
        let names = COMMON.iter().chain(if is_import { IMPORTED.as_slice() } else { &[] });
        let fields = event.read(names.chain(kind.map_or(&[][..], own_fields)).copied(), &mut unreadable);
        let fields = Fields(&fields);

        let id = violations.keep(fields.required("id"));
        let track = violations.keep(fields.required("trackId"));
        let session = violations.keep(fields.required("sessionId"));
        let anonymous = violations.keep(fields.parsed("anonymousId"));
        let at = violations.keep(fields.required("timestamp").and_then(|at| {
            check_event_time(at, now, is_import).map_err(|untimely| InvalidField::new("timestamp", untimely))?;
            Ok(at)
        }));
        let what = kind.and_then(|kind| engagement(kind, fields, &mut violations));
        let user = violations.keep(fields.parsed("userId"));
        let user_agent = violations.keep(fields.text("userAgent"));
        let country = violations.keep(fields.parsed("country"));
        let user_agent = user_agent.map(|agent| {
            agent.filter(|agent| !agent.is_empty()).map(|agent| agent.chars().take(MAX_USER_AGENT).collect())
        });
        match (id, track, session, anonymous, at, what, user, user_agent, country) {
            (
                Some(id),
                Some(track),
                Some(session),
                Some(anonymous),
                Some(at),
                Some(what),
                Some(user),
                Some(user_agent),
                Some(country),
            ) if unreadable.is_empty() => {
                Ok(Self { id, track, session, anonymous, at, what, named: Named { user, user_agent, country } })
            }
            _ => {
                let violations: Vec<InvalidField> = violations.into();
                // A field that cannot be read is not reported as missing too.
                let is_new = |violations: &InvalidField| unreadable.iter().all(|known| known.field != violations.field);
                let violations: Vec<InvalidField> = violations.into_iter().filter(is_new).collect();
                Err(unreadable.into_iter().chain(violations).collect())
            }
        }
    }
}

fn engagement(kind: Kind, fields: Fields<'_>, violations: &mut Violations) -> Option<Engagement> {
    match kind {
        Kind::Play => play(fields, violations).map(Engagement::Play),
        Kind::Like => {
            let (on, source) =
                (violations.keep(action(fields, "like", "unlike")), violations.keep(fields.parsed("source")));
            Some(Engagement::Like { on: on?, source: source? })
        }
        Kind::Save => {
            let on = violations.keep(action(fields, "save", "unsave"));
            let playlist = violations.keep(fields.required("playlistId"));
            Some(Engagement::Save { on: on?, playlist: playlist? })
        }
        Kind::Share => {
            let (platform, source) =
                (violations.keep(fields.required("platform")), violations.keep(fields.parsed("source")));
            Some(Engagement::Share { platform: platform?, source: source? })
        }
        Kind::Download => Some(Engagement::Download { source: violations.keep(fields.parsed("source"))? }),
    }
}

fn play(fields: Fields<'_>, violations: &mut Violations) -> Option<Play> {
    let source = violations.keep(fields.required("source"));
    let play_id = violations.keep(fields.parsed("playId"));
    let playlist = violations.keep(fields.parsed("playlistId"));
    let duration = violations.keep(fields.number("duration", MAX_DURATION_S));
    let completion = violations.keep(fields.number("completionRate", 100.0));
    let skipped = violations.keep(fields.flag("skipped"));
    let replayed = violations.keep(fields.flag("replayed"));
    Some(Play {
        source: source?,
        play_id: play_id?,
        playlist: playlist?,
        duration_ms: duration?.map(thousandths),
        completion: completion?.map(|percent| whole(percent * 100.0)),
        skipped: skipped?.unwrap_or(false),
        replayed: replayed?.unwrap_or(false),
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

fn action(fields: Fields<'_>, on: &str, off: &str) -> Result<bool, InvalidField> {
    match fields.text("action")? {
        Some(action) if action == on => Ok(true),
        Some(action) if action == off => Ok(false),
        Some(_) => Err(InvalidField::new("action", format!("must be one of {on}, {off}"))),
        None => Err(InvalidField::new("action", "is required")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-31T09:30:00Z";

    fn read(text: &str, is_import: bool) -> Result<Event, Vec<InvalidField>> {
        Event::read(&RawObject::parse(text).unwrap(), NOW.parse().unwrap(), is_import)
    }

    fn patched(patch: &Value) -> String {
        let mut event = json!({
            "id": "e1", "type": "play", "trackId": "t1", "sessionId": "s1", "timestamp": NOW, "source": "search",
        });
        for (field, value) in patch.as_object().unwrap() {
            event[field] = value.clone();
        }
        event.to_string()
    }

    fn with(patch: &Value) -> Result<Event, Vec<InvalidField>> {
        read(&patched(patch), false)
    }

    fn fields<T: std::fmt::Debug>(read: Result<T, Vec<InvalidField>>) -> Vec<String> {
        read.unwrap_err().into_iter().map(|violations| violations.field.into_owned()).collect()
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
    fn reports_the_invalid_field() {
        let cases = [
            (json!({"id": ""}), "id"),
            (json!({"id": "x".repeat(100_000)}), "id"),
            (json!({"id": 7}), "id"),
            (json!({"trackId": "a#b"}), "trackId"),
            (json!({"trackId": "a\u{0}b"}), "trackId"),
            (json!({"sessionId": null}), "sessionId"),
            (json!({"timestamp": 1_770_000_000}), "timestamp"),
            (json!({"timestamp": "yesterday"}), "timestamp"),
            (json!({"timestamp": "2026-01-31T09:36:00Z"}), "timestamp"),
            (json!({"type": "PLAY"}), "type"),
            (json!({"type": ["play"]}), "type"),
            (json!({"source": "radio"}), "source"),
            (json!({"source": null}), "source"),
            (json!({"duration": -1}), "duration"),
            (json!({"duration": "12"}), "duration"),
            (json!({"duration": 86_400.1}), "duration"),
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
            assert_eq!(fields(with(&patch)), [field], "{patch}");
        }
        assert!(with(&json!({"duration": 86_400})).is_ok());
    }

    #[test]
    fn reports_all_invalid_fields_together() {
        assert_eq!(fields(read("{}", false)), ["type", "id", "trackId", "sessionId", "timestamp"]);
        let bad = json!({"id": "a b", "timestamp": "never", "source": 1, "duration": -1, "skipped": 1, "replayed": 0});
        assert_eq!(fields(with(&bad)), ["id", "timestamp", "source", "duration", "skipped", "replayed"]);
    }

    #[test]
    fn unrepresentable_values_are_rejected_only_in_known_fields() {
        let add = |field: &str| patched(&json!({})).replacen('{', &format!("{{{field},"), 1);
        for unread in [r#""note": "cut \ud83d""#, r#""n": [1e400]"#, r#""\udc00": 1"#, r#""action": 1e400"#] {
            assert!(read(&add(unread), false).is_ok(), "{unread}");
        }
        for unread in [r#""userId": "\ud83d""#, r#""country": 1e400"#] {
            assert!(read(&add(unread), false).is_ok(), "{unread} is read of imports only");
            assert!(read(&add(unread), true).is_err(), "{unread}");
        }
        assert_eq!(fields(read(&add(r#""duration": 1e400, "playId": "\ud83d""#), false)), ["playId", "duration"]);
        // Of two fields of one name the last is read.
        let cut = patched(&json!({})).replace("\"t1\"", r#""t\ud83d""#);
        assert_eq!(fields(read(&cut, false)), ["trackId"]);
    }

    #[test]
    fn only_imports_name_user_and_origin() {
        let named = json!({
            "userId": "ann", "userAgent": "x".repeat(300), "country": "DE", "timestamp": "2020-01-31T09:30:00Z",
        });
        let imported = read(&patched(&named), true).unwrap().named;
        assert_eq!((imported.user.unwrap().as_str(), imported.user_agent.unwrap().len()), ("ann", MAX_USER_AGENT));
        assert_eq!(imported.country.unwrap().to_string(), "DE");
        let mut own = named;
        own["timestamp"] = json!(NOW);
        assert_eq!(read(&patched(&own), false).unwrap().named, Named::default());
        let bad = json!({"userId": "a b", "userAgent": 7, "country": "ZZ"});
        assert_eq!(fields(read(&patched(&bad), true)), ["userId", "userAgent", "country"]);
        assert!(with(&bad).is_ok());
    }
}
