//! Discounts that buyers type in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::id::DiscountCode;
use super::money::{Currency, MAX_AMOUNT};
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{InvalidField, object};

/// The most uses that a discount can be given.
const MAX_USES: u64 = 1_000_000_000;

/// The shortest new code, in characters, and how many of them must differ.
const MIN_CODE: (usize, usize) = (8, 5);

/// The number of wrong codes that a caller may try in an hour.
pub const MAX_TRIES: u64 = 20;

/// A new code must not be guessed within the tries that a caller has.
///
/// # Errors
/// If it is too short, or of too few different characters.
pub fn is_hard_to_guess(code: &DiscountCode) -> Result<(), InvalidField> {
    let (length, different) = MIN_CODE;
    let letters: BTreeSet<char> = code.as_str().chars().collect();
    if code.as_str().chars().count() >= length && letters.len() >= different {
        return Ok(());
    }
    let rule = format!("must have at least {length} characters, {different} of them different, for a new discount");
    Err(InvalidField::new("code", rule))
}

string_enum! {
    /// The kind of a discount.
    DiscountKind {
        /// A part of the price.
        Percent = "percent",
        /// An amount of money.
        Fixed = "fixed",
    }
}

/// A reduction of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Reduction {
    /// A percentage, 1 to 100.
    Percent {
        /// The percentage.
        percent: u64,
    },
    /// An amount, at most the price.
    Fixed {
        /// In minor units.
        amount: u64,
        /// Of this currency; prices in others are not lowered.
        currency: Currency,
    },
}

/// A discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discount {
    /// The reduction.
    #[serde(flatten)]
    pub reduction: Reduction,
    /// From when on it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Time>,
    /// Until when it is good; then no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    /// The number of purchases that may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
}

/// The fields of a discount.
const FIELDS: &[&str] = &["type", "percent", "amount", "currency", "validFrom", "validTo", "maxUses"];

/// Why a discount is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscountRejection {
    /// The code does not exist.
    #[error("is not a known discount code")]
    Unknown,
    /// The discount is not valid yet, or no longer.
    #[error("is not valid at this time")]
    NotNow,
    /// The discount is in another currency.
    #[error("is not valid for this currency")]
    OtherCurrency,
    /// The discount has no uses left.
    #[error("has no uses left")]
    UsedUp,
}

impl DiscountRejection {
    /// The answer to a caller. Admins learn the reason; others must not learn whether a code exists.
    #[must_use]
    pub fn told_to(self, caller: &Caller) -> InvalidField {
        if caller.is_admin() {
            return InvalidField::new("discountCode", self);
        }
        InvalidField::new("discountCode", "is not valid for this order")
    }
}

