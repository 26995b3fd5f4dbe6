//! What calls used: counters per tenant, addon and entry, and the check against an addon's own performance budget.
//!
//! **Promises.** A call is counted when it ends, in memory, and [`Meter::flush`] brings what was counted into the database
//! in one commit, to be called each second. Usage is an observation: the commit carries one `usage.flushed` entry in the
//! `system` log with the number of rows, and no entry per call. A crash loses what was counted since the last flush; a
//! commit whose outcome the database did not tell is counted again and may be counted twice. Neither touches what the calls
//! did.
//!
//! **Limits.** Counters stop at 2^63 - 1. Failures are counted by error code.
//!
//! **Budgets.** An addon states what it means to use at most; a call that used more is not failed but warned about: in the
//! server's log, in the counter `over_budget`, and as the observation `call.over-budget` of the call.
//!
//! **Errors**: `unavailable`.

mod budget;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use budget::{Budget, BudgetWarning, Exceeded, over_budget};
pub use model::UsageTotal;
pub use service::Meter;
