//! Packages of quizzes and their figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::creator::{self, Owned};
use super::id::{PackageId, QuizId, UserId};
use super::money::{Currency, MAX_AMOUNT};
use super::quiz::QuizFigures;
use super::rejection::Rejection;
use super::validation::{Fields, InvalidField, MAX_NAMED, Violations, object, text, title};

/// The most quizzes of a package.
pub const MAX_QUIZZES: usize = 500;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The title.
    pub title: String,
    /// The creator.
    pub creator: UserId,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The price, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
    /// The quizzes in order, each once.
    pub quizzes: Vec<QuizId>,
}

/// A request to describe a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDescription {
    title: String,
    description: Option<String>,
    price: u64,
    currency: Currency,
    quizzes: Vec<QuizId>,
}

/// The fields of a description.
const OF_PACKAGES: &[&str] = &["title", "description", "price", "currency", "quizIds"];

/// A package that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPackage {
    /// The id, if the caller chooses it.
    pub id: Option<PackageId>,
    creator: Option<UserId>,
    description: PackageDescription,
}

impl Owned for Package {
    fn owner(&self) -> &UserId {
        &self.creator
    }
}

impl PackageDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, OF_PACKAGES)?;
        let read = Self::read(fields, &mut violations);
        violations.finish(read)
    }

    fn read(fields: Fields<'_>, violations: &mut Violations) -> Option<Self> {
        let (title, description) = (violations.keep(title(fields)), violations.keep(text(fields, "description")));
        let price = fields.whole("price", MAX_AMOUNT);
        let price =
            violations.keep(price.and_then(|price| price.ok_or_else(|| InvalidField::new("price", "is required"))));
        let (currency, quizzes) = (violations.keep(fields.required("currency")), violations.keep_all(quizzes(fields)));
        Some(Self { title: title?, description: description?, price: price?, currency: currency?, quizzes: quizzes? })
    }

    /// The quizzes.
    #[must_use]
    pub fn quizzes(&self) -> &[QuizId] {
        &self.quizzes
    }

    /// The package that replaces `stored`.
    ///
    /// # Errors
    /// If the package is another creator's.
    pub fn apply(self, stored: &Package, caller: &Caller) -> Result<Package, Rejection> {
        let creator = creator::creator(caller, Some(&stored.creator), None)?;
        Ok(self.of(creator))
    }

    fn of(self, creator: UserId) -> Package {
        let Self { title, description, price, currency, quizzes } = self;
        Package { title, creator, description, price, currency, quizzes }
    }
}

impl NewPackage {
    /// Reads a description, and the id and the creator if the caller gives them.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &[OF_PACKAGES, &["packageId", "creatorId"]].concat())?;
        let id = fields.parsed("packageId").and_then(|id: Option<PackageId>| match id {
            // Its address would be that of the package stats.
            Some(id) if id.as_str() == "stats" => Err(InvalidField::new("packageId", "must not be \"stats\"")),
            id => Ok(id),
        });
        let (id, creator) = (violations.keep(id), violations.keep(fields.parsed("creatorId")));
        let description = PackageDescription::read(fields, &mut violations);
        let read = id.zip(creator).zip(description);
        violations.finish(read.map(|((id, creator), description)| Self { id, creator, description }))
    }

    /// The quizzes.
    #[must_use]
    pub fn quizzes(&self) -> &[QuizId] {
        self.description.quizzes()
    }

    /// The package that is created. `before` is the owner of a deleted package of this id, who keeps the id and the
    /// earnings under it.
    ///
    /// # Errors
    /// If the id belongs to another creator.
    pub fn apply(self, before: Option<&UserId>, caller: &Caller) -> Result<Package, Rejection> {
        let creator = creator::creator(caller, before, self.creator)?;
        Ok(self.description.of(creator))
    }
}

