//! The counters of a track.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::distinct::Distinct;
use super::event::{Engagement, Platform, Play, Source};
use super::fact::TrackFact;
use super::fold::{Fold, Recorded};
use super::id::{EventId, PlayId, SessionId};
use super::limits::SKIP_BELOW_MS;
use super::time::Time;

/// Hundredths of a percent in the whole: a play of this completion heard all of the track.
pub const COMPLETE: u64 = 10_000;

/// Sums and counts over the facts of a track; averages and rates are divided when answering.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrackCounters {
    /// Plays, skipped ones too.
    #[serde(skip_serializing_if = "zero")]
    pub plays: u64,
    /// Plays that were skipped.
    #[serde(skip_serializing_if = "zero")]
    pub skips: u64,
    /// Plays that were replays.
    #[serde(skip_serializing_if = "zero")]
    pub replays: u64,
    /// Sum of the known durations, in milliseconds.
    #[serde(skip_serializing_if = "zero")]
    pub duration_ms: u64,
    /// Plays whose duration is known.
    #[serde(skip_serializing_if = "zero")]
    pub timed: u64,
    /// Sum of the known completions, in hundredths of a percent.
    #[serde(skip_serializing_if = "zero")]
    pub completion: u64,
    /// Plays whose completion is known.
    #[serde(skip_serializing_if = "zero")]
    pub measured: u64,
    /// Likes given.
    #[serde(skip_serializing_if = "zero")]
    pub likes: u64,
    /// Likes taken back.
    #[serde(skip_serializing_if = "zero")]
    pub unlikes: u64,
    /// Times it was put into a playlist.
    #[serde(skip_serializing_if = "zero")]
    pub saves: u64,
    /// Times it was taken out of a playlist.
    #[serde(skip_serializing_if = "zero")]
    pub unsaves: u64,
    /// Downloads.
    #[serde(skip_serializing_if = "zero")]
    pub downloads: u64,
    /// Plays by where they were started.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_source: BTreeMap<Source, u64>,
    /// Shares by where to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_platform: BTreeMap<Platform, u64>,
    /// Plays by the listener's country, where the edge told it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_country: BTreeMap<String, u64>,
    /// The sessions that played.
    #[serde(skip_serializing_if = "Distinct::is_empty")]
    pub sessions: Distinct,
    /// The listeners: who was signed in, else the anonymous id, else the session.
    #[serde(skip_serializing_if = "Distinct::is_empty")]
    pub listeners: Distinct,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn zero(number: &u64) -> bool {
    *number == 0
}

impl TrackCounters {
    /// Plays that were not skipped.
    #[must_use]
    pub fn qualified_plays(&self) -> u64 {
        self.plays.saturating_sub(self.skips)
    }

    /// Likes that stand. An unlike may be folded a moment before its like, hence not below 0.
    #[must_use]
    pub fn net_likes(&self) -> u64 {
        self.likes.saturating_sub(self.unlikes)
    }

    /// Playlists it is in.
    #[must_use]
    pub fn net_saves(&self) -> u64 {
        self.saves.saturating_sub(self.unsaves)
    }

    /// Shares to anywhere.
    #[must_use]
    pub fn shares(&self) -> u64 {
        self.by_platform.values().sum()
    }

    /// Takes away numbers that had been merged in. Distinct counts stay: what was met once was met.
    ///
    /// # Errors
    /// If they are not among these.
    pub fn take_away(&mut self, other: &Self) -> Result<(), NotAmong> {
        for (mine, theirs) in self.sums_mut().into_iter().zip(other.sums()) {
            *mine = mine.checked_sub(theirs).ok_or(NotAmong)?;
        }
        take_away(&mut self.by_source, &other.by_source)?;
        take_away(&mut self.by_platform, &other.by_platform)?;
        take_away(&mut self.by_country, &other.by_country)
    }

    fn sums(&self) -> [u64; 12] {
        [
            self.plays,
            self.skips,
            self.replays,
            self.duration_ms,
            self.timed,
            self.completion,
            self.measured,
            self.likes,
            self.unlikes,
            self.saves,
            self.unsaves,
            self.downloads,
        ]
    }

    fn sums_mut(&mut self) -> [&mut u64; 12] {
        [
            &mut self.plays,
            &mut self.skips,
            &mut self.replays,
            &mut self.duration_ms,
            &mut self.timed,
            &mut self.completion,
            &mut self.measured,
            &mut self.likes,
            &mut self.unlikes,
            &mut self.saves,
            &mut self.unsaves,
            &mut self.downloads,
        ]
    }

