//! Refolds: what an operator has folded from its facts again.

use serde_json::Value;

use super::calendar::Period;
use super::date_range;
use super::entity::{Bucket, Entity};
use super::id::PackageId;
use super::purchase::{Buyer, Item};
use super::string_enum::string_enum;
use super::validation::{InvalidField, object};

/// The most units of a request.
pub const MOST_UNITS: usize = 100;

string_enum! {
    /// Facts that one updater folds.
    System {
        /// Engagements with tracks.
        Tracks = "tracks",
        /// Interactions with quizzes, and the packages that contain them.
        Quizzes = "quizzes",
        /// Sales, listings and views of products, and the boards.
        Products = "products",
        /// Purchases: revenue and buyers.
        Sales = "sales",
    }

    /// The kind of a unit.
    UnitType {
        /// A minute of a track.
        Track = "track",
        /// A minute of a quiz.
        Quiz = "quiz",
        /// A minute of the sales and listings of a product.
        Product = "product",
        /// A minute of the views of a product.
        Views = "views",
        /// A minute of the sales of an item.
        Sales = "sales",
        /// A buyer's purchases of a day of UTC.
        Buyer = "buyer",
        /// The totals of a package.
        Package = "package",
    }
}

/// The least that is folded on its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// A minute of an entity.
    Bucket(Bucket),
    /// The purchases of a buyer on a day of UTC.
    Buyer(Buyer, Period),
    /// A package.
    Package(PackageId),
}

impl Unit {
    /// Reads `type`, `id` and, if the type requires them, `itemType` and `timestamp`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["type", "id", "itemType", "timestamp"])?;
        let Some(kind) = violations.keep(fields.required::<UnitType>("type")) else { return violations.finish(None) };
        for (name, is_asked_for) in [("itemType", kind == UnitType::Sales), ("timestamp", kind != UnitType::Package)] {
            if !is_asked_for && violations.keep(fields.text(name)).flatten().is_some() {
                violations.add(InvalidField::new(name, format!("is not allowed with type {kind}")));
            }
        }
        let at = match kind {
            UnitType::Package => None,
            _ => violations.keep(
                fields.time("timestamp").and_then(|at| at.ok_or_else(|| InvalidField::new("timestamp", "is required"))),
            ),
        };
        let entity = match kind {
            UnitType::Package => {
                let package = violations.keep(fields.required("id"));
                return violations.finish(package.map(Self::Package));
            }
            UnitType::Buyer => {
                let buyer = violations.keep(fields.required("id"));
                return violations.finish(buyer.zip(at).map(|(buyer, at)| Self::Buyer(buyer, date_range::day_of(at))));
            }
            UnitType::Track => violations.keep(fields.required("id")).map(Entity::Track),
            UnitType::Quiz => violations.keep(fields.required("id")).map(Entity::Quiz),
            UnitType::Product => violations.keep(fields.required("id")).map(Entity::Product),
            UnitType::Views => violations.keep(fields.required("id")).map(Entity::ProductViews),
            UnitType::Sales => {
                let (kind, id) = (violations.keep(fields.required("itemType")), violations.keep(fields.required("id")));
                kind.zip(id).map(|(kind, id)| Entity::PurchasedItem(Item { kind, id }))
            }
        };
        violations.finish(entity.zip(at).map(|(entity, at)| Self::Bucket(Bucket { entity, minute: at.minute() })))
    }
}

/// The scope of a refold.
#[derive(Debug, Clone, PartialEq)]
pub enum Scope {
    /// These units.
    Units(Vec<Unit>),
    /// Every unit that has a fact on a day of UTC.
    Day(System, Period),
    /// The units of a failure message, by its body.
    Failure(Value),
}

