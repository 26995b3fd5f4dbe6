//! The language of rules: closed, typed, without loops. Every test names the type of the fact it looks at.
//!
//! ```toml
//! when = { all = [
//!     { fact = "total", decimal = { gt = "10000" } },
//!     { fact = "country", text = { in = ["DE", "FR"] } },
//!     { not = { fact = "urgent", flag = true } },
//!     { fact = "date", date = { from = "2026-01-01", to = "2026-12-31" } },
//! ] }
//! ```
//! `{ always = true }` applies to everything.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{Day, Decimal, FactName, Facts, Value, checked_text};

/// Texts in one list at most.
const MAX_LIST: usize = 100;

/// A checked predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Clause", into = "Clause")]
pub enum Predicate {
    Always,
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Fact(FactName, Test),
}

/// What is asked of one fact. Where a test has several parts, all must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Decimal(Box<DecimalTest>),
    Text(Box<TextTest>),
    Flag(bool),
    Date(DateTest),
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecimalTest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ge: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub le: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ne: Option<Decimal>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TextTest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ne: Option<String>,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    #[serde(rename = "not-in", skip_serializing_if = "Option::is_none")]
    pub none_of: Option<Vec<String>>,
}

/// Both days inclusive.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DateTest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
}

/// Why a predicate has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    Missing(FactName),
    Type(FactName, &'static str),
}

impl Predicate {
    /// Looks at every fact it names, also where the answer is clear before: what is needed does not depend on values.
    pub(super) fn holds(&self, facts: &Facts) -> Result<bool, Unanswered> {
        match self {
            Self::Always => Ok(true),
            Self::All(parts) => parts.iter().try_fold(true, |all, part| Ok(part.holds(facts)? && all)),
            Self::Any(parts) => parts.iter().try_fold(false, |any, part| Ok(part.holds(facts)? || any)),
            Self::Not(part) => Ok(!part.holds(facts)?),
            Self::Fact(name, test) => {
                let value = facts.get(name).ok_or_else(|| Unanswered::Missing(name.clone()))?;
                test.holds(value).ok_or_else(|| Unanswered::Type(name.clone(), test.wanted()))
            }
        }
    }

    /// 1 for a single test.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Always | Self::Fact(..) => 1,
            Self::All(parts) | Self::Any(parts) => 1 + parts.iter().map(Self::depth).max().unwrap_or(0),
            Self::Not(part) => 1 + part.depth(),
        }
    }

    /// The predicate in words, with the values that were compared.
    pub(super) fn explain(&self, facts: &Facts) -> String {
        let join = |parts: &[Self], word: &str| {
            let parts: Vec<_> = parts.iter().map(|part| part.explain(facts)).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Self::Always => "always".into(),
            Self::All(parts) => join(parts, " and "),
            Self::Any(parts) => join(parts, " or "),
            Self::Not(part) => format!("not {}", part.explain(facts)),
            Self::Fact(name, test) => match facts.get(name) {
                Some(value) => format!("{name} {value} {test}"),
                None => format!("{name} {test}"),
            },
        }
    }
}

impl Test {
    /// `None` where the fact has another type.
    fn holds(&self, value: &Value) -> Option<bool> {
        match (self, value) {
            (Self::Decimal(test), Value::Decimal(value)) => Some(test.holds(value)),
            (Self::Text(test), Value::Text(value)) => Some(test.holds(value)),
            (Self::Flag(wanted), Value::Flag(value)) => Some(wanted == value),
            (Self::Date(test), Value::Date(value)) => Some(test.holds(*value)),
            _ => None,
        }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "text",
            Self::Flag(_) => "flag",
            Self::Date(_) => "date",
        }
    }
}

impl DecimalTest {
    fn holds(&self, value: &Decimal) -> bool {
        let holds = |bound: &Option<Decimal>, test: fn(&Decimal, &Decimal) -> bool| {
            bound.as_ref().is_none_or(|bound| test(value, bound))
        };
        holds(&self.gt, |a, b| a > b)
            && holds(&self.ge, |a, b| a >= b)
            && holds(&self.lt, |a, b| a < b)
            && holds(&self.le, |a, b| a <= b)
            && holds(&self.eq, |a, b| a == b)
            && holds(&self.ne, |a, b| a != b)
    }
}

impl TextTest {
    fn holds(&self, value: &str) -> bool {
        let among = |list: &[String]| list.iter().any(|text| text == value);
        self.eq.as_deref().is_none_or(|text| text == value)
            && self.ne.as_deref().is_none_or(|text| text != value)
            && self.one_of.as_deref().is_none_or(among)
            && self.none_of.as_deref().is_none_or(|list| !among(list))
    }
}