impl Discount {
    /// In which currency it is, if it is an amount of money.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        match self.reduction {
            Reduction::Percent { .. } => None,
            Reduction::Fixed { currency, .. } => Some(currency),
        }
    }

    /// Reads a discount.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, FIELDS)?;
        let missing = |field| InvalidField::new(field, "is required");
        let percent = || match fields.whole("percent", 100)? {
            Some(0) => Err(InvalidField::new("percent", "must be greater than 0")),
            Some(percent) => Ok(Reduction::Percent { percent }),
            None => Err(missing("percent")),
        };
        let amount = || match fields.whole("amount", MAX_AMOUNT)? {
            Some(0) => Err(InvalidField::new("amount", "must be greater than 0")),
            Some(amount) => Ok(Reduction::Fixed { amount, currency: fields.required("currency")? }),
            None => Err(missing("amount")),
        };
        let reduction = violations.keep(fields.required("type")).and_then(|kind| match kind {
            DiscountKind::Percent => violations.keep(percent()),
            DiscountKind::Fixed => violations.keep(amount()),
        });
        let (from, until) = (violations.keep(fields.time("validFrom")), violations.keep(fields.time("validTo")));
        let uses = violations.keep(fields.whole("maxUses", MAX_USES));
        if let (Some(Some(from)), Some(Some(until))) = (from, until)
            && until <= from
        {
            violations.add(InvalidField::new("validTo", "must be later than validFrom"));
        }
        let read = reduction.zip(uses).zip(from.zip(until));
        violations.finish(read.map(|((reduction, max_uses), (valid_from, valid_until))| Self {
            reduction,
            valid_from,
            valid_until,
            max_uses,
        }))
    }

    /// The reduction of a price, in minor units: a percentage rounded half up, and never more than the price.
    ///
    /// # Errors
    /// If the discount does not apply to this currency or at this time.
    pub fn reduction(&self, price: u64, currency: Currency, ordered: Time) -> Result<u64, DiscountRejection> {
        if self.valid_from.is_some_and(|from| ordered < from) || self.valid_until.is_some_and(|until| ordered >= until)
        {
            return Err(DiscountRejection::NotNow);
        }
        match self.reduction {
            Reduction::Percent { percent } => Ok((price.saturating_mul(percent) + 50) / 100),
            Reduction::Fixed { currency: other, .. } if other != currency => Err(DiscountRejection::OtherCurrency),
            Reduction::Fixed { amount, .. } => Ok(amount.min(price)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(body: &Value) -> Vec<String> {
        Discount::parse(body).unwrap_err().into_iter().map(|invalid| invalid.field.into_owned()).collect()
    }

    #[test]
    fn rejects_new_codes_that_are_easy_to_guess() {
        for (code, is_hard) in
            [("SPRING26", true), ("spring-x", true), ("SPRING2", false), ("AAAABBBB", false), ("11112345", true)]
        {
            assert_eq!(is_hard_to_guess(&code.parse().unwrap()).is_ok(), is_hard, "{code}");
        }
    }

    #[test]
    fn reduction_is_in_whole_minor_units() {
        let now: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let (usd, eur) = ("USD".parse().unwrap(), "EUR".parse().unwrap());
        let percent = Discount::parse(&json!({"type": "percent", "percent": 15})).unwrap();
        assert_eq!(percent.reduction(999, usd, now), Ok(150));
        assert_eq!(percent.reduction(0, usd, now), Ok(0));
        let fixed = Discount::parse(&json!({"type": "fixed", "amount": 500, "currency": "USD"})).unwrap();
        assert_eq!((fixed.reduction(999, usd, now), fixed.reduction(300, usd, now)), (Ok(500), Ok(300)));
        assert_eq!(fixed.reduction(999, eur, now), Err(DiscountRejection::OtherCurrency));
    }

    #[test]
    fn discount_is_valid_from_start_until_end() {
        let body = json!({"type": "percent", "percent": 100, "validFrom": "2026-01-01T00:00:00Z", "validTo": "2026-02-01T00:00:00Z"});
        let discount = Discount::parse(&body).unwrap();
        let at = |time: &str| discount.reduction(10, "USD".parse().unwrap(), time.parse().unwrap());
        assert_eq!(at("2025-12-31T23:59:59.999Z"), Err(DiscountRejection::NotNow));
        assert_eq!((at("2026-01-01T00:00:00Z"), at("2026-01-31T23:59:59.999Z")), (Ok(10), Ok(10)));
        assert_eq!(at("2026-02-01T00:00:00Z"), Err(DiscountRejection::NotNow));
    }

    #[test]
    fn reports_every_invalid_field() {
        for (body, fields) in [
            (json!({}), vec!["type"]),
            (json!({"type": "gift"}), vec!["type"]),
            (json!({"type": "percent"}), vec!["percent"]),
            (json!({"type": "percent", "percent": 0}), vec!["percent"]),
            (json!({"type": "percent", "percent": 101}), vec!["percent"]),
            (json!({"type": "percent", "percent": 12.5}), vec!["percent"]),
            (json!({"type": "fixed", "amount": 5}), vec!["currency"]),
            (json!({"type": "fixed", "amount": -5, "currency": "USD"}), vec!["amount"]),
            (
                json!({"type": "percent", "percent": 5, "maxUses": 1.5, "validFrom": "soon"}),
                vec!["validFrom", "maxUses"],
            ),
        ] {
            assert_eq!(wrong(&body), fields, "{body}");
        }
        let back = json!({"type": "percent", "percent": 5, "validFrom": "2026-02-01T00:00:00Z", "validTo": "2026-02-01T00:00:00Z"});
        assert_eq!(wrong(&back), ["validTo"]);
    }
}