    fn count(&mut self, play: &JoinedPlay) {
        self.plays += 1;
        self.skips += u64::from(play.is_skipped());
        self.replays += u64::from(play.replayed);
        self.duration_ms += play.duration_ms.unwrap_or(0);
        self.timed += u64::from(play.duration_ms.is_some());
        self.completion += play.completion.unwrap_or(0);
        self.measured += u64::from(play.completion.is_some());
        *self.by_source.entry(play.source).or_default() += 1;
        if let Some(country) = &play.country {
            *self.by_country.entry(country.clone()).or_default() += 1;
        }
    }
}

/// Numbers were to be taken away that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not among the numbers it is to be taken away from")]
pub struct NotAmong;

fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        *to.entry(key.clone()).or_default() += count;
    }
}

fn take_away<K: Ord>(from: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) -> Result<(), NotAmong> {
    for (key, count) in other {
        let held = from.get_mut(key).ok_or(NotAmong)?;
        *held = held.checked_sub(*count).ok_or(NotAmong)?;
    }
    from.retain(|_, count| *count > 0);
    Ok(())
}

/// One play, joined from all the facts that tell of it, in whatever order they are met.
struct JoinedPlay {
    named_by: EventId,
    source: Source,
    duration_ms: Option<u64>,
    completion: Option<u64>,
    called_skipped: bool,
    replayed: bool,
    session: SessionId,
    listener: String,
    country: Option<String>,
}

impl JoinedPlay {
    fn new(id: EventId, play: Play, session: SessionId, listener: String, country: Option<String>) -> Self {
        Self {
            named_by: id,
            session,
            listener,
            country,
            source: play.source,
            duration_ms: play.duration_ms,
            completion: play.completion,
            called_skipped: play.skipped,
            replayed: play.replayed,
        }
    }

    fn join(&mut self, other: Self) {
        // Start and end should agree on these; where they do not, the first by event id has it.
        if other.named_by < self.named_by {
            self.named_by = other.named_by;
            self.source = other.source;
            self.listener = other.listener;
            self.country = other.country;
        }
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.completion = self.completion.max(other.completion);
        self.called_skipped |= other.called_skipped;
        self.replayed |= other.replayed;
    }

    fn is_skipped(&self) -> bool {
        let completed = self.completion.is_some_and(|completion| completion >= COMPLETE);
        !completed && self.duration_ms.map_or(self.called_skipped, |duration| duration < SKIP_BELOW_MS)
    }
}

/// What makes two facts tell of the same play: time, session and play id; a fact without a play id is its own play.
type PlayKey = (Time, SessionId, Result<PlayId, EventId>);

impl Fold for TrackCounters {
    type Fact = TrackFact;

