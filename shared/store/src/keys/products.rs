//! Keys of products, of who looked at them, and of their sellers.

use super::revenue::named;
use super::{Key, TOTAL, facts_of_hour};
use domain::calendar::Period;
use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::{ProductId, SaleId, UserId};
use domain::time::Time;

/// The fact that a product was sold, or that the sale was undone: both have the time of the sale.
#[must_use]
pub fn product_sale(of: &ProductId, at: Time, kind: &str, sale: &SaleId) -> Key {
    let of = Entity::Product(of.clone());
    Key { pk: facts_of_hour(&of, at.hour()), sk: format!("{}#{kind}#{sale}", at.offset_in_hour()) }
}

/// The number of a seller's sales that began on a day.
#[must_use]
pub fn sales_on(seller: &UserId, at: Time) -> Key {
    Key { pk: format!("SALESBY#{seller}"), sk: format!("DAY#{}", at.day()) }
}

/// That a product can be seen and bought from then on, or no longer.
#[must_use]
pub fn listing(of: &ProductId, at: Time, id: &str) -> Key {
    let of = Entity::Product(of.clone());
    Key { pk: facts_of_hour(&of, at.hour()), sk: format!("{}#listing#{id}", at.offset_in_hour()) }
}

/// The fact of a product's view.
#[must_use]
pub fn view(of: &ProductId, at: Time, id: &str) -> Key {
    let of = Entity::ProductViews(of.clone());
    Key { pk: facts_of_hour(&of, at.hour()), sk: format!("{}#view#{id}", at.offset_in_hour()) }
}

/// Whether an actor viewed a product in a month.
#[must_use]
pub fn viewed(by: &Actor, of: &ProductId, month: &Period) -> Key {
    Key { pk: format!("ACTOR#{by}"), sk: format!("VIEW#PRODUCT#{of}#{month}") }
}

/// A product's totals of all time.
#[must_use]
pub fn product_total(of: &ProductId) -> Key {
    Key { pk: format!("PRODUCT#{of}"), sk: TOTAL.to_owned() }
}

/// A product's totals of a month.
#[must_use]
pub fn product_in(of: &ProductId, month: &Period) -> Key {
    Key { pk: format!("PRODUCT#{of}"), sk: named(month) }
}

/// A seller's totals of all time.
#[must_use]
pub fn seller_total(of: &UserId) -> Key {
    Key { pk: format!("SELLER#{of}"), sk: TOTAL.to_owned() }
}

/// A seller's totals of a month.
#[must_use]
pub fn seller_in(of: &UserId, month: &Period) -> Key {
    Key { pk: format!("SELLER#{of}"), sk: named(month) }
}
