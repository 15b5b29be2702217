//! Merges several facts of one thing: the start and the end of a play, or an event that was sent before and after its
//! session signed in.
//!
//! A session is one listener. The facts of a session before its user signed in are merged into those of the user, whose
//! own statements take precedence. Facts of two users are never merged, even in one session.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::caller::Actor;
use super::event::{Platform, Play, Source};
use super::event_time::SKIP_BELOW_MS;
use super::fact::TrackFact;
use super::id::{EventId, PlayId, SessionId, UserId};
use super::time::Time;

/// Hundredths of a percent in the whole: a play of this completion heard all of the track.
pub const COMPLETE: u64 = 10_000;

/// A fact of a thing that several facts may describe.
pub trait MergeFacts {
    /// Merges another fact of the same listener.
    fn join(&mut self, other: Self);

    /// Fills gaps with a fact of the session before this listener signed in.
    fn fill_gaps(&mut self, before: Self);
}

/// Things by key, each described by one or more facts, in any order.
pub struct MergedFacts<K, T>(HashMap<K, BTreeMap<Option<UserId>, T>>);

impl<K, T> Default for MergedFacts<K, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, T: MergeFacts> MergedFacts<K, T> {
    /// Adds a fact of a thing; `user` is the signed-in user.
    pub fn add(&mut self, thing: K, user: Option<UserId>, fact: T) {
        let by_user = self.0.entry(thing).or_default();
        match by_user.get_mut(&user) {
            Some(known) => known.join(fact),
            None => {
                by_user.insert(user, fact);
            }
        }
    }

    /// The merged things. Facts without a user belong to the user of the same session, to the first by id if there are
    /// several.
    pub fn merged(self) -> impl Iterator<Item = (K, T)> {
        self.0.into_iter().flat_map(|(thing, mut by_user)| {
            let mut before = by_user.remove(&None);
            if let Some(mut first) = by_user.first_entry()
                && let Some(before) = before.take()
            {
                first.get_mut().fill_gaps(before);
            }
            let fact: Vec<T> = before.into_iter().chain(by_user.into_values()).collect();
            fact.into_iter().map(move |fact| (thing.clone(), fact))
        })
    }
}

/// The key by which facts describe the same play: time, session, and play id or else event id.
pub type PlayKey = (Time, SessionId, Result<PlayId, EventId>);

/// A play, merged from all of its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedPlay {
    /// The first of its events by id, which decides where they differ.
    pub first_event: EventId,
    /// The listener.
    pub actor: Actor,
    /// Where the play began.
    pub source: Source,
    /// The duration, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The completion, in hundredths of a percent.
    pub completion: Option<u64>,
    /// Whether it was played again.
    pub replayed: bool,
    /// The country, where it is known.
    pub country: Option<String>,
    reported_skipped: bool,
    first_actor: Actor,
}

impl MergedPlay {
    /// The play that one fact describes, and its key.
    pub fn of(at: Time, id: EventId, fact: &TrackFact, play: &Play) -> (PlayKey, Self) {
        let key = (at, fact.session.clone(), play.play_id.clone().ok_or_else(|| id.clone()));
        let actor = fact.actor();
        let joined = Self {
            first_event: id,
            first_actor: actor.clone(),
            actor,
            source: play.source,
            duration_ms: play.duration_ms,
            completion: play.completion,
            replayed: play.replayed,
            country: fact.origin.country.clone(),
            reported_skipped: play.skipped,
        };
        (key, joined)
    }

    /// Whether it was skipped: under 20 seconds, unless the track was completed.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        let completed = self.completion.is_some_and(|completion| completion >= COMPLETE);
        !completed && self.duration_ms.map_or(self.reported_skipped, |duration| duration < SKIP_BELOW_MS)
    }
}

impl MergeFacts for MergedPlay {
    fn join(&mut self, other: Self) {
        // Start and end should agree on these; where they do not, the first by event id has it.
        if (&other.first_event, &other.first_actor) < (&self.first_event, &self.first_actor) {
            self.first_event = other.first_event;
            self.first_actor = other.first_actor;
            self.source = other.source;
            self.country = other.country;
        }
        self.actor = other.actor.min(self.actor.clone());
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.completion = self.completion.max(other.completion);
        self.reported_skipped |= other.reported_skipped;
        self.replayed |= other.replayed;
    }

    fn fill_gaps(&mut self, before: Self) {
        self.country = self.country.take().or(before.country);
        self.duration_ms = self.duration_ms.or(before.duration_ms);
        self.completion = self.completion.or(before.completion);
        self.reported_skipped |= before.reported_skipped;
        self.replayed |= before.replayed;
    }
}

/// A thing that one event describes completely: a share with its platform, or a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleFact<T>(pub Actor, pub T);

/// A share.
pub type MergedShare = SingleFact<Platform>;

/// A download.
pub type MergedDownload = SingleFact<()>;

impl<T> MergeFacts for SingleFact<T> {
    fn join(&mut self, other: Self) {
        if other.0 < self.0 {
            *self = other;
        }
    }

    fn fill_gaps(&mut self, _: Self) {}
}
