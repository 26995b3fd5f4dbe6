//! Signing keys: Ed25519 (RFC 8032), each of a tenant. The key of the audit checkpoints is the room `audit`'s own.
//!
//! **Promises.** A private key is made here, sealed at rest under the master key (bound to tenant, alias and version), and never
//! leaves: addons and operators get signatures and public keys. Signing reads no database. Rotating makes the next version; the
//! seed of the old one is wiped with the same commit, and the old version verifies only. Each signature is observed in the audit log
//! as `key.signed` with the SHA-256 of what was signed. Verification is strict: a signature has one form, and weak public keys
//! are refused.
//!
//! **Limits.** A payload has at most [`MAX_PAYLOAD_BYTES`] bytes; a tenant has at most [`MAX_PER_TENANT`] keys of
//! [`MAX_VERSIONS`] versions each.
//!
//! **Repeats.** Signing the same again gives the same bytes. Creating a key that is there is `conflict`.
//!
//! **Errors of a guest, in this order:** `denied`, `not-found`, `limit` (`payload`), `unavailable` (no master key, or a view of the keys
//! older than a second).

mod error;
mod model;
mod service;
mod store;

pub use error::KeysError;
pub use model::{ALGORITHM, KeyInfo, KeyVersion, MAX_PAYLOAD_BYTES, MAX_PER_TENANT, MAX_VERSIONS, Signature};
pub use service::Keys;

#[cfg(test)]
mod tests;
