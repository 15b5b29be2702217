//! Packages of quizzes, as their creators describe them, and their numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authorship::{self, Owned, Refused};
use super::caller::Caller;
use super::fields::{Fields, Invalid, object, text, title};
use super::id::{PackageId, QuizId, UserId};
use super::money::{Currency, MAX_AMOUNT};
use super::quiz::QuizFigures;

/// How many quizzes a package holds at most.
pub const MAX_QUIZZES: usize = 500;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its title.
    pub title: String,
    /// Whose it is.
    pub creator: UserId,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it costs, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
    /// Its quizzes in their order, each once.
    pub quizzes: Vec<QuizId>,
}

/// What a caller wants a package to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDescription {
    title: String,
    description: Option<String>,
    price: u64,
    currency: Currency,
    quizzes: Vec<QuizId>,
}

/// A package that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPackage {
    /// Its id, if the caller gives it one.
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
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let price = fields.whole("price", MAX_AMOUNT);
        let price = price.and_then(|price| price.ok_or_else(|| Invalid::new("price", "is missing")));
        let read = (title(fields), text(fields, "description"), price, fields.required("currency"), quizzes(fields));
        match read {
            (Ok(title), Ok(description), Ok(price), Ok(currency), Ok(quizzes)) => {
                Ok(Self { title, description, price, currency, quizzes })
            }
            (title, description, price, currency, quizzes) => {
                let errors = [title.err(), description.err(), price.err(), currency.err(), quizzes.err()];
                Err(errors.into_iter().flatten().collect())
            }
        }
    }

    /// Its quizzes.
    #[must_use]
    pub fn quizzes(&self) -> &[QuizId] {
        &self.quizzes
    }

    /// The package that `held` becomes, if `caller` may make it that.
    ///
    /// # Errors
    /// If it is somebody else's.
    pub fn apply(self, held: &Package, caller: &Caller) -> Result<Package, Refused> {
        let creator = authorship::creator(caller, Some(&held.creator), None)?;
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
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let id = fields.parsed("packageId").and_then(|id: Option<PackageId>| match id {
            // Its address would be that of the stats of packages.
            Some(id) if id.as_str() == "stats" => Err(Invalid::new("packageId", "must not be \"stats\"")),
            id => Ok(id),
        });
        match (id, fields.parsed("creatorId"), PackageDescription::parse(body)) {
            (Ok(id), Ok(creator), Ok(description)) => Ok(Self { id, creator, description }),
            (id, creator, description) => {
                let described = description.err().unwrap_or_default();
                Err([id.err(), creator.err()].into_iter().flatten().chain(described).collect())
            }
        }
    }

    /// Its quizzes.
    #[must_use]
    pub fn quizzes(&self) -> &[QuizId] {
        self.description.quizzes()
    }

    /// The package, if `caller` may make it. `before` is whose the last one of this id was: an id stays with whom it
    /// belongs to, and so does what purchases brought in under it.
    ///
    /// # Errors
    /// If it would be somebody else's.
    pub fn apply(self, before: Option<&UserId>, caller: &Caller) -> Result<Package, Refused> {
        let creator = authorship::creator(caller, before, self.creator)?;
        Ok(self.description.of(creator))
    }
}

fn quizzes(fields: Fields<'_>) -> Result<Vec<QuizId>, Invalid> {
    let wrong = |reason: String| Invalid::new("quizIds", reason);
    let list = fields.list("quizIds")?.unwrap_or_default();
    if list.len() > MAX_QUIZZES {
        return Err(wrong(format!("must be at most {MAX_QUIZZES}")));
    }
    let mut seen = BTreeSet::new();
    let mut quizzes = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let text = value.as_str().ok_or_else(|| wrong(format!("the one at {place} must be a string")))?;
        let quiz: QuizId = text.parse().map_err(|error| wrong(format!("the one at {place} {error}")))?;
        if !seen.insert(quiz.clone()) {
            return Err(wrong(format!("the one at {place} is there twice")));
        }
        quizzes.push(quiz);
    }
    Ok(quizzes)
}

/// The numbers of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageFigures {
    /// The sums of its quizzes' numbers.
    pub quizzes: QuizFigures,
    /// What its completed purchases less refunds brought in, in minor units of each currency.
    pub earned: BTreeMap<Currency, i64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::caller::Role;

    fn body(patch: &Value) -> Value {
        let mut body = json!({"title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["q1", "q2"]});
        for (field, value) in patch.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    }

    #[track_caller]
    fn is_refused(patch: &Value, fields: &[&str]) {
        let wrong: Vec<_> = NewPackage::parse(&body(patch)).unwrap_err().iter().map(|invalid| invalid.field).collect();
        assert_eq!(wrong, fields, "{patch}");
    }

    #[test]
    fn a_price_is_whole_minor_units_of_a_currency() {
        assert_eq!(PackageDescription::parse(&body(&json!({"price": 0}))).unwrap().price, 0);
        for price in [json!(-1), json!(4.99), json!("500"), json!(1e18), json!(MAX_AMOUNT + 1), json!(null)] {
            is_refused(&json!({"price": price}), &["price"]);
        }
        for currency in [json!("inr"), json!("XXX"), json!(""), json!(356), json!(null)] {
            is_refused(&json!({"currency": currency}), &["currency"]);
        }
    }

    #[test]
    fn a_list_holds_each_quiz_once_and_not_too_many() {
        let ids = |count: usize| (0..count).map(|n| format!("q{n}")).collect::<Vec<_>>();
        let parse = |quizzes: Value| PackageDescription::parse(&body(&json!({"quizIds": quizzes})));
        assert_eq!(parse(json!(ids(MAX_QUIZZES))).unwrap().quizzes().len(), MAX_QUIZZES);
        assert_eq!(parse(json!(null)).unwrap().quizzes(), []);
        for quizzes in [json!(ids(MAX_QUIZZES + 1)), json!(["a", "b", "a"]), json!(["a b"]), json!([7]), json!("q1")] {
            is_refused(&json!({"quizIds": quizzes}), &["quizIds"]);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = json!({"packageId": "stats", "creatorId": "a b", "title": "", "price": 1.5, "currency": "x", "quizIds": {}});
        is_refused(&wrong, &["packageId", "creatorId", "title", "price", "currency", "quizIds"]);
    }

    #[test]
    fn a_package_stays_whose_it_is() {
        let ann = Caller::User { id: "ann".parse().unwrap(), role: Role::Seller };
        let bob = Caller::User { id: "bob".parse().unwrap(), role: Role::Teacher };
        let new = NewPackage::parse(&body(&json!({}))).unwrap();
        let package = new.clone().apply(None, &ann).unwrap();
        assert_eq!(package.creator.as_str(), "ann");
        assert_eq!(new.clone().apply(Some(&package.creator), &bob), Err(Refused::NotTheirs));
        let changed = PackageDescription::parse(&body(&json!({"title": "Geometry"}))).unwrap();
        assert_eq!(changed.clone().apply(&package, &bob), Err(Refused::NotTheirs));
        assert_eq!(changed.apply(&package, &ann).unwrap().title, "Geometry");
    }
}
