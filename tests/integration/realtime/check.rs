//! Compares what the server took with what was written.

use std::collections::{BTreeMap, BTreeSet};

use local::dynamodb::Change;
use serde_json::Value;

use super::actions::{CHANNELS, Known, OUTBOX};
use super::faulty_server::{TOO_LARGE, Taken, UNFIT};
use crate::support::stage::Stage;

/// An event's channel, and its place among those of it.
pub(super) type Key = (String, String);

/// An event that was put aside.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    pub(super) key: Key,
    pub(super) name: String,
    pub(super) data: String,
    pub(super) reason: String,
}

/// All that happened.
#[derive(Debug, Clone)]
pub(super) struct Story {
    /// What came to lie in the outbox, in the order in which it did.
    pub(super) written: Vec<Key>,
    /// The events that are still in the outbox.
    pub(super) left: Vec<Key>,
    pub(super) aside: Vec<Aside>,
    pub(super) taken: Vec<Taken>,
    /// The events that each writer knows to be written, in order.
    pub(super) known: Vec<Vec<Known>>,
    /// The messages in the failure queue.
    pub(super) failures: Vec<String>,
}

impl Story {
    pub(super) fn of(stage: &Stage, taken: Vec<Taken>, known: Vec<Vec<Known>>, failures: Vec<String>) -> Self {
        let told = stage.records(OUTBOX).into_iter().filter(|record| record.change != Change::Remove);
        let keys = told.map(|record| serde_json::from_str::<Value>(&record.keys).unwrap());
        let (mut written, mut seen) = (Vec::new(), BTreeSet::new());
        for key in keys.filter_map(|key| key_of(&key, "CHANNEL#")) {
            if seen.insert(key.clone()) {
                written.push(key);
            }
        }
        let items = stage.scan(OUTBOX);
        let aside = |item: &Value| {
            let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
            let key = key_of(item, "ASIDE#CHANNEL#")?;
            Some(Aside { key, name: text("name"), data: text("data"), reason: text("reason") })
        };
        let left = items.iter().filter_map(|item| key_of(item, "CHANNEL#")).collect();
        Self { written, left, aside: items.iter().filter_map(aside).collect(), taken, known, failures }
    }
}

fn key_of(item: &Value, prefix: &str) -> Option<Key> {
    let channel = item["pk"]["S"].as_str().unwrap().strip_prefix(prefix)?;
    Some((channel.to_owned(), item["sk"]["S"].as_str().unwrap().to_owned()))
}

/// The key of the event with this data.
fn key(channel: &str, name: &str, data: &str) -> Key {
    let data: Value = serde_json::from_str(data).unwrap();
    let text = |field: &str| data[field].as_str().unwrap_or_default();
    (channel.to_owned(), format!("{}#{name}#{}", text("timestamp"), text("id")))
}

/// The second that numbers are of, by their place.
fn second((channel, sk): &Key) -> Option<u64> {
    let id = sk.rsplit('#').next()?.strip_prefix('n')?;
    (channel == CHANNELS[3]).then(|| id.split('-').next()?.parse().ok()).flatten()
}

