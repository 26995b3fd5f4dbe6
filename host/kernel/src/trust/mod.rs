//! The publishers' keys that this host trusts, as the operators keep them. What a key may sign is decided by the
//! signing crate from a [`TrustView`]; this room keeps the list and its history.
//!
//! **Promises.** A change counts at once on the node that acknowledged it and within [`MAX_STALENESS`] on others;
//! beyond that without word from PostgreSQL the list is refused: nothing is verified against old trust. (SQLite has one
//! process, whose memory cannot be old.) Every change is audited in the `system` log.
//!
//! **Limits.** A key id is 32 lower-case hex digits; an owner has 1 to 200 bytes, a reason at most 500, both without
//! control characters; 1 to 16 purposes and at most 64 name patterns. That the id belongs to the key and that a pattern
//! is one is the signing crate's to check, before and after.
//!
//! **Repeats.** Adding a key that is in the list is `conflict`; a removed one can be added again. Revoking a revoked
//! key changes nothing: the first revocation stands.
//!
//! **Errors**, in order of precedence: `invalid`, `not-found`, `conflict`, `unavailable`.
//!
//! [`MAX_STALENESS`]: crate::mirror::MAX_STALENESS

mod error;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use error::TrustError;
pub use model::{NewTrustedKey, TrustView, TrustedKey};
pub use service::Trust;