impl DateTest {
    fn holds(&self, value: Day) -> bool {
        self.from.is_none_or(|from| from <= value) && self.to.is_none_or(|to| value <= to)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = match self {
            Self::Decimal(test) => [
                ("gt", &test.gt),
                ("ge", &test.ge),
                ("lt", &test.lt),
                ("le", &test.le),
                ("eq", &test.eq),
                ("ne", &test.ne),
            ]
            .into_iter()
            .filter_map(|(word, bound)| bound.as_ref().map(|bound| format!("{word} {bound}")))
            .collect(),
            Self::Text(test) => {
                let one = [("eq", &test.eq), ("ne", &test.ne)]
                    .map(|(word, text)| Some(format!("{word} `{}`", text.as_ref()?)));
                let list = [("in", &test.one_of), ("not-in", &test.none_of)]
                    .map(|(word, list)| Some(format!("{word} [{}]", list.as_ref()?.join(", "))));
                one.into_iter().chain(list).flatten().collect()
            }
            Self::Flag(wanted) => vec![format!("is {wanted}")],
            Self::Date(test) => [("from", &test.from), ("to", &test.to)]
                .into_iter()
                .filter_map(|(word, day)| day.map(|day| format!("{word} {day}")))
                .collect(),
        };
        f.write_str(&parts.join(" "))
    }
}

/// How a predicate is written: exactly one of its forms.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Clause {
    #[serde(skip_serializing_if = "Option::is_none")]
    always: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Predicate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Predicate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Box<Predicate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<FactName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decimal: Option<DecimalTest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextTest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<DateTest>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct InvalidClause(String);

impl TryFrom<Clause> for Predicate {
    type Error = InvalidClause;

    fn try_from(clause: Clause) -> Result<Self, InvalidClause> {
        let refused = |text: &str| Err(InvalidClause(text.into()));
        let joined = [
            clause.always.is_some(),
            clause.all.is_some(),
            clause.any.is_some(),
            clause.not.is_some(),
            clause.fact.is_some(),
        ];
        if joined.into_iter().filter(|given| *given).count() != 1 {
            return refused("a predicate has exactly one of `all`, `any`, `not`, `fact` and `always`");
        }
        let tests: Vec<Test> = [
            clause.decimal.map(Box::new).map(Test::Decimal),
            clause.text.map(Box::new).map(Test::Text),
            clause.flag.map(Test::Flag),
            clause.date.map(Test::Date),
        ]
        .into_iter()
        .flatten()
        .collect();
        let Some(name) = clause.fact else {
            return match (tests.is_empty(), clause.always, clause.all, clause.any, clause.not) {
                (false, ..) => refused("a test belongs to a `fact`"),
                (_, Some(true), ..) => Ok(Self::Always),
                (_, Some(false), ..) => refused("`always` can only be `true`"),
                (_, _, Some(parts), ..) | (_, _, _, Some(parts), _) if parts.is_empty() => {
                    refused("`all` and `any` have at least one part")
                }
                (_, _, Some(parts), ..) => Ok(Self::All(parts)),
                (_, _, _, Some(parts), _) => Ok(Self::Any(parts)),
                (.., Some(part)) => Ok(Self::Not(part)),
                _ => refused("a predicate has one form"),
            };
        };
        match <[Test; 1]>::try_from(tests) {
            Ok([test]) => {
                test.check()?;
                Ok(Self::Fact(name, test))
            }
            Err(_) => refused("a `fact` has exactly one of `decimal`, `text`, `flag` and `date`"),
        }
    }
}

impl Test {
    fn check(&self) -> Result<(), InvalidClause> {
        let refused = |text: &str| Err(InvalidClause(text.into()));
        match self {
            Self::Decimal(test) if **test == DecimalTest::default() => {
                refused("a `decimal` test has at least one bound")
            }
            Self::Date(test) if *test == DateTest::default() => refused("a `date` test has `from` or `to`"),
            Self::Date(DateTest { from: Some(from), to: Some(to) }) if from > to => {
                refused("`from` is after `to`")
            }
            Self::Text(test) => test.check(),
            _ => Ok(()),
        }
    }
}

impl TextTest {
    fn check(&self) -> Result<(), InvalidClause> {
        let lists = [&self.one_of, &self.none_of].into_iter().flatten();
        if lists.clone().any(|list| list.is_empty() || list.len() > MAX_LIST) {
            return Err(InvalidClause("a list has 1 to 100 texts".into()));
        }
        let texts: Vec<&String> = [&self.eq, &self.ne].into_iter().flatten().chain(lists.flatten()).collect();
        if texts.is_empty() {
            return Err(InvalidClause(
                "a `text` test has at least one of `eq`, `ne`, `in` and `not-in`".into(),
            ));
        }
        texts
            .into_iter()
            .try_for_each(|text| checked_text(text).map(drop))
            .map_err(|error| InvalidClause(error.to_string()))
    }
}

impl From<Predicate> for Clause {
    fn from(predicate: Predicate) -> Self {
        let none = Self::default();
        match predicate {
            Predicate::Always => Self { always: Some(true), ..none },
            Predicate::All(parts) => Self { all: Some(parts), ..none },
            Predicate::Any(parts) => Self { any: Some(parts), ..none },
            Predicate::Not(part) => Self { not: Some(part), ..none },
            Predicate::Fact(name, test) => {
                let named = Self { fact: Some(name), ..none };
                match test {
                    Test::Decimal(test) => Self { decimal: Some(*test), ..named },
                    Test::Text(test) => Self { text: Some(*test), ..named },
                    Test::Flag(flag) => Self { flag: Some(flag), ..named },
                    Test::Date(test) => Self { date: Some(test), ..named },
                }
            }
        }
    }
}
