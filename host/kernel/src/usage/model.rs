use std::collections::BTreeMap;

use bulla_base::{AddonName, Code, EntryName, TenantId};
use serde::Serialize;

use crate::ports::Usage;

/// What is counted for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub tenant: TenantId,
    pub addon: AddonName,
    pub entry: EntryName,
}

impl Place {
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.addon, self.entry)
    }
}

/// Counters: since the last flush, or since ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counters {
    pub calls: i64,
    pub ok: i64,
    /// By error code.
    pub failed: BTreeMap<String, i64>,
    pub over_budget: i64,
    pub fuel: i64,
    pub elapsed_ms: i64,
    /// The highest of any call, in bytes.
    pub memory_peak: i64,
    /// When the first and the last call ended, in milliseconds since 1970 (UTC).
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Counters {
    pub fn count(&mut self, usage: &Usage, outcome: Result<(), Code>, over_budget: bool, now_ms: i64) {
        let failed = outcome.err().map(|code| (code.name.to_owned(), 1)).into_iter().collect();
        self.add(&Self {
            calls: 1,
            ok: i64::from(outcome.is_ok()),
            failed,
            over_budget: i64::from(over_budget),
            fuel: whole(usage.fuel.get()),
            elapsed_ms: whole(usage.elapsed.get()),
            memory_peak: whole(usage.memory_peak.get()),
            first_ms: now_ms,
            last_ms: now_ms,
        });
    }

    pub fn add(&mut self, more: &Self) {
        self.first_ms = if self.calls == 0 { more.first_ms } else { self.first_ms.min(more.first_ms) };
        self.last_ms = self.last_ms.max(more.last_ms);
        let sums = [
            (&mut self.calls, more.calls),
            (&mut self.ok, more.ok),
            (&mut self.over_budget, more.over_budget),
            (&mut self.fuel, more.fuel),
            (&mut self.elapsed_ms, more.elapsed_ms),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        for (code, count) in &more.failed {
            let sum = self.failed.entry(code.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.memory_peak = self.memory_peak.max(more.memory_peak);
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// All that an entry used in a tenant, as far as it is flushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsageTotal {
    pub tenant: TenantId,
    pub addon: AddonName,
    pub entry: EntryName,
    pub calls: i64,
    pub ok: i64,
    /// Failed calls by error code.
    pub failed: BTreeMap<String, i64>,
    /// Calls that used more than their addon's budget.
    pub over_budget: i64,
    pub fuel: i64,
    pub elapsed_ms: i64,
    /// The highest of any call, in bytes.
    pub memory_peak: i64,
    /// When the first and the last call ended, in milliseconds since 1970 (UTC).
    pub first_ms: i64,
    pub last_ms: i64,
}
