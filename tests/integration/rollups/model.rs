//! The independent count: the figures of any range, computed from the accepted events in the simplest way.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The length of every described track, in seconds.
pub(crate) const LENGTH_S: u64 = 100;

/// An event as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) track: usize,
    pub(crate) at: DateTime<Utc>,
    pub(crate) session: String,
    pub(crate) anonymous: Option<String>,
    /// The sender, and whether it may send old events.
    pub(crate) user: Option<String>,
    pub(crate) country: Option<&'static str>,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Play { source: &'static str, play_id: Option<u8>, duration: Option<u64>, completion: Option<u64>, flags: u8 },
    Like(bool),
    Save(bool),
    Share(&'static str),
    Download,
}

impl Sent {
    pub(crate) fn kind(&self) -> &'static str {
        match self.what {
            What::Play { .. } => "play",
            What::Like(_) => "like",
            What::Save(_) => "save",
            What::Share(_) => "share",
            What::Download => "download",
        }
    }

    /// All that it names, the best known first, each with its rank: person, device, session.
    pub(crate) fn actors(&self) -> Vec<(u8, String)> {
        let user = self.user.iter().map(|user| (0, format!("u:{user}")));
        let device = self.anonymous.iter().map(|device| (1, format!("a:{device}")));
        user.chain(device).chain([(2, format!("s:{}", self.session))]).collect()
    }

    pub(crate) fn time(&self) -> String {
        self.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// The event as the API takes it.
    pub(crate) fn json(&self) -> Value {
        let mut event = json!({
            "id": self.id, "type": self.kind(), "trackId": track_id(self.track), "timestamp": self.time(),
            "sessionId": self.session, "anonymousId": self.anonymous,
        });
        if let Some(user) = &self.user {
            event["userId"] = json!(user);
            event["country"] = json!(self.country);
        }
        let patch = match &self.what {
            What::Play { source, play_id, duration, completion, flags } => json!({
                "source": source, "playId": play_id.map(|id| format!("p{id}")), "duration": duration,
                "completionRate": completion, "skipped": flags & 1 > 0, "replayed": flags & 2 > 0,
            }),
            What::Like(on) => json!({"action": if *on { "like" } else { "unlike" }}),
            What::Save(on) => json!({"action": if *on { "save" } else { "unsave" }, "playlistId": "l"}),
            What::Share(platform) => json!({"platform": platform}),
            What::Download => json!({}),
        };
        event.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        event
    }
}

/// The id of a track; of those beyond the first thousand, one of the greatest length.
pub(crate) fn track_id(track: usize) -> String {
    if track < 1_000 { format!("t{track}") } else { format!("t{track:063}") }
}

/// A fact: an accepted event that counts, with the track as it was known then.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) sent: Sent,
    pub(crate) accepted: DateTime<Utc>,
    was_described: bool,
}

/// The identity of a fact, as the API promises it: track, time, kind, event and actor.
type Identity = (usize, DateTime<Utc>, &'static str, String, String);

/// The key of a like or a save: kind, track and actor.
type Toggle = (&'static str, usize, String);

/// All that was accepted, and whose the tracks are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) facts: BTreeMap<Identity, Fact>,
    /// The last word on every like and save: when, by which event, and what.
    words: BTreeMap<Toggle, (DateTime<Utc>, String, bool)>,
    pub(crate) artists: BTreeMap<usize, usize>,
}

/// Whose numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Track(usize),
    Artist(usize),
    Platform,
}

/// Numbers by their names; those that are 0 are left out.
pub(crate) type Numbers = BTreeMap<String, u64>;

impl Model {
    /// An event was accepted.
    pub(crate) fn accept(&mut self, sent: Sent, now: DateTime<Utc>) {
        let was_described = self.artists.contains_key(&sent.track);
        let actors = sent.actors();
        let own = actors[0].1.clone();
        let (What::Like(on) | What::Save(on)) = sent.what else {
            let identity = (sent.track, sent.at, sent.kind(), sent.id.clone(), own);
            self.facts.insert(identity, Fact { sent, accepted: now, was_described });
            return;
        };
        // The latest toggle of an actor replaces those of the actors it was before.
        let mut turns = Vec::new();
        for (_, actor) in actors {
            let is_own = actor == own;
            let last = self.words.get(&(sent.kind(), sent.track, actor.clone()));
            let (was_on, order) = match last {
                Some((at, id, on)) => (*on, (sent.at, &sent.id).cmp(&(*at, id))),
                None => (false, std::cmp::Ordering::Greater),
            };
            if order.is_lt() || order.is_eq() && (is_own || !was_on) {
                continue;
            }
            let is_on = is_own && on;
            self.words.insert((sent.kind(), sent.track, actor.clone()), (sent.at, sent.id.clone(), is_on));
            if was_on != is_on {
                turns.push((if is_own { own.clone() } else { format!("{own} took over {actor}") }, is_on));
            }
        }
        if let (Some(given), Some(taken)) =
            (turns.iter().position(|turn| turn.1), turns.iter().position(|turn| !turn.1))
        {
            turns.remove(given.max(taken));
            turns.remove(given.min(taken));
        }
        for (actor, on) in turns {
            let identity = (sent.track, sent.at, sent.kind(), sent.id.clone(), actor);
            let what = if sent.kind() == "like" { What::Like(on) } else { What::Save(on) };
            let sent = Sent { what, ..sent.clone() };
            self.facts.insert(identity, Fact { sent, accepted: now, was_described });
        }
    }

