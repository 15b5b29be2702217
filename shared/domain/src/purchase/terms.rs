//! On which terms something is sold.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::id::PaymentMethod;
use crate::money::Currency;
use crate::validation::InvalidField;

/// The most accepted payment methods, and the most accepted currencies: sales are summed by each pair.
pub const MAX_ACCEPTED: usize = 32;

/// The most characters of an accepted name: an item has sums for each currency and method.
const MAX_WORD: usize = 32;

/// Whether payments of buyers are believed, or wait for an admin's approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approval {
    /// A purchase is paid when it is created.
    #[default]
    NotNeeded,
    /// A purchase is paid when an admin approves it.
    Needed,
}

impl FromStr for Approval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "false" => Ok(Self::NotNeeded),
            "true" => Ok(Self::Needed),
            _ => Err("must be true or false"),
        }
    }
}

/// Those that are taken; as text, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<T>(BTreeSet<T>);

impl<T> Default for Accepted<T> {
    /// None at all.
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: FromStr + Ord> FromStr for Accepted<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim);
        let all: Result<BTreeSet<T>, String> =
            words.map(|word| word.parse().map_err(|_| format!("{word:?} cannot be one"))).collect();
        let all = all?;
        if let Some(long) = text.split(',').map(str::trim).find(|word| word.len() > MAX_WORD) {
            return Err(format!("{long:?} must have at most {MAX_WORD} characters"));
        }
        if all.len() > MAX_ACCEPTED {
            return Err(format!("must be at most {MAX_ACCEPTED}"));
        }
        Ok(Self(all))
    }
}

impl<T: Ord + ToString> Accepted<T> {
    /// Makes sure that this is taken.
    ///
    /// # Errors
    /// If it is not accepted; the error lists the accepted ones.
    pub fn check(&self, field: &'static str, value: &T) -> Result<(), InvalidField> {
        if self.0.contains(value) {
            return Ok(());
        }
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        Err(InvalidField::new(field, format!("must be one of {}", all.join(", "))))
    }
}

impl Accepted<Currency> {
    /// Checks that a price or a discount is in an accepted currency. A document may keep a currency that is no longer
    /// accepted.
    ///
    /// # Errors
    /// If nothing can be bought in it.
    pub fn check_change(&self, before: Option<Currency>, now: Option<Currency>) -> Result<(), InvalidField> {
        match now {
            Some(currency) if before != now => self.check("currency", &currency),
            _ => Ok(()),
        }
    }
}

/// On which terms something is sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whether purchases of all callers but admins wait for approval.
    pub approval: Approval,
    /// In which currencies is paid.
    pub currencies: Accepted<Currency>,
    /// The payment method.
    pub methods: Accepted<PaymentMethod>,
}

impl Terms {
    /// Makes sure that one may pay so.
    pub(super) fn check(&self, method: &PaymentMethod, currency: Option<&Currency>) -> Result<(), InvalidField> {
        self.methods.check("paymentMethod", method)?;
        currency.map_or(Ok(()), |currency| self.currencies.check("currency", currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejection_lists_accepted_values() {
        let terms = Terms {
            approval: Approval::NotNeeded,
            currencies: "USD, EUR".parse().unwrap(),
            methods: "card,cash".parse().unwrap(),
        };
        let (card, cheque) = ("card".parse().unwrap(), "cheque".parse().unwrap());
        let (eur, gbp) = ("EUR".parse().unwrap(), "GBP".parse().unwrap());
        assert_eq!(terms.check(&card, Some(&eur)), Ok(()));
        assert_eq!(terms.check(&card, None), Ok(()));
        assert_eq!(terms.check(&cheque, None), Err(InvalidField::new("paymentMethod", "must be one of card, cash")));
        assert_eq!(terms.check(&card, Some(&gbp)), Err(InvalidField::new("currency", "must be one of EUR, USD")));
    }

    #[test]
    fn rejects_malformed_lists() {
        let many: Vec<String> = (0..=MAX_ACCEPTED).map(|n| format!("m{n}")).collect();
        for text in ["", "card,", "a b", &many.join(",")] {
            assert!(text.parse::<Accepted<PaymentMethod>>().is_err(), "{text}");
        }
        assert!("USD,usd".parse::<Accepted<Currency>>().is_err());
    }
}
