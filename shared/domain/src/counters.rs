//! The counters of a track.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::distinct::Distinct;
use super::event::{Engagement, Platform, Source};
use super::fact::TrackFact;
use super::fold::{Fold, Recorded};
use super::id::{EventId, SessionId};
use super::merge::{MergedDownload, MergedFacts, MergedPlay, MergedShare, PlayKey, SingleFact};
use super::time::Time;

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
    /// Plays of known duration.
    #[serde(skip_serializing_if = "zero")]
    pub timed: u64,
    /// Sum of the known completions, in hundredths of a percent.
    #[serde(skip_serializing_if = "zero")]
    pub completion: u64,
    /// Plays of known completion.
    #[serde(skip_serializing_if = "zero")]
    pub measured: u64,
    /// Likes given.
    #[serde(skip_serializing_if = "zero")]
    pub likes: u64,
    /// Likes taken back.
    #[serde(skip_serializing_if = "zero")]
    pub unlikes: u64,
    /// Additions to a playlist.
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
    /// Plays by the listener's country, where the edge provides it.
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

    /// Likes less unlikes. An unlike may be folded shortly before its like, so the result is never below 0.
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

    /// Subtracts counters that were merged before. Distinct counts stay, since they cannot be subtracted.
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

    fn count(&mut self, play: &MergedPlay) {
        self.plays += 1;
        self.skips += u64::from(play.is_skipped());
        self.replays += u64::from(play.replayed);
        self.duration_ms = self.duration_ms.saturating_add(play.duration_ms.unwrap_or(0));
        self.timed += u64::from(play.duration_ms.is_some());
        self.completion = self.completion.saturating_add(play.completion.unwrap_or(0));
        self.measured += u64::from(play.completion.is_some());
        *self.by_source.entry(play.source).or_default() += 1;
        if let Some(country) = &play.country {
            *self.by_country.entry(country.clone()).or_default() += 1;
        }
    }
}

/// Counters were subtracted that had not been merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not among the numbers it is to be taken away from")]
pub struct NotAmong;

fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        let sum = to.entry(key.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
}

fn take_away<K: Ord>(from: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) -> Result<(), NotAmong> {
    for (key, count) in other {
        let stored = from.get_mut(key).ok_or(NotAmong)?;
        *stored = stored.checked_sub(*count).ok_or(NotAmong)?;
    }
    from.retain(|_, count| *count > 0);
    Ok(())
}

impl Fold for TrackCounters {
    type Fact = TrackFact;