    fn fold(facts: Vec<Recorded<TrackFact>>) -> Self {
        let mut counters = Self::default();
        let mut plays: HashMap<PlayKey, JoinedPlay> = HashMap::new();
        for Recorded { at, id, fact } in facts {
            let listener = fact.listener();
            match fact.what {
                Engagement::Play(play) => {
                    let key = (at, fact.session.clone(), play.play_id.clone().ok_or_else(|| id.clone()));
                    let play = JoinedPlay::new(id, play, fact.session, listener, fact.origin.country);
                    match plays.get_mut(&key) {
                        Some(known) => known.join(play),
                        None => {
                            plays.insert(key, play);
                        }
                    }
                }
                Engagement::Like { on: true, .. } => counters.likes += 1,
                Engagement::Like { on: false, .. } => counters.unlikes += 1,
                Engagement::Save { on: true, .. } => counters.saves += 1,
                Engagement::Save { on: false, .. } => counters.unsaves += 1,
                Engagement::Share { platform, .. } => *counters.by_platform.entry(platform).or_default() += 1,
                Engagement::Download { .. } => counters.downloads += 1,
            }
        }
        plays.values().for_each(|play| counters.count(play));
        // In order, so that the same facts make the same item.
        let sessions: BTreeSet<&str> = plays.values().map(|play| play.session.as_str()).collect();
        let listeners: BTreeSet<&str> = plays.values().map(|play| play.listener.as_str()).collect();
        sessions.into_iter().for_each(|session| counters.sessions.insert(session));
        listeners.into_iter().for_each(|listener| counters.listeners.insert(listener));
        counters
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.sums_mut().into_iter().zip(other.sums()) {
            *mine += theirs;
        }
        add(&mut self.by_source, &other.by_source);
        add(&mut self.by_platform, &other.by_platform);
        add(&mut self.by_country, &other.by_country);
        self.sessions.merge(&other.sessions);
        self.listeners.merge(&other.listeners);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::Origin;

    fn fact(id: &str, what: Engagement) -> Recorded<TrackFact> {
        let fact =
            TrackFact { session: "s".parse().unwrap(), user: None, anonymous: None, what, origin: Origin::default() };
        Recorded { at: "2026-01-31T09:30:00Z".parse().unwrap(), id: id.parse().unwrap(), fact }
    }

    fn play(play_id: Option<&str>, duration_s: Option<u64>, completion: Option<u64>, skipped: bool) -> Engagement {
        Engagement::Play(Play {
            source: Source::Search,
            play_id: play_id.map(|id| id.parse().unwrap()),
            playlist: None,
            duration_ms: duration_s.map(|s| s * 1000),
            completion,
            skipped,
            replayed: false,
        })
    }

    #[test]
    fn start_and_end_are_one_play_in_any_order() {
        let start = fact("a", play(Some("p"), None, None, false));
        let end = fact("b", play(Some("p"), Some(45), Some(5_000), false));
        let other = fact("c", play(None, Some(5), None, false));
        let folded = TrackCounters::fold(vec![start.clone(), end.clone(), other.clone()]);
        assert_eq!((folded.plays, folded.qualified_plays(), folded.skips, folded.duration_ms), (2, 1, 1, 50_000));
        assert_eq!((folded.timed, folded.completion, folded.measured), (2, 5_000, 1));
        assert_eq!(folded, TrackCounters::fold(vec![other, end, start]));
    }

    #[test]
    fn the_same_play_id_in_another_session_is_another_play() {
        let mut other = fact("b", play(Some("p"), None, None, false));
        other.fact.session = "s2".parse().unwrap();
        assert_eq!(TrackCounters::fold(vec![fact("a", play(Some("p"), None, None, false)), other]).plays, 2);
    }

    #[test]
    fn twenty_seconds_or_the_whole_track_qualify() {
        let skipped = |what| TrackCounters::fold(vec![fact("a", what)]).skips == 1;
        assert!(skipped(play(None, Some(19), None, false)));
        assert!(!skipped(play(None, Some(20), None, true)), "the duration decides, not the client's word");
        assert!(!skipped(play(None, Some(19), Some(COMPLETE), false)), "a short track heard to its end");
        assert!(skipped(play(None, None, None, true)), "without a duration the client's word counts");
        assert!(!skipped(play(None, None, None, false)));
    }

    #[test]
    fn merging_is_folding_all() {
        let all = vec![
            fact("a", play(None, Some(3), Some(10), false)),
            fact("b", Engagement::Like { on: true, source: None }),
            fact("c", Engagement::Save { on: false, playlist: "p".parse().unwrap() }),
            fact("d", Engagement::Share { platform: Platform::Embed, source: None }),
            fact("e", Engagement::Download { source: None }),
        ];
        let mut merged = TrackCounters::default();
        all.iter().for_each(|one| merged.merge(&TrackCounters::fold(vec![one.clone()])));
        assert_eq!((merged.net_likes(), merged.net_saves(), merged.shares()), (1, 0, 1));
        assert_eq!((merged.sessions.count(), merged.listeners.count()), (1, 1));
        let folded = TrackCounters::fold(all);
        assert_eq!(merged, folded);

        let part = folded.clone();
        merged.merge(&part);
        assert_eq!(merged.take_away(&part), Ok(()));
        assert_eq!(merged, folded);
        merged.downloads = 0;
        assert_eq!(merged.take_away(&part), Err(NotAmong));
    }

    #[test]
    fn a_listener_is_the_user_else_the_anonymous_id_else_the_session() {
        let by = |id: &str, session: &str, user: Option<&str>, anonymous: Option<&str>| {
            let mut fact = fact(id, play(None, Some(30), None, false));
            fact.fact.session = session.parse().unwrap();
            fact.fact.user = user.map(|user| user.parse().unwrap());
            fact.fact.anonymous = anonymous.map(|anonymous| anonymous.parse().unwrap());
            fact
        };
        let folded = TrackCounters::fold(vec![
            by("a", "s1", Some("ann"), Some("x")),
            by("b", "s2", Some("ann"), None),
            by("c", "s3", None, Some("x")),
            by("d", "s4", None, Some("x")),
            by("e", "s5", None, None),
            by("f", "s5", None, None),
        ]);
        assert_eq!((folded.plays, folded.sessions.count(), folded.listeners.count()), (6, 5, 3));
    }
}
