//! Sales: facts of payments and refunds of an item, and their sums.

use serde::{Deserialize, Serialize};

use super::distinct::Buyers;
use super::fold::{Fold, Recorded};
use super::id::{PaymentMethod, PurchaseId};
use super::money::Currency;
use super::purchase::{Buyer, Item, Purchase, Status};
use super::revenue_totals::{RevenueKey, RevenueTotals, TotalsByKey};

/// Whether money came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SaleKind {
    /// A purchase was paid.
    Sale,
    /// All or a part of one was given back.
    Refund,
}

impl SaleKind {
    /// The name, as part of keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Refund => "refund",
        }
    }
}

/// That a purchase was paid, or that all or a part of it was given back, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaleFact {
    /// The kind.
    pub kind: SaleKind,
    /// The purchase.
    pub purchase: PurchaseId,
    /// The buyer.
    pub buyer: Buyer,
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// The quantity.
    pub quantity: u64,
    /// The payment method.
    pub payment_method: PaymentMethod,
    /// The amount paid or refunded, in minor units; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Whether the purchase ended with this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

impl SaleFact {
    /// That a purchase was paid.
    #[must_use]
    pub fn sale(purchase: &Purchase) -> Self {
        Self::of(SaleKind::Sale, purchase, purchase.paid.map(|paid| paid.amount()), false)
    }

    /// That this was given back of a purchase.
    #[must_use]
    pub fn refund(purchase: &Purchase, amount: Option<u64>, ended: bool) -> Self {
        Self::of(SaleKind::Refund, purchase, amount, ended)
    }

    fn of(kind: SaleKind, purchase: &Purchase, amount: Option<u64>, ended: bool) -> Self {
        Self {
            kind,
            purchase: purchase.id.clone(),
            buyer: purchase.buyer.clone(),
            item: purchase.item.clone(),
            quantity: purchase.quantity,
            payment_method: purchase.payment_method.clone(),
            amount,
            currency: purchase.paid.map(|paid| paid.currency),
            ended,
        }
    }

    fn totals(&self) -> RevenueTotals {
        let whole = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok()).unwrap_or_default();
        let ended = i64::from(self.ended);
        match self.kind {
            SaleKind::Sale => {
                let (units, gross) = (whole(Some(self.quantity)), whole(self.amount));
                RevenueTotals { purchases: 1, units, gross, ended, ..RevenueTotals::default() }
            }
            SaleKind::Refund => {
                RevenueTotals { refunds: 1, refunded: whole(self.amount), ended, ..RevenueTotals::default() }
            }
        }
    }
}

/// The revenue key of a paid purchase, and its totals. The number of refunds is not known.
#[must_use]
pub fn totals_of(purchase: &Purchase) -> (RevenueKey, RevenueTotals) {
    let key = RevenueKey { currency: purchase.paid.map(|paid| paid.currency), method: purchase.payment_method.clone() };
    let refunded = purchase.paid.map_or(0, |paid| paid.refunded);
    let mut totals = SaleFact::sale(purchase).totals();
    totals.refunded = i64::try_from(refunded).unwrap_or(i64::MAX);
    totals.ended = i64::from(purchase.status == Status::Refunded);
    (key, totals)
}

/// The figures of the purchases of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SalesFigures {
    /// The totals, by currency and payment method.
    #[serde(rename = "tills", skip_serializing_if = "TotalsByKey::is_empty")]
    pub by_key: TotalsByKey,
    /// The distinct buyers.
    #[serde(skip_serializing_if = "Buyers::is_empty")]
    pub buyers: Buyers,
}

impl Fold for SalesFigures {
    type Fact = SaleFact;

    fn fold(facts: Vec<Recorded<SaleFact>>) -> Self {
        let mut figures = Self::default();
        for fact in facts.into_iter().map(|recorded| recorded.fact) {
            if fact.kind == SaleKind::Sale {
                figures.buyers.insert(&fact.buyer.to_string());
            }
            let totals = fact.totals();
            figures.by_key.add(RevenueKey { currency: fact.currency, method: fact.payment_method }, &totals);
        }
        figures
    }

    fn merge(&mut self, other: &Self) {
        self.by_key.merge(&other.by_key);
        self.buyers.merge(&other.buyers);
    }
}
