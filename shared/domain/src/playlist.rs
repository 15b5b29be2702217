//! Playlists, and the tracks that artists submit to them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::id::{PlaylistId, TrackId, UserId};
use super::rejection::Rejection;
use super::time::Time;
use super::track::Track;
use super::validation::{InvalidField, object, text, title};

/// A playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Playlist {
    /// The title.
    pub title: String,
    /// The owner.
    pub owner: UserId,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it takes submissions.
    pub is_open: bool,
}

/// A request to describe a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistDescription {
    title: String,
    owner: Option<UserId>,
    description: Option<String>,
    is_open: bool,
}

/// The status of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The submission waits for review.
    Pending,
    /// The submission was accepted.
    Accepted,
    /// The submission was rejected.
    Rejected,
}

/// A decision of the playlist's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The track is taken.
    Accept,
    /// Reject the submission.
    Reject,
}

/// A track that was submitted to a playlist; there is one per playlist and track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The playlist.
    pub playlist: PlaylistId,
    /// The track, which also names the submission.
    pub track: TrackId,
    /// The artist of the track at the time of the submission.
    pub artist: UserId,
    /// A message to the playlist's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The status.
    pub status: Status,
    /// When it was submitted; the last time, if it was rejected before.
    pub submitted_at: Time,
    /// When it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Time>,
}

/// A request of an artist to submit a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionOffer {
    /// The track.
    pub track: TrackId,
    /// A message to the playlist's owner.
    pub message: Option<String>,
}

/// The playlist belongs to another user.
const NOT_THE_OWNER: Rejection =
    Rejection::Forbidden("only the playlist's owner or an admin may change it and review its submissions");

/// The track belongs to another artist.
const NOT_THE_ARTIST: Rejection = Rejection::Forbidden("only the track's artist or an admin may submit it");

fn closed() -> Rejection {
    Rejection::ConflictingState("the playlist does not accept submissions".to_owned())
}

impl PlaylistDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["title", "ownerId", "description", "isOpen"])?;
        let (title, owner) = (violations.keep(title(fields)), violations.keep(fields.parsed("ownerId")));
        let (description, is_open) =
            (violations.keep(text(fields, "description")), violations.keep(fields.flag("isOpen")));
        let read = title.zip(owner).zip(description.zip(is_open));
        violations.finish(read.map(|((title, owner), (description, is_open))| Self {
            title,
            owner,
            description,
            is_open: is_open.unwrap_or(true),
        }))
    }

    /// The playlist that replaces `stored`.
    ///
    /// # Errors
    /// If the playlist is or would be another owner's.
    pub fn apply(self, stored: Option<&Playlist>, caller: &Caller) -> Result<Playlist, Rejection> {
        let owner = match caller {
            Caller::User { role: Role::Admin, id } => {
                self.owner.or_else(|| stored.map(|playlist| playlist.owner.clone())).unwrap_or_else(|| id.clone())
            }
            Caller::User { id, .. }
                if stored.is_none_or(|playlist| playlist.owner == *id)
                    && self.owner.is_none_or(|owner| owner == *id) =>
            {
                id.clone()
            }
            _ => return Err(NOT_THE_OWNER),
        };
        Ok(Playlist { title: self.title, owner, description: self.description, is_open: self.is_open })
    }
}

impl Playlist {
    /// Checks that `caller` may review submissions to the playlist.
    ///
    /// # Errors
    /// If the playlist is another owner's.
    pub fn judged_by(&self, caller: &Caller) -> Result<(), Rejection> {
        if caller.is_admin() || caller.user() == Some(&self.owner) { Ok(()) } else { Err(NOT_THE_OWNER) }
    }
}

