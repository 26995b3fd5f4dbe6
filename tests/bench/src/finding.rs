//! What a line found: a figure of ours, beside what it is compared with, and the goal.

use serde::{Deserialize, Serialize};

use crate::spread::Spread;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Shown for comparison only.
    None,
}

impl Goal {
    /// Whether the figure keeps to it.
    pub fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
            Self::None => true,
        }
    }
}

/// One row of the results.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// As `--only` names it.
    pub line: String,
    /// What was measured, at which concurrency.
    pub what: String,
    pub ours: String,
    /// What stands beside it, with its name.
    pub beside: String,
    /// The figure that the goal is about.
    pub figure: Spread,
    /// `×`, `ms`, `ns`.
    pub unit: String,
    pub goal: Goal,
    /// What an answered call survives, where anything is written.
    pub durability: String,
}

impl Finding {
    /// A ratio without durability; the rest is set by name.
    pub fn ratio(line: &str, what: impl Into<String>, figure: Spread, goal: Goal) -> Self {
        Self {
            line: line.into(),
            what: what.into(),
            ours: String::new(),
            beside: String::new(),
            figure,
            unit: "×".into(),
            goal,
            durability: "nothing is written".into(),
        }
    }

    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = unit.into();
        self
    }

    pub fn ours(mut self, ours: impl Into<String>) -> Self {
        self.ours = ours.into();
        self
    }

    pub fn beside(mut self, beside: impl Into<String>) -> Self {
        self.beside = beside.into();
        self
    }

    pub fn durability(mut self, durability: &str) -> Self {
        self.durability = durability.into();
        self
    }

    /// `met`, or by how much it is missed; a dash where there is no goal.
    pub fn verdict(&self) -> String {
        let value = self.figure.median;
        match self.goal {
            Goal::None => "–".into(),
            goal if goal.met(value) => "met".into(),
            Goal::AtMost(0.0) => "missed".into(),
            Goal::AtMost(bound) => format!("missed by {:.0} %", (value / bound - 1.0) * 100.0),
            Goal::AtLeast(bound) => format!("missed by {:.0} %", (1.0 - value / bound) * 100.0),
        }
    }

    /// The goal as people read it.
    pub fn goal_text(&self) -> String {
        match self.goal {
            Goal::AtMost(bound) => format!("≤ {}", number(bound)),
            Goal::AtLeast(bound) => format!("≥ {}", number(bound)),
            Goal::None => "–".into(),
        }
    }

    /// The figure with its spread.
    pub fn figure_text(&self) -> String {
        let Spread { median, low, high, rounds } = self.figure;
        match rounds {
            0 | 1 => format!("{} {}", number(median), self.unit),
            _ => format!("{} {} ({} to {})", number(median), self.unit, number(low), number(high)),
        }
    }
}

/// Three digits, whatever the size.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let digits = format!("{value:.0}");
            let (head, tail) = digits.split_at(digits.len() - 3);
            if size < 1e6 { format!("{head},{tail}") } else { format!("{value:.3e}") }
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Nanoseconds as people write them.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{} ns", number(n)),
        n if n < 1e6 => format!("{} µs", number(n / 1e3)),
        n if n < 1e9 => format!("{} ms", number(n / 1e6)),
        n => format!("{} s", number(n / 1e9)),
    }
}

/// Calls a second.
pub fn rate(rate: f64) -> String {
    format!("{}/s", number(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed_by_so_much() {
        let of = |value, goal| Finding::ratio("x", "x", Spread::once(value), goal).verdict();
        assert_eq!(of(1.5, Goal::AtMost(1.5)), "met");
        assert_eq!(of(3.0, Goal::AtMost(1.5)), "missed by 100 %");
        assert_eq!(of(0.35, Goal::AtLeast(0.7)), "missed by 50 %");
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(number(17_834.2), "17,834");
        assert_eq!(
            (number(162.4), number(24.56), number(1.234)),
            ("162".into(), "24.6".into(), "1.23".into())
        );
        assert_eq!((time(850.0), time(24_560.0)), ("850 ns".into(), "24.6 µs".into()));
    }
}
