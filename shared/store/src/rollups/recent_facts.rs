//! Reads plays and likes from the facts of minutes, the newest minute first.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::reader::{LiveMinute, RollupReader};
use crate::compact::expand;
use crate::error::StoreError;
use crate::items::{from_item, key_of};
use crate::keys::{self, Key};
use crate::setup::EventsTable;
use crate::table::{Consistency, KeyRange};
use domain::calendar::Period;
use domain::caller::Actor;
use domain::counters::TrackCounters;
use domain::entity::{Bucket, Entity};
use domain::event::Engagement;
use domain::fact::TrackFact;
use domain::id::{EventId, TrackId};
use domain::merge::{MergedFacts, MergedPlay, PlayKey};
use domain::time::{Minute, Time};
use domain::time_span::MINUTES_KEPT_FOR;

/// How many queries run at once.
const CONCURRENCY: usize = 32;

/// The latest activity, the newest first.
#[derive(Debug, Clone, Default)]
pub struct RecentActivity {
    /// Plays, each merged from all of its facts.
    pub plays: Vec<Occurrence<MergedPlay>>,
    /// Likes.
    pub likes: Vec<Occurrence<()>>,
}

/// Something that happened to a track.
#[derive(Debug, Clone)]
pub struct Occurrence<T> {
    /// The track.
    pub track: TrackId,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub what: T,
    /// The event and its actor, which order what happened at the same time.
    source: (EventId, Actor),
}

/// A fact of a track and its key.
struct Fact {
    track: TrackId,
    at: Time,
    event: EventId,
    key: Key,
    fact: TrackFact,
}

fn keep_newest<T>(list: &mut Vec<Occurrence<T>>, most: usize) {
    list.sort_by(|a, b| (b.at, &b.track, &b.source).cmp(&(a.at, &a.track, &a.source)));
    list.truncate(most);
}

/// How many plays and likes are searched for, and what was found.
pub(super) struct Search {
    plays: usize,
    likes: usize,
    pub(super) recent: RecentActivity,
    seen: HashSet<Key>,
}

impl Search {
    pub(super) fn new(plays: usize, likes: usize) -> Self {
        Self { plays, likes, recent: RecentActivity::default(), seen: HashSet::new() }
    }

    /// Whether a period with plays or likes is worth reading.
    pub(super) fn wants(&self, plays: bool, likes: bool) -> bool {
        (plays && self.recent.plays.len() < self.plays) || (likes && self.recent.likes.len() < self.likes)
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.wants(true, true)
    }
}

/// Reads the facts of minutes.
#[derive(Clone)]
pub(super) struct FactReader {
    pub(super) events: EventsTable,
    pub(super) reader: RollupReader,
}

impl FactReader {
    /// The minutes of tracks in a closed hour. Minutes that may have expired are derived from the keys of their facts.
    pub(super) async fn minutes(&self, hour: Period, tracks: BTreeSet<TrackId>) -> Result<Vec<LiveMinute>, StoreError> {
        if Time::from(self.reader.clock.now()).since(hour.start()) > MINUTES_KEPT_FOR {
            let read: Vec<_> = tracks.into_iter().map(|track| self.minutes_by_facts(hour, track)).collect();
            let read: Vec<_> = stream::iter(read).buffer_unordered(CONCURRENCY).try_collect().await?;
            return Ok(read.into_iter().flatten().collect());
        }
        let read: Vec<_> =
            tracks.into_iter().map(|track| self.reader.minutes_of(track, hour.span(), Consistency::Eventual)).collect();
        let read: Vec<_> = stream::iter(read).buffer_unordered(CONCURRENCY).try_collect().await?;
        let open = |(track, minute, counters): (TrackId, Minute, TrackCounters)| LiveMinute {
            track,
            minute,
            plays: counters.plays,
            likes: counters.likes,
        };
        Ok(read.into_iter().flatten().map(open).collect())
    }