impl Scope {
    /// Reads `units`, or `system` and `day`, or `failure`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["units", "system", "day", "failure"])?;
        let is_given = |name: &str| fields.0.get(name).is_some_and(|value| !value.is_null());
        let scope = match (is_given("units"), is_given("system") || is_given("day"), is_given("failure")) {
            (true, false, false) => violations.keep_all(units(fields.0.get("units"))).map(Self::Units),
            (false, true, false) => {
                let system = violations.keep(fields.required("system"));
                let day = fields.text("day").and_then(|day| {
                    let day = day.ok_or_else(|| InvalidField::new("day", "is required"))?;
                    date_range::day(day).map_err(|_| InvalidField::new("day", "must be a day such as 2026-01-31"))
                });
                system.zip(violations.keep(day)).map(|(system, day)| Self::Day(system, day))
            }
            (false, false, true) => {
                let message = violations.keep(fields.object("failure")).flatten();
                message.map(|message| Self::Failure(Value::Object(message.clone())))
            }
            _ => {
                violations
                    .add(InvalidField::new("body", "must have exactly one of units, system with day, and failure"));
                None
            }
        };
        violations.finish(scope)
    }
}

fn units(list: Option<&Value>) -> Result<Vec<Unit>, Vec<InvalidField>> {
    let list = list.and_then(Value::as_array).filter(|list| (1..=MOST_UNITS).contains(&list.len()));
    let list =
        list.ok_or_else(|| vec![InvalidField::new("units", format!("must be an array of 1 to {MOST_UNITS} units"))])?;
    let (mut units, mut violations) = (Vec::with_capacity(list.len()), Vec::new());
    for (place, unit) in list.iter().enumerate() {
        match Unit::parse(unit) {
            Ok(unit) => units.push(unit),
            Err(invalid) => {
                let named =
                    |InvalidField { field, reason }| InvalidField::new(format!("units[{place}].{field}"), reason);
                violations.extend(invalid.into_iter().map(named));
            }
        }
    }
    if violations.is_empty() { Ok(units) } else { Err(violations) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(body: &Value) -> Vec<String> {
        let violations = Scope::parse(body).unwrap_err();
        violations.into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn accepts_units_or_day_or_failure() {
        let at = "2026-01-31T12:34:56.789Z";
        let units = json!({"units": [
            {"type": "track", "id": "song", "timestamp": at},
            {"type": "sales", "itemType": "course", "id": "algebra", "timestamp": at},
            {"type": "buyer", "id": "u:sam", "timestamp": at},
            {"type": "package", "id": "pack"},
        ]});
        let Ok(Scope::Units(read)) = Scope::parse(&units) else { panic!("{:?}", Scope::parse(&units)) };
        assert_eq!(read.len(), 4);
        assert!(matches!(&read[0], Unit::Bucket(Bucket { entity: Entity::Track(_), minute })
            if minute.to_string() == "2026-01-31T12:34"));
        assert!(matches!(&read[2], Unit::Buyer(_, day) if day.to_string() == "2026-01-31"));
        let day = json!({"system": "tracks", "day": "2026-01-31"});
        assert!(matches!(Scope::parse(&day), Ok(Scope::Day(System::Tracks, _))));
        let body = json!({"reason": "x"});
        assert_eq!(Scope::parse(&json!({"failure": body})), Ok(Scope::Failure(body)));
    }

    #[test]
    fn reports_every_invalid_field() {
        let unit = |unit: Value| json!({"units": [{"type": "package", "id": "p"}, unit]});
        for (body, fields) in [
            (json!({}), vec!["body"]),
            (json!({"day": "2026-01-31", "failure": {}}), vec!["body"]),
            (json!({"unit": 1}), vec!["unit", "body"]),
            (json!({"units": []}), vec!["units"]),
            (json!({"units": vec![json!({}); MOST_UNITS + 1]}), vec!["units"]),
            (json!({"system": "boards", "day": "today"}), vec!["system", "day"]),
            (json!({"system": "sales"}), vec!["day"]),
            (json!({"failure": "no json"}), vec!["failure"]),
            (unit(json!(7)), vec!["units[1].body"]),
            (unit(json!({"type": "song"})), vec!["units[1].type"]),
            (unit(json!({"type": "track", "id": "a b"})), vec!["units[1].timestamp", "units[1].id"]),
            (unit(json!({"type": "package", "id": "p", "timestamp": "x"})), vec!["units[1].timestamp"]),
            (unit(json!({"type": "sales", "id": "p", "timestamp": "2026-01-31T12:00:00Z"})), vec!["units[1].itemType"]),
            (unit(json!({"type": "buyer", "id": "sam", "timestamp": "2026-01-31T12:00:00Z"})), vec!["units[1].id"]),
        ] {
            assert_eq!(wrong(&body), fields, "{body}");
        }
    }
}
