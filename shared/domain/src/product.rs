//! Products of sellers, their sales and their views.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::creator::{self, Owned};
use super::event_time::MAX_AHEAD;
use super::fold::{Fold, Recorded};
use super::id::{ProductId, SaleId, UserId};
use super::money::{Currency, MAX_AMOUNT};
use super::rejection::Rejection;
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{InvalidField, object, text, title};

string_enum! {
    /// The status of a product.
    ProductStatus {
        /// The product is visible and for sale.
        Active = "active",
        /// The product was sold.
        Sold = "sold",
        /// The product is a draft of its seller.
        Draft = "draft",
    }
}

/// The highest price of a product, in minor units: ten million dollars. Prices rank sellers, so a single statement must
/// not decide a board.
pub const MAX_PRICE: u64 = 1_000_000_000;

/// A sale of a product, valid while the product is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    /// The id.
    pub id: SaleId,
    /// When.
    pub at: Time,
    /// Whether the time is an estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// At which price, in minor units: what it costs later changes nothing.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The title.
    pub title: String,
    /// The seller.
    pub seller: UserId,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The price, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
    /// The status.
    pub status: ProductStatus,
    /// The sale; present exactly while the product is sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<Sale>,
}

impl Owned for Product {
    fn owner(&self) -> &UserId {
        &self.seller
    }
}

impl Product {
    /// Whether it can be seen and bought.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == ProductStatus::Active
    }

    /// Whether `caller` may see it: a draft is its seller's alone.
    #[must_use]
    pub fn is_seen_by(&self, caller: &Caller) -> bool {
        self.status != ProductStatus::Draft || creator::is_theirs(caller, &self.seller)
    }

    /// Whether `caller` may delete it.
    ///
    /// # Errors
    /// If the package is another creator's.
    pub fn delete(&self, caller: &Caller) -> Result<(), Rejection> {
        sellers(caller, Some(&self.seller), None).map(drop)
    }
}

/// The fields of a description.
const FIELDS: &[&str] =
    &["productId", "title", "description", "price", "currency", "status", "sellerId", "soldAt", "soldAtEstimated"];

/// A request to describe a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDescription {
    /// The id, if the caller chooses it.
    pub id: Option<ProductId>,
    title: String,
    description: Option<String>,
    price: u64,
    currency: Currency,
    /// The requested status; `None` keeps the present one.
    status: Option<ProductStatus>,
    seller: Option<UserId>,
    sold_at: Option<Time>,
    is_estimated: bool,
}

impl ProductDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, FIELDS)?;
        let price = fields.whole("price", MAX_AMOUNT);
        let price =
            violations.keep(price.and_then(|price| price.ok_or_else(|| InvalidField::new("price", "is required"))));
        let id = violations
            .keep(fields.parsed("productId").and_then(|id: Option<ProductId>| id.map(unreserved).transpose()));
        let named = violations.keep(title(fields));
        let description = violations.keep(text(fields, "description"));
        let currency = violations.keep(fields.required("currency"));
        let status = violations.keep(fields.parsed("status"));
        let seller = violations.keep(fields.parsed("sellerId"));
        let sold_at = violations.keep(fields.time("soldAt"));
        let is_estimated = violations.keep(fields.flag("soldAtEstimated"));
        let read = match (id, named, description, price, currency, status, seller, sold_at, is_estimated) {
            (
                Some(id),
                Some(title),
                Some(description),
                Some(price),
                Some(currency),
                Some(status),
                Some(seller),
                Some(sold_at),
                Some(is_estimated),
            ) => {
                let is_estimated = is_estimated.unwrap_or_default();
                Some(Self { id, title, description, price, currency, status, seller, sold_at, is_estimated })
            }
            _ => None,
        };
        violations.finish(read)
    }

    /// The product that replaces the stored one; a sale that begins with it gets the id `sale`. If the product was
    /// deleted, `owner` is its former seller, who keeps the id. The server decides when a product was sold; only an
    /// admin can state a time in the past.
    ///
    /// # Errors
    /// If the product is or would be another seller's, or the time of sale is impossible.
    pub fn apply(
        self,
        (stored, owner): (Option<&Product>, Option<&UserId>),
        caller: &Caller,
        sale: SaleId,
        now: Time,
    ) -> Result<Product, Rejection> {
        let seller = sellers(caller, owner, self.seller.clone())?;
        let is_of_admins = self.sold_at.is_some() || self.is_estimated;
        if is_of_admins && !caller.is_admin() {
            return Err(Rejection::Forbidden("only an admin may set soldAt or soldAtEstimated"));
        }
        let stands = stored.map(|product| product.status);
        let is_raised = self.price > MAX_PRICE && stored.is_none_or(|stored| stored.price < self.price);
        if is_raised && !caller.is_admin() {
            return Err(InvalidField::new(
                "price",
                format!("must be a whole number of minor units from 0 to {MAX_PRICE}"),
            )
            .into());
        }
        let status = self.status.or(stands).unwrap_or(ProductStatus::Active);
        let sale = self.sale(status, stored, sale, now)?;
        let Self { title, description, price, currency, .. } = self;
        Ok(Product { title, seller, description, price, currency, status, sale })
    }

    fn sale(
        &self,
        status: ProductStatus,
        stored: Option<&Product>,
        id: SaleId,
        now: Time,
    ) -> Result<Option<Sale>, InvalidField> {
        if self.is_estimated && self.sold_at.is_none() {
            return Err(InvalidField::new("soldAtEstimated", "requires soldAt"));
        }
        if status != ProductStatus::Sold {
            return match self.sold_at {
                Some(_) => Err(InvalidField::new("soldAt", "is only allowed with status sold")),
                None => Ok(None),
            };
        }
        let before = stored.and_then(|product| product.sale.clone());
        match (self.sold_at, before) {
            (Some(at), _) if at.since(now) > MAX_AHEAD => Err(InvalidField::new("soldAt", "must not be in the future")),
            (Some(at), Some(before)) if before.at == at && before.estimated == self.is_estimated => Ok(Some(before)),
            (None, Some(before)) => Ok(Some(before)),
            // The price of a sale is independent of its time.
            (Some(at), Some(before)) => Ok(Some(Sale { id, at, estimated: self.is_estimated, ..before })),
            (at, _) => {
                let at = at.unwrap_or(now);
                let (price, currency) = (self.price, self.currency);
                Ok(Some(Sale { id, at, estimated: self.is_estimated, price, currency }))
            }
        }
    }
}

