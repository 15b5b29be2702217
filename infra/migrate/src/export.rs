//! The export: users with their lists, and documents of purchases, in lines of JSON, in any order and mixed.
//!
//! A line with one of the fields `user`, `course`, `test`, `purchasedAt`, `amount` and `paymentMethod` is a purchase,
//! any other with an `_id` a user. Fields that nobody asks for are left alone, and none of what they hold is ever
//! shown.
//!
//! A document's own `currency` and `status` are honoured: it is brought in as `completed` or `pending`. One of another status is
//! not brought in, and neither is one that cannot be read: both hold back the entries of lists that they may be about.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::Problem;
use crate::amount::Currency;
use crate::extended;

/// Fields that a purchase has and a user has not.
const OF_PURCHASES: [&str; 6] = ["user", "course", "test", "purchasedAt", "amount", "paymentMethod"];

/// A user's lists, and what they are of.
const LISTS: [(&str, Kind); 2] = [("purchasedCourses", Kind::Course), ("purchasedTests", Kind::Test)];

/// A kind of thing that is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A course.
    Course,
    /// A test.
    Test,
}

impl Kind {
    /// Its name, in the export as in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Test => "test",
        }
    }
}

/// Something that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holding {
    /// Who has it.
    pub user: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Which one.
    pub item: String,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of user {}", self.kind.name(), self.item, self.user)
    }
}

/// What is known of how something was bought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// When.
    pub purchased_at: Option<DateTime<Utc>>,
    /// For how much, in minor units.
    pub amount: Option<u64>,
    /// In which currency; nothing if that of the export.
    pub currency: Option<Currency>,
    /// Whether its payment still waits.
    pub is_pending: bool,
    /// How it was paid.
    pub payment_method: Option<String>,
}

/// A document of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The line that it stands in, from 1.
    pub line: usize,
    /// What was bought, and by whom.
    pub holding: Holding,
    /// How it was bought.
    pub terms: Terms,
}

/// What is known of a document that is not brought in: whatever it may be about waits until it is put right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// The line that it stands in, from 1.
    pub line: usize,
    /// Who bought; nothing if that is not known.
    pub user: Option<String>,
    /// What was bought: of each kind that it names, the item, or nothing if that could not be read.
    pub items: Vec<(Kind, Option<String>)>,
}

/// An entry of a user's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line of its user, from 1.
    pub line: usize,
    /// What the user has.
    pub holding: Holding,
}

/// An export as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Export {
    /// Lines that are not empty.
    pub lines: usize,
    /// Lines that are users.
    pub users: usize,
    /// Documents of purchases that can be brought in, as they come.
    pub documents: Vec<Document>,
    /// Those that cannot.
    pub held_back: Vec<HeldBack>,
    /// Entries of lists, as they come.
    pub entries: Vec<Entry>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads an export of which amounts are of this currency. What is wrong in it is told by [`Export::problems`].
///
/// # Errors
/// If the input ends in an error.
pub fn read(mut input: impl BufRead, currency: Currency) -> io::Result<Export> {
    let mut reading = Reading { currency, line: 0, export: Export::default() };
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(reading.export);
        }
        reading.line += 1;
        // Some programs begin a file with the mark of its byte order.
        let bytes = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| reading.line == 1).unwrap_or(&line).trim_ascii();
        if !bytes.is_empty() {
            reading.export.lines += 1;
            reading.line(bytes);
        }
    }
}

struct Reading {
    currency: Currency,
    line: usize,
    export: Export,
}

impl Reading {
    fn wrong(&mut self, what: impl Into<String>) {
        self.export.problems.push(Problem { line: self.line, what: what.into() });
    }

