//! How a number is written, and in which period it counts.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::error::SequenceError;

/// When counting starts again at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    Never,
    Year,
    Month,
    /// With the first day of the month that the definition names.
    Fiscal,
}

/// A checked format such as `INV-{YYYY}-{00000}`.
///
/// Tokens: `{YYYY}` the calendar year, `{YY}` its last two digits (then dates are of 2000 to 2099), `{MM}` the month, `{FY}` the fiscal
/// year (the calendar year in which it ends), and exactly one counter `{0…0}` of 1 to 12 digits. All else stands as it is: visible
/// ASCII without braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Year,
    ShortYear,
    Month,
    FiscalYear,
    Counter(usize),
}

const MAX_LENGTH: usize = 64;

impl Format {
    /// Reads a format and checks that its numbers cannot repeat under `reset`.
    pub fn parse(text: &str, reset: Reset) -> Result<Self, SequenceError> {
        let refused = |reason| SequenceError::Format { format: text.chars().take(80).collect(), reason };
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refused("it has 1 to 64 visible ASCII characters"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let close = rest[open..].find('}').filter(|_| rest.as_bytes()[open] == b'{');
            let close = open + close.ok_or_else(|| refused("a brace has no partner"))?;
            if open > 0 {
                parts.push(Part::Literal(rest[..open].into()));
            }
            let token = token(&rest[open + 1..close]);
            parts.push(
                token.ok_or_else(|| {
                    refused("the tokens are {YYYY} {YY} {MM} {FY} and a counter like {00000}")
                })?,
            );
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        let format = Self(parts);
        match format.missing(reset) {
            Some(reason) => Err(refused(reason)),
            None => Ok(format),
        }
    }

    fn missing(&self, reset: Reset) -> Option<&'static str> {
        let has = |wanted: &[Part]| self.0.iter().any(|part| wanted.contains(part));
        let year = has(&[Part::Year, Part::ShortYear]);
        if self.0.iter().filter(|part| matches!(part, Part::Counter(_))).count() != 1 {
            return Some("it has exactly one counter such as {00000}");
        }
        match reset {
            Reset::Year if !year => Some("a yearly reset needs {YYYY} or {YY}, or numbers would repeat"),
            Reset::Month if !(year && has(&[Part::Month])) => Some("a monthly reset needs a year and {MM}"),
            Reset::Fiscal if !has(&[Part::FiscalYear]) => Some("a fiscal reset needs {FY}"),
            _ => None,
        }
    }

    /// The years that it tells apart: with `{YY}` those of one century.
    pub fn years(&self) -> RangeInclusive<i16> {
        if self.0.contains(&Part::ShortYear) { 2000..=2099 } else { i16::MIN..=i16::MAX }
    }

    /// The number as text.
    pub fn write(&self, value: i64, date: Date, fiscal_start: i8) -> String {
        let mut text = String::with_capacity(MAX_LENGTH);
        for part in &self.0 {
            // Writing into a string cannot fail.
            let _ = match part {
                Part::Literal(literal) => write!(text, "{literal}"),
                Part::Year => write!(text, "{:04}", date.year()),
                Part::ShortYear => write!(text, "{:02}", date.year().rem_euclid(100)),
                Part::Month => write!(text, "{:02}", date.month()),
                Part::FiscalYear => write!(text, "{:04}", fiscal_year(date, fiscal_start)),
                Part::Counter(width) => write!(text, "{value:0width$}"),
            };
        }
        text
    }
}

fn token(text: &str) -> Option<Part> {
    Some(match text {
        "YYYY" => Part::Year,
        "YY" => Part::ShortYear,
        "MM" => Part::Month,
        "FY" => Part::FiscalYear,
        zeros if (1..=12).contains(&zeros.len()) && zeros.bytes().all(|b| b == b'0') => {
            Part::Counter(zeros.len())
        }
        _ => return None,
    })
}

/// The calendar year in which the fiscal year of `date` ends.
fn fiscal_year(date: Date, start: i8) -> i16 {
    if start > 1 && date.month() >= start { date.year() + 1 } else { date.year() }
}

/// The name of the period in which a document of `date` is counted.
pub(super) fn period(reset: Reset, date: Date, fiscal_start: i8) -> String {
    match reset {
        Reset::Never => String::new(),
        Reset::Year => format!("{:04}", date.year()),
        Reset::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Reset::Fiscal => format!("FY{:04}", fiscal_year(date, fiscal_start)),
    }
}
