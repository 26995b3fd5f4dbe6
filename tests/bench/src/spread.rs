//! Medians, and how far the rounds lie apart.

use serde::{Deserialize, Serialize};

/// The median of a line's rounds, between the rounds at a tenth and at nine tenths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub rounds: usize,
}

impl Spread {
    /// Of no rounds at all: all zero.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = values.len().saturating_sub(1) as f64;
            values.get((share * last).round() as usize).copied().unwrap_or_default()
        };
        let (low, high) = (at(0.1), at(0.9));
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 if middle > 0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => at(0.5),
        };
        Self { median, low, high, rounds: values.len() }
    }

    /// One value, measured once.
    pub fn once(value: f64) -> Self {
        Self { median: value, low: value, high: value, rounds: 1 }
    }

    /// Round by round `over` ÷ `under`: what disturbs the machine for longer than a round disturbs both.
    pub fn ratio(over: &[f64], under: &[f64]) -> Self {
        Self::of(over.iter().zip(under).map(|(over, under)| over / under).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(vec![5.0]), Spread::once(5.0));
        assert_eq!(Spread::of(Vec::new()).median, 0.0);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let ratio = Spread::ratio(&[2.0, 20.0, 200.0], &[1.0, 10.0, 100.0]);
        assert_eq!((ratio.low, ratio.median, ratio.high), (2.0, 2.0, 2.0));
    }
}
