//! Facts that tell of one thing: the start and the end of a play, or an event that was sent before and after its session
//! signed in.
//!
//! A session is one listener. What it said before somebody signed in belongs to that person: the facts are joined, and
//! the person's own words prevail. Facts of two persons are never joined, whatever session they name.

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

/// What one fact tells of a thing.
pub trait MergeFacts {
    /// Adds what another fact of the same listener tells.
    fn join(&mut self, other: Self);

    /// Adds what the session told before this listener signed in.
    fn fill_gaps(&mut self, before: Self);
}

/// Things by their names, each told of by one or more facts, in whatever order those are met.
pub struct MergedFacts<K, T>(HashMap<K, BTreeMap<Option<UserId>, T>>);

impl<K, T> Default for MergedFacts<K, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, T: MergeFacts> MergedFacts<K, T> {
    /// A fact tells of a thing; `user` is who was signed in.
    pub fn add(&mut self, thing: K, user: Option<UserId>, fact: T) {
        let by_user = self.0.entry(thing).or_default();
        match by_user.get_mut(&user) {
            Some(known) => known.join(fact),
            None => {
                by_user.insert(user, fact);
            }
        }
    }

    /// The things. What was told with nobody signed in belongs to the person who was, to the first by id if there are
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

/// What makes facts of a track tell of one play: time, session and play id, else event id.
pub type PlayKey = (Time, SessionId, Result<PlayId, EventId>);

/// A play, as all facts of it tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedPlay {
    /// The first of its events by id: where the others say something else, it is believed.
    pub first_event: EventId,
    /// Who listened.
    pub actor: Actor,
    /// Where it was started.
    pub source: Source,
    /// How long it lasted, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How much of the track was heard, in hundredths of a percent.
    pub completion: Option<u64>,
    /// Whether it was played again.
    pub replayed: bool,
    /// The country, where it is known.
    pub country: Option<String>,
    reported_skipped: bool,
    first_actor: Actor,
}

impl MergedPlay {
    /// The play that one fact tells of, and which play that is.
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

/// Something that one event tells all of: a share with its platform, or a download.
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