/// The errors after everything was delivered.
pub(super) fn wrong(story: &Story) -> Vec<String> {
    let Story { written, left, aside, taken, known, failures } = story;
    let mut wrong: Vec<String> = left.iter().map(|key| format!("{key:?} still waits")).collect();
    // The position of the first publication and its data; repeats have equal data.
    let mut first: BTreeMap<Key, (usize, &Taken)> = BTreeMap::new();
    for (at, event) in taken.iter().enumerate() {
        let key = key(&event.channel, &event.name, &event.data);
        if !written.contains(&key) {
            wrong.push(format!("{event:?} was never written"));
        }
        if first.entry(key).or_insert((at, event)).1 != event {
            wrong.push(format!("{event:?} was told differently before"));
        }
    }
    for Aside { key: of, name, data, reason } in aside {
        if reason != TOO_LARGE || !data.contains(UNFIT) || key(&of.0, name, data) != *of || !written.contains(of) {
            wrong.push(format!("{of:?} lies aside, {data:?}, for {reason:?}"));
        }
    }
    for Aside { key: (channel, sk), .. } in aside {
        if !failures.iter().any(|failure| failure.contains(channel) && failure.contains(sk)) {
            wrong.push(format!("nobody is told that {sk} of {channel} lies aside"));
        }
    }
    let aside: BTreeMap<&Key, &str> = aside.iter().map(|aside| (&aside.key, aside.data.as_str())).collect();
    for key in written {
        if first.contains_key(key) == aside.contains_key(key) {
            let (taken, aside) = (first.contains_key(key), aside.contains_key(key));
            wrong.push(format!("{key:?}: taken {taken}, put aside {aside}"));
        }
    }
    let is_late = |one: &Key, other: &Key| match (first.get(one), first.get(other)) {
        (Some((one, _)), Some((other, _))) => one >= other,
        _ => false,
    };
    for (at, one) in written.iter().enumerate() {
        for other in written[at + 1..].iter().filter(|other| one.0 == other.0 && one.1 < other.1) {
            if is_late(one, other) {
                wrong.push(format!("{one:?} was told after {other:?}"));
            }
        }
    }
    for known in known {
        wrong.extend(by_one_writer(known, &first, &aside, is_late));
    }
    wrong.extend(numbers(written));
    let mut once = BTreeSet::new();
    for (channel, sk) in written.iter().filter(|(channel, _)| channel == CHANNELS[0]) {
        let id = sk.rsplit('#').next().unwrap();
        if !once.insert(id) && sk.contains("#new-notification#") {
            wrong.push(format!("{id} is told twice on {channel}"));
        }
    }
    for failure in failures {
        let failure: Value = serde_json::from_str(failure).unwrap();
        let keys = &failure["record"]["dynamodb"]["Keys"];
        let channel = keys["pk"]["S"].as_str().unwrap_or_default().trim_start_matches("CHANNEL#");
        let is_told = failure["reason"].as_str().is_some_and(|reason| reason.contains(TOO_LARGE));
        if !is_told || !aside.keys().any(|(of, _)| of == channel) {
            wrong.push(format!("given up on without a reason: {failure}"));
        }
    }
    wrong
}

/// Every event that is known to be written is published, in time order within a channel.
fn by_one_writer(
    known: &[Known],
    first: &BTreeMap<Key, (usize, &Taken)>,
    aside: &BTreeMap<&Key, &str>,
    is_late: impl Fn(&Key, &Key) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let told = |known: &Known| -> Option<Key> {
        let says = |data: &str| serde_json::from_str::<Value>(data).unwrap() == known.data;
        let is_it = |key: &Key, data: &str| key.0 == known.channel && says(data);
        let taken = first.iter().find(|(key, (_, taken))| is_it(key, &taken.data)).map(|(key, _)| key.clone());
        taken.or_else(|| aside.iter().find(|(key, data)| is_it(key, data)).map(|(key, _)| (*key).clone()))
    };
    let keys: Vec<Option<Key>> = known.iter().map(told).collect();
    for (at, one) in known.iter().enumerate() {
        let Some(key) = &keys[at] else {
            wrong.push(format!("{one:?} was written, and is neither told nor put aside"));
            continue;
        };
        for (other, of_other) in known[at + 1..].iter().zip(&keys[at + 1..]) {
            let is_later = one.channel == other.channel && one.time < other.time;
            if is_later && of_other.as_ref().is_some_and(|other| is_late(key, other)) {
                wrong.push(format!("{one:?} was told after what its writer wrote later: {other:?}"));
            }
        }
    }
    wrong
}

/// The stats of a second are published once, and never after later ones.
fn numbers(written: &[Key]) -> Vec<String> {
    let seconds: Vec<u64> = written.iter().filter_map(second).collect();
    let unordered = seconds.windows(2).filter(|two| two[0] >= two[1]);
    unordered.map(|two| format!("the numbers of {} were written after those of {}", two[1], two[0])).collect()
}
