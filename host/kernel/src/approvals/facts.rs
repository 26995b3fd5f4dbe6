//! Facts: what an addon says about the thing to be approved, checked and typed where they enter.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::error::ApprovalError;

/// Facts of one request at most.
pub const MAX_FACTS: usize = 64;
/// Bytes of a text fact at most.
pub(super) const MAX_TEXT: usize = 1_000;
/// Digits of a decimal at most, on both sides of the point together.
const MAX_DIGITS: usize = 38;

/// A fact's value as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    Decimal(String),
    Text(String),
    Flag(bool),
    Date(String),
}

/// Checked facts by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts(BTreeMap<FactName, Value>);

/// A fact's value as rules compare it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Decimal(Decimal),
    Text(String),
    Flag(bool),
    Date(Day),
}

impl Facts {
    /// Checks names, values and bounds; a name twice is refused.
    pub fn new(facts: Vec<(String, Fact)>) -> Result<Self, ApprovalError> {
        if facts.len() > MAX_FACTS {
            return Err(ApprovalError::TooManyFacts { count: facts.len() });
        }
        let mut checked = BTreeMap::new();
        for (name, fact) in facts {
            let refused =
                |reason: String| ApprovalError::Fact { name: name.chars().take(80).collect(), reason };
            let value = Value::of(&fact).map_err(|error| refused(error.to_string()))?;
            let key = FactName::try_from(name.clone()).map_err(|error| refused(error.to_string()))?;
            if checked.insert(key, value).is_some() {
                return Err(refused("it is given twice".into()));
            }
        }
        Ok(Self(checked))
    }

    pub(super) fn get(&self, name: &FactName) -> Option<&Value> {
        self.0.get(name)
    }

    /// As they are stored: an object of `{"<name>": {"decimal": "12.50"}}`.
    pub(super) fn to_json(&self) -> String {
        let facts: BTreeMap<&str, Fact> =
            self.0.iter().map(|(name, value)| (name.0.as_str(), value.fact())).collect();
        serde_json::to_string(&facts).unwrap_or_default()
    }

    pub(super) fn from_json(text: &str) -> Result<Self, ApprovalError> {
        let facts: BTreeMap<String, Fact> = serde_json::from_str(text)
            .map_err(|error| ApprovalError::Fact { name: "stored".into(), reason: error.to_string() })?;
        Self::new(facts.into_iter().collect())
    }
}

impl Value {
    fn of(fact: &Fact) -> Result<Self, InvalidValue> {
        Ok(match fact {
            Fact::Decimal(text) => Self::Decimal(Decimal::try_from(text.clone())?),
            Fact::Text(text) => Self::Text(checked_text(text)?.to_owned()),
            Fact::Flag(flag) => Self::Flag(*flag),
            Fact::Date(text) => Self::Date(Day::try_from(text.clone())?),
        })
    }

    fn fact(&self) -> Fact {
        match self {
            Self::Decimal(decimal) => Fact::Decimal(decimal.to_string()),
            Self::Text(text) => Fact::Text(text.clone()),
            Self::Flag(flag) => Fact::Flag(*flag),
            Self::Date(day) => Fact::Date(day.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(decimal) => decimal.fmt(f),
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Date(day) => day.fmt(f),
        }
    }
}

/// A text that is not a fact's name or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidValue {
    text: String,
    wanted: &'static str,
}

impl InvalidValue {
    fn new(text: &str, wanted: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), wanted }
    }
}

/// At most [`MAX_TEXT`] bytes without a NUL, which PostgreSQL cannot hold.
pub(super) fn checked_text(text: &str) -> Result<&str, InvalidValue> {
    if text.len() > MAX_TEXT || text.contains('\0') {
        return Err(InvalidValue::new(text, "a text of at most 1,000 bytes without NUL"));
    }
    Ok(text)
}

/// A fact's name: 1 to 63 characters `a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FactName(String);

impl TryFrom<String> for FactName {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
        if (1..=63).contains(&text.len()) && text.bytes().all(valid) {
            Ok(Self(text))
        } else {
            Err(InvalidValue::new(&text, "a fact's name: 1 to 63 characters `a-z 0-9 _ . -`"))
        }
    }
}

impl From<FactName> for String {
    fn from(name: FactName) -> String {
        name.0
    }
}

impl fmt::Display for FactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An exact decimal: an optional sign, digits, an optional point with digits behind it; at most 38 digits.
/// It keeps the text it came from; `1.5` and `1.50` are equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    text: String,
    value: BigDecimal,
}

impl TryFrom<String> for Decimal {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let refused = || InvalidValue::new(&text, "a decimal such as `1250.00` of at most 38 digits");
        // The grammar is checked here: `BigDecimal` also takes exponents and underscores.
        let bare = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let count = bare.bytes().filter(u8::is_ascii_digit).count();
        if !digits(whole) || !digits(fraction) || count > MAX_DIGITS {
            return Err(refused());
        }
        let value = BigDecimal::from_str(&text).map_err(|_| refused())?;
        Ok(Self { text, value })
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> String {
        decimal.text
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A calendar date as `YYYY-MM-DD`, and nothing else that ISO 8601 would allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub Date);

impl TryFrom<String> for Day {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let shape =
            text.len() == 10 && text.bytes().enumerate().all(|(at, b)| (b == b'-') == (at == 4 || at == 7));
        let date = shape.then(|| Date::from_str(&text).ok()).flatten();
        date.map(Self).ok_or_else(|| InvalidValue::new(&text, "a date like `2026-03-31`"))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
