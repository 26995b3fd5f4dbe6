//! Idempotency keys: a request that is sent again under its key gets the first one's response and runs nothing.
//!
//! **Promises.** A record is unique by tenant, subject, action and key, and is written in the commit of the call it belongs
//! to: there is a stored response exactly where there are effects. Only `ok` is stored; a call that failed left nothing and
//! may run again under the same key. While a call runs, a second one with its key is refused on the same node; on another
//! node it runs, loses at the commit, and is given the winner's response.
//!
//! **Limits.** A key has 1 to 255 visible ASCII characters. A record is kept for a stated time (24 hours by default), after
//! which the key is free again, whether it was swept away yet or not. The database is asked for keys that this
//! node has not seen lately, those of calls that arrive together in one query, and not at all for calls without a key.
//!
//! **Repeats.** The same key with the same input: the stored response, as often as it is asked for. The same key with
//! another input: `idempotency-mismatch`. Inputs are compared by the SHA-256 of their canonical form (RFC 8785).
//!
//! **Errors**, in order of precedence: `invalid` (the key), `idempotency-mismatch`, `idempotency-in-flight`, `unavailable`.

mod error;
mod lookup;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use error::IdempotencyError;
pub use model::{Begun, DEFAULT_TTL, Key, KeyText, RequestHash, Stored};
pub use service::{Idempotency, IdempotencyConfig, Running};
