//! Facts of tracks: accepted events as they are stored.

use serde::{Deserialize, Serialize};

use super::caller::Actor;
use super::event::{Engagement, Kind, Platform, Play, Source};
use super::id::{AnonymousId, PlayId, PlaylistId, SessionId, UserId};

/// The longest stored user agent, in characters.
pub const MAX_USER_AGENT: usize = 200;

/// The origin of a request, without personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The client's program, cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The network the address belongs to: its first 24 bits, or 48 of IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The country, where a trusted edge or an import names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// Something that happened to a track, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub struct TrackFact {
    /// The session it happened in.
    pub session: SessionId,
    /// The user, if one was signed in.
    pub user: Option<UserId>,
    /// The device, where the client knows it again.
    pub anonymous: Option<AnonymousId>,
    /// The engagement.
    pub what: Engagement,
    /// The origin of the request; of an import, what the admin states.
    pub origin: Origin,
    /// Whether an admin imported it.
    pub imported: bool,
}

impl TrackFact {
    /// The actor: the user, else the device, else the session.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match (&self.user, &self.anonymous) {
            (Some(user), _) => Actor::User(user.clone()),
            (None, Some(device)) => Actor::Device(device.clone()),
            (None, None) => Actor::Session(self.session.clone()),
        }
    }

    /// All that it names, the best known first: the first one is the [actor](Self::actor).
    #[must_use]
    pub fn actors(&self) -> Vec<Actor> {
        Actor::all(self.user.as_ref(), self.anonymous.as_ref(), Some(&self.session))
    }
}

/// A stored fact that lacks an attribute of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {0} without all it needs")]
struct Incomplete(Kind);

/// A fact as it is serialised: one level, without absent attributes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flat {
    kind: Kind,
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous: Option<AnonymousId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    play: Option<PlayId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    playlist: Option<PlaylistId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    skipped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

impl From<TrackFact> for Flat {
    fn from(fact: TrackFact) -> Self {
        let mut flat = Self {
            kind: fact.what.kind(),
            session: fact.session,
            user: fact.user,
            anonymous: fact.anonymous,
            on: None,
            source: None,
            platform: None,
            play: None,
            playlist: None,
            duration_ms: None,
            completion: None,
            skipped: false,
            replayed: false,
            user_agent: fact.origin.user_agent,
            network: fact.origin.network,
            country: fact.origin.country,
            imported: fact.imported,
        };
        match fact.what {
            Engagement::Play(play) => {
                flat.source = Some(play.source);
                flat.play = play.play_id;
                flat.playlist = play.playlist;
                flat.duration_ms = play.duration_ms;
                flat.completion = play.completion;
                flat.skipped = play.skipped;
                flat.replayed = play.replayed;
            }
            Engagement::Like { on, source } => {
                flat.on = Some(on);
                flat.source = source;
            }
            Engagement::Save { on, playlist } => {
                flat.on = Some(on);
                flat.playlist = Some(playlist);
            }
            Engagement::Share { platform, source } => {
                flat.platform = Some(platform);
                flat.source = source;
            }
            Engagement::Download { source } => flat.source = source,
        }
        flat
    }
}

impl TryFrom<Flat> for TrackFact {
    type Error = Incomplete;

    fn try_from(flat: Flat) -> Result<Self, Incomplete> {
        let incomplete = Incomplete(flat.kind);
        let what = match flat.kind {
            Kind::Play => Engagement::Play(Play {
                source: flat.source.ok_or(incomplete)?,
                play_id: flat.play,
                playlist: flat.playlist,
                duration_ms: flat.duration_ms,
                completion: flat.completion,
                skipped: flat.skipped,
                replayed: flat.replayed,
            }),
            Kind::Like => Engagement::Like { on: flat.on.ok_or(incomplete)?, source: flat.source },
            Kind::Save => {
                Engagement::Save { on: flat.on.ok_or(incomplete)?, playlist: flat.playlist.ok_or(incomplete)? }
            }
            Kind::Share => Engagement::Share { platform: flat.platform.ok_or(incomplete)?, source: flat.source },
            Kind::Download => Engagement::Download { source: flat.source },
        };
        let origin = Origin { user_agent: flat.user_agent, network: flat.network, country: flat.country };
        Ok(Self {
            session: flat.session,
            user: flat.user,
            anonymous: flat.anonymous,
            what,
            origin,
            imported: flat.imported,
        })
    }
}
