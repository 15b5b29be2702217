//! Taking in what happened to tracks: plays, shares and downloads as facts, likes and saves through their toggles.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::documents::Documents;
use super::error::StoreError;
use super::facts::{Facts, NewFact};
use super::folds::Folds;
use super::keys;
use super::quotas::SubjectKind;
use super::retention::Retention;
use super::retry;
use super::toggles::{ToggleChange, ToggleKey, Toggles};
use crate::setup::Setup;
use domain::calendar::Calendar;
use domain::caller::Actor;
use domain::entity::{Bucket, Entity};
use domain::event::{Engagement, Event, Named};
use domain::fact::{Origin, TrackFact};
use domain::id::{TrackId, UserId};
use domain::time::Time;
use domain::toggle::Toggle;
use domain::track::Track;
use system::clock::Clock;
use system::ids::Ids;

/// The most toggles that are changed concurrently.
const AT_ONCE: usize = 16;

/// How long the duration of a track is cached.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// How long it is cached that a track has no description.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// The most tracks in the cache.
const REMEMBERED: usize = 50_000;

/// Events that arrived together, from one caller.
#[derive(Debug, Clone)]
pub struct EventBatch {
    /// The events.
    pub events: Vec<Event>,
    /// The source.
    pub sender: Sender,
}

/// The source of a batch of events.
#[derive(Debug, Clone)]
pub enum Sender {
    /// A client, of what happens on it.
    Client {
        /// The user, if one is signed in.
        user: Option<UserId>,
        /// The origin of the request.
        origin: Origin,
    },
    /// An admin who imports events of other users: each event names its user, and the admin's own client is not
    /// recorded.
    Importer,
}

impl Sender {
    /// The user and the origin of an event.
    fn of(&self, event: &Event) -> (Option<UserId>, Origin) {
        match self {
            Self::Client { user, origin } => (user.clone(), origin.clone()),
            Self::Importer => {
                let Named { user, user_agent, country } = event.named.clone();
                (user, Origin { user_agent, network: None, country: country.map(|country| country.to_string()) })
            }
        }
    }
}

impl EventBatch {
    /// The actor of each event.
    pub fn actors(&self) -> impl Iterator<Item = Actor> {
        self.events.iter().map(|event| {
            let user = match &self.sender {
                Sender::Client { user, .. } => user.clone(),
                Sender::Importer => event.named.user.clone(),
            };
            match (user, &event.anonymous) {
                (Some(user), _) => Actor::User(user),
                (None, Some(device)) => Actor::Device(device.clone()),
                (None, None) => Actor::Session(event.session.clone()),
            }
        })
    }
}

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The event is recorded, was recorded before, or was superseded by a later change.
    Accepted,
    /// The event is too old: the facts of its bucket have begun to expire. Nothing was written.
    Closed,
    /// A quota is exceeded until this time. Nothing was written.
    Limited {
        /// When that is.
        until: Time,
        /// The kind of subject whose quota is exceeded.
        by: SubjectKind,
    },
    /// The event may not have been recorded; it is safe to send it again.
    Retry,
}

/// Records what happened to tracks.
pub struct Engagements {
    pub(super) facts: Facts,
    pub(super) toggles: Toggles,
    documents: Documents,
    folds: Folds,
    retention: Retention,
    calendar: Calendar,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    durations: Mutex<HashMap<TrackId, (Option<u64>, Instant)>>,
}

