//! What is to be sent: one purchase of each thing that somebody has.

use std::collections::hash_map;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Problem;
use crate::amount::Currency;
use crate::export::{Export, HeldBack, Holding, Kind, Terms};

/// What every key begins with, so that it never is another client's.
const KEY_PREFIX: &str = "migrate:";

/// Bytes of a key's hash: 160 bits.
const KEY_BYTES: usize = 20;

/// A purchase that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The line that it comes from, from 1.
    pub line: usize,
    /// What was bought, and by whom.
    pub holding: Holding,
    /// What is known of how.
    pub terms: Terms,
}

/// What is said of purchases of which the export does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumed {
    /// The currency of all amounts.
    pub currency: Currency,
    /// When the undated ones were made; nothing if there are none.
    pub undated: Option<DateTime<Utc>>,
    /// How those were paid that do not say.
    pub payment_method: String,
}

/// All purchases of an export, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be sent, in the order of their lines.
    pub purchases: Vec<Purchase>,
    /// Documents of what another document is of already; these are not sent.
    pub repeated: Vec<Problem>,
    /// Entries of lists that a document may be about which is not brought in; these are not sent either.
    pub withheld: Vec<Problem>,
}

/// What the documents that are not brought in may be about, each with the line of one of them.
#[derive(Default)]
struct Doubts<'a> {
    things: HashMap<(&'a str, Kind, &'a str), usize>,
    kinds: HashMap<(&'a str, Kind), usize>,
    users: HashMap<&'a str, usize>,
    items: HashMap<(Kind, &'a str), usize>,
}

impl<'a> Doubts<'a> {
    fn of(held_back: &'a [HeldBack]) -> Self {
        let mut doubts = Self::default();
        for HeldBack { line, user, items } in held_back {
            match user {
                Some(user) if items.is_empty() => drop(doubts.users.entry(user).or_insert(*line)),
                Some(user) => {
                    for (kind, item) in items {
                        match item {
                            Some(item) => drop(doubts.things.entry((user, *kind, item)).or_insert(*line)),
                            None => drop(doubts.kinds.entry((user, *kind)).or_insert(*line)),
                        }
                    }
                }
                // Somebody bought this, and nobody knows who.
                None => {
                    for (kind, item) in items {
                        item.as_deref().map(|item| doubts.items.entry((*kind, item)).or_insert(*line));
                    }
                }
            }
        }
        doubts
    }

    /// The line of a document that may be about this.
    fn about(&self, Holding { user, kind, item }: &Holding) -> Option<usize> {
        let thing = self.things.get(&(user.as_str(), *kind, item.as_str()));
        let thing = thing.or_else(|| self.kinds.get(&(user.as_str(), *kind)));
        let thing = thing.or_else(|| self.users.get(user.as_str()));
        thing.or_else(|| self.items.get(&(*kind, item.as_str()))).copied()
    }
}

impl Plan {
    /// The plan for an export: of what somebody has the first document that can be brought in, else the entry of the list.
    /// An entry that another document may be about waits: what that says would come too late.
    #[must_use]
    pub fn of(export: &Export) -> Self {
        let mut plan = Self::default();
        // By which line each thing is had.
        let mut lines: HashMap<&Holding, usize> = HashMap::new();
        for document in &export.documents {
            let (line, holding, terms) = (document.line, &document.holding, &document.terms);
            match lines.entry(holding) {
                hash_map::Entry::Occupied(first) => {
                    let what = format!("another purchase of the {holding}; the one of line {} counts", first.get());
                    plan.repeated.push(Problem { line, what });
                }
                hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(line);
                    plan.purchases.push(Purchase { line, holding: holding.clone(), terms: terms.clone() });
                }
            }
        }
        let doubts = Doubts::of(&export.held_back);
        let mut withheld = HashSet::new();
        for entry in &export.entries {
            if let hash_map::Entry::Vacant(vacant) = lines.entry(&entry.holding) {
                let (line, holding) = (entry.line, entry.holding.clone());
                if let Some(of) = doubts.about(&holding) {
                    if withheld.insert(&entry.holding) {
                        let what = format!("the {holding} waits for the document of line {of}");
                        plan.withheld.push(Problem { line, what });
                    }
                    continue;
                }
                vacant.insert(entry.line);
                plan.purchases.push(Purchase { line, holding, terms: Terms::default() });
            }
        }
        plan.purchases.sort_by_key(|purchase| purchase.line);
        plan
    }

    /// How many purchases nobody knows the time of.
    #[must_use]
    pub fn undated(&self) -> usize {
        self.purchases.iter().filter(|purchase| purchase.terms.purchased_at.is_none()).count()
    }

    /// How many purchases nobody knows the price of.
    #[must_use]
    pub fn unpriced(&self) -> usize {
        self.purchases.iter().filter(|purchase| purchase.terms.amount.is_none()).count()
    }
}