/// The seller of a product that `caller` creates, changes or deletes.
fn sellers(caller: &Caller, owner: Option<&UserId>, asked: Option<UserId>) -> Result<UserId, Rejection> {
    if !matches!(caller, Caller::User { role: Role::Seller | Role::Admin, .. }) {
        return Err(Rejection::Forbidden("only a seller or an admin may do this"));
    }
    let seller = creator::creator(caller, owner, asked);
    seller.map_err(|_| Rejection::Forbidden("only the product's seller or an admin may do this"))
}

/// Rejects an id whose address is reserved.
///
/// # Errors
/// If the id is reserved.
pub fn unreserved(id: ProductId) -> Result<ProductId, InvalidField> {
    match id.as_str() {
        "trending" => Err(InvalidField::new("productId", "must not be \"trending\"")),
        _ => Ok(id),
    }
}

/// An event of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProductEvent {
    /// A view.
    View,
    /// The product is for sale from now on (`on`), or no longer.
    Listing {
        /// From now on, or no longer.
        on: bool,
    },
    /// The product was sold (`on`), or the sale was undone.
    Sale {
        /// Sold, or undone.
        on: bool,
        /// At which price, in minor units.
        price: u64,
        /// In which currency.
        currency: Currency,
    },
}

/// Something that happened to a product, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductFact {
    /// The seller.
    pub seller: UserId,
    /// The event.
    #[serde(flatten)]
    pub what: ProductEvent,
}

/// The figures of a product, or the sum of those of several.
///
/// The figures of a part of the time can be below 0 for a moment: an undone sale may be counted before the sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProductFigures {
    /// The seller of the products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seller: Option<UserId>,
    /// Distinct viewers by month.
    pub views: i64,
    /// Products that can be seen and bought; in a part of the time, by how many these became more.
    pub listings: i64,
    /// Sales that were not undone.
    pub sales: i64,
    /// Their prices, in minor units of each currency.
    pub revenue: BTreeMap<Currency, i64>,
}

impl Fold for ProductFigures {
    type Fact = ProductFact;

    fn fold(facts: Vec<Recorded<ProductFact>>) -> Self {
        let mut figures = Self::default();
        for ProductFact { seller, what } in facts.into_iter().map(|recorded| recorded.fact) {
            figures.seller = Some(seller);
            match what {
                ProductEvent::View => figures.views += 1,
                ProductEvent::Listing { on } => figures.listings += if on { 1 } else { -1 },
                ProductEvent::Sale { on, price, currency } => {
                    let sign = if on { 1 } else { -1 };
                    figures.sales += sign;
                    let price = i64::try_from(price).unwrap_or(i64::MAX);
                    *figures.revenue.entry(currency).or_default() += sign * price;
                }
            }
        }
        figures.revenue.retain(|_, sum| *sum != 0);
        figures
    }

    fn merge(&mut self, other: &Self) {
        self.views += other.views;
        self.listings += other.listings;
        self.sales += other.sales;
        for (currency, revenue) in &other.revenue {
            *self.revenue.entry(*currency).or_default() += revenue;
        }
    }
}
