use bulla_base::{Bytes, Fuel, Millis};
use serde::{Deserialize, Serialize};

use crate::ports::Usage;

/// What an entry means to use at most, as its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Budget {
    pub fuel: Option<Fuel>,
    pub time: Option<Millis>,
    pub memory: Option<Bytes>,
}

/// A call used more than its addon's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BudgetWarning {
    /// At least one.
    pub exceeded: Vec<Exceeded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exceeded {
    /// `fuel`, `time` or `memory`.
    pub what: &'static str,
    /// With its unit, as `used`.
    pub budget: String,
    pub used: String,
}

impl std::fmt::Display for BudgetWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, one) in self.exceeded.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {} over {}", one.what, one.used, one.budget)?;
        }
        Ok(())
    }
}

/// `None` where the call kept to its budget. Using exactly the budget keeps to it.
pub fn over_budget(budget: &Budget, usage: &Usage) -> Option<BudgetWarning> {
    fn exceeded<T: Ord + ToString>(what: &'static str, budget: Option<T>, used: T) -> Option<Exceeded> {
        let budget = budget.filter(|budget| used > *budget)?;
        Some(Exceeded { what, budget: budget.to_string(), used: used.to_string() })
    }
    let exceeded: Vec<_> = [
        exceeded("fuel", budget.fuel, usage.fuel),
        exceeded("time", budget.time, usage.elapsed),
        exceeded("memory", budget.memory, usage.memory_peak),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!exceeded.is_empty()).then_some(BudgetWarning { exceeded })
}
