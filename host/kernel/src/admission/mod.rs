//! Admission: how many calls a tenant runs per second and at a time, and whose turn it is.
//!
//! **Promises.** Each tenant has a rate (GCRA: a steady rate with a burst), a number of calls at a time, and a queue of its
//! own, first come, first served. The host's places go round the tenants that have a call waiting and room for it, one
//! place each: a tenant that queues ten thousand calls delays another's call by one of its own, not by ten thousand. A call
//! that stops waiting (its future is dropped) leaves the queue at once, and a place is given back whenever its [`Permit`] is
//! dropped.
//!
//! **Limits.** `rate`, `concurrency` and `queue` of the tenant's limits, taken anew at each call; they are the tenant's as a
//! whole, so the caller passes the same ones for all addons of a tenant. A changed rate starts with a full burst. With
//! `concurrency` 0 a tenant runs nothing. A node counts for itself: on many nodes a tenant has these limits on each.
//!
//! **Refusals** are `busy`, each with the time after which a new try makes sense. They are counted, and
//! [`Admission::flush`] writes what was counted as one `call.throttled` entry a tenant: a flood of refused calls is not a
//! flood of writes. Counts since the last flush are lost when the host dies.
//!
//! **Errors**, in order of precedence: `busy` for a full queue (it takes nothing from the rate), for the rate, for a wait
//! that took too long.

mod error;
mod lane;
mod service;
#[cfg(test)]
mod tests;
mod throttled;

pub use error::{Busy, Reason};
pub use service::{Admission, Permit, TenantLoad};
