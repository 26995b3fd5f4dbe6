//! Exact decimal arithmetic for money. Floats are never used.
//!
//! Rounding is that of XPath's `fn:round`, in which the published rules are written: to the nearest, and a half goes towards
//! positive infinity (XPath and XQuery Functions and Operators 3.1, section 4.4.4).

use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, RoundingMode};
use serde::{Serialize, Serializer};

/// The most digits a number in a document may have. The kernel's decimal facts have the same limit.
pub const MAX_DIGITS: usize = 38;

/// An amount of money. Written with two decimals at least, such as `4900.00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(BigDecimal);

/// A number that is not money: a quantity, a percentage, a unit price. Written without needless zeros, such as `25` or `0.125`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(BigDecimal);

/// Reads an `xs:decimal` of at most [`MAX_DIGITS`] digits: an optional sign, digits, an optional point. No exponent.
pub fn read(text: &str) -> Option<BigDecimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.len() + fraction.len();
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits == 0 || digits > MAX_DIGITS || !plain(whole) || !plain(fraction) {
        return None;
    }
    BigDecimal::from_str(text).ok()
}

/// `value` rounded to two decimals, as `round(value * 100) div 100` in the published rules.
pub fn cents(value: &BigDecimal) -> BigDecimal {
    round(value, 2)
}

/// `value` rounded to a whole number.
pub fn whole(value: &BigDecimal) -> BigDecimal {
    round(value, 0)
}

fn round(value: &BigDecimal, decimals: i64) -> BigDecimal {
    let half = if value.sign() == Sign::Minus { RoundingMode::HalfDown } else { RoundingMode::HalfUp };
    value.with_scale_round(decimals, half)
}

/// `value` divided by a hundred, exactly.
pub fn hundredth(value: BigDecimal) -> BigDecimal {
    let (digits, scale) = value.into_bigint_and_scale();
    BigDecimal::new(digits, scale + 2)
}

/// A hundredth: `hundredths(2)` is `0.02`.
pub fn hundredths(count: u32) -> BigDecimal {
    BigDecimal::new(count.into(), 2)
}

/// `value` as money is written: all its decimals, and two at least.
pub fn money(value: &BigDecimal) -> String {
    let value = value.normalized();
    let decimals = value.fractional_digit_count().max(2);
    value.with_scale(decimals).to_plain_string()
}

impl Amount {
    pub fn new(value: BigDecimal) -> Self {
        Self(value)
    }

    pub fn value(&self) -> &BigDecimal {
        &self.0
    }
}

impl Number {
    pub fn new(value: BigDecimal) -> Self {
        Self(value)
    }

    pub fn value(&self) -> &BigDecimal {
        &self.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&money(&self.0))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> BigDecimal {
        read(text).unwrap()
    }

    #[test]
    fn reads_decimals_and_nothing_else() {
        for text in ["0", "-0.00", "+1.5", "1.", ".5", "99999999999999999999999999999999999999"] {
            assert!(read(text).is_some(), "{text}");
        }
        for text in ["", ".", "-", "+-1", "1e3", "1_000", "1,5", " 1", "NaN", "0x1", "1.2.3", "٣"] {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(read(&"9".repeat(MAX_DIGITS + 1)).is_none());
    }

    #[test]
    fn a_half_is_rounded_towards_positive_infinity() {
        for (value, rounded) in [
            ("2.345", "2.35"),
            ("-2.345", "-2.34"),
            ("2.3449", "2.34"),
            ("-2.3451", "-2.35"),
            ("-0.004", "0.00"),
        ] {
            assert_eq!(cents(&decimal(value)), decimal(rounded), "{value}");
        }
        assert_eq!(whole(&decimal("-0.5")), decimal("0"));
        assert_eq!(whole(&decimal("0.5")), decimal("1"));
    }

    #[test]
    fn is_written_in_one_way() {
        for (value, text) in
            [("4900.0", "4900.00"), ("-007.5", "-7.50"), ("-0", "0.00"), ("1.234", "1.234"), ("+1e", "")]
        {
            if let Some(value) = read(value) {
                assert_eq!(Amount::new(value).to_string(), text);
            }
        }
        assert_eq!(Number::new(decimal("25.0")).to_string(), "25");
        assert_eq!(Number::new(decimal("1200")).to_string(), "1200");
        assert_eq!(hundredth(decimal("1250")), decimal("12.5"));
    }
}
