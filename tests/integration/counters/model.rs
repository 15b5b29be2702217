//! The independent count: what the counters must be, from what clients sent, by the plainest means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::plan::{LENGTH_S, PLATFORMS, Plan, SOURCES, Sent, Step, What};

/// The identity of a fact, as the API promises it: track, time, kind, event and actor.
type Identity = (u8, String, &'static str, String, Actor);

/// The actor of an event: the user, if signed in, and the session.
type Actor = (Option<String>, String);

/// A like or a save of an actor.
type Toggle = (u8, Option<u8>, String);

/// The latest toggle of each like and save: its time, event and value.
type Words = BTreeMap<Toggle, (String, String, bool)>;

/// What every track's counters must be in the end; none for one that nothing happened to.
pub(crate) fn expected(plan: &Plan) -> BTreeMap<u8, Value> {
    let mut told = Told::default();
    for (client, steps) in plan.clients.iter().enumerate() {
        for (step, what) in steps.iter().enumerate() {
            let scope = format!("{client}.{step}");
            match what {
                Step::Send(events) => events.iter().for_each(|sent| told.hear(sent, &scope, None)),
                Step::SignIn { events, .. } => {
                    for sent in events {
                        told.hear(sent, &scope, None);
                        told.hear(sent, &scope, Some(user(&scope)));
                    }
                }
                Step::SendAgain(_) => {}
                Step::Erase { sent, again } => {
                    if *again {
                        told.hear(sent, &scope, None);
                    }
                }
            }
        }
    }
    told.take_over();
    let tracks: BTreeSet<u8> = told.facts.keys().map(|key| key.0).chain(told.said.iter().copied()).collect();
    tracks.into_iter().map(|track| (track, counters(track, &told.facts, &told.words))).collect()
}

/// The user that signs in during a step.
pub(crate) fn user(scope: &str) -> String {
    format!("u{scope}")
}

/// All that was sent, in no order.
#[derive(Default)]
struct Told {
    facts: BTreeMap<Identity, Sent>,
    words: Words,
    /// Up to when persons have spoken for sessions.
    spoken_for: BTreeMap<Toggle, (String, String)>,
    said: BTreeSet<u8>,
}

impl Told {
    fn hear(&mut self, sent: &Sent, scope: &str, user: Option<String>) {
        let (id, session) = (sent.id(scope), sent.session(scope));
        let (toggle, on) = match sent.what {
            What::Like(on) => (None, on),
            What::Save(playlist, on) => (Some(playlist), on),
            _ => {
                self.facts.insert((sent.track, sent.time(), kind(&sent.what), id, (user, session)), sent.clone());
                return;
            }
        };
        self.said.insert(sent.track);
        let of = |who: &str| (sent.track, toggle, who.to_owned());
        let word = (sent.time(), id, on);
        if user.is_some() {
            let until = self.spoken_for.entry(of(&session)).or_default();
            *until = (word.0.clone(), word.1.clone()).max(until.clone());
        }
        let last = self.words.entry(of(user.as_ref().unwrap_or(&session))).or_insert_with(|| word.clone());
        if (&word.0, &word.1) > (&last.0, &last.1) {
            *last = word;
        }
    }

    /// What sessions did before a user signed in belongs to the user.
    fn take_over(&mut self) {
        for (toggle, until) in &self.spoken_for {
            if let Some(word) = self.words.get_mut(toggle)
                && (&word.0, &word.1) <= (&until.0, &until.1)
            {
                word.2 = false;
            }
        }
    }
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Play { .. } => "play",
        What::Like(_) => "like",
        What::Save(..) => "save",
        What::Share(_) => "share",
        What::Download => "download",
    }
}

#[derive(Default)]
struct Joined {
    source: &'static str,
    duration: Option<u64>,
    /// In hundredths of a percent.
    completion: Option<u64>,
    skipped: bool,
    replayed: bool,
}

/// The events about one play, by user or without one.
type ByUser<T> = BTreeMap<Option<String>, T>;

