use bulla_base::{Alias, Entropy};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The only algorithm of this version.
pub const ALGORITHM: &str = "ed25519";
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
pub const MAX_PER_TENANT: usize = 100;
pub const MAX_VERSIONS: usize = 1_000;

/// What is told of a tenant's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyInfo {
    pub alias: Alias,
    pub algorithm: &'static str,
    /// From the first to the current one.
    pub versions: Vec<KeyVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyVersion {
    /// From 1.
    pub version: u32,
    /// 64 lower-case hex digits.
    pub public_key: String,
    pub created_ms: i64,
    /// From then on the version verifies and no longer signs.
    pub retired_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// 64 bytes (RFC 8032, section 5.1.6).
    pub bytes: Vec<u8>,
    pub algorithm: String,
    pub key_version: u32,
}

/// A new private key, from the operating system's randomness.
pub(super) fn draw() -> SigningKey {
    SigningKey::from_bytes(&Zeroizing::new(Entropy.bytes::<32>()))
}

/// The key of an opened seed, where it belongs to the public key that stands beside it.
pub(super) fn from_seed(seed: &[u8], public_key: &str) -> Option<SigningKey> {
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
    let key = SigningKey::from_bytes(&seed);
    (public_hex(&key) == public_key).then_some(key)
}

pub(super) fn public_hex(key: &SigningKey) -> String {
    hex::encode(key.verifying_key().as_bytes())
}

pub(super) fn public_key(text: &str) -> Option<VerifyingKey> {
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}
