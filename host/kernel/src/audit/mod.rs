//! The tamper-evident log: one Merkle tree per tenant, and one, `system`, for what belongs to no tenant.
//!
//! **Promise.** Every entry that a unit carries gets the next index of its log inside the commit of that unit: indexes are
//! dense, there is no entry without its change and no change without its entry. An entry's leaf is the RFC 8785 form of its
//! body with `log` and `index`; the tree over the leaves is the one of RFC 6962 (SHA-256). A checkpoint is a C2SP signed note
//! (`c2sp.org/tlog-checkpoint`) over origin, size and root, published at most [`MAX_UNPUBLISHED`] after the entry. Whoever
//! kept one can prove a later change of anything before it, with [`verify_bundle`] and without this database.
//!
//! **Keys.** Checkpoints have an Ed25519 key of their own, sealed under the master key. Its verifier key is public, one text
//! per log, because a note's key is bound to the log's origin. Rotation adds a generation; the older ones stay, for the
//! checkpoints they signed. Without a master key entries are written all the same, nothing is published, and
//! [`Audit::status`] says so.
//!
//! **Repeats.** An append that is repeated adds another entry. A checkpoint is published once per size: where two nodes
//! publish at the same time, one gives way.
//!
//! **What the log cannot see.** Entries behind the newest checkpoint are checked for order and form only, and who can write
//! to the database can cut the log together with its newest checkpoints. Both ends are closed by a checkpoint kept
//! elsewhere: [`Audit::verify`] takes such notes as `kept`.
//!
//! **Limits.** A guest's event name 63 bytes, its detail 32 pairs and 4,096 bytes, `audit-entries` a call; a listing 1,000
//! entries; a bundle 100,000 entries. Whole logs are read one at a time for each log and four over all; who waits longer than ten
//! seconds for a turn is `busy`.
//!
//! **Errors, in order of precedence.** Guest: `invalid` (event, object, detail), `limit` (`audit-entries`). Operator:
//! `invalid`, `not-found`, `master-key-missing`, `master-key-wrong`, `unavailable` (nothing published yet), `too-large`,
//! `busy`, `audit-tampered`.

mod append;
mod bundle;
mod checkpoint_key;
mod checkpointer;
mod error;
mod export;
mod journal;
mod leaf;
mod model;
mod note;
mod service;
mod store;
mod tree;
mod turns;
mod verify;

pub use append::{MAX_DETAIL_BYTES, MAX_DETAIL_PAIRS, append};
pub use bundle::{BUNDLE_FORMAT, BundleError, BundleSummary, verify_bundle};
pub use checkpoint_key::VerifierKey;
pub use checkpointer::{MAX_UNPUBLISHED, Published};
pub use error::AuditError;
pub use export::MAX_BUNDLE_ENTRIES;
pub use journal::AuditJournal;
pub use model::{
    Fault, FaultKind, KeySource, Listed, Listing, LogName, MAX_LISTED, Query, Report, Status, Trust,
};
pub use note::{CheckpointText, NoteError};
pub use service::{Audit, DEFAULT_ORIGIN};

#[cfg(test)]
mod tests;