impl Engagements {
    /// Opens the engagements.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            facts: Facts::open(setup),
            toggles: Toggles::open(setup),
            documents: Documents::open(setup),
            folds: Folds::of_events(setup),
            retention: setup.retention(),
            calendar: setup.calendar(),
            clock: setup.clock(),
            ids: setup.ids(),
            durations: Mutex::default(),
        }
    }

    /// Records events until the deadline. The outcomes are in the order of the events.
    pub fn record(&self, batch: EventBatch, deadline: Instant) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            let mut outcomes = vec![Outcome::Accepted; batch.events.len()];
            let mut settle = |at: usize, outcome: Outcome| outcomes.get_mut(at).map(|slot| *slot = outcome);

            let closed = self.closed(&batch.events, now, deadline).await;
            let lengths = self.lengths(&batch.events, deadline).await;

            let expires = self.retention.expiry(now);
            let (mut facts, mut facts_at) = (Vec::new(), Vec::new());
            let mut changes: Vec<(usize, ToggleChange)> = Vec::new();
            for (at, event) in batch.events.into_iter().enumerate() {
                let bucket = bucket_of(&event);
                match &closed {
                    Ok(closed) if closed.contains(&bucket) => {
                        settle(at, Outcome::Closed);
                        continue;
                    }
                    Err(_) if self.retention.may_be_closed(event.at, now) => {
                        settle(at, Outcome::Retry);
                        continue;
                    }
                    _ => {}
                }
                let (user, origin) = batch.sender.of(&event);
                let imported = matches!(batch.sender, Sender::Importer);
                let Event { id, track, session, anonymous, at: time, what, .. } = event;
                let Some(what) = complete(what, &track, &lengths) else {
                    settle(at, Outcome::Retry);
                    continue;
                };
                let toggle = match &what {
                    Engagement::Like { on, .. } => Some((*on, None)),
                    Engagement::Save { on, playlist } => Some((*on, Some(playlist.clone()))),
                    _ => None,
                };
                let fact = TrackFact { session, user, anonymous, what, origin, imported };
                let actor = fact.actor();
                if let Some((on, playlist)) = toggle {
                    let of = ToggleKey { actor, entity: bucket.entity, playlist };
                    let toggle = Toggle { at: time, event: id, on };
                    changes.push((at, ToggleChange { of, toggle, fact, expires }));
                } else {
                    let key = keys::fact(&bucket.entity, time, &id, &actor, &fact.what);
                    match NewFact::new(key, fact, expires) {
                        Ok(fact) => {
                            facts.push(fact);
                            facts_at.push(at);
                        }
                        Err(error) => {
                            tracing::error!(error = %error, "fact has no item: {error}");
                            settle(at, Outcome::Retry);
                        }
                    }
                }
            }

            let (recorded, applied) = futures::join!(self.facts.record(facts, deadline), self.apply(changes, deadline));
            for (at, recorded) in facts_at.into_iter().zip(recorded).chain(applied) {
                if !recorded {
                    settle(at, Outcome::Retry);
                }
            }
            outcomes
        })
    }

    /// Applies changes. Changes of related toggles are applied in the order of their times, and at the same time the
    /// most certain actor last, since it takes over the changes of the others. Unrelated toggles are changed
    /// concurrently.
    async fn apply(&self, changes: Vec<(usize, ToggleChange)>, deadline: Instant) -> Vec<(usize, bool)> {
        stream::iter(group_touching(changes))
            .map(|mut changes| async move {
                let order = |change: &ToggleChange| {
                    (change.toggle.at, change.toggle.event.clone(), Reverse(change.of.actor.clone()))
                };
                changes.sort_by_cached_key(|(_, change)| order(change));
                let mut applied = Vec::with_capacity(changes.len());
                for (at, change) in &changes {
                    let result = self.toggles.apply(change, &|| self.ids.fresh(), deadline).await;
                    if let Err(error) = &result {
                        tracing::warn!(error = %error, "toggle not turned: {error}");
                    }
                    applied.push((*at, result.is_ok()));
                }
                applied
            })
            .buffer_unordered(AT_ONCE)
            .flat_map(stream::iter)
            .collect()
            .await
    }

    /// The buckets of these events that are closed to facts.
    async fn closed(&self, events: &[Event], now: Time, deadline: Instant) -> Result<BTreeSet<Bucket>, StoreError> {
        let doubtful = events.iter().filter(|event| self.retention.may_be_closed(event.at, now)).map(bucket_of);
        let doubtful: Vec<Bucket> = doubtful.collect::<BTreeSet<_>>().into_iter().collect();
        if doubtful.is_empty() {
            return Ok(BTreeSet::new());
        }
        let closed = retry::until(deadline, || self.folds.closed_to_facts(&doubtful, &self.calendar, deadline)).await?;
        Ok(closed.into_iter().cloned().collect())
    }

    /// The durations of the tracks whose plays have no completion.
    async fn lengths(&self, events: &[Event], deadline: Instant) -> HashMap<TrackId, Option<u64>> {
        let wanted: BTreeSet<&TrackId> =
            events.iter().filter(|event| needs_length(&event.what)).map(|event| &event.track).collect();
        let mut known = HashMap::new();
        let mut unknown = Vec::new();
        {
            let remembered = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
            for track in wanted {
                match remembered.get(track) {
                    Some((length, until)) if *until > Instant::now() => {
                        known.insert(track.clone(), *length);
                    }
                    _ => unknown.push(track.clone()),
                }
            }
        }
        if unknown.is_empty() {
            return known;
        }
        match retry::until(deadline, || self.documents.durations(&unknown)).await {
            Ok(read) => {
                let mut remembered = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
                if remembered.len() + read.len() > REMEMBERED {
                    remembered.clear();
                }
                for (track, length) in read {
                    let until = Instant::now() + if length.is_some() { KNOWN_FOR } else { UNKNOWN_FOR };
                    remembered.insert(track.clone(), (length, until));
                    known.insert(track, length);
                }
            }
            Err(error) => tracing::warn!(error = %error, "tracks not read: {error}"),
        }
        known
    }
}

/// Groups of related changes: those whose toggles share a session, device or user for one entity, directly or through
/// each other.
fn group_touching(changes: Vec<(usize, ToggleChange)>) -> Vec<Vec<(usize, ToggleChange)>> {
    let mut groups: Vec<Vec<(usize, ToggleChange)>> = Vec::new();
    let mut group_of: HashMap<ToggleKey, usize> = HashMap::new();
    for (at, change) in changes {
        let toggles = change.toggles();
        let mut touched: BTreeSet<usize> = toggles.iter().filter_map(|toggle| group_of.get(toggle)).copied().collect();
        // The largest group stays in place, so that no change moves often.
        let size = |group: &usize| groups.get(*group).map_or(0, Vec::len);
        let group = touched.iter().copied().max_by_key(size).unwrap_or(groups.len());
        touched.remove(&group);
        let mut moved = vec![(at, change)];
        for other in touched {
            moved.extend(groups.get_mut(other).map(std::mem::take).unwrap_or_default());
        }
        for (_, change) in &moved {
            group_of.extend(change.toggles().into_iter().map(|toggle| (toggle, group)));
        }
        match groups.get_mut(group) {
            Some(changes) => changes.append(&mut moved),
            None => groups.push(moved),
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn bucket_of(event: &Event) -> Bucket {
    Bucket { entity: Entity::Track(event.track.clone()), minute: event.at.minute() }
}

fn needs_length(what: &Engagement) -> bool {
    matches!(what, Engagement::Play(play) if play.completion.is_none() && play.duration_ms.is_some())
}

/// Adds the completion to a play where it follows from the track's duration; `None` if that could not be read.
fn complete(mut what: Engagement, track: &TrackId, lengths: &HashMap<TrackId, Option<u64>>) -> Option<Engagement> {
    if needs_length(&what) {
        let length = *lengths.get(track)?;
        if let Engagement::Play(play) = &mut what {
            play.completion = length.zip(play.duration_ms).map(|(length, played)| Track::completion(length, played));
        }
    }
    Some(what)
}
