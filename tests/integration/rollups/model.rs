//! The independent count: what numbers of any span must be, from what was accepted, by the plainest means.

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
    /// Who sends it, and whether they may send what is old.
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

    pub(crate) fn time(&self) -> String {
        self.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// The event as the API takes it.
    pub(crate) fn json(&self) -> Value {
        let mut event = json!({
            "id": self.id, "type": self.kind(), "trackId": format!("t{}", self.track), "timestamp": self.time(),
            "sessionId": self.session, "anonymousId": self.anonymous,
        });
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

/// A fact: an accepted event that counts, with what was known of its track when it was.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) sent: Sent,
    pub(crate) accepted: DateTime<Utc>,
    was_described: bool,
}

/// A fact's identity, as the API promises it: of which track, when, of which kind, by which event, and by whom.
type Identity = (usize, DateTime<Utc>, &'static str, String, String);

/// A like or a save: of which kind, of which track, and whose.
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
        let mut actor = String::new();
        if let What::Like(on) | What::Save(on) = sent.what {
            actor = sent.user.clone().map_or_else(|| format!("s:{}", sent.session), |user| format!("u:{user}"));
            let word = (sent.at, sent.id.clone(), on);
            let last = self.words.get(&(sent.kind(), sent.track, actor.clone()));
            let outdone = last.is_some_and(|last| (&word.0, &word.1) <= (&last.0, &last.1));
            if outdone {
                return;
            }
            let turned = last.map_or(on, |last| last.2 != on);
            self.words.insert((sent.kind(), sent.track, actor.clone()), word);
            if !turned {
                return;
            }
        }
        let identity = (sent.track, sent.at, sent.kind(), sent.id.clone(), actor);
        self.facts.insert(identity, Fact { sent, accepted: now, was_described });
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
        for ((track, ..), mut told) in std::mem::take(&mut self.plays) {
            told.sort_by(|a, b| a.sent.id.cmp(&b.sent.id));
            let first = &told[0].sent;
            let (mut longest, mut completed, mut all_flags) = (None, None, 0);
            for fact in &told {
                let What::Play { duration, completion, flags, .. } = fact.sent.what else { continue };
                longest = longest.max(duration);
                let follows = duration.filter(|_| fact.was_described).map(|s| (s * 10_000 / LENGTH_S).min(10_000));
                completed = completed.max(completion.map(|percent| percent * 100).or(follows));
                all_flags |= flags;
            }
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
            if let Some(country) = first.country {
                self.add(format!("plays in {country}"), 1);
            }
            if self.by_track {
                self.add(format!("plays of t{track}"), 1);
            }
            sessions.insert(first.session.clone());
            listeners.insert(match (&first.user, &first.anonymous) {
                (Some(user), _) => format!("user {user}"),
                (None, Some(device)) => format!("device {device}"),
                (None, None) => format!("session {}", first.session),
            });
        }
        self.add("sessions", sessions.len() as u64);
        self.add("listeners", listeners.len() as u64);
        self.numbers.retain(|_, count| *count > 0);
        self.numbers
    }
}
