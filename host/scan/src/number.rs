//! How the text of a number belongs to its sequence's definition. Pure.

use serde::Deserialize;

/// The part of a definition that says what a number looks like.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Definition {
    pub format: String,
    pub reset: Reset,
    pub gaps: Gaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reset {
    Never,
    Year,
    Month,
    Fiscal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Gaps {
    Gapless,
    Allowed,
}

/// A format taken apart: every part but the counter has a fixed width, so a text reads in one way only.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    reset: Reset,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Year,
    ShortYear,
    Month,
    FiscalYear,
    /// At least this many digits.
    Counter(usize),
}

/// What the text of a number says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub value: i64,
    /// The period as far as the text tells it; see [`Pattern::told`].
    pub period: String,
}

impl Pattern {
    /// `None` where the format is not one that the host takes.
    pub fn new(definition: &Definition) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = definition.format.as_str();
        while let Some((literal, token)) = rest.split_once('{') {
            let (token, behind) = token.split_once('}')?;
            parts.extend((!literal.is_empty()).then(|| Part::Literal(literal.into())));
            parts.push(part(token)?);
            rest = behind;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Literal(rest.into())));
        let counters = parts.iter().filter(|part| matches!(part, Part::Counter(_))).count();
        let pattern = Self { parts, reset: definition.reset };
        let tells_period = match definition.reset {
            Reset::Never => true,
            Reset::Year => pattern.has_year(),
            Reset::Month => pattern.has_year() && pattern.has(|part| matches!(part, Part::Month)),
            Reset::Fiscal => pattern.has(|part| matches!(part, Part::FiscalYear)),
        };
        (counters == 1 && tells_period).then_some(pattern)
    }

    /// Reads a number; `None` where it is none of this sequence.
    pub fn read(&self, text: &str) -> Option<Reading> {
        let width = text.len().checked_sub(self.parts.iter().map(Part::fixed_width).sum())?;
        let (mut rest, mut value) = (text, None);
        let (mut year, mut short, mut month, mut fiscal) = (None, None, None, None);
        for part in &self.parts {
            let taken = if let Part::Counter(_) = part { width } else { part.fixed_width() };
            let (own, behind) = rest.split_at_checked(taken)?;
            rest = behind;
            let digits = || own.bytes().all(|b| b.is_ascii_digit()).then_some(own);
            match part {
                Part::Literal(literal) if own == literal => {}
                Part::Literal(_) => return None,
                Part::Year => same(&mut year, digits()?)?,
                Part::ShortYear => same(&mut short, digits()?)?,
                Part::Month => same(&mut month, digits()?)?,
                Part::FiscalYear => same(&mut fiscal, digits()?)?,
                Part::Counter(least) => value = Some(counter(digits()?, *least)?),
            }
        }
        if year.zip(short).is_some_and(|(year, short)| !year.ends_with(short)) {
            return None;
        }
        if month.is_some_and(|month| !("01"..="12").contains(&month)) {
            return None;
        }
        let year = year.or(short);
        let period = match self.reset {
            Reset::Never => String::new(),
            Reset::Year => year?.into(),
            Reset::Month => format!("{}-{}", year?, month?),
            Reset::Fiscal => format!("FY{}", fiscal?),
        };
        Some(Reading { value: value?, period })
    }

    /// The period as a number's text tells it: without the century where the format has only `{YY}`.
    pub fn told<'a>(&self, period: &'a str) -> &'a str {
        let short = !self.has(|part| matches!(part, Part::Year));
        match self.reset {
            Reset::Year | Reset::Month if short => period.get(2..).unwrap_or(period),
            _ => period,
        }
    }

    fn has_year(&self) -> bool {
        self.has(|part| matches!(part, Part::Year | Part::ShortYear))
    }

    fn has(&self, is: fn(&Part) -> bool) -> bool {
        self.parts.iter().any(is)
    }
}

impl Part {
    fn fixed_width(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Year | Self::FiscalYear => 4,
            Self::ShortYear | Self::Month => 2,
            Self::Counter(_) => 0,
        }
    }
}

fn part(token: &str) -> Option<Part> {
    Some(match token {
        "YYYY" => Part::Year,
        "YY" => Part::ShortYear,
        "MM" => Part::Month,
        "FY" => Part::FiscalYear,
        zeros if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => Part::Counter(zeros.len()),
        _ => return None,
    })
}

/// Padded to the least width, and to no more.
fn counter(digits: &str, least: usize) -> Option<i64> {
    let value: i64 = digits.parse().ok()?;
    (value > 0 && format!("{value:0least$}") == digits).then_some(value)
}

/// A token that stands twice says the same twice.
fn same<'a>(known: &mut Option<&'a str>, now: &'a str) -> Option<()> {
    (*known.get_or_insert(now) == now).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(format: &str, reset: Reset) -> Option<Pattern> {
        Pattern::new(&Definition { format: format.into(), reset, gaps: Gaps::Gapless })
    }

    fn reads(pattern: &Pattern, text: &str) -> Option<(i64, String)> {
        pattern.read(text).map(|reading| (reading.value, reading.period))
    }

    #[test]
    fn a_text_tells_its_value_and_period() {
        let yearly = pattern("INV-{YYYY}-{00000}", Reset::Year).unwrap();
        assert_eq!(reads(&yearly, "INV-2026-00007"), Some((7, "2026".into())));
        assert_eq!(reads(&yearly, "INV-2026-123456"), Some((123_456, "2026".into())));
        for wrong in [
            "INV-2026-0007",
            "INV-2026-000007",
            "INV-26-00007",
            "inv-2026-00007",
            "INV-2026-0000x",
            "INV-2026-00000",
            "",
        ] {
            assert_eq!(reads(&yearly, wrong), None, "{wrong}");
        }
        let monthly = pattern("{0}/{MM}{YY}", Reset::Month).unwrap();
        assert_eq!(reads(&monthly, "12/0326"), Some((12, "26-03".into())));
        assert_eq!((reads(&monthly, "12/1326"), monthly.told("2026-03")), (None, "26-03"));
        let fiscal = pattern("{FY}.{000}", Reset::Fiscal).unwrap();
        assert_eq!(reads(&fiscal, "2027.001"), Some((1, "FY2027".into())));
        let never = pattern("{YYYY}{YY}-{00}", Reset::Never).unwrap();
        assert_eq!(reads(&never, "202626-07"), Some((7, String::new())));
        assert_eq!(reads(&never, "202627-07"), None, "two years that are not the same");
    }

    #[test]
    fn a_format_that_the_host_refuses_is_no_pattern() {
        for (format, reset) in [
            ("INV", Reset::Never),
            ("{0}{0}", Reset::Never),
            ("{0}", Reset::Year),
            ("{X}{0}", Reset::Never),
            ("{0", Reset::Never),
        ] {
            assert!(pattern(format, reset).is_none(), "{format}");
        }
    }
}