impl SubmissionOffer {
    /// Reads an offer.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["trackId", "message"])?;
        let (track, message) = (violations.keep(fields.required("trackId")), violations.keep(text(fields, "message")));
        violations.finish(track.zip(message).map(|(track, message)| Self { track, message }))
    }

    /// The submission that replaces `stored`, if `caller` may submit `track` to the playlist. A stored submission stays until
    /// it is rejected, even if the playlist no longer takes others.
    ///
    /// # Errors
    /// If the track is another artist's, or the playlist takes no submissions.
    pub fn apply(
        &self,
        to: (&PlaylistId, &Playlist),
        track: &Track,
        stored: Option<&Submission>,
        caller: &Caller,
        now: Time,
    ) -> Result<Submission, Rejection> {
        match caller {
            Caller::User { role: Role::Admin, .. } => {}
            Caller::User { role: Role::Artist, id } if track.artist == *id => {}
            _ => return Err(NOT_THE_ARTIST),
        }
        if let Some(standing) = stored.filter(|stored| stored.status != Status::Rejected) {
            return Ok(standing.clone());
        }
        let (id, playlist) = to;
        if !playlist.is_open {
            return Err(closed());
        }
        Ok(Submission {
            playlist: id.clone(),
            track: self.track.clone(),
            artist: track.artist.clone(),
            message: self.message.clone(),
            status: Status::Pending,
            submitted_at: now,
            decided_at: None,
        })
    }
}

impl Submission {
    /// The submission after a decision; the same if it was decided that way before.
    #[must_use]
    pub fn judged(&self, decision: Decision, now: Time) -> Self {
        let status = Status::from(decision);
        let decided_at = if self.status == status { self.decided_at } else { Some(now) };
        Self { status, decided_at, ..self.clone() }
    }
}

impl Decision {
    /// Reads a decision.
    ///
    /// # Errors
    /// If it is missing or neither of the two.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["status"])?;
        let decision = violations.keep(fields.required("status"));
        violations.finish(decision)
    }
}

impl FromStr for Decision {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "accepted" => Ok(Self::Accept),
            "rejected" => Ok(Self::Reject),
            _ => Err("must be one of accepted, rejected"),
        }
    }
}

impl From<Decision> for Status {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accept => Self::Accepted,
            Decision::Reject => Self::Rejected,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validation::MAX_TEXT;

    fn caller(id: &str, role: Role) -> Caller {
        Caller::User { id: id.parse().unwrap(), role }
    }

    fn description(owner: Option<&str>) -> PlaylistDescription {
        PlaylistDescription::parse(&json!({"title": "Mornings", "ownerId": owner})).unwrap()
    }

    fn at(second: u32) -> Time {
        format!("2026-01-31T09:30:{second:02}Z").parse().unwrap()
    }

