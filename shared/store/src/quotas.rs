//! Quotas: what each subject has sent in each window, in one small item that all instances of a function add to.
//!
//! An instance caches each counter and counts its grants there first; only after [`CHUNK`] grants does it add them to
//! the item and read the grants of the others. A request with that many events adds before it grants, so concurrent
//! large requests never exceed the bound. Small requests can exceed it by less than 20 per instance. Refused events are
//! given back. An instance that ends loses less than 20 events of each counter.
//!
//! So a request costs at most one read per subject, and one write per 20 events; a subject at its bound costs nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::error::StoreError;
use super::items::{Item, TTL, number};
use super::keys;
use super::retry;
use super::table::Consistency;
use super::transaction::Changes;
use crate::setup::{Setup, StatsTable};
use domain::caller::Caller;
use domain::entity::{Bucket, Entity};
use domain::id::{SessionId, UserId};
use domain::quota::{Bound, Quotas, Window, cell, stable_hash};
use domain::time::Time;
use system::clock::Clock;

/// The number of grants after which an instance writes to the item.
const CHUNK: i64 = 20;

/// The number of events of a session in a window beyond which they are bulk. Write keys and networks have one share for
/// bulk and one for the rest, so that a heavy sender does not use up the share of listeners.
const ORDINARY: i64 = 10;

/// The most sessions of a request that are counted: those with the most events. The network bounds the others.
const SESSIONS: usize = 16;

/// The most counters in an instance's cache.
const REMEMBERED: usize = 10_000;

/// How long a counter is stored after its window.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// The name of the number of all that was granted.
const ALL: &str = "all";

/// A subject whose events are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A write key, by its hash.
    Key(u64),
    /// A signed-in user.
    User(UserId),
    /// A network.
    Network(String),
    /// A session without a signed-in user.
    Session(SessionId),
}

impl Subject {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Key(_) => SubjectKind::Key,
            Self::User(_) => SubjectKind::User,
            Self::Network(_) => SubjectKind::Network,
            Self::Session(_) => SubjectKind::Session,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(hash) => write!(f, "KEY#{hash:016x}"),
            Self::User(user) => write!(f, "USER#{user}"),
            Self::Network(network) => write!(f, "NETWORK#{network}"),
            Self::Session(session) => write!(f, "SESSION#{session}"),
        }
    }
}

/// The kinds of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// Write keys.
    Key,
    /// Signed-in users.
    User,
    /// Networks.
    Network,
    /// Sessions.
    Session,
}

/// The purpose of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Events,
    /// Events of sessions that have sent more than a listener does.
    Bulk,
    Likes,
    Views,
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Events => "EVENTS",
            Self::Bulk => "BULK",
            Self::Likes => "LIKES",
            Self::Views => "VIEWS",
        })
    }
}

/// Whether an event may be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The event may be recorded.
    Granted,
    /// A subject has sent too much; after this time it may send again.
    Limited {
        /// When the window is over.
        until: Time,
        /// The kind of subject at its bound.
        by: SubjectKind,
    },
    /// The counters could not be read in time.
    Unknown,
}

/// The requester, as quotas see it.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The write key, where the caller has shown one.
    pub key: Option<&'a str>,
    /// The network that the request comes from.
    pub network: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counter {
    subject: Subject,
    purpose: Purpose,
    window: Window,
}

/// The grants: in all, and by cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    all: i64,
    cells: BTreeMap<u8, i64>,
}

impl Tally {
    fn add(&mut self, cell: u8, by: i64) {
        self.all += by;
        *self.cells.entry(cell).or_default() += by;
    }

    fn merge(&mut self, other: &Self) {
        self.all += other.all;
        for (cell, by) in &other.cells {
            *self.cells.entry(*cell).or_default() += by;
        }
    }

    fn of(&self, cell: u8) -> i64 {
        self.cells.get(&cell).copied().unwrap_or_default()
    }

    fn read(item: &Item) -> Self {
        let cells = item.keys().filter_map(|name| name.strip_prefix('c')?.parse().ok());
        let cells = cells.map(|cell| (cell, number(item, &attribute(cell)).unwrap_or_default()));
        Self { all: number(item, ALL).unwrap_or_default(), cells: cells.collect() }
    }
}

fn attribute(cell: u8) -> String {
    format!("c{cell}")
}

/// An instance's cache of a counter.
#[derive(Debug, Clone, Default)]
struct LocalCounter {
    /// Whether it has read the item.
    is_read: bool,
    /// The count of the item when it was read.
    counted: Tally,
    /// Grants of this instance since then, less those given back.
    unflushed: Tally,
}

