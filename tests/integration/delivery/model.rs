//! The independent count: what the counters must be, from what clients sent, by the plainest means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::plan::{LENGTH_S, PLATFORMS, Plan, SOURCES, Sent, Step, What};

/// A fact's identity, as the API promises it: what, when, of which kind, by which event.
type Identity = (u8, String, &'static str, String);

/// The last word on each like and each save: by track, session and playlist; time, event, and what was said.
type Words = BTreeMap<(u8, u8, Option<u8>), (String, String, bool)>;

/// What every track's counters must be in the end; none for one that nothing happened to.
pub(crate) fn expected(plan: &Plan) -> BTreeMap<u8, Value> {
    let mut facts: BTreeMap<Identity, Sent> = BTreeMap::new();
    let mut words = Words::new();
    let mut said: BTreeSet<u8> = BTreeSet::new();
    for (client, steps) in plan.clients.iter().enumerate() {
        for (step, what) in steps.iter().enumerate() {
            let scope = format!("{client}.{step}");
            match what {
                Step::Send(events) => {
                    for sent in events {
                        let id = format!("{scope}.{}", sent.name);
                        let (toggle, on) = match sent.what {
                            What::Like(on) => (None, on),
                            What::Save(playlist, on) => (Some(playlist), on),
                            _ => {
                                facts.insert((sent.track, sent.time(), kind(&sent.what), id), sent.clone());
                                continue;
                            }
                        };
                        let word = (sent.time(), id, on);
                        let last = words.entry((sent.track, sent.session, toggle)).or_insert_with(|| word.clone());
                        if (&word.0, &word.1) > (&last.0, &last.1) {
                            *last = word;
                        }
                        said.insert(sent.track);
                    }
                }
                Step::SendAgain(_) => {}
                Step::Erase { sent, again } => {
                    let id = format!("{scope}.{}", sent.name);
                    if *again {
                        facts.insert((sent.track, sent.time(), kind(&sent.what), id), sent.clone());
                    }
                }
            }
        }
    }
    let tracks: BTreeSet<u8> = facts.keys().map(|key| key.0).chain(said).collect();
    tracks.into_iter().map(|track| (track, counters(track, &facts, &words))).collect()
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

fn counters(track: u8, facts: &BTreeMap<Identity, Sent>, words: &Words) -> Value {
    let mut plays: BTreeMap<(String, u8, String), Joined> = BTreeMap::new();
    let (mut downloads, mut shares) = (0, BTreeMap::<&str, u64>::new());
    for ((of, time, _, id), sent) in facts {
        if *of != track {
            continue;
        }
        match &sent.what {
            What::Play { play_id, duration, completion, skipped, replayed } => {
                let name = play_id.map_or_else(|| format!("event {id}"), |id| format!("play {id}"));
                let play = plays.entry((time.clone(), sent.session, name)).or_default();
                play.source = SOURCES[usize::from(sent.session) % SOURCES.len()];
                let duration = duration.map(u64::from);
                play.duration = play.duration.max(duration);
                let derived = duration.filter(|_| track == 0).map(|played| (played * 10_000 / LENGTH_S).min(10_000));
                play.completion = play.completion.max(completion.map(|c| u64::from(c) * 100).or(derived));
                play.skipped |= skipped;
                play.replayed |= replayed;
            }
            What::Share(platform) => *shares.entry(PLATFORMS[usize::from(*platform)]).or_default() += 1,
            What::Download => downloads += 1,
            What::Like(_) | What::Save(..) => {}
        }
    }
    let is_skipped = |play: &Joined| {
        play.completion.is_none_or(|completion| completion < 10_000) && play.duration.map_or(play.skipped, |d| d < 20)
    };
    let skips = plays.values().filter(|play| is_skipped(play)).count();
    let mut sources = BTreeMap::<&str, u64>::new();
    plays.values().for_each(|play| *sources.entry(play.source).or_default() += 1);
    let known: Vec<u64> = plays.values().filter_map(|play| play.completion).collect();
    let standing = |save: bool| {
        words.iter().filter(|((of, _, playlist), word)| *of == track && playlist.is_some() == save && word.2).count()
    };
    json!({
        "totalPlays": plays.len(),
        "qualifiedPlays": plays.len() - skips,
        "netLikes": standing(false),
        "netSaves": standing(true),
        "totalShares": shares.values().sum::<u64>(),
        "totalDownloads": downloads,
        "totalSkips": skips,
        "totalReplays": plays.values().filter(|play| play.replayed).count(),
        "totalDurationSeconds": plays.values().filter_map(|play| play.duration).sum::<u64>(),
        "averageCompletionRate":
            (!known.is_empty()).then(|| known.iter().sum::<u64>() as f64 / known.len() as f64 / 100.0),
        "sourceBreakdown": sources,
        "platformBreakdown": shares,
    })
}
