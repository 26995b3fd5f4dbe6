//! The key that signs checkpoints: created, sealed, opened, proven.

use bulla_base::Entropy;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::master::{Label, MasterKey};

use super::error::AuditError;
use super::note::{NoteError, TrustedKey};
use super::store::KeyRow;
use super::tree::digest_from_hex;

/// A verifier key in the text form of `c2sp.org/signed-note`, bound to one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifierKey {
    /// From 1; the highest one signs.
    pub generation: u32,
    pub vkey: String,
    /// Epoch milliseconds.
    pub created_ms: i64,
}

/// An opened signing key. Its bytes are wiped when it is dropped.
pub(super) struct CheckpointKey {
    pub generation: i64,
    pub key: SigningKey,
}

impl CheckpointKey {
    /// Draws a new key: its row, with the private half sealed.
    pub fn create(generation: i64, now_ms: i64, master: &MasterKey) -> KeyRow {
        let seed = Zeroizing::new(Entropy.bytes::<32>());
        let key = SigningKey::from_bytes(&seed);
        KeyRow {
            generation,
            public_key: hex::encode(key.verifying_key().as_bytes()),
            sealed: master.seal(Label::Checkpoint, &place(generation), seed.as_slice()),
            created_ms: now_ms,
        }
    }

    /// Opens a stored key and checks that its public half is the one beside it.
    pub fn open(row: &KeyRow, master: &MasterKey) -> Result<Self, AuditError> {
        let plaintext = master.open(Label::Checkpoint, &place(row.generation), &row.sealed)?;
        let wrong = || AuditError::KeyChanged { generation: row.generation };
        let seed: &[u8; 32] = plaintext.as_slice().try_into().map_err(|_| wrong())?;
        let key = SigningKey::from_bytes(seed);
        match hex::encode(key.verifying_key().as_bytes()) == row.public_key {
            true => Ok(Self { generation: row.generation, key }),
            false => Err(wrong()),
        }
    }
}

/// The stored public key under the name of this log.
pub(super) fn trusted(row: &KeyRow, origin: &str) -> Result<TrustedKey, NoteError> {
    let refused = || NoteError::VerifierKey(row.public_key.chars().take(200).collect());
    let bytes = digest_from_hex(&row.public_key).ok_or_else(refused)?;
    TrustedKey::of(origin, VerifyingKey::from_bytes(&bytes).map_err(|_| refused())?)
}

/// Bound into the seal: a key opens in its own generation only.
fn place(generation: i64) -> String {
    format!("audit_key/{generation}")
}