    fn fold(facts: Vec<Recorded<TrackFact>>) -> Self {
        let mut counters = Self::default();
        let mut plays: MergedFacts<PlayKey, MergedPlay> = MergedFacts::default();
        let mut shares: MergedFacts<(Time, SessionId, EventId), MergedShare> = MergedFacts::default();
        let mut downloads: MergedFacts<(Time, SessionId, EventId), MergedDownload> = MergedFacts::default();
        for Recorded { at, id, fact } in facts {
            match &fact.what {
                Engagement::Play(play) => {
                    let (key, play) = MergedPlay::of(at, id, &fact, play);
                    plays.add(key, fact.user, play);
                }
                Engagement::Share { platform, .. } => {
                    let single = SingleFact(fact.actor(), *platform);
                    shares.add((at, fact.session, id), fact.user, single);
                }
                Engagement::Download { .. } => {
                    let single = SingleFact(fact.actor(), ());
                    downloads.add((at, fact.session, id), fact.user, single);
                }
                Engagement::Like { on: true, .. } => counters.likes += 1,
                Engagement::Like { on: false, .. } => counters.unlikes += 1,
                Engagement::Save { on: true, .. } => counters.saves += 1,
                Engagement::Save { on: false, .. } => counters.unsaves += 1,
            }
        }
        // In order, so that the same facts produce the same item.
        let (mut sessions, mut listeners) = (BTreeSet::new(), BTreeSet::new());
        for ((_, session, _), play) in plays.merged() {
            counters.count(&play);
            sessions.insert(session.to_string());
            listeners.insert(play.actor.to_string());
        }
        sessions.iter().for_each(|session| counters.sessions.insert(session));
        listeners.iter().for_each(|listener| counters.listeners.insert(listener));
        for (_, SingleFact(_, platform)) in shares.merged() {
            *counters.by_platform.entry(platform).or_default() += 1;
        }
        counters.downloads = downloads.merged().map(|_| 1).sum();
        counters
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.sums_mut().into_iter().zip(other.sums()) {
            *mine = mine.saturating_add(theirs);
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
    use crate::event::Play;
    use crate::fact::Origin;
    use crate::merge::COMPLETE;

    fn fact(id: &str, what: Engagement) -> Recorded<TrackFact> {
        let session = "s".parse().unwrap();
        let origin = Origin::default();
        let fact = TrackFact { session, user: None, anonymous: None, what, origin, imported: false };
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
    fn start_and_end_merge_into_one_play_in_any_order() {
        let start = fact("a", play(Some("p"), None, None, false));
        let end = fact("b", play(Some("p"), Some(45), Some(5_000), false));
        let other = fact("c", play(None, Some(5), None, false));
        let folded = TrackCounters::fold(vec![start.clone(), end.clone(), other.clone()]);
        assert_eq!((folded.plays, folded.qualified_plays(), folded.skips, folded.duration_ms), (2, 1, 1, 50_000));
        assert_eq!((folded.timed, folded.completion, folded.measured), (2, 5_000, 1));
        assert_eq!(folded, TrackCounters::fold(vec![other, end, start]));
    }

    #[test]
    fn play_ids_are_scoped_to_their_session() {
        let mut other = fact("b", play(Some("p"), None, None, false));
        other.fact.session = "s2".parse().unwrap();
        assert_eq!(TrackCounters::fold(vec![fact("a", play(Some("p"), None, None, false)), other]).plays, 2);
    }

    #[test]
    fn twenty_seconds_or_full_completion_qualify_a_play() {
        let skipped = |what| TrackCounters::fold(vec![fact("a", what)]).skips == 1;
        assert!(skipped(play(None, Some(19), None, false)));
        assert!(!skipped(play(None, Some(20), None, true)), "the duration decides, not the client's word");
        assert!(!skipped(play(None, Some(19), Some(COMPLETE), false)), "a short track heard to its end");
        assert!(skipped(play(None, None, None, true)), "without a duration the client's word counts");
        assert!(!skipped(play(None, None, None, false)));
    }

    #[test]
    fn merged_folds_equal_fold_of_all() {
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
    fn listener_is_user_else_device_else_session() {
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

    fn signed_in(mut of: Recorded<TrackFact>, user: &str) -> Recorded<TrackFact> {
        of.fact.user = Some(user.parse().unwrap());
        of
    }

    /// The fold of these facts, which does not depend on their order.
    fn folded(mut facts: Vec<Recorded<TrackFact>>) -> TrackCounters {
        let folded = TrackCounters::fold(facts.clone());
        for _ in 0..facts.len() {
            facts.rotate_left(1);
            assert_eq!(TrackCounters::fold(facts.clone()), folded);
        }
        facts.reverse();
        assert_eq!(TrackCounters::fold(facts), folded);
        folded
    }

    #[test]
    fn play_across_sign_in_is_one_play_of_the_user() {
        let start = fact("a", play(Some("p"), None, None, false));
        let end = signed_in(fact("b", play(Some("p"), Some(45), Some(5_000), false)), "ann");
        let one = folded(vec![start.clone(), end.clone()]);
        assert_eq!((one.plays, one.duration_ms, one.completion, one.listeners.count()), (1, 45_000, 5_000, 1));
        let alone = TrackCounters::fold(vec![end.clone()]);
        assert_eq!((&one.listeners, &one.sessions), (&alone.listeners, &alone.sessions));

        // The other way round, it started with a token and ended without one.
        let start = signed_in(fact("a", play(Some("p"), None, None, false)), "ann");
        let end = fact("b", play(Some("p"), Some(45), Some(5_000), false));
        assert_eq!(folded(vec![start, end]), one);
    }

    #[test]
    fn facts_without_user_never_override_those_of_a_user() {
        let mut own = signed_in(fact("a", play(None, Some(45), Some(5_000), false)), "ann");
        own.fact.origin.country = Some("DE".to_owned());
        let Engagement::Play(mut forged) = play(None, Some(86_400), Some(1), false) else { unreachable!() };
        forged.source = Source::Share;
        let mut forged = fact("a", Engagement::Play(forged));
        assert_eq!(folded(vec![own.clone(), forged.clone()]), TrackCounters::fold(vec![own.clone()]));
        forged.fact.session = "other".parse().unwrap();
        assert_eq!(folded(vec![own, forged]).plays, 2, "of another session it is another play");
    }

    #[test]
    fn plays_of_two_users_never_merge() {
        let of = |user| signed_in(fact("a", play(Some("p"), Some(30), None, false)), user);
        let before = fact("b", play(Some("p"), None, None, true));
        let both = folded(vec![of("ann"), of("bob"), before]);
        assert_eq!((both.plays, both.listeners.count(), both.sessions.count()), (2, 2, 1));
    }

    #[test]
    fn share_or_download_repeated_after_sign_in_counts_once() {
        let share = |platform| fact("a", Engagement::Share { platform, source: None });
        let load = fact("b", Engagement::Download { source: None });
        let mut device = load.clone();
        device.fact.anonymous = Some("d".parse().unwrap());
        let one = folded(vec![
            share(Platform::Embed),
            signed_in(share(Platform::Twitter), "ann"),
            load.clone(),
            device,
            signed_in(load.clone(), "ann"),
        ]);
        assert_eq!((&one.by_platform, one.downloads), (&BTreeMap::from([(Platform::Twitter, 1)]), 1));
        let mut other = load.clone();
        other.fact.session = "s2".parse().unwrap();
        assert_eq!(folded(vec![load, other]).downloads, 2);
    }

    #[test]
    fn sums_saturate() {
        let mut most = TrackCounters { duration_ms: u64::MAX - 1, ..TrackCounters::default() };
        most.merge(&TrackCounters { duration_ms: 5, ..TrackCounters::default() });
        assert_eq!(most.duration_ms, u64::MAX);
    }
}
