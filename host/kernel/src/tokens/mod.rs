//! API tokens: who stands behind a request.
//!
//! **Promises.** A token's text is drawn from the operating system's randomness (256 bits), returned once by `create`,
//! and kept as its SHA-256 only. `authenticate` reads memory, never the database. A revocation counts at once on the
//! node that acknowledged it and within [`MAX_STALENESS`] on others; beyond that without word from PostgreSQL every
//! request is refused with `unavailable`. (SQLite has one process, whose memory cannot be old.)
//!
//! **Limits.** At most [`MAX_ROLES`] roles; an expiry, where there is one, lies ahead. Whether the tenant exists is the
//! caller's to check.
//!
//! **Repeats.** Revoking a revoked token changes nothing. Creating twice gives two tokens.
//!
//! **Errors**, in order of precedence: `unavailable`, `unauthenticated` (unknown, revoked or expired: the caller is not
//! told which), `invalid`, `not-found`.
//!
//! [`MAX_STALENESS`]: crate::mirror::MAX_STALENESS

mod error;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use error::TokenError;
pub use model::{MAX_ROLES, NewToken, Token, TokenId, TokenText};
pub use service::Tokens;
