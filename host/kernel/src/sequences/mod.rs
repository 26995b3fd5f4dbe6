//! Document numbers: dense, unique, bound to an object.
//!
//! **Promise.** A number that a call drew is issued again unless the call commits; so a gapless sequence is dense at rest
//! (every value from 1 to the highest has a row, committed or void with its reason), though not chronological. No number
//! is ever given to two committed calls.
//!
//! **Limits.** 1,000 reservations a call (`limits.reservations`); formats of at most 64 characters with one counter of 1 to
//! 12 digits (a counter that outgrows its digits becomes wider); expiry 1 s to 30 days.
//!
//! **Repeats.** `commit` of the same pair and `cancel` of a cancelled number change nothing. `reserve` draws another one.
//!
//! **Errors in order of precedence.** denied, invalid, not found, limit, conflict, unavailable.
//!
//! **Two databases.** On SQLite one process allocates in memory and rebuilds heads and holes from the committed rows. On
//! PostgreSQL a reservation is one short committed statement that leaves a hold with a fencing token; the call's commit
//! removes the hold, a failed call frees it, and a sweeper frees those of a node that died.

mod allocator;
mod ending;
mod error;
mod format;
mod guest;
mod model;
mod overlay;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod uncommitted;

pub use error::SequenceError;
pub use format::{Format, Reset};
pub use model::{Definition, Gaps, Number, NumberState, Reservation};
pub use overlay::Overlay;
pub use service::Sequences;
pub use uncommitted::Uncommitted;
