//! Revenue totals: sums of purchases by currency and payment method, so that currencies are never added up.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::PaymentMethod;
use super::money::Currency;

/// The key of revenue totals: currency and payment method. Shown as `USD@card`, or `-@card` if the price is unknown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RevenueKey {
    /// The currency; `None` if the price is unknown.
    pub currency: Option<Currency>,
    /// The payment method.
    pub method: PaymentMethod,
}

/// A text that is no revenue key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency and a payment method")]
pub struct InvalidRevenueKey;

impl fmt::Display for RevenueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currency = self.currency.map_or("-", Currency::code);
        write!(f, "{currency}@{}", self.method)
    }
}

impl FromStr for RevenueKey {
    type Err = InvalidRevenueKey;

    fn from_str(text: &str) -> Result<Self, InvalidRevenueKey> {
        let (currency, method) = text.split_once('@').ok_or(InvalidRevenueKey)?;
        let currency = match currency {
            "-" => None,
            code => Some(code.parse().map_err(|_| InvalidRevenueKey)?),
        };
        Ok(Self { currency, method: method.parse().map_err(|_| InvalidRevenueKey)? })
    }
}

impl TryFrom<String> for RevenueKey {
    type Error = InvalidRevenueKey;

    fn try_from(text: String) -> Result<Self, InvalidRevenueKey> {
        text.parse()
    }
}

impl From<RevenueKey> for String {
    fn from(key: RevenueKey) -> Self {
        key.to_string()
    }
}

/// The totals of one key. Amounts are in minor units and exclude unknown ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RevenueTotals {
    /// Purchases that were paid.
    pub purchases: i64,
    /// Pieces that they were of.
    pub units: i64,
    /// Purchases that ended: all of them was given back.
    pub ended: i64,
    /// The number of refunds.
    pub refunds: i64,
    /// The amount paid.
    pub gross: i64,
    /// The amount refunded.
    pub refunded: i64,
}

impl RevenueTotals {
    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        self.purchases = self.purchases.saturating_add(other.purchases);
        self.units = self.units.saturating_add(other.units);
        self.ended = self.ended.saturating_add(other.ended);
        self.refunds = self.refunds.saturating_add(other.refunds);
        self.gross = self.gross.saturating_add(other.gross);
        self.refunded = self.refunded.saturating_add(other.refunded);
    }

    /// Paid less refunded.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.gross.saturating_sub(self.refunded)
    }
}

/// The totals of all keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TotalsByKey(BTreeMap<RevenueKey, RevenueTotals>);

/// An order of items, the greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ranking {
    /// By the number of purchases.
    Purchases,
    /// By paid less refunded, in a currency.
    Net(Currency),
}

impl TotalsByKey {
    /// Adds to the totals of a key.
    pub fn add(&mut self, key: RevenueKey, totals: &RevenueTotals) {
        self.0.entry(key).or_default().merge(totals);
    }

    /// Adds the totals of all keys.
    pub fn merge(&mut self, other: &Self) {
        for (key, totals) in &other.0 {
            self.add(key.clone(), totals);
        }
    }

    /// Whether it has no totals.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with their totals.
    pub fn iter(&self) -> impl Iterator<Item = (&RevenueKey, &RevenueTotals)> {
        self.0.iter()
    }

    /// The sum over all keys, counts only: amounts of several currencies are not comparable.
    #[must_use]
    pub fn counts(&self) -> RevenueTotals {
        let mut all = RevenueTotals::default();
        self.0.values().for_each(|totals| all.merge(totals));
        RevenueTotals { gross: 0, refunded: 0, ..all }
    }

    /// The totals by currency; `None` for unknown prices.
    #[must_use]
    pub fn by_currency(&self) -> BTreeMap<Option<Currency>, RevenueTotals> {
        let mut by: BTreeMap<_, RevenueTotals> = BTreeMap::new();
        for (key, totals) in &self.0 {
            by.entry(key.currency).or_default().merge(totals);
        }
        by
    }

    /// The totals by payment method.
    #[must_use]
    pub fn by_method(&self) -> BTreeMap<&PaymentMethod, Self> {
        let mut by: BTreeMap<_, Self> = BTreeMap::new();
        for (key, totals) in &self.0 {
            by.entry(&key.method).or_default().add(key.clone(), totals);
        }
        by
    }

    /// The value by which an item with these totals is ranked.
    #[must_use]
    pub fn rank(&self, by: Ranking) -> i64 {
        match by {
            Ranking::Purchases => self.counts().purchases,
            Ranking::Net(currency) => self.earned().get(&currency).copied().unwrap_or_default(),
        }
    }

    /// The rankings of an item with these totals, and its value in each; a value of 0 has no place.
    #[must_use]
    pub fn ranks(&self) -> Vec<(Ranking, i64)> {
        let net = self.earned().into_iter().map(|(currency, net)| (Ranking::Net(currency), net));
        let all = std::iter::once((Ranking::Purchases, self.counts().purchases)).chain(net);
        all.filter(|(_, value)| *value != 0).collect()
    }

    /// Paid less refunded, by currency.
    #[must_use]
    pub fn earned(&self) -> BTreeMap<Currency, i64> {
        let by = self.by_currency().into_iter();
        by.filter_map(|(currency, totals)| Some((currency?, totals.net()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> RevenueKey {
        text.parse().unwrap()
    }

    #[test]
    fn totals_are_grouped_by_currency_and_by_method() {
        let mut by_key = TotalsByKey::default();
        by_key.add(key("USD@card"), &RevenueTotals { purchases: 2, units: 5, gross: 300, ..RevenueTotals::default() });
        by_key.add(key("USD@paypal"), &RevenueTotals { refunds: 1, refunded: 40, ..RevenueTotals::default() });
        by_key
            .add(key("JPY@card"), &RevenueTotals { purchases: 1, units: 1, gross: 1_000, ..RevenueTotals::default() });
        by_key.add(
            key("-@card"),
            &RevenueTotals { purchases: 1, units: 1, ended: 1, refunds: 1, ..RevenueTotals::default() },
        );
        let text = serde_json::to_string(&by_key).unwrap();
        assert_eq!(serde_json::from_str::<TotalsByKey>(&text).unwrap(), by_key);
        let (usd, jpy) = ("USD".parse().unwrap(), "JPY".parse().unwrap());
        assert_eq!(by_key.earned(), BTreeMap::from([(usd, 260), (jpy, 1_000)]));
        assert_eq!(
            by_key.counts(),
            RevenueTotals { purchases: 4, units: 7, ended: 1, refunds: 2, ..RevenueTotals::default() }
        );
        assert_eq!(by_key.by_method().values().map(|by_key| by_key.counts().purchases).collect::<Vec<_>>(), [4, 0]);
    }

    #[test]
    fn rejects_a_key_without_currency_or_method() {
        for key in ["", "USD", "usd@card", "USD@", "USD@a b"] {
            assert!(key.parse::<RevenueKey>().is_err(), "{key}");
        }
    }
}