    /// The numbers of a span.
    pub(crate) fn numbers(&self, whose: Whose, from: DateTime<Utc>, to: DateTime<Utc>) -> Numbers {
        let belongs = |track: usize| match whose {
            Whose::Track(one) => one == track,
            Whose::Artist(artist) => self.artists.get(&track) == Some(&artist),
            Whose::Platform => true,
        };
        let facts = self.facts.values().filter(|fact| belongs(fact.sent.track));
        let mut count = Count { by_track: matches!(whose, Whose::Artist(_)), ..Count::default() };
        facts.filter(|fact| from <= fact.sent.at && fact.sent.at < to).for_each(|fact| count.fact(fact));
        count.numbers()
    }
}

#[derive(Default)]
struct Count<'a> {
    by_track: bool,
    numbers: Numbers,
    plays: BTreeMap<(usize, DateTime<Utc>, &'a str, String), Vec<&'a Fact>>,
}

impl<'a> Count<'a> {
    fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.numbers.entry(name.into()).or_default() += count;
    }

    fn fact(&mut self, fact: &'a Fact) {
        let sent = &fact.sent;
        match &sent.what {
            What::Play { play_id, .. } => {
                let name = play_id.map_or_else(|| format!("event {}", sent.id), |id| format!("play {id}"));
                self.plays.entry((sent.track, sent.at, &sent.session, name)).or_default().push(fact);
            }
            What::Like(on) => {
                self.add(if *on { "likes" } else { "unlikes" }, 1);
                if self.by_track && *on {
                    self.add(format!("likes of t{}", sent.track), 1);
                }
            }
            What::Save(on) => self.add(if *on { "saves" } else { "unsaves" }, 1),
            What::Share(platform) => self.add(format!("shares to {platform}"), 1),
            What::Download => self.add("downloads", 1),
        }
    }

    fn numbers(mut self) -> Numbers {
        let (mut sessions, mut listeners) = (BTreeSet::new(), BTreeSet::new());
        let plays = std::mem::take(&mut self.plays).into_iter().flat_map(|((track, ..), told)| {
            let mut by_user: BTreeMap<Option<&str>, Vec<&Fact>> = BTreeMap::new();
            told.into_iter().for_each(|fact| by_user.entry(fact.sent.user.as_deref()).or_default().push(fact));
            let mut plays: Vec<Played<'_>> = by_user.into_values().map(Played::of).collect();
            // Events without a user come first, and belong to the first user who signed in.
            if plays.len() > 1 && plays[0].first.user.is_none() {
                let before = plays.remove(0);
                plays[0].follows(&before);
            }
            plays.into_iter().map(move |play| (track, play))
        });
        for (track, Played { first, listener, country, longest, completed, all_flags }) in plays.collect::<Vec<_>>() {
            let whole = completed == Some(10_000);
            let skipped = !whole && longest.map_or(all_flags & 1 > 0, |seconds| seconds < 20);
            self.add("plays", 1);
            self.add("skips", u64::from(skipped));
            self.add("replays", u64::from(all_flags & 2 > 0));
            self.add("duration", longest.unwrap_or(0) * 1000);
            self.add("timed", u64::from(longest.is_some()));
            self.add("completion", completed.unwrap_or(0));
            self.add("measured", u64::from(completed.is_some()));
            if let What::Play { source, .. } = first.what {
                self.add(format!("plays from {source}"), 1);
            }
            if let Some(country) = country {
                self.add(format!("plays in {country}"), 1);
            }
            if self.by_track {
                self.add(format!("plays of t{track}"), 1);
            }
            sessions.insert(first.session.clone());
            listeners.insert(listener);
        }
        self.add("sessions", sessions.len() as u64);
        self.add("listeners", listeners.len() as u64);
        self.numbers.retain(|_, count| *count > 0);
        self.numbers
    }
}

/// The facts of one listener about a play.
struct Played<'a> {
    first: &'a Sent,
    listener: (u8, String),
    country: Option<&'static str>,
    longest: Option<u64>,
    completed: Option<u64>,
    all_flags: u8,
}

impl<'a> Played<'a> {
    fn of(mut told: Vec<&'a Fact>) -> Self {
        let actor = |fact: &Fact| fact.sent.actors().remove(0);
        told.sort_by_key(|fact| (fact.sent.id.clone(), actor(fact)));
        let first = &told[0].sent;
        let listener = told.iter().map(|fact| actor(fact)).min().unwrap();
        let mut played = Self { first, listener, country: first.country, longest: None, completed: None, all_flags: 0 };
        for fact in &told {
            let What::Play { duration, completion, flags, .. } = fact.sent.what else { continue };
            played.longest = played.longest.max(duration);
            let follows = duration.filter(|_| fact.was_described).map(|s| (s * 10_000 / LENGTH_S).min(10_000));
            played.completed = played.completed.max(completion.map(|percent| percent * 100).or(follows));
            played.all_flags |= flags;
        }
        played
    }

    /// It continues where the session began before the sign-in.
    fn follows(&mut self, before: &Self) {
        self.country = self.country.or(before.country);
        self.longest = self.longest.or(before.longest);
        self.completed = self.completed.or(before.completed);
        self.all_flags |= before.all_flags;
    }
}
