//! Amounts: decimals of a currency's major unit, told exactly in its minor units.

use std::fmt;
use std::str::FromStr;

/// The highest price that the API takes, in minor units.
pub const MAX_AMOUNT: u64 = 1_000_000_000_000;

/// A currency that has minor units, by its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    code: &'static str,
    decimals: u16,
}

/// A text that is no currency that anybody pays with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the ISO 4217 code of a currency, such as USD")]
pub struct InvalidCurrency;

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// It is no decimal number.
    #[error("is no decimal number")]
    NoNumber,
    /// It is less than nothing.
    #[error("is negative")]
    Negative,
    /// It is of a part of a minor unit.
    #[error("has more decimals than {0}")]
    TooPrecise(Currency),
    /// It is more than the API takes.
    #[error("is too large")]
    TooLarge,
}

impl Currency {
    /// Its code: three capital letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.code
    }

    /// An amount of major units, such as `29.99` or `2.999E1`, in minor units, such as 2999.
    ///
    /// # Errors
    /// If it is none, or not a whole number of minor units from 0 to [`MAX_AMOUNT`].
    pub fn minor_units(self, text: &str) -> Result<u64, InvalidAmount> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, whole(exponent)?),
            None => (text, 0),
        };
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if before.is_empty() || !is_plain(before) || !is_plain(after) || (after.is_empty() && mantissa.contains('.')) {
            return Err(InvalidAmount::NoNumber);
        }
        let digits = format!("{before}{after}");
        let all = digits.trim_start_matches('0');
        let significant = all.trim_end_matches('0');
        if significant.is_empty() {
            return Ok(0);
        }
        if is_negative {
            return Err(InvalidAmount::Negative);
        }
        // The amount is `significant` with this many zeros behind it.
        let zeros = length(all)
            .saturating_sub(length(significant))
            .saturating_add(exponent)
            .saturating_add(i64::from(self.decimals))
            .saturating_sub(length(after));
        let zeros = usize::try_from(zeros).map_err(|_| InvalidAmount::TooPrecise(self))?;
        if significant.len().saturating_add(zeros) > MAX_AMOUNT.to_string().len() {
            return Err(InvalidAmount::TooLarge);
        }
        let amount: u64 = format!("{significant}{}", "0".repeat(zeros)).parse().map_err(|_| InvalidAmount::TooLarge)?;
        if amount <= MAX_AMOUNT { Ok(amount) } else { Err(InvalidAmount::TooLarge) }
    }
}

/// How many digits there are.
fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

/// An exponent; one that is beyond all numbers counts as the largest there is.
fn whole(text: &str) -> Result<i64, InvalidAmount> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidAmount::NoNumber);
    }
    Ok(sign * digits.parse::<i64>().unwrap_or(i64::MAX))
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let known = iso_currency::Currency::from_code(text).filter(|currency| currency.code() == text);
        let currency = known.filter(|currency| !currency.is_special()).ok_or(InvalidCurrency)?;
        let decimals = currency.exponent().ok_or(InvalidCurrency)?;
        Ok(Self { code: currency.code(), decimals })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(code: &str, text: &str) -> Result<u64, InvalidAmount> {
        code.parse::<Currency>().unwrap().minor_units(text)
    }

    #[test]
    fn amounts_are_exact() {
        for (code, text, amount) in [
            ("USD", "29.99", 2999),
            ("USD", "9.9", 990),
            ("USD", "10", 1000),
            ("USD", "10.0", 1000),
            ("USD", "0.07", 7),
            ("USD", "29.9900", 2999),
            ("USD", "2.999e1", 2999),
            ("USD", "2999E-2", 2999),
            ("USD", "299900E-4", 2999),
            ("USD", "0.002999E+4", 2999),
            ("USD", "1e3", 100_000),
            ("USD", "8.29", 829),
            ("USD", "1.15", 115),
            ("USD", "4503599627.11", 450_359_962_711),
            ("USD", "10000000000.00", MAX_AMOUNT),
            ("JPY", "500", 500),
            ("JPY", "500.00", 500),
            ("BHD", "1.005", 1005),
            ("CLF", "0.0001", 1),
        ] {
            assert_eq!(minor(code, text), Ok(amount), "{code} {text}");
        }
        for zero in ["0", "0.00", "-0", "-0.0", "0e999999999999999999999", "0E-5", "00"] {
            assert_eq!(minor("USD", zero), Ok(0), "{zero}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let usd: Currency = "USD".parse().unwrap();
        for text in ["29.999", "0.001", "1e-3", "29.990000000000002", "1e-99999999999999999999"] {
            assert_eq!(usd.minor_units(text), Err(InvalidAmount::TooPrecise(usd)), "{text}");
        }
        assert!(matches!(minor("JPY", "1.5"), Err(InvalidAmount::TooPrecise(_))));
        for text in ["10000000000.01", "1e11", "99999999999999999999", "1e99999999999999999999", &"9".repeat(10_000)] {
            assert_eq!(usd.minor_units(text), Err(InvalidAmount::TooLarge), "{text}");
        }
        for text in ["-1", "-0.01", "-1e400", "-29.999"] {
            assert_eq!(usd.minor_units(text), Err(InvalidAmount::Negative), "{text}");
        }
        for text in
            ["", "-", ".", ".5", "5.", "1e", "1e+", "1e1.5", "+1", "--1", "1,5", " 1", "NaN", "Infinity", "٣", "0x1"]
        {
            assert_eq!(usd.minor_units(text), Err(InvalidAmount::NoNumber), "{text}");
        }
    }

    #[test]
    fn only_money_is_a_currency() {
        for code in ["USD", "INR", "JPY", "EUR"] {
            assert_eq!(code.parse::<Currency>().unwrap().code(), code);
        }
        for text in ["", "usd", "USDX", "ABC", "XXX", "XAU"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }
}