    fn line(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes).ok().and_then(extended::fields) {
            None => self.wrong("is no JSON object"),
            Some(fields) if OF_PURCHASES.iter().any(|name| fields.contains_key(*name)) => self.document(&fields, None),
            Some(fields) => self.user(&fields),
        }
    }

    fn user(&mut self, fields: &Fields<'_>) {
        let user = match fields.get("_id").map(|value| extended::id(value)) {
            None => return self.wrong("neither a user nor a purchase: it has no _id"),
            Some(Err(error)) => return self.wrong(format!("user: _id {error}")),
            Some(Ok(user)) => user,
        };
        self.export.users += 1;
        for (name, kind) in LISTS {
            for (at, item) in self.list(&user, fields, name).into_iter().enumerate() {
                match extended::id(item) {
                    Ok(item) => {
                        let holding = Holding { user: user.clone(), kind, item };
                        self.export.entries.push(Entry { line: self.line, holding });
                    }
                    Err(error) => self.wrong(format!("user {user}: {name}[{at}] {error}")),
                }
            }
        }
        for (at, document) in self.list(&user, fields, "purchases").into_iter().enumerate() {
            match extended::fields(document.get()) {
                Some(fields) => self.document(&fields, Some(&user)),
                None => self.wrong(format!("user {user}: purchases[{at}] is no JSON object")),
            }
        }
    }

    /// What a user's list holds.
    fn list<'a>(&mut self, user: &str, fields: &Fields<'a>, name: &str) -> Vec<&'a RawValue> {
        let Some(list) = fields.get(name) else { return Vec::new() };
        extended::elements(list).unwrap_or_else(|| {
            self.wrong(format!("user {user}: {name} is no array"));
            Vec::new()
        })
    }

    /// A purchase, which stands by itself or within its user.
    fn document(&mut self, fields: &Fields<'_>, within: Option<&str>) {
        let mut wrong = Vec::new();
        let (user, items) = holding(fields, within, &mut wrong);
        let terms = self.terms(fields, &mut wrong);
        if let ([], Some(user), [(kind, Some(item))]) = (&*wrong, &user, &*items) {
            let holding = Holding { user: user.clone(), kind: *kind, item: item.clone() };
            self.export.documents.push(Document { line: self.line, holding, terms });
        } else {
            let id = fields.get("_id").and_then(|value| extended::id(value).ok());
            let name = id.map(|id| format!("purchase {id}")).unwrap_or_else(|| "purchase".to_owned());
            self.wrong(format!("{name}: {}", wrong.join("; ")));
            self.export.held_back.push(HeldBack { line: self.line, user, items });
        }
    }

    fn terms(&self, fields: &Fields<'_>, wrong: &mut Vec<String>) -> Terms {
        let purchased_at = read_field(fields, "purchasedAt", wrong, extended::time);
        let currency = read_field(fields, "currency", wrong, extended::text).filter(|code| !code.is_empty());
        let currency: Option<Currency> = currency.and_then(|code| {
            let currency = code.parse();
            currency.map_err(|error: crate::amount::InvalidCurrency| wrong.push(format!("currency {error}"))).ok()
        });
        let status = read_field(fields, "status", wrong, extended::text).filter(|status| !status.is_empty());
        let is_pending = match status.as_deref() {
            None | Some("completed") => false,
            Some("pending") => true,
            Some(_) => {
                wrong.push("status is neither completed nor pending, and only these are brought in".to_owned());
                false
            }
        };
        let amount = read_field(fields, "amount", wrong, extended::number);
        let amount = amount.and_then(|text| {
            let amount = currency.unwrap_or(self.currency).minor_units(&text);
            amount.map_err(|error| wrong.push(format!("amount {error}"))).ok()
        });
        let payment_method = read_field(fields, "paymentMethod", wrong, extended::text);
        let payment_method = payment_method.filter(|method| !method.is_empty());
        if payment_method.as_ref().is_some_and(|method| !extended::is_id(method)) {
            wrong.push("paymentMethod is not 1 to 64 characters of A-Z a-z 0-9 _ . : -".to_owned());
        }
        Terms { purchased_at, amount, currency, is_pending, payment_method }
    }
}

/// Who bought by a document, and all that it says was bought; whatever is wrong is added to `wrong`.
fn holding(
    fields: &Fields<'_>,
    within: Option<&str>,
    wrong: &mut Vec<String>,
) -> (Option<String>, Vec<(Kind, Option<String>)>) {
    let said = read_field(fields, "user", wrong, extended::id);
    let user = match (said, within) {
        (Some(said), Some(user)) if said != user => {
            wrong.push(format!("stands within user {user}, but is of user {said}"));
            None
        }
        (_, Some(user)) => Some(user.to_owned()),
        (said, None) => {
            if !fields.contains_key("user") {
                wrong.push("user is missing".to_owned());
            }
            said
        }
    };
    let kinds = [Kind::Course, Kind::Test].into_iter().filter(|kind| fields.contains_key(kind.name()));
    let kinds: Vec<Kind> = kinds.collect();
    match kinds.as_slice() {
        [] => wrong.push("is of neither a course nor a test".to_owned()),
        [_] => {}
        _ => wrong.push("is of both a course and a test".to_owned()),
    }
    let items = kinds.into_iter().map(|kind| (kind, read_field(fields, kind.name(), wrong, extended::id)));
    (user, items.collect())
}