impl Purchase {
    /// The key that makes it the same purchase however often it is sent. It follows from who has what, and from nothing
    /// else.
    #[must_use]
    pub fn key(&self) -> String {
        let Holding { user, kind, item } = &self.holding;
        // No id holds a line break, so no two holdings have one text.
        format!("{KEY_PREFIX}{}", digest(&format!("{user}\n{}\n{item}", kind.name())))
    }

    /// What tells this order from another one of the same key. Nothing if there is no order.
    #[must_use]
    pub fn digest(&self, assumed: &Assumed) -> Option<String> {
        Some(digest(&self.order(assumed)?.to_string()))
    }

    /// The order, as the API takes it. Its metadata tell what is assumed from what is known. Nothing if it is undated
    /// and no time is assumed.
    #[must_use]
    pub fn order(&self, assumed: &Assumed) -> Option<Value> {
        let Terms { purchased_at, amount, currency, is_pending, payment_method } = &self.terms;
        let mut metadata = json!({"imported": "true"});
        for (name, is_assumed) in [("undated", purchased_at.is_none()), ("methodAssumed", payment_method.is_none())] {
            if let (true, Some(metadata)) = (is_assumed, metadata.as_object_mut()) {
                metadata.insert(name.to_owned(), "true".into());
            }
        }
        let purchased_at = purchased_at.or(assumed.undated)?;
        Some(json!({
            "userId": self.holding.user,
            "itemType": self.holding.kind.name(),
            "itemId": self.holding.item,
            "amount": amount,
            "currency": amount.map(|_| currency.unwrap_or(assumed.currency).code()),
            "status": if *is_pending { "pending" } else { "completed" },
            "paymentMethod": payment_method.as_ref().unwrap_or(&assumed.payment_method),
            "purchasedAt": purchased_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "metadata": metadata,
        }))
    }
}

/// The first bytes of a text's hash, in hexadecimal digits.
fn digest(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(text).iter().take(KEY_BYTES) {
        // Writing to a string cannot fail.
        if write!(digits, "{byte:02x}").is_err() {
            break;
        }
    }
    digits
}

