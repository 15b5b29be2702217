//! Money: whole minor units of a currency, never a fraction, never summed across currencies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The highest price and the highest payment, in minor units: ten thousand million dollars.
pub const MAX_AMOUNT: u64 = 1_000_000_000_000;

/// A currency, by its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

/// A text that is no currency in circulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISO 4217 currency code such as USD")]
pub struct InvalidCurrency;

impl Currency {
    /// The code: three capital letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let known = iso_currency::Currency::from_code(text).filter(|currency| currency.code() == text);
        // Codes of metals, of test runs and of no currency at all.
        known.filter(|currency| !currency.is_special()).map(Self).ok_or(InvalidCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_currencies_in_circulation() {
        for code in ["USD", "INR", "JPY", "EUR"] {
            assert_eq!(code.parse::<Currency>().unwrap().code(), code);
        }
        for text in ["", "usd", "US", "USDX", "ABC", "XXX", "XTS", "$"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }
}