/// What a field says, if it is there; if it cannot be read, that is added to `wrong`.
fn read_field<T>(
    fields: &Fields<'_>,
    name: &str,
    wrong: &mut Vec<String>,
    read: impl Fn(&RawValue) -> Result<T, extended::Unreadable>,
) -> Option<T> {
    let read = read(fields.get(name)?);
    read.map_err(|error| wrong.push(format!("{name} {error}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Export {
        super::read(text.as_bytes(), "USD".parse().unwrap()).unwrap()
    }

    fn problem(line: &str) -> String {
        let export = read(line);
        let [Problem { line: 1, what }] = &*export.problems else { panic!("{line}: {:?}", export.problems) };
        what.clone()
    }

    fn holding(user: &str, kind: Kind, item: &str) -> Holding {
        Holding { user: user.to_owned(), kind, item: item.to_owned() }
    }

    #[test]
    fn users_and_purchases_come_in_any_order() {
        let export = read(concat!(
            "\u{feff}",
            r#"{"_id": "p1", "user": "sam", "course": "c1", "test": null, "purchasedAt": "2025-01-31T12:00:00Z", "amount": 29.99, "paymentMethod": "card"}"#,
            "\r\n\n",
            r#"{"_id": {"$oid": "sam"}, "name": "Sam", "purchasedCourses": ["c1", {"$oid": "c2"}], "purchasedTests": ["t1"], "purchases": [{"test": "t1", "amount": {"$numberDouble": "9.5"}}]}"#,
            "\n",
            r#"{"_id": "sue", "createdAt": "nobody asks"}"#,
        ));
        assert_eq!((export.lines, export.users), (3, 2));
        assert_eq!(export.problems, []);
        let at = "2025-01-31T12:00:00Z".parse().unwrap();
        let terms = Terms {
            purchased_at: Some(at),
            amount: Some(2999),
            payment_method: Some("card".to_owned()),
            ..Terms::default()
        };
        let of_test = Terms { amount: Some(950), ..Terms::default() };
        assert_eq!(
            export.documents,
            [
                Document { line: 1, holding: holding("sam", Kind::Course, "c1"), terms },
                Document { line: 3, holding: holding("sam", Kind::Test, "t1"), terms: of_test },
            ]
        );
        let entries: Vec<_> = export.entries.iter().map(|entry| (entry.line, entry.holding.clone())).collect();
        assert_eq!(
            entries,
            [
                (3, holding("sam", Kind::Course, "c1")),
                (3, holding("sam", Kind::Course, "c2")),
                (3, holding("sam", Kind::Test, "t1")),
            ]
        );
    }

    #[test]
    fn unknown_is_not_nothing() {
        for (line, amount) in [
            (r#"{"user": "u", "course": "c"}"#, None),
            (r#"{"user": "u", "course": "c", "amount": null, "purchasedAt": null, "paymentMethod": null}"#, None),
            (r#"{"user": "u", "course": "c", "amount": 0, "paymentMethod": ""}"#, Some(0)),
        ] {
            let export = read(line);
            assert_eq!(export.problems, [], "{line}");
            assert_eq!(export.documents[0].terms, Terms { amount, ..Terms::default() }, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (line, what) in [
            ("[", "is no JSON object"),
            ("[{}]", "is no JSON object"),
            ("7", "is no JSON object"),
            ("{\"_id\": \"a\"", "is no JSON object"),
            ("{}", "neither a user nor a purchase: it has no _id"),
            (r#"{"_id": "p", "user": "u"}"#, "purchase p: is of neither a course nor a test"),
            (r#"{"user": "u", "course": "c", "test": "t"}"#, "purchase: is of both a course and a test"),
            (r#"{"course": "c"}"#, "purchase: user is missing"),
            (r#"{"_id": "u", "purchasedCourses": "c"}"#, "user u: purchasedCourses is no array"),
            (r#"{"_id": "u", "purchases": [7]}"#, "user u: purchases[0] is no JSON object"),
            (
                r#"{"_id": "u", "purchases": [{"_id": "p", "user": "v", "course": "c"}]}"#,
                "purchase p: stands within user u, but is of user v",
            ),
            (r#"{"_id": "p", "user": "u", "course": "c", "amount": -1}"#, "purchase p: amount is negative"),
            (
                r#"{"_id": "p", "user": "u", "course": "c", "amount": 9.999, "paymentMethod": 7}"#,
                "purchase p: amount has more decimals than USD; paymentMethod is no text",
            ),
            (r#"{"user": "u", "course": "c", "amount": "9.99"}"#, "purchase: amount is no number"),
            (
                r#"{"user": "u", "course": "c", "status": "refunded"}"#,
                "purchase: status is neither completed nor pending, and only these are brought in",
            ),
            (
                r#"{"user": "u", "course": "c", "amount": 1, "currency": "dollars"}"#,
                "purchase: currency must be the ISO 4217 code of a currency, such as USD",
            ),
            (
                r#"{"user": "u", "course": "c", "amount": 1.5, "currency": "JPY"}"#,
                "purchase: amount has more decimals than JPY",
            ),
            (
                r#"{"user": "u", "course": "c", "paymentMethod": "credit card"}"#,
                "purchase: paymentMethod is not 1 to 64 characters of A-Z a-z 0-9 _ . : -",
            ),
        ] {
            assert_eq!(problem(line), what, "{line}");
        }
        for (line, begins) in [
            (r#"{"_id": 7}"#, "user: _id is no id"),
            (r#"{"user": 7, "course": "c"}"#, "purchase: user is no id"),
            (r#"{"user": "u", "course": {}}"#, "purchase: course is no id"),
            (r#"{"user": "u", "course": "c", "purchasedAt": "soon"}"#, "purchase: purchasedAt is no time"),
            (r#"{"_id": "u", "purchasedTests": ["a", null, "b"]}"#, "user u: purchasedTests[1] is no id"),
        ] {
            assert!(problem(line).starts_with(begins), "{line}: {}", problem(line));
        }
        let deep = format!("{{\"_id\": {}7{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep).problems.len(), 1);
        assert_eq!(super::read(&b"{\"_id\": \"\xff\"}"[..], "USD".parse().unwrap()).unwrap().problems.len(), 1);
    }

    #[test]
    fn a_document_says_in_which_currency_and_whether_it_waits() {
        let export = read(
            r#"{"user": "u", "course": "c", "amount": 1500, "currency": "JPY", "status": "pending"}
               {"user": "u", "course": "d", "amount": 15, "currency": "EUR", "status": "completed"}"#,
        );
        let told = |at: usize| {
            let Terms { amount, currency, is_pending, .. } = &export.documents[at].terms;
            (*amount, currency.map(Currency::code), *is_pending)
        };
        assert_eq!((told(0), told(1)), ((Some(1500), Some("JPY"), true), (Some(1500), Some("EUR"), false)));
    }

    #[test]
    fn what_may_have_been_bought_is_known_though_how_is_not() {
        let held = |line: &str| {
            let export = read(line);
            assert_eq!(export.documents, [], "{line}");
            let [held] = &*export.held_back else { panic!("{line}: {:?}", export.held_back) };
            (held.user.clone(), held.items.clone())
        };
        let (u, course) = (Some("u".to_owned()), |item: Option<&str>| (Kind::Course, item.map(str::to_owned)));
        assert_eq!(held(r#"{"user": "u", "course": "c", "amount": -1}"#), (u.clone(), vec![course(Some("c"))]));
        assert_eq!(held(r#"{"user": "u", "course": {}}"#), (u.clone(), vec![course(None)]));
        assert_eq!(held(r#"{"course": "c"}"#), (None, vec![course(Some("c"))]));
        assert_eq!(held(r#"{"user": "u", "amount": 1}"#), (u.clone(), vec![]));
        let both = vec![course(Some("c")), (Kind::Test, Some("t".to_owned()))];
        assert_eq!(held(r#"{"user": "u", "course": "c", "test": "t"}"#), (u, both));
        // The rest of a user's list is read all the same.
        assert_eq!(read(r#"{"_id": "u", "purchasedTests": ["a", null, "b"]}"#).entries.len(), 2);
    }
}
