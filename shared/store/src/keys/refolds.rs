//! Keys of refolds, and the units that a key stands for.

use super::{
    BUYERS, CONTRIBUTIONS, ForeignKey, Key, TOTAL, facts_of_hour, facts_of_minute, package, parse_fact, parse_package,
    parse_purchase_of, purchases_of,
};
use domain::date_range;
use domain::entity::{Bucket, Entity};
use domain::id::RefoldId;
use domain::refold::{System, Unit};

/// The progress of a refold.
#[must_use]
pub fn refold(id: &RefoldId) -> Key {
    Key { pk: format!("REFOLD#{id}"), sk: TOTAL.to_owned() }
}

/// The contribution of a chunk of units to its refold.
#[must_use]
pub fn refold_chunk(id: &RefoldId, chunk: &str) -> Key {
    Key { pk: format!("REFOLD#{id}"), sk: format!("{CONTRIBUTIONS}CHUNK#{chunk}") }
}

/// That a part of a scan has come to its end.
#[must_use]
pub fn refold_part(id: &RefoldId, part: i32) -> Key {
    Key { pk: format!("REFOLD#{id}"), sk: format!("{CONTRIBUTIONS}PART#{part:04}") }
}

/// The system whose updater folds this partition.
///
/// # Errors
/// If none does.
pub fn system_of(pk: &str) -> Result<System, ForeignKey> {
    match pk.split_once('#').ok_or(ForeignKey)?.0 {
        "TRACK" => Ok(System::Tracks),
        "QUIZ" | "PACKAGE" => Ok(System::Quizzes),
        "PRODUCT" | "VIEWS" => Ok(System::Products),
        "SALES" | "BUYER" => Ok(System::Sales),
        _ => Err(ForeignKey),
    }
}

/// The unit that a record with this key folds.
///
/// # Errors
/// If it has nothing folded.
pub fn parse_unit(pk: &str, sk: &str) -> Result<Unit, ForeignKey> {
    if let Some(package) = parse_package(pk, sk) {
        return Ok(Unit::Package(package));
    }
    if pk.starts_with(BUYERS) {
        let (buyer, at) = parse_purchase_of(pk, sk)?;
        return Ok(Unit::Buyer(buyer, date_range::day_of(at)));
    }
    Ok(Unit::Bucket(parse_fact(pk, sk)?.0))
}

/// The key of a record that has a unit folded: always the same for a unit, and never the key of a fact.
#[must_use]
pub fn record_of(unit: &Unit) -> Key {
    match unit {
        Unit::Package(id) => package(id),
        Unit::Buyer(buyer, day) => Key { pk: purchases_of(buyer), sk: format!("{}#refold", day.start()) },
        Unit::Bucket(bucket) => {
            let Bucket { entity, minute } = bucket;
            let actor = if matches!(entity, Entity::Track(_)) { "#s:refold" } else { "" };
            let sk = format!("{}00.000#refold#refold{actor}", facts_of_minute(bucket));
            Key { pk: facts_of_hour(entity, minute.hour()), sk }
        }
    }
}

/// The parts that follow the entity in the partitions of a day of UTC.
#[must_use]
pub fn hours_of_day(day: &str) -> String {
    format!("#{day}T")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn key_of_a_record_identifies_its_unit() {
        let at = "2026-01-31T12:34:56.789Z";
        let units: Value = json!([
            {"type": "track", "id": "song", "timestamp": at}, {"type": "quiz", "id": "q", "timestamp": at},
            {"type": "product", "id": "lamp", "timestamp": at}, {"type": "views", "id": "lamp", "timestamp": at},
            {"type": "sales", "itemType": "package", "id": "pack", "timestamp": at},
            {"type": "buyer", "id": "u:sam", "timestamp": at}, {"type": "package", "id": "pack"},
        ]);
        for unit in units.as_array().unwrap() {
            let unit = Unit::parse(unit).unwrap();
            let Key { pk, sk } = record_of(&unit);
            assert_eq!(parse_unit(&pk, &sk), Ok(unit), "{pk}/{sk}");
            assert!(system_of(&pk).is_ok(), "{pk}");
        }
        assert_eq!(system_of("CHANNEL#x"), Err(ForeignKey));
        assert_eq!(parse_unit("TRACK#song#2026-01-31T12", "nonsense"), Err(ForeignKey));
    }
}