/// Shares and downloads: by time, session, kind and id.
type Others<'a> = BTreeMap<(String, String, &'static str, String), ByUser<&'a Sent>>;

fn counters(track: u8, facts: &BTreeMap<Identity, Sent>, words: &Words) -> Value {
    let mut plays: BTreeMap<(String, String, String), ByUser<Joined>> = BTreeMap::new();
    let mut others = Others::new();
    for ((of, time, kind, id, (user, session)), sent) in facts {
        if *of != track {
            continue;
        }
        match &sent.what {
            What::Play { play_id, duration, completion, skipped, replayed } => {
                let name = play_id.map_or_else(|| format!("event {id}"), |id| format!("play {id}"));
                let by_user = plays.entry((time.clone(), session.clone(), name)).or_default();
                let play = by_user.entry(user.clone()).or_default();
                play.source = SOURCES[usize::from(sent.session) % SOURCES.len()];
                let duration = duration.map(u64::from);
                play.duration = play.duration.max(duration);
                let derived = duration.filter(|_| track == 0).map(|played| (played * 10_000 / LENGTH_S).min(10_000));
                play.completion = play.completion.max(completion.map(|c| u64::from(c) * 100).or(derived));
                play.skipped |= skipped;
                play.replayed |= replayed;
            }
            What::Share(_) | What::Download => {
                let by_user = others.entry((time.clone(), session.clone(), kind, id.clone())).or_default();
                by_user.insert(user.clone(), sent);
            }
            What::Like(_) | What::Save(..) => {}
        }
    }
    // What a session sent before a sign-in belongs to the first user who signed in.
    let mut all = Vec::new();
    for mut by_user in plays.into_values() {
        let before = by_user.remove(&None);
        match (by_user.first_entry(), before) {
            (Some(mut first), Some(before)) => {
                let first = first.get_mut();
                first.duration = first.duration.or(before.duration);
                first.completion = first.completion.or(before.completion);
                first.skipped |= before.skipped;
                first.replayed |= before.replayed;
            }
            (None, before) => all.extend(before),
            (Some(_), None) => {}
        }
        all.extend(by_user.into_values());
    }
    let plays = all;
    let (mut downloads, mut shares) = (0, BTreeMap::<&str, u64>::new());
    for mut by_user in others.into_values() {
        if by_user.len() > 1 {
            by_user.remove(&None);
        }
        for sent in by_user.values() {
            match sent.what {
                What::Share(platform) => *shares.entry(PLATFORMS[usize::from(platform)]).or_default() += 1,
                _ => downloads += 1,
            }
        }
    }
    let is_skipped = |play: &Joined| {
        play.completion.is_none_or(|completion| completion < 10_000) && play.duration.map_or(play.skipped, |d| d < 20)
    };
    let skips = plays.iter().filter(|play| is_skipped(play)).count();
    let mut sources = BTreeMap::<&str, u64>::new();
    plays.iter().for_each(|play| *sources.entry(play.source).or_default() += 1);
    let known: Vec<u64> = plays.iter().filter_map(|play| play.completion).collect();
    let standing = |save: bool| {
        words.iter().filter(|((of, playlist, _), word)| *of == track && playlist.is_some() == save && word.2).count()
    };
    json!({
        "totalPlays": plays.len(),
        "qualifiedPlays": plays.len() - skips,
        "netLikes": standing(false),
        "netSaves": standing(true),
        "totalShares": shares.values().sum::<u64>(),
        "totalDownloads": downloads,
        "totalSkips": skips,
        "totalReplays": plays.iter().filter(|play| play.replayed).count(),
        "totalDurationSeconds": plays.iter().filter_map(|play| play.duration).sum::<u64>(),
        "averageCompletionRate":
            (!known.is_empty()).then(|| known.iter().sum::<u64>() as f64 / known.len() as f64 / 100.0),
        "sourceBreakdown": sources,
        "platformBreakdown": shares,
    })
}
