//! Answers of the API about purchases: the fields that this crate compares.

use serde::Deserialize;

/// Purchases of some days.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// Purchases that ended.
    pub ended: u64,
    /// The buyers.
    pub buyers: Buyers,
    /// The money, by currency.
    pub currencies: Vec<Money>,
    /// The same by what was bought.
    pub item_types: Vec<ItemType>,
    /// The same by how it was paid.
    pub payment_methods: Vec<PaymentMethod>,
    /// The first of all items.
    pub top: Top,
    /// The months that these days are in.
    pub months: Vec<Month>,
    /// The same day by day.
    pub series: Series,
    /// Those who first bought in each month.
    pub cohorts: Vec<Cohort>,
}

/// Those who first bought in a month.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Cohort {
    /// The month, as `2010-12`.
    pub month: String,
    /// The number of buyers.
    pub buyers: u64,
    /// The number of returning buyers.
    pub later: Vec<Returned>,
}

/// Those of a cohort who bought again in a month.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Returned {
    /// The month, as `2010-12`.
    pub month: String,
    /// The number of buyers.
    pub buyers: u64,
}

/// The number of buyers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Buyers {
    /// Their number.
    pub count: u64,
    /// Whether that is just so.
    pub exact: bool,
}

/// Money of one currency, in minor units.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// Its code; `None` if the amounts are unknown.
    pub currency: Option<String>,
    /// Purchases that were paid in it.
    pub purchases: u64,
    /// The gross amount.
    pub gross: Option<u64>,
    /// The refunded amount.
    pub refunds: Option<u64>,
    /// The number of refunds.
    pub total_refunds: u64,
    /// The net amount.
    pub net: Option<i64>,
    /// The average amount per purchase.
    pub average_order: Option<f64>,
}

/// Purchases of one type of item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemType {
    /// The type.
    pub item_type: String,
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// The share of all purchases, in percent.
    pub share: Option<f64>,
    /// The money, by currency.
    pub currencies: Vec<Money>,
}

/// Purchases paid in one way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentMethod {
    /// The way.
    pub payment_method: String,
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// The share of all purchases, in percent.
    pub share: Option<f64>,
    /// The money, by currency.
    pub currencies: Vec<Money>,
}

/// The first of all items, in two ways.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Top {
    /// Those bought most often.
    pub by_purchases: List,
    /// Those that brought in most; nothing where there is no money.
    pub by_revenue: Option<List>,
}

/// The first of all items.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct List {
    /// Whether these are just the first.
    pub exact: bool,
    /// The items, the first one first.
    pub items: Vec<Item>,
}

/// Purchases of one item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its type.
    pub item_type: String,
    /// Its id.
    pub item_id: String,
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// The money, by currency.
    pub currencies: Vec<Money>,
}

/// Purchases of one month.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Month {
    /// The month, as `2010-12`.
    pub month: String,
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// Purchases that ended.
    pub ended: u64,
    /// The money, by currency.
    pub currencies: Vec<Money>,
}

/// Purchases as they follow each other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Series {
    /// The interval of a point.
    pub interval: String,
    /// The points, in the order of time.
    pub points: Vec<Point>,
}

/// Purchases of one day.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Point {
    /// When it begins; the day is what it begins with.
    pub from: String,
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// Purchases that ended.
    pub ended: u64,
    /// The money, by currency.
    pub currencies: Vec<Money>,
}

/// A page of a buyer's purchases.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct History {
    /// The purchases.
    pub purchases: Vec<Purchase>,
    /// Where the next page is.
    pub cursor: Option<String>,
}

/// One purchase.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purchase {
    /// The quantity.
    pub quantity: u64,
    /// The gross amount.
    pub amount: Option<u64>,
    /// The refunded amount.
    pub refunded_amount: Option<u64>,
}