    /// The minutes of a track that have facts in an hour, each with at most one play and one like.
    fn minutes_by_facts(&self, hour: Period, track: TrackId) -> BoxFuture<'_, Result<Vec<LiveMinute>, StoreError>> {
        Box::pin(async move {
            let of = Entity::Track(track.clone());
            let last = hour.end().plus(-TimeDelta::milliseconds(1));
            let mut minutes: BTreeMap<Minute, LiveMinute> = BTreeMap::new();
            // An hour of a time zone may overlap two hours of UTC, by which facts are filed.
            for utc in BTreeSet::from([hour.start().hour(), last.hour()]) {
                let facts = KeyRange::with_prefix(keys::facts_of_hour(&of, utc), "");
                for fact in self.events.query(&facts, Consistency::Eventual).await? {
                    let key = key_of(&fact).ok_or_else(|| StoreError::corrupt("fact", "no key"))?;
                    let (_, at, _) = keys::parse_fact(&key.pk, &key.sk)
                        .map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                    if hour.contains(at) {
                        let none = || LiveMinute { track: track.clone(), minute: at.minute(), plays: 0, likes: 0 };
                        let minute = minutes.entry(at.minute()).or_insert_with(none);
                        let fact: TrackFact = from_item(expand(fact))?;
                        match fact.what {
                            Engagement::Play(_) => minute.plays = 1,
                            Engagement::Like { .. } => minute.likes = 1,
                            Engagement::Save { .. } | Engagement::Share { .. } | Engagement::Download { .. } => {}
                        }
                    }
                }
            }
            Ok(minutes.into_values().collect())
        })
    }

    /// Adds the plays and likes of minutes, the newest minute first, until there are enough.
    pub(super) async fn add_facts_of(&self, minutes: &[LiveMinute], search: &mut Search) -> Result<(), StoreError> {
        let Search { plays, likes, recent, seen } = search;
        let (plays, likes) = (*plays, *likes);
        // Several tracks may share a minute: a minute is read for all of them or for none.
        let (mut plays_ahead, mut likes_ahead) = (recent.plays.len(), recent.likes.len());
        let (mut last_play, mut last_like) = (None, None);
        let mut wanted: Vec<&LiveMinute> = Vec::new();
        for minute in minutes {
            let want_play = minute.plays > 0 && (plays_ahead < plays || last_play == Some(minute.minute));
            let want_like = minute.likes > 0 && (likes_ahead < likes || last_like == Some(minute.minute));
            if want_play {
                plays_ahead += usize::try_from(minute.plays).unwrap_or(usize::MAX);
                last_play = Some(minute.minute);
            }
            if want_like {
                likes_ahead += usize::try_from(minute.likes).unwrap_or(usize::MAX);
                last_like = Some(minute.minute);
            }
            if want_play || want_like {
                wanted.push(minute);
            }
        }
        let facts: Vec<_> = wanted.into_iter().map(|minute| self.facts(minute.clone())).collect();
        let facts: Vec<_> = stream::iter(facts).buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut merged: MergedFacts<(TrackId, PlayKey), MergedPlay> = MergedFacts::default();
        for Fact { track, at, event, key, fact } in facts.into_iter().flatten() {
            if !seen.insert(key) {
                continue;
            }
            match &fact.what {
                Engagement::Play(play) => {
                    let (key, play) = MergedPlay::of(at, event, &fact, play);
                    merged.add((track, key), fact.user, play);
                }
                Engagement::Like { on: true, .. } => {
                    let source = (event, fact.actor());
                    recent.likes.push(Occurrence { track, at, what: (), source });
                }
                _ => {}
            }
        }
        recent.plays.extend(merged.merged().map(|((track, (at, ..)), play)| {
            let source = (play.first_event.clone(), play.actor.clone());
            Occurrence { track, at, what: play, source }
        }));
        keep_newest(&mut recent.plays, plays);
        keep_newest(&mut recent.likes, likes);
        Ok(())
    }

    fn facts(&self, of: LiveMinute) -> BoxFuture<'_, Result<Vec<Fact>, StoreError>> {
        Box::pin(async move {
            let bucket = Bucket { entity: Entity::Track(of.track.clone()), minute: of.minute };
            let pk = keys::facts_of_hour(&bucket.entity, bucket.minute.hour());
            let range = KeyRange::with_prefix(pk, &keys::facts_of_minute(&bucket));
            let items = self.events.query(&range, Consistency::Eventual).await?;
            let mut facts = Vec::with_capacity(items.len());
            for item in items {
                let key = key_of(&item).ok_or_else(|| StoreError::corrupt("fact", "no key"))?;
                let (_, at, event) = keys::parse_fact(&key.pk, &key.sk)
                    .map_err(|error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error))?;
                facts.push(Fact { track: of.track.clone(), at, event, key, fact: from_item(expand(item))? });
            }
            Ok(facts)
        })
    }
}