/// Whether a text is a digest of what was sent, as [`Purchase::digest`] makes it.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a key as [`Purchase::key`] makes it.
#[must_use]
pub fn is_key(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(is_digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{self, Kind};

    fn export(text: &str) -> Export {
        export::read(text.as_bytes(), "USD".parse().unwrap()).unwrap()
    }

    fn assumed() -> Assumed {
        Assumed {
            currency: "USD".parse().unwrap(),
            undated: Some("2024-12-31T00:00:00Z".parse().unwrap()),
            payment_method: "unknown".to_owned(),
        }
    }

    fn of(user: &str, kind: Kind, item: &str) -> Purchase {
        let holding = Holding { user: user.to_owned(), kind, item: item.to_owned() };
        Purchase { line: 1, holding, terms: Terms::default() }
    }

    #[test]
    fn each_thing_is_bought_once() {
        let export = export(
            r#"{"_id": "sam", "purchasedCourses": ["a", "b", "a"], "purchasedTests": ["a"]}
               {"_id": "sam", "purchasedCourses": ["b", "d"]}
               {"user": "sam", "course": "b", "amount": 1}
               {"user": "sam", "course": "c", "amount": 2}
               {"user": "sue", "course": "b", "amount": 3}
               {"user": "sam", "course": "b", "amount": 4}"#,
        );
        let plan = Plan::of(&export);
        let planned: Vec<_> = plan
            .purchases
            .iter()
            .map(|Purchase { line, holding, terms }| (*line, holding.to_string(), terms.amount))
            .collect();
        assert_eq!(
            planned,
            [
                (1, "course a of user sam".to_owned(), None),
                (1, "test a of user sam".to_owned(), None),
                (2, "course d of user sam".to_owned(), None),
                (3, "course b of user sam".to_owned(), Some(100)),
                (4, "course c of user sam".to_owned(), Some(200)),
                (5, "course b of user sue".to_owned(), Some(300)),
            ]
        );
        let repeated: Vec<_> = plan.repeated.iter().map(ToString::to_string).collect();
        assert_eq!(repeated, ["line 6: another purchase of the course b of user sam; the one of line 3 counts"]);
        assert_eq!((plan.undated(), plan.unpriced()), (6, 3));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_not_made_up_for() {
        let export = export(
            r#"{"_id": "sam", "purchasedCourses": ["a", "b"]}
               {"user": "sam", "course": "a", "amount": -1}
               {"user": "sam", "course": "b", "amount": -1}
               {"user": "sam", "course": "b", "amount": 1}"#,
        );
        let plan = Plan::of(&export);
        assert_eq!(export.problems.len(), 2);
        assert_eq!(plan.purchases.len(), 1);
        assert_eq!((plan.purchases[0].line, plan.purchases[0].terms.amount), (4, Some(100)));
        assert_eq!(plan.repeated, []);
        let withheld: Vec<_> = plan.withheld.iter().map(ToString::to_string).collect();
        assert_eq!(withheld, ["line 1: the course a of user sam waits for the document of line 2"]);
    }

    #[test]
    fn a_document_that_is_not_brought_in_holds_back_whatever_it_may_be_about() {
        let withheld = |document: &str| {
            let lists = r#"{"_id": "sam", "purchasedCourses": ["a", "b"], "purchasedTests": ["a", "t"]}
                           {"_id": "sue", "purchasedCourses": ["a"]}"#;
            let plan = Plan::of(&export(&format!("{lists}\n{document}")));
            assert_eq!(plan.withheld.len() + plan.purchases.len(), 5, "{document}");
            let of = |problem: &Problem| problem.what.split(" waits").next().unwrap().to_owned();
            plan.withheld.iter().map(of).collect::<Vec<_>>()
        };
        for (document, expected) in [
            (
                r#"{"user": "sam", "course": "a", "test": "t", "amount": 5}"#,
                vec!["the course a of user sam", "the test t of user sam"],
            ),
            (r#"{"user": "sam", "course": "a", "status": "refunded"}"#, vec!["the course a of user sam"]),
            (r#"{"user": "sam", "test": {}}"#, vec!["the test a of user sam", "the test t of user sam"]),
            (
                r#"{"user": "sam", "amount": 5}"#,
                vec![
                    "the course a of user sam",
                    "the course b of user sam",
                    "the test a of user sam",
                    "the test t of user sam",
                ],
            ),
            (r#"{"course": "a", "amount": 5}"#, vec!["the course a of user sam", "the course a of user sue"]),
            (r#"{"amount": 5}"#, vec![]),
        ] {
            assert_eq!(withheld(document), expected, "{document}");
        }
    }

    #[test]
    fn keys_follow_from_who_has_what() {
        let key = of("sam", Kind::Course, "a").key();
        assert_eq!(key, "migrate:8660f5cf70f521d583b8b68948d0cc099ad45dd9");
        assert!(is_key(&key) && crate::extended::is_id(&key));
        let dated =
            Purchase { line: 2, terms: Terms { amount: Some(1), ..Terms::default() }, ..of("sam", Kind::Course, "a") };
        assert_eq!(dated.key(), key);
        for other in [of("sam", Kind::Test, "a"), of("sam", Kind::Course, "b"), of("sue", Kind::Course, "a")] {
            assert_ne!(other.key(), key);
        }
        for torn in ["", "migrate:", &key[..key.len() - 1], &key.replace("migrate:", ""), &key.to_uppercase()] {
            assert!(!is_key(torn), "{torn}");
        }
    }

    #[test]
    fn an_order_says_what_is_assumed() {
        let entry = of("sam", Kind::Test, "t");
        assert_eq!(
            entry.order(&assumed()).unwrap(),
            json!({
                "userId": "sam", "itemType": "test", "itemId": "t", "amount": null, "currency": null,
                "status": "completed", "paymentMethod": "unknown", "purchasedAt": "2024-12-31T00:00:00.000Z",
                "metadata": {"imported": "true", "undated": "true", "methodAssumed": "true"},
            })
        );
        assert_eq!(entry.order(&Assumed { undated: None, ..assumed() }), None);
        let terms = Terms {
            purchased_at: Some("2025-01-31T12:00:00.123456Z".parse().unwrap()),
            amount: Some(0),
            payment_method: Some("card".to_owned()),
            ..Terms::default()
        };
        let known = Purchase { terms, ..of("sam", Kind::Course, "c") };
        assert_eq!(
            known.order(&assumed()).unwrap(),
            json!({
                "userId": "sam", "itemType": "course", "itemId": "c", "amount": 0, "currency": "USD", "status": "completed",
                "paymentMethod": "card", "purchasedAt": "2025-01-31T12:00:00.123Z", "metadata": {"imported": "true"},
            })
        );
    }

    #[test]
    fn what_a_document_says_of_itself_is_sent() {
        let terms = Terms { amount: Some(5), currency: "JPY".parse().ok(), is_pending: true, ..Terms::default() };
        let purchase = Purchase { terms, ..of("sam", Kind::Course, "c") };
        let order = purchase.order(&assumed()).unwrap();
        assert_eq!((&order["currency"], &order["status"]), (&json!("JPY"), &json!("pending")));
        let other = of("sam", Kind::Course, "c");
        assert_eq!(purchase.key(), other.key());
        assert_ne!(purchase.digest(&assumed()), other.digest(&assumed()), "another order is told from it");
        assert_eq!(other.digest(&assumed()), of("sam", Kind::Course, "c").digest(&assumed()));
        assert!(is_digest(&other.digest(&assumed()).unwrap()) && !is_digest(&other.key()));
    }
}
