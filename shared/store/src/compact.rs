//! Facts of tracks as short items.
//!
//! There are as many facts as events, stored for months, so every byte is paid for. An item does not repeat its key
//! (the kind, the actor, the playlist of a save), its attributes have names of one letter, UUIDs are 16 bytes, and
//! common parts of a user agent are one character each. The coding is lossless. Items with long names, as earlier
//! versions wrote them, are read too.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{Item, key_of, text};
use super::keys::Key;

/// The attributes of a track's fact, and their names in its item. A name is never reused.
const NAMES: [(&str, &str); 17] = [
    ("session", "s"),
    ("user", "u"),
    ("anonymous", "a"),
    ("on", "o"),
    ("source", "f"),
    ("platform", "p"),
    ("play", "i"),
    ("playlist", "l"),
    ("durationMs", "d"),
    ("completion", "c"),
    ("skipped", "k"),
    ("replayed", "r"),
    ("userAgent", AGENT),
    ("network", "n"),
    ("country", "y"),
    ("imported", "m"),
    ("kind", "t"),
];

/// The short name of the user agent.
const AGENT: &str = "g";

/// Attributes that can be a UUID.
const IDS: [&str; 4] = ["s", "u", "a", "i"];

/// The prefix of the keys of tracks' facts.
const OF_TRACKS: &str = "TRACK#";

/// Parts of user agents, each with the control character that stands for it. None can change or be removed, since
/// stored facts use it.
const PARTS: [(char, &str); 14] = [
    ('\u{1}', "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"),
    ('\u{2}', "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"),
    ('\u{3}', "Mozilla/5.0 (iPhone; CPU iPhone OS "),
    ('\u{4}', "Mozilla/5.0 (Linux; Android "),
    ('\u{5}', "Mozilla/5.0 (X11; Linux x86_64"),
    ('\u{6}', " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"),
    ('\u{7}', " AppleWebKit/605.1.15 (KHTML, like Gecko) Version/"),
    ('\u{8}', "537.36 (KHTML, like Gecko) Chrome/"),
    ('\u{b}', "605.1.15 (KHTML, like Gecko) Version/"),
    ('\u{c}', "Mozilla/5.0 ("),
    ('\u{e}', ".0.0.0 Safari/537.36"),
    ('\u{f}', ".0.0.0 Mobile Safari/537.36"),
    ('\u{10}', " Mobile/15E148 Safari/604.1"),
    ('\u{11}', " Gecko/20100101 Firefox/"),
];

/// The item of a fact as it is stored.
pub(super) fn compact(key: &Key, item: Item) -> Item {
    if !key.pk.starts_with(OF_TRACKS) {
        return item;
    }
    let known = Known::of(&key.sk);
    let is_in_key = |name: &str, value: &AttributeValue| {
        known
            .iter()
            .flat_map(Known::fields)
            .any(|(known, text)| known == name && value.as_s().is_ok_and(|value| value == text))
    };
    let kept = item.into_iter().filter(|(name, value)| !is_in_key(name, value));
    kept.map(|(name, value)| match NAMES.iter().find(|(long, _)| *long == name) {
        Some((_, AGENT)) => match value.as_s().ok().and_then(|agent| short_agent(agent)) {
            Some(agent) => (AGENT.to_owned(), AttributeValue::S(agent)),
            None => (name, value),
        },
        Some((_, short)) => ((*short).to_owned(), short_id(short, value)),
        None => (name, value),
    })
    .collect()
}

/// The item of a fact as it was before it was stored.
#[must_use]
pub fn expand(item: Item) -> Item {
    let Some(key) = key_of(&item).filter(|key| key.pk.starts_with(OF_TRACKS)) else { return item };
    let mut long: Item = item
        .into_iter()
        .map(|(name, value)| match NAMES.iter().find(|(_, short)| *short == name) {
            Some((long, AGENT)) => {
                let agent = value.as_s().map(|agent| long_agent(agent));
                ((*long).to_owned(), agent.map_or(value.clone(), AttributeValue::S))
            }
            Some((long, _)) => ((*long).to_owned(), long_id(value)),
            None => (name, value),
        })
        .collect();
    for (name, value) in Known::of(&key.sk).iter().flat_map(Known::fields) {
        if text(&long, name).is_none() {
            long.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        }
    }
    long
}

/// The attributes that a fact's sort key contains.
struct Known<'a> {
    kind: &'a str,
    /// The attribute that names who it was, and who.
    actor: (&'static str, &'a str),
    playlist: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn of(sk: &'a str) -> Option<Self> {
        let mut parts = sk.split('#').skip(1);
        let (kind, _event, actor) = (parts.next()?, parts.next()?, parts.next()?);
        let (of, id) = actor.split_once(':')?;
        let name = match of {
            "u" => "user",
            "a" => "anonymous",
            "s" => "session",
            _ => return None,
        };
        let playlist = if kind == "save" { parts.next() } else { None };
        Some(Self { kind, actor: (name, id), playlist })
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let playlist = self.playlist.map(|playlist| ("playlist", playlist));
        [("kind", self.kind), self.actor].into_iter().chain(playlist)
    }
}

/// A UUID in the form that everybody writes it in, as bytes.
fn short_id(short: &str, value: AttributeValue) -> AttributeValue {
    let uuid = value
        .as_s()
        .ok()
        .filter(|_| IDS.contains(&short))
        .and_then(|text| Some((text, uuid::Uuid::parse_str(text).ok()?)));
    match uuid {
        Some((text, uuid)) if uuid.hyphenated().to_string() == *text => AttributeValue::B(Blob::new(uuid.into_bytes())),
        _ => value,
    }
}