/// The events of a request that one counter must grant.
struct CounterDemand {
    bound: Bound,
    /// The positions of the events, each with its cell.
    events: Vec<(usize, u8)>,
}

/// A grant that one event needs from one counter.
#[derive(Debug)]
struct CounterRequest {
    counter: Counter,
    bound: Bound,
    cell: u8,
}

/// The grants that the events of a request need.
#[derive(Debug)]
pub struct Plan {
    requests: Vec<Vec<CounterRequest>>,
}

impl Plan {
    /// The demand on each counter of the events at these positions.
    fn demands(&self, places: &[usize]) -> HashMap<&Counter, CounterDemand> {
        let mut demands: HashMap<&Counter, CounterDemand> = HashMap::new();
        for (at, requests) in places.iter().enumerate().filter_map(|(at, place)| Some((at, self.requests.get(*place)?)))
        {
            for CounterRequest { counter, bound, cell } in requests {
                let demand =
                    demands.entry(counter).or_insert_with(|| CounterDemand { bound: *bound, events: Vec::new() });
                demand.events.push((at, *cell));
            }
        }
        demands
    }
}

/// A bound as the counters have it.
fn signed(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

impl LocalCounter {
    /// Which of these cells can be granted in sequence, as far as the cache shows; they are added to `granted`.
    fn grant(&self, bound: Bound, wanted: &[u8], granted: &mut Tally) -> Vec<bool> {
        wanted
            .iter()
            .map(|cell| {
                let all = self.counted.all + self.unflushed.all + granted.all;
                let one = self.counted.of(*cell) + self.unflushed.of(*cell) + granted.of(*cell);
                let is_granted = all < signed(bound.all) && one < signed(bound.one);
                if is_granted {
                    granted.add(*cell, 1);
                }
                is_granted
            })
            .collect()
    }
}

/// Counts the events of subjects against their quotas.
pub struct QuotaCounters {
    quotas: Quotas,
    table: StatsTable,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Counter, LocalCounter>>,
}

impl QuotaCounters {
    /// Opens the counters of the quotas that `QUOTAS` sets.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let quotas = setup.parsed_or_default("QUOTAS");
        Self { quotas, table: setup.stats_table(), clock: setup.clock(), known: Mutex::default() }
    }

    /// The grants that the events of a request need. An admin's need none.
    #[must_use]
    pub fn plan(&self, requester: Requester<'_>, events: &[(Bucket, &SessionId)]) -> Plan {
        let now = Time::from(self.clock.now());
        let sessions = counted_sessions(events);
        let mut sent: HashMap<(&SessionId, Window), i64> = HashMap::new();
        let mut requests = Vec::with_capacity(events.len());
        for (bucket, session) in events {
            let window = Window::of_event(bucket, now);
            let sent = sent.entry((session, window)).or_insert_with(|| self.sent(session, window));
            let share = if *sent < ORDINARY { Purpose::Events } else { Purpose::Bulk };
            *sent += 1;
            let cell = cell(&keys::bucket_name(bucket));
            let ask = |(subject, bound): (Subject, Bound)| {
                let is_shared = matches!(subject, Subject::Key(_) | Subject::Network(_));
                let purpose = if is_shared { share } else { Purpose::Events };
                CounterRequest { counter: Counter { subject, purpose, window }, bound: window.bound(bound), cell }
            };
            requests.push(self.subjects(requester, session, &sessions).map(ask).collect());
        }
        Plan { requests }
    }

    /// The events of a session in a window, as far as the cache shows.
    fn sent(&self, session: &SessionId, window: Window) -> i64 {
        let counter = Counter { subject: Subject::Session(session.clone()), purpose: Purpose::Events, window };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&counter).map_or(0, |known| known.counted.all + known.unflushed.all)
    }

    /// Which of the events at these positions may be recorded, in order.
    pub fn admit<'a>(
        &'a self,
        plan: &'a Plan,
        places: &'a [usize],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Admission>> {
        Box::pin(async move {
            let mut admissions = vec![Admission::Granted; places.len()];
            let demands = plan.demands(places);
            let granted_by_counter = join_all(demands.iter().map(|(counter, demand)| async move {
                let cells: Vec<u8> = demand.events.iter().map(|(_, cell)| *cell).collect();
                (*counter, demand, self.take(counter, demand.bound, &cells, deadline).await)
            }));
            let granted_by_counter = granted_by_counter.await;
            for (counter, demand, result) in &granted_by_counter {
                let by = counter.subject.kind();
                if let Err(error) = result {
                    tracing::warn!(error = %error, subject = ?by, "quota not read: {error}");
                }
                for (nth, (at, _)) in demand.events.iter().enumerate() {
                    let found = match result.as_ref().map(|granted| granted.get(nth)) {
                        Ok(Some(true)) => continue,
                        Ok(_) => Admission::Limited { until: counter.window.end(), by },
                        Err(_) => Admission::Unknown,
                    };
                    if let Some(admission) = admissions.get_mut(*at)
                        && *admission != Admission::Unknown
                    {
                        *admission = found;
                    }
                }
            }
            // Events that one counter grants and another refuses are given back.
            for (counter, demand, result) in granted_by_counter {
                let Ok(granted) = result else { continue };
                let is_refused = |at: usize| admissions.get(at) != Some(&Admission::Granted);
                let back = demand.events.iter().zip(granted).filter(|((at, _), granted)| *granted && is_refused(*at));
                self.give_back(counter, back.map(|((_, cell), _)| *cell));
            }
            admissions
        })
    }

    /// Takes back that these events of a request were admitted: they had been recorded before.
    pub fn release(&self, plan: &Plan, places: &[usize]) {
        for (counter, demand) in plan.demands(places) {
            self.give_back(counter, demand.events.iter().map(|(_, cell)| *cell));
        }
    }

    /// Whether likes and saves of anonymous callers are bounded.
    #[must_use]
    pub fn limits_likes(&self) -> bool {
        self.quotas.likes.is_some()
    }

    /// Whether an anonymous caller of a network may like or save a track.
    pub fn like<'a>(
        &'a self,
        network: &'a str,
        of: &'a Entity,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Admission, StoreError>> {
        Box::pin(self.admit_one(Purpose::Likes, self.quotas.likes, network, of, deadline))
    }

    /// Whether the view of an anonymous caller of a network may be counted.
    pub fn view<'a>(
        &'a self,
        network: &'a str,
        of: &'a Entity,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Admission, StoreError>> {
        Box::pin(self.admit_one(Purpose::Views, self.quotas.views, network, of, deadline))
    }

    async fn admit_one(
        &self,
        purpose: Purpose,
        bound: Option<Bound>,
        network: &str,
        of: &Entity,
        deadline: Instant,
    ) -> Result<Admission, StoreError> {
        let Some(bound) = bound else { return Ok(Admission::Granted) };
        let window = Window::day(Time::from(self.clock.now()));
        let counter = Counter { subject: Subject::Network(network.to_owned()), purpose, window };
        let granted = self.take(&counter, bound, &[cell(&keys::entity(of))], deadline).await?;
        let limited = Admission::Limited { until: window.end(), by: SubjectKind::Network };
        Ok(if granted.contains(&true) { Admission::Granted } else { limited })
    }

    /// The subjects that an event counts for, each with its bound per minute.
    fn subjects(
        &self,
        requester: Requester<'_>,
        session: &SessionId,
        sessions: &[&SessionId],
    ) -> impl Iterator<Item = (Subject, Bound)> {
        let subjects = match requester.caller {
            caller if caller.is_admin() => [None, None, None],
            Caller::User { id, .. } => [self.quotas.user.map(|bound| (Subject::User(id.clone()), bound)), None, None],
            Caller::Anonymous => {
                let key = requester.key.map(|key| Subject::Key(stable_hash(key)));
                let network = requester.network.map(|network| Subject::Network(network.to_owned()));
                let session = sessions.contains(&session).then(|| Subject::Session(session.clone()));
                [key.zip(self.quotas.key), network.zip(self.quotas.network), session.zip(self.quotas.session)]
            }
        };
        subjects.into_iter().flatten()
    }

    /// Grants events within the bound; returns for each cell whether it was granted.
    async fn take(
        &self,
        counter: &Counter,
        bound: Bound,
        wanted: &[u8],
        deadline: Instant,
    ) -> Result<Vec<bool>, StoreError> {
        let is_large = signed(wanted.len() as u64) >= CHUNK;
        if !is_large && !self.with(counter, |known| known.is_read) {
            let read = || async { self.table.get(&key_of(counter), Consistency::Eventual).await };
            let counted =
                retry::until(deadline, || Box::pin(read())).await?.map(|item| Tally::read(&item)).unwrap_or_default();
            self.with(counter, |known| {
                if !known.is_read {
                    (known.is_read, known.counted) = (true, counted);
                }
            });
        }
        let mut demands = Tally::default();
        // Flushed grants leave the cache first, so that no concurrent flush repeats them.
        let (mut granted, sent) = self.with(counter, |known| {
            let granted = known.grant(bound, wanted, &mut demands);
            let is_due = demands.all > 0 && (is_large || (known.unflushed.all + demands.all).abs() >= CHUNK);
            let sent = is_due.then(|| std::mem::take(&mut known.unflushed));
            if !is_due {
                known.unflushed.merge(&demands);
            }
            (granted, sent)
        });
        let Some(unflushed) = sent else { return Ok(granted) };
        let mut all = unflushed.clone();
        all.merge(&demands);
        let add = || async { self.table.update_returning(&key_of(counter), changes(counter, &all)).await };
        let added = retry::until(deadline, || Box::pin(add())).await;
        self.with(counter, |known| {
            let counted = match added {
                Ok(item) => Tally::read(&item),
                Err(error) => {
                    known.unflushed.merge(&unflushed);
                    return Err(error);
                }
            };
            // Other instances have added too: the last grants are withdrawn, as far as they exceed the bound.
            let over = |counted: i64, bound: u64| (counted - signed(bound)).max(0);
            let mut left = Tally { all: demands.all - over(counted.all, bound.all), cells: BTreeMap::new() };
            for (cell, wanted) in &demands.cells {
                left.cells.insert(*cell, wanted - over(counted.of(*cell), bound.one));
            }
            for (cell, granted) in wanted.iter().zip(&mut granted).filter(|(_, granted)| **granted) {
                if left.all > 0 && left.of(*cell) > 0 {
                    left.add(*cell, -1);
                } else {
                    *granted = false;
                    known.unflushed.add(*cell, -1);
                }
            }
            (known.is_read, known.counted) = (true, counted);
            Ok(granted)
        })
    }

    fn give_back(&self, counter: &Counter, cells: impl Iterator<Item = u8>) {
        self.with(counter, |known| cells.for_each(|cell| known.unflushed.add(cell, -1)));
    }

    /// Applies a function to the cached counter.
    fn with<T>(&self, counter: &Counter, act: impl FnOnce(&mut LocalCounter) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(counter) {
            let now = Time::from(self.clock.now());
            known.retain(|counter, _| counter.window.end() > now);
            if known.len() >= REMEMBERED {
                known.clear();
            }
        }
        act(known.entry(counter.clone()).or_default())
    }
}

