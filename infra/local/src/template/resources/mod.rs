//! One module per kind of resource: the properties that are known, and what the local cloud makes of them.

pub(super) mod api;
pub(super) mod described;
pub(super) mod events;
pub(super) mod function;
pub(super) mod policy;
pub(super) mod queue;
pub(super) mod table;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::refusal::Refusal;
use super::scalar::Whole;

/// A whole number within its limits, or what holds where none is given.
fn whole(place: &str, given: Option<Whole>, default: i64, limits: RangeInclusive<i64>) -> Result<i64, Refusal> {
    let Whole(number) = given.unwrap_or(Whole(default));
    if limits.contains(&number) {
        Ok(number)
    } else {
        Refusal::err(place, format_args!("{number} is not within {} and {}", limits.start(), limits.end()))
    }
}

/// Seconds within their limits, or what holds where none are given.
fn seconds(place: &str, given: Option<Whole>, default: i64, limits: RangeInclusive<i64>) -> Result<Duration, Refusal> {
    let number = whole(place, given, default, limits)?;
    Ok(Duration::from_secs(u64::try_from(number).unwrap_or_default()))
}

/// A count within its limits, or what holds where none is given.
fn count(place: &str, given: Option<Whole>, default: i64, limits: RangeInclusive<i64>) -> Result<usize, Refusal> {
    let number = whole(place, given, default, limits)?;
    Ok(usize::try_from(number).unwrap_or_default())
}
