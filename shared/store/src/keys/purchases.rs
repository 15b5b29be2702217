//! Keys of purchases, ownership and discounts.

use super::revenue::named;
use super::{CONTRIBUTIONS, DOCUMENT, ForeignKey, ItemKey, Key, TOTAL, facts_of_hour, parse_item, rollups_of};
use domain::calendar::{Level, Period};
use domain::date_range;
use domain::entity::Entity;
use domain::id::{DiscountCode, IdempotencyKey, PurchaseId, UserId};
use domain::purchase::{Buyer, Item};
use domain::time::{Hour, Time};

/// The figures of the purchases of an item.
#[must_use]
pub fn sales_total(of: &Item) -> Key {
    Key { pk: format!("SALES#{}", ItemKey(of)), sk: TOTAL.to_owned() }
}

/// The totals of an item's purchases in a day or a month.
#[must_use]
pub fn sales_in(of: &Item, period: &Period) -> Key {
    Key { pk: format!("SALES#{}", ItemKey(of)), sk: named(period) }
}

/// A sale or a refund, which a purchase guards.
#[must_use]
pub fn sale(of: &Item, at: Time, kind: &str, id: &str) -> Key {
    let of = Entity::PurchasedItem(of.clone());
    Key { pk: facts_of_hour(&of, at.hour()), sk: format!("{}#{kind}#{id}", at.offset_in_hour()) }
}

/// A purchase.
#[must_use]
pub fn purchase(id: &PurchaseId) -> Key {
    Key { pk: format!("{PURCHASES}{id}"), sk: DOCUMENT.to_owned() }
}

/// The prefix of the partitions of purchases.
pub const PURCHASES: &str = "PURCHASE#";

/// A purchase, listed by buyer.
#[must_use]
pub fn purchase_of(buyer: &Buyer, at: Time, id: &PurchaseId) -> Key {
    Key { pk: purchases_of(buyer), sk: format!("{at}#{id}") }
}

/// The partition of a buyer's purchases, and of what they come to.
#[must_use]
pub fn purchases_of(buyer: &Buyer) -> String {
    format!("{BUYERS}{buyer}")
}

/// The prefix of the partitions of buyers.
pub const BUYERS: &str = "BUYER#";

/// The buyer and the time of a purchase, by its key in the buyer's list.
///
/// # Errors
/// If the key is no such key.
pub fn parse_purchase_of(pk: &str, sk: &str) -> Result<(Buyer, Time), ForeignKey> {
    let buyer = pk.strip_prefix(BUYERS).and_then(|buyer| buyer.parse().ok()).ok_or(ForeignKey)?;
    let at = sk.split_once('#').and_then(|(at, _)| at.parse().ok()).ok_or(ForeignKey)?;
    Ok((buyer, at))
}

/// The totals of a buyer.
#[must_use]
pub fn buyer_total(of: &Buyer) -> Key {
    Key { pk: purchases_of(of), sk: TOTAL.to_owned() }
}

/// The contribution of a buyer's purchases of a day.
#[must_use]
pub fn bought_on(of: &Buyer, day: &Period) -> Key {
    Key { pk: purchases_of(of), sk: format!("{CONTRIBUTIONS}{}", named(day)) }
}

/// The day of what a buyer's purchases of it contribute, by the sort key.
///
/// # Errors
/// If the key is no such key.
pub fn parse_bought_on(sk: &str) -> Result<Period, ForeignKey> {
    let prefix = format!("{CONTRIBUTIONS}{}", rollups_of(Level::Day));
    date_range::day(sk.strip_prefix(&prefix).ok_or(ForeignKey)?).map_err(|_| ForeignKey)
}

/// In which months a buyer bought, as it is counted.
#[must_use]
pub fn cohort_of(of: &Buyer) -> Key {
    Key { pk: purchases_of(of), sk: "COHORT".to_owned() }
}

/// The cohort of a month: how many of its buyers bought in which months.
#[must_use]
pub fn cohort(first: &str) -> Key {
    Key { pk: COHORTS.to_owned(), sk: first.to_owned() }
}

/// The partition of all cohorts.
pub const COHORTS: &str = "COHORTS";

/// One of those who first bought in a month.
#[must_use]
pub fn in_cohort(first: &str, buyer: &Buyer) -> Key {
    Key { pk: cohort_members(first), sk: buyer.to_string() }
}

/// The partition of those who first bought in a month.
#[must_use]
pub fn cohort_members(first: &str) -> String {
    format!("COHORT#{first}")
}

/// Whether a buyer has an item.
#[must_use]
pub fn ownership(buyer: &Buyer, item: &Item) -> Key {
    Key { pk: owned_by(buyer), sk: ItemKey(item).to_string() }
}

/// The partition of what a buyer has.
#[must_use]
pub fn owned_by(buyer: &Buyer) -> String {
    format!("OWNER#{buyer}")
}

/// The item that a buyer has, by the sort key.
///
/// # Errors
/// If the key is no such key.
pub fn parse_owned(sk: &str) -> Result<Item, ForeignKey> {
    parse_item(sk)
}

/// The stored response to a request.
#[must_use]
pub fn answer(user: &UserId, operation: &str, key: &IdempotencyKey) -> Key {
    Key { pk: format!("ANSWERS#{user}"), sk: format!("{operation}#{key}") }
}

/// That a request was done, by the id that follows from its key.
#[must_use]
pub fn done(request: &str) -> Key {
    Key { pk: format!("DONE#{request}"), sk: DOCUMENT.to_owned() }
}

/// The number of codes that a user tried in an hour.
#[must_use]
pub fn tries(user: &UserId, hour: Hour) -> Key {
    Key { pk: format!("TRIES#{user}"), sk: format!("DISCOUNT#{hour}") }
}

/// A discount.
#[must_use]
pub fn discount(code: &DiscountCode) -> Key {
    Key { pk: format!("DISCOUNT#{code}"), sk: DOCUMENT.to_owned() }
}