/// The sessions of a request that are counted.
fn counted_sessions<'a>(events: &[(Bucket, &'a SessionId)]) -> Vec<&'a SessionId> {
    let mut counts: BTreeMap<&SessionId, usize> = BTreeMap::new();
    for (_, session) in events {
        *counts.entry(session).or_default() += 1;
    }
    let mut sessions: Vec<_> = counts.into_iter().collect();
    sessions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sessions.into_iter().take(SESSIONS).map(|(session, _)| session).collect()
}

fn key_of(counter: &Counter) -> keys::Key {
    let Counter { subject, purpose, window } = counter;
    keys::quota(subject, purpose, *window)
}

/// The changes of a counter's item.
fn changes(counter: &Counter, tally: &Tally) -> Changes {
    let mut changes = Changes::default();
    let expires = counter.window.end().plus(KEPT).seconds();
    changes.set(TTL, AttributeValue::N(expires.to_string()));
    changes.add(ALL, tally.all);
    for (cell, by) in tally.cells.iter().filter(|(_, by)| **by != 0) {
        changes.add(&attribute(*cell), *by);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound { all: 5, one: 3 };

    #[test]
    fn grants_respect_both_bounds() {
        let known = LocalCounter { counted: Tally { all: 1, cells: [(7, 1)].into() }, ..LocalCounter::default() };
        let mut granted = Tally::default();
        assert_eq!(known.grant(BOUND, &[7, 7, 7, 8, 8, 8], &mut granted), [true, true, false, true, true, false]);
        assert_eq!(granted, Tally { all: 4, cells: [(7, 2), (8, 2)].into() });
    }

    #[test]
    fn returned_grants_can_be_granted_again() {
        let mut known = LocalCounter { counted: Tally { all: 5, cells: [(7, 3)].into() }, ..LocalCounter::default() };
        assert_eq!(known.grant(BOUND, &[7], &mut Tally::default()), [false]);
        known.unflushed.add(7, -1);
        assert_eq!(known.grant(BOUND, &[7, 7], &mut Tally::default()), [true, false]);
    }

    #[test]
    fn counts_the_sessions_with_the_most_events() {
        let bucket = || Bucket {
            entity: Entity::Track("t".parse().unwrap()),
            minute: "2026-01-31T12:30:00Z".parse::<Time>().unwrap().minute(),
        };
        let sessions: Vec<SessionId> = (0..20).map(|number| format!("s{number:02}").parse().unwrap()).collect();
        let events: Vec<_> = sessions.iter().chain(&sessions[15..]).map(|session| (bucket(), session)).collect();
        let counted = counted_sessions(&events);
        assert_eq!(counted.len(), SESSIONS);
        assert!(sessions[15..].iter().all(|session| counted.contains(&session)));
    }
}