    fn fields<T: fmt::Debug>(parsed: Result<T, Vec<InvalidField>>) -> Vec<String> {
        parsed.unwrap_err().into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn reports_every_invalid_field() {
        let violations = json!({"title": " ", "ownerId": "a b", "description": "a\u{0}", "isOpen": "yes"});
        assert_eq!(fields(PlaylistDescription::parse(&violations)), ["title", "ownerId", "description", "isOpen"]);
        let long = json!({"title": "a", "description": "x".repeat(MAX_TEXT + 1)});
        assert_eq!(fields(PlaylistDescription::parse(&long)), ["description"]);
        assert_eq!(fields(SubmissionOffer::parse(&json!({"message": 7}))), ["trackId", "message"]);
        assert_eq!(fields(Decision::parse(&json!({}))), ["status"]);
        assert_eq!(fields(Decision::parse(&json!({"status": "pending"}))), ["status"]);
        for body in [json!([]), json!(null), json!("accepted")] {
            assert_eq!(fields(PlaylistDescription::parse(&body)), ["body"]);
            assert_eq!(fields(SubmissionOffer::parse(&body)), ["body"]);
            assert_eq!(fields(Decision::parse(&body)), ["body"]);
        }
    }

    #[test]
    fn description_keeps_lines_and_is_absent_if_blank() {
        let read =
            |text: &str| PlaylistDescription::parse(&json!({"title": "a", "description": text})).unwrap().description;
        assert_eq!(read("one\r\n\ttwo").as_deref(), Some("one\r\n\ttwo"));
        assert_eq!(read(" \n"), None);
    }

    #[test]
    fn only_owner_and_admin_change_a_playlist() {
        let sam = caller("sam", Role::Student);
        let playlist = description(None).apply(None, &sam).unwrap();
        assert_eq!((playlist.owner.as_str(), playlist.is_open), ("sam", true));
        assert!(description(Some("sam")).apply(Some(&playlist), &sam).is_ok());
        assert_eq!(description(Some("bob")).apply(Some(&playlist), &sam), Err(NOT_THE_OWNER));
        assert_eq!(description(Some("bob")).apply(None, &sam), Err(NOT_THE_OWNER));
        let bob = caller("bob", Role::Artist);
        assert_eq!(description(None).apply(Some(&playlist), &bob), Err(NOT_THE_OWNER));
        assert_eq!(description(None).apply(None, &Caller::Anonymous), Err(NOT_THE_OWNER));
        let root = caller("root", Role::Admin);
        assert_eq!(description(None).apply(None, &root).unwrap().owner.as_str(), "root");
        assert_eq!(description(None).apply(Some(&playlist), &root).unwrap().owner.as_str(), "sam");
        assert_eq!(description(Some("bob")).apply(Some(&playlist), &root).unwrap().owner.as_str(), "bob");
        assert_eq!(playlist.judged_by(&sam), Ok(()));
        assert_eq!(playlist.judged_by(&root), Ok(()));
        assert_eq!(playlist.judged_by(&bob), Err(NOT_THE_OWNER));
        assert_eq!(playlist.judged_by(&Caller::Anonymous), Err(NOT_THE_OWNER));
    }

    #[test]
    fn submission_is_kept_until_it_is_rejected() {
        let mut playlist = description(None).apply(None, &caller("sam", Role::Student)).unwrap();
        let track =
            Track { title: "Song".to_owned(), artist: "ann".parse().unwrap(), duration_ms: 1, released_at: None };
        let offer = SubmissionOffer::parse(&json!({"trackId": "song", "message": "hi"})).unwrap();
        let id: PlaylistId = "list".parse().unwrap();
        let ann = caller("ann", Role::Artist);
        let apply = |playlist: &Playlist, stored: Option<&Submission>, caller: &Caller, now: Time| {
            offer.apply((&id, playlist), &track, stored, caller, now)
        };

        let pending = apply(&playlist, None, &ann, at(1)).unwrap();
        assert_eq!((pending.status, pending.artist.as_str(), pending.decided_at), (Status::Pending, "ann", None));
        assert_eq!(apply(&playlist, Some(&pending), &ann, at(2)), Ok(pending.clone()));
        let accepted = pending.judged(Decision::Accept, at(3));
        assert_eq!((accepted.status, accepted.decided_at), (Status::Accepted, Some(at(3))));
        assert_eq!(accepted.judged(Decision::Accept, at(4)), accepted);
        assert_eq!(apply(&playlist, Some(&accepted), &ann, at(4)), Ok(accepted.clone()));
        let rejected = accepted.judged(Decision::Reject, at(5));
        assert_eq!((rejected.status, rejected.decided_at), (Status::Rejected, Some(at(5))));
        let again = apply(&playlist, Some(&rejected), &ann, at(6)).unwrap();
        assert_eq!(again, Submission { submitted_at: at(6), ..pending.clone() });

        playlist.is_open = false;
        assert_eq!(apply(&playlist, None, &ann, at(7)), Err(closed()));
        assert_eq!(apply(&playlist, Some(&rejected), &ann, at(7)), Err(closed()));
        assert_eq!(apply(&playlist, Some(&pending), &ann, at(7)), Ok(pending), "what was sent before stands");
        playlist.is_open = true;

        let by_admin = apply(&playlist, None, &caller("root", Role::Admin), at(8)).unwrap();
        assert_eq!(by_admin.artist.as_str(), "ann");
        for other in [caller("bob", Role::Artist), caller("ann", Role::Student), Caller::Anonymous] {
            assert_eq!(apply(&playlist, None, &other, at(9)), Err(NOT_THE_ARTIST));
        }
    }
}
