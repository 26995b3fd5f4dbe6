//! Signing with the tenant's keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bindings::kernel::keys as kernel;
use crate::{Bytes, Result};

/// The right to sign with one key for one purpose. See [`crate::Call::key`].
#[derive(Debug)]
pub struct Key(kernel::SigningKey);

impl Key {
    pub(crate) fn open(alias: &str, purpose: &str) -> Result<Self> {
        Ok(Self(kernel::SigningKey::open(alias, purpose)?))
    }

    /// Signs at most 1 MiB. A repeat gives the same signature. Errors: `denied`, `limit(payload)`, `unavailable`.
    pub fn sign(&self, payload: impl AsRef<[u8]>) -> Result<Signature> {
        let signature = self.0.sign(payload.as_ref())?;
        Ok(Signature {
            bytes: Bytes(signature.bytes),
            algorithm: signature.algorithm,
            key_version: signature.key_version,
        })
    }

    /// True when this key, in the version named, made the signature. Errors: `denied`, `not-found` (version), `limit(payload)`.
    pub fn verify(&self, payload: impl AsRef<[u8]>, signature: &Signature) -> Result<bool> {
        let signature = kernel::Signature {
            bytes: signature.bytes.0.clone(),
            algorithm: signature.algorithm.clone(),
            key_version: signature.key_version,
        };
        Ok(self.0.verify(payload.as_ref(), &signature)?)
    }

    /// The public key of the current version: 32 bytes for `ed25519`. Errors: `denied`.
    pub fn public_key(&self) -> Result<Bytes> {
        Ok(Bytes(self.0.public_key()?))
    }
}

/// A signature, and which key made it. Can stand in an action's input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// 64 bytes for `ed25519` (RFC 8032).
    pub bytes: Bytes,
    /// `ed25519`.
    pub algorithm: String,
    /// The version of the key that signed, from 1.
    pub key_version: u32,
}
