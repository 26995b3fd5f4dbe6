//! Amounts with their unit in the type, and how they are written in configuration: `50M`, `64MiB`, `2s`, `200/s, burst 400`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidQuantity {
    pub text: String,
    pub wanted: &'static str,
}

/// A whole number and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim()))
}

fn scaled(text: &str, wanted: &'static str, units: &[(&str, u64)]) -> Result<u64, InvalidQuantity> {
    let refused = || InvalidQuantity { text: text.chars().take(80).collect(), wanted };
    let (number, unit) = split(text.trim()).ok_or_else(refused)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
    number.checked_mul(*factor).ok_or_else(refused)
}

/// The largest unit that divides the value without a rest.
fn largest(value: u64, units: &[(&str, u64)]) -> String {
    let unit = units.iter().rev().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    match unit {
        Some((name, factor)) => format!("{}{name}", value / factor),
        None => format!("{value}{}", units[0].0),
    }
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $units:ident = $table:expr) => {
        const $units: &[(&str, u64)] = $table;

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl $name {
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidQuantity;
            fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
                scaled(text, $wanted, $units).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidQuantity;
            fn try_from(text: String) -> Result<Self, InvalidQuantity> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&largest(self.0, $units))
            }
        }
    };
}

quantity!(
    /// Units of work of a guest, as the fuel schedule prices them. Written `500`, `50k`, `50M`, `2G` (powers of 1,000).
    Fuel, "an amount of fuel such as `50M` (units: none, `k`, `M`, `G`)",
    FUEL = &[("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)]
);
quantity!(
    /// A size. Written `512B`, `64KiB`, `64MiB`, `2GiB` (powers of 1,024).
    Bytes, "a size such as `64MiB` (units: `B`, `KiB`, `MiB`, `GiB`)",
    BYTES = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
);
quantity!(
    /// A duration. Written `250ms`, `2s`, `5m`, `12h`, `30d`.
    Millis, "a duration such as `250ms` (units: `ms`, `s`, `m`, `h`, `d`)",
    MILLIS = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
);

impl Millis {
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Calls per second with a burst. Written `200/s` or `200/s, burst 400`; without a burst it equals the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

impl FromStr for Rate {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let refused = || InvalidQuantity {
            text: text.chars().take(80).collect(),
            wanted: "a rate such as `200/s, burst 400` (both at least 1)",
        };
        let (rate, burst) = match text.split_once(',') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let per_second = rate.trim().strip_suffix("/s").and_then(|n| n.parse().ok()).ok_or_else(refused)?;
        let burst = match burst {
            Some(text) => {
                text.trim().strip_prefix("burst ").and_then(|n| n.trim().parse().ok()).ok_or_else(refused)?
            }
            None => per_second,
        };
        if per_second == 0 || burst == 0 {
            return Err(refused());
        }
        Ok(Self { per_second, burst })
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidQuantity;
    fn try_from(text: String) -> Result<Self, InvalidQuantity> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s, burst {}", self.per_second, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_and_write_their_unit() {
        assert_eq!("50M".parse::<Fuel>().unwrap(), Fuel(50_000_000));
        assert_eq!("64 MiB".parse::<Bytes>().unwrap(), Bytes(64 << 20));
        assert_eq!(Millis(2_000).to_string(), "2s");
        assert_eq!(Millis(2_001).to_string(), "2001ms");
        assert_eq!(Bytes(0).to_string(), "0B");
        for wrong in ["", "64", "64MB", "-1B", "1.5MiB", "99999999999GiB"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_has_a_burst() {
        let rate: Rate = "200/s, burst 400".parse().unwrap();
        assert_eq!((rate.per_second, rate.burst), (200, 400));
        assert_eq!("5/s".parse::<Rate>().unwrap().burst, 5);
        assert!("0/s".parse::<Rate>().is_err());
    }
}
