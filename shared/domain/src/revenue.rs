//! Reports of revenue: amounts by currency, averages, shares, growth, and cohorts of buyers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::calendar::Period;
use super::money::Currency;
use super::revenue_totals::{RevenueTotals, TotalsByKey};
use super::time::Time;

/// Revenue in one currency, in minor units.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// The currency; `None` for purchases of unknown price, whose amounts are unknown too.
    pub currency: Option<Currency>,
    /// Purchases that were paid.
    pub purchases: i64,
    /// The amount paid.
    pub gross: Option<i64>,
    /// The amount refunded.
    pub refunds: Option<i64>,
    /// The number of refunds.
    pub total_refunds: i64,
    /// Paid less refunded.
    pub net: Option<i64>,
    /// The average amount of a purchase; `None` without purchases.
    pub average_order: Option<f64>,
}

impl Amounts {
    fn of(currency: Option<Currency>, totals: &RevenueTotals) -> Self {
        let known = |amount| currency.map(|_| amount);
        Self {
            currency,
            purchases: totals.purchases,
            gross: known(totals.gross),
            refunds: known(totals.refunded),
            total_refunds: totals.refunds,
            net: known(totals.net()),
            average_order: currency.and_then(|_| ratio(totals.gross, totals.purchases)),
        }
    }
}

/// The report of purchases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Purchases that were paid.
    pub purchases: i64,
    /// Pieces that they were of.
    pub units: i64,
    /// Purchases that ended: all of them was given back.
    pub ended: i64,
    /// Amounts by currency, the one with the most purchases first.
    pub currencies: Vec<Amounts>,
}

impl Figures {
    /// The report of these totals.
    #[must_use]
    pub fn of(by_key: &TotalsByKey) -> Self {
        let counts = by_key.counts();
        let mut currencies: Vec<Amounts> =
            by_key.by_currency().iter().map(|(currency, totals)| Amounts::of(*currency, totals)).collect();
        currencies.sort_by_key(|amounts| (Reverse(amounts.purchases), amounts.currency.is_none(), amounts.currency));
        Self { purchases: counts.purchases, units: counts.units, ended: counts.ended, currencies }
    }

    /// The currency with the most purchases.
    #[must_use]
    pub fn main_currency(&self) -> Option<Currency> {
        self.currencies.iter().find_map(|amounts| amounts.currency)
    }
}

/// A number, what it was before, and by how much it has grown since, in percent; `None` where there was nothing to grow from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    previous: i64,
    current: i64,
    growth: Option<f64>,
}

impl Trend {
    /// From one number to another.
    #[must_use]
    pub fn of(previous: i64, current: i64) -> Self {
        Self { previous, current, growth: percent(current.saturating_sub(previous), previous) }
    }
}

/// The growth of the amounts of a currency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AmountsTrend {
    currency: Currency,
    purchases: Trend,
    gross: Trend,
    refunds: Trend,
    net: Trend,
}

impl AmountsTrend {
    /// The trends of all currencies that there were before or are now.
    #[must_use]
    pub fn of(before: &TotalsByKey, now: &TotalsByKey) -> Vec<Self> {
        let (before, now) = (before.by_currency(), now.by_currency());
        let all: BTreeMap<Currency, ()> =
            before.keys().chain(now.keys()).filter_map(|one| Some(((*one)?, ()))).collect();
        let trend = |currency: Currency| {
            let totals =
                |of: &BTreeMap<Option<Currency>, RevenueTotals>| of.get(&Some(currency)).copied().unwrap_or_default();
            let (before, now) = (totals(&before), totals(&now));
            Self {
                currency,
                purchases: Trend::of(before.purchases, now.purchases),
                gross: Trend::of(before.gross, now.gross),
                refunds: Trend::of(before.refunded, now.refunded),
                net: Trend::of(before.net(), now.net()),
            }
        };
        all.into_keys().map(trend).collect()
    }
}