fn long_id(value: AttributeValue) -> AttributeValue {
    let uuid = value.as_b().ok().and_then(|bytes| uuid::Uuid::from_slice(bytes.as_ref()).ok());
    uuid.map_or(value, |uuid| AttributeValue::S(uuid.hyphenated().to_string()))
}

/// A user agent with its usual parts put short; nothing for one that has control characters of its own.
fn short_agent(agent: &str) -> Option<String> {
    let plain = !agent.chars().any(char::is_control);
    plain.then(|| PARTS.iter().fold(agent.to_owned(), |agent, (short, part)| agent.replace(part, &short.to_string())))
}

fn long_agent(agent: &str) -> String {
    PARTS.iter().fold(agent.to_owned(), |agent, (short, part)| agent.replace(*short, part))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::items::{from_item, to_item};
    use crate::keys;
    use domain::entity::Entity;
    use domain::event::{Engagement, Platform, Play, Source};
    use domain::fact::{Origin, TrackFact};
    use domain::time::Time;

    const UUID: &str = "6d68ca91-49c9-448d-89b8-7ca3e6dc66aa";
    const BROWSERS: [&str; 6] = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        "tally-replay/0.1.0",
    ];

    fn fact(user: Option<&str>, anonymous: Option<&str>, what: Engagement, agent: &str) -> TrackFact {
        let origin = Origin {
            user_agent: Some(agent.to_owned()),
            network: Some("198.51.100.0/24".to_owned()),
            country: Some("NZ".to_owned()),
        };
        TrackFact {
            session: UUID.parse().unwrap(),
            user: user.map(|user| user.parse().unwrap()),
            anonymous: anonymous.map(|device| device.parse().unwrap()),
            what,
            origin,
            imported: user.is_some(),
        }
    }

    fn kinds() -> Vec<Engagement> {
        let playlist: domain::id::PlaylistId = "mix".parse().unwrap();
        let play = Play {
            source: Source::Search,
            play_id: Some(UUID.parse().unwrap()),
            playlist: Some(playlist.clone()),
            duration_ms: Some(187_500),
            completion: Some(9_375),
            skipped: true,
            replayed: true,
        };
        vec![
            Engagement::Play(play),
            Engagement::Like { on: true, source: Some(Source::Player) },
            Engagement::Save { on: false, playlist },
            Engagement::Share { platform: Platform::CopyLink, source: None },
            Engagement::Download { source: Some(Source::Direct) },
        ]
    }

    fn key_and_item(fact: &TrackFact) -> (Key, Item) {
        let at: Time = "2026-01-31T09:30:00Z".parse().unwrap();
        let of = Entity::Track("t".parse().unwrap());
        let key = keys::fact(&of, at, &"e".parse().unwrap(), &fact.actor(), &fact.what);
        let item = to_item(&key, fact.clone()).unwrap();
        (key, item)
    }

    #[test]
    fn fact_round_trips_through_compaction() {
        let upper = UUID.to_uppercase();
        for what in kinds() {
            for agent in BROWSERS.into_iter().chain(["odd\u{1}agent", ""]) {
                for (user, anonymous) in
                    [(None, None), (Some("ann"), None), (None, Some(UUID)), (Some(UUID), Some(&*upper))]
                {
                    let fact = fact(user, anonymous, what.clone(), agent);
                    let (key, item) = key_and_item(&fact);
                    let short = compact(&key, item.clone());
                    assert_eq!(expand(short.clone()), item, "{short:?}");
                    assert_eq!(from_item::<TrackFact>(expand(short)).unwrap(), fact);
                    assert_eq!(from_item::<TrackFact>(expand(item)).unwrap(), fact, "as earlier versions wrote it");
                }
            }
        }
    }

    #[test]
    fn compact_item_repeats_nothing_of_its_key() {
        for what in kinds() {
            let (key, item) = key_and_item(&fact(None, Some(UUID), what, BROWSERS[0]));
            let short = compact(&key, item);
            let names: BTreeSet<&str> = short.keys().map(String::as_str).collect();
            assert!(names.iter().all(|name| name.len() <= 2), "{names:?}");
            assert!(["t", "a"].iter().all(|name| !names.contains(name)), "{names:?}");
            assert_eq!(text(&short, AGENT).unwrap().len(), 5, "{short:?}");
            assert!(matches!(&short["s"], AttributeValue::B(bytes) if bytes.as_ref().len() == 16));
        }
    }

    #[test]
    fn short_names_and_agent_parts_are_unique() {
        let mut names: Vec<&str> =
            NAMES.iter().flat_map(|(long, short)| [*long, *short]).chain(["pk", "sk", "ttl"]).collect();
        let mut parts: Vec<char> = PARTS.iter().map(|(short, _)| *short).collect();
        let (all, all_parts) = (names.len(), parts.len());
        names.sort_unstable();
        names.dedup();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!((names.len(), parts.len()), (all, all_parts));
    }

    #[test]
    fn other_facts_are_not_compacted() {
        let key = Key { pk: "QUIZ#q#2026-01-31T09".to_owned(), sk: "30:00.000#like#e".to_owned() };
        let item: Item = to_item(&key, serde_json::json!({"user": UUID})).unwrap();
        assert_eq!(compact(&key, item.clone()), item);
        assert_eq!(expand(item.clone()), item);
    }
}