fn quizzes(fields: Fields<'_>) -> Result<Vec<QuizId>, Vec<InvalidField>> {
    let invalid = |reason: String| InvalidField::new("quizIds", reason);
    let list = fields.list("quizIds").map_err(|invalid| vec![invalid])?.unwrap_or_default();
    if list.len() > MAX_QUIZZES {
        return Err(vec![invalid(format!("must have at most {MAX_QUIZZES} items"))]);
    }
    let mut seen = BTreeSet::new();
    let read = list.iter().enumerate().map(|(place, value)| {
        let text = value.as_str().ok_or_else(|| invalid(format!("item {place} must be a string")))?;
        let quiz: QuizId = text.parse().map_err(|error| invalid(format!("item {place} {error}")))?;
        if seen.insert(quiz.clone()) { Ok(quiz) } else { Err(invalid(format!("item {place} is a duplicate"))) }
    });
    let (mut quizzes, mut errors) = (Vec::with_capacity(list.len()), Vec::new());
    for quiz in read {
        match quiz {
            Ok(quiz) => quizzes.push(quiz),
            Err(invalid) => errors.push(invalid),
        }
    }
    errors.truncate(MAX_NAMED);
    if errors.is_empty() { Ok(quizzes) } else { Err(errors) }
}

/// The figures of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageFigures {
    /// The sum of the figures of its quizzes.
    pub quizzes: QuizFigures,
    /// The earnings: completed purchases less refunds, in minor units of each currency.
    pub earned: BTreeMap<Currency, i64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::caller::Role;

    fn body(patch: &Value) -> Value {
        let mut body = json!({"title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["q1", "q2"]});
        for (field, value) in patch.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    }

    #[track_caller]
    fn is_refused(patch: &Value, fields: &[&str]) {
        let violations: Vec<_> =
            NewPackage::parse(&body(patch)).unwrap_err().iter().map(|invalid| invalid.field.clone()).collect();
        assert_eq!(violations, fields, "{patch}");
    }

    #[test]
    fn price_is_in_whole_minor_units_of_a_currency() {
        assert_eq!(PackageDescription::parse(&body(&json!({"price": 0}))).unwrap().price, 0);
        for price in [json!(-1), json!(4.99), json!("500"), json!(1e18), json!(MAX_AMOUNT + 1), json!(null)] {
            is_refused(&json!({"price": price}), &["price"]);
        }
        for currency in [json!("inr"), json!("XXX"), json!(""), json!(356), json!(null)] {
            is_refused(&json!({"currency": currency}), &["currency"]);
        }
    }

    #[test]
    fn rejects_repeated_and_too_many_quizzes() {
        let ids = |count: usize| (0..count).map(|n| format!("q{n}")).collect::<Vec<_>>();
        let parse = |quizzes: Value| PackageDescription::parse(&body(&json!({"quizIds": quizzes})));
        assert_eq!(parse(json!(ids(MAX_QUIZZES))).unwrap().quizzes().len(), MAX_QUIZZES);
        assert_eq!(parse(json!(null)).unwrap().quizzes(), []);
        for quizzes in [json!(ids(MAX_QUIZZES + 1)), json!(["a", "b", "a"]), json!(["a b"]), json!([7]), json!("q1")] {
            is_refused(&json!({"quizIds": quizzes}), &["quizIds"]);
        }
    }

    #[test]
    fn reports_every_invalid_field() {
        let violations = json!({"packageId": "stats", "creatorId": "a b", "title": "", "price": 1.5, "currency": "x", "quizIds": {}});
        is_refused(&violations, &["packageId", "creatorId", "title", "price", "currency", "quizIds"]);
    }

    #[test]
    fn package_keeps_its_creator() {
        let ann = Caller::User { id: "ann".parse().unwrap(), role: Role::Seller };
        let bob = Caller::User { id: "bob".parse().unwrap(), role: Role::Teacher };
        let new = NewPackage::parse(&body(&json!({}))).unwrap();
        let package = new.clone().apply(None, &ann).unwrap();
        assert_eq!(package.creator.as_str(), "ann");
        assert_eq!(new.clone().apply(Some(&package.creator), &bob), Err(creator::NOT_THE_CREATOR));
        let changed = PackageDescription::parse(&body(&json!({"title": "Geometry"}))).unwrap();
        assert_eq!(changed.clone().apply(&package, &bob), Err(creator::NOT_THE_CREATOR));
        assert_eq!(changed.apply(&package, &ann).unwrap().title, "Geometry");
    }
}
