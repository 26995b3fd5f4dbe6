//! Refusals, counted between two flushes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Reason;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Throttled {
    /// When the first one was, in milliseconds since 1970 (UTC).
    first_ms: i64,
    counts: BTreeMap<Reason, u64>,
}

impl Throttled {
    pub fn count(&mut self, reason: Reason, now_ms: i64) {
        if self.counts.is_empty() {
            self.first_ms = now_ms;
        }
        *self.counts.entry(reason).or_default() += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Puts back what could not be written.
    pub fn merge(&mut self, earlier: Self) {
        if earlier.is_empty() {
            return;
        }
        self.first_ms = earlier.first_ms;
        for (reason, count) in earlier.counts {
            *self.counts.entry(reason).or_default() += count;
        }
    }

    pub fn detail(&self) -> Value {
        let by_reason: serde_json::Map<_, _> =
            self.counts.iter().map(|(reason, count)| (reason.name().to_owned(), (*count).into())).collect();
        json!({"first-ms": self.first_ms, "count": self.counts.values().sum::<u64>(), "by-reason": by_reason})
    }
}