/// Those who first bought in a month, and how many of them came back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CohortFigures {
    month: String,
    buyers: i64,
    /// Whether the month is over, so that only imported purchases can still extend the cohort.
    complete: bool,
    later: Vec<Returned>,
}

/// How many buyers of a cohort bought again in a later month.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Returned {
    month: String,
    buyers: i64,
    /// Their share of the cohort, in percent.
    retention: Option<f64>,
    /// Whether both months are over.
    complete: bool,
}

impl CohortFigures {
    /// The report of a cohort in these months as of `now`, without months that have not begun.
    #[must_use]
    pub fn of(first: &Period, bought: &BTreeMap<Period, i64>, months: &[Period], now: Time) -> Self {
        let buyers = bought.get(first).copied().unwrap_or_default();
        let complete = first.end() <= now;
        let later = months.iter().filter(|month| month.start() > first.start() && month.start() <= now);
        let returned = |month: &Period| {
            let returned = bought.get(month).copied().unwrap_or_default();
            let retention = percent(returned, buyers);
            Returned { month: month.to_string(), buyers: returned, retention, complete: complete && month.end() <= now }
        };
        Self { month: first.to_string(), buyers, complete, later: later.map(returned).collect() }
    }
}

/// A quotient, `None` where there is nothing to divide by.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "an average needs no 53 bits")]
pub fn ratio(sum: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// The share of a whole in percent; `None` if the whole is 0.
#[must_use]
pub fn percent(part: i64, whole: i64) -> Option<f64> {
    ratio(part, whole).map(|share| share * 100.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::calendar::{Calendar, Level};
    use super::*;

    fn month(text: &str) -> Period {
        Calendar::default().parse(Level::Month, text).unwrap()
    }

    #[test]
    fn amounts_are_by_currency_and_exclude_unknown_prices() {
        let mut by_key = TotalsByKey::default();
        let usd =
            RevenueTotals { purchases: 2, units: 2, gross: 301, refunds: 1, refunded: 400, ..RevenueTotals::default() };
        by_key.add("USD@card".parse().unwrap(), &usd);
        by_key.add("-@card".parse().unwrap(), &RevenueTotals { purchases: 3, units: 3, ..RevenueTotals::default() });
        let figures = Figures::of(&by_key);
        assert_eq!((figures.purchases, figures.units, figures.main_currency()), (5, 5, "USD".parse().ok()));
        assert_eq!(
            json!(figures.currencies),
            json!([
                {"currency": null, "purchases": 3, "gross": null, "refunds": null, "totalRefunds": 0, "net": null,
                 "averageOrder": null},
                {"currency": "USD", "purchases": 2, "gross": 301, "refunds": 400, "totalRefunds": 1, "net": -99,
                 "averageOrder": 150.5},
            ])
        );
    }

    #[test]
    fn growth_from_zero_is_absent() {
        assert_eq!(json!(Trend::of(0, 5)), json!({"previous": 0, "current": 5, "growth": null}));
        assert_eq!(json!(Trend::of(4, 3)), json!({"previous": 4, "current": 3, "growth": -25.0}));
        assert_eq!(json!(Trend::of(-4, 3))["growth"], json!(null));
    }

    #[test]
    fn cohort_months_that_may_grow_are_incomplete() {
        let months = ["2026-01", "2026-02", "2026-03", "2026-04"].map(month);
        let bought = BTreeMap::from([(months[0], 8), (months[2], 2)]);
        let now = "2026-03-31T23:59:59Z".parse().unwrap();
        assert_eq!(
            json!(CohortFigures::of(&months[0], &bought, &months, now)),
            json!({"month": "2026-01", "buyers": 8, "complete": true, "later": [
                {"month": "2026-02", "buyers": 0, "retention": 0.0, "complete": true},
                {"month": "2026-03", "buyers": 2, "retention": 25.0, "complete": false},
            ]})
        );
        let young = CohortFigures::of(&months[2], &BTreeMap::from([(months[2], 1)]), &months, now);
        assert_eq!(json!(young), json!({"month": "2026-03", "buyers": 1, "complete": false, "later": []}));
    }
}
