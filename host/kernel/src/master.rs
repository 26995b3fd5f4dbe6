//! The master key of the host, what is derived from it, and the sealing of values at rest.
//!
//! One key of 32 bytes stands outside the data directory, in an environment variable or in a file that only its owner can
//! read. Everything else comes from it by HKDF-SHA256 (RFC 5869) with the salt `bulla/v1/master` and one [`Label`] a use,
//! so that two uses never share a key. A sealed value is AES-256-GCM (NIST SP 800-38D) under a random 96-bit nonce,
//! written `v1.<key id>.<base64 of nonce, ciphertext and tag>`.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bulla_base::{Code, Coded, Entropy, TenantId, codes};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::guest_error::GuestError;

/// Bytes of the master key and of every key derived from it.
pub const KEY_BYTES: usize = 32;
/// Longest text of a master key that is read: 64 hex digits, and room for white space around them.
const MAX_TEXT_BYTES: u64 = 256;
const SALT: &[u8] = b"bulla/v1/master";
const NONCE_BYTES: usize = 12;
const FORMAT: &str = "v1";

/// The key from which all others come. Wiped when dropped, never printed.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

/// One use of the master key. Each has a text of its own, the `info` of HKDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label<'a> {
    /// `bulla/v1/id`: the first eight bytes name the master key beside every sealed value.
    Id,
    /// `bulla/v1/aot-mac`: the HMAC over compiled code in the cache.
    AotMac,
    /// `bulla/v1/secret/<tenant>`: sealing of a tenant's secrets.
    Secret(&'a TenantId),
    /// `bulla/v1/key/<tenant>`: sealing of a tenant's signing keys.
    Key(&'a TenantId),
    /// `bulla/v1/checkpoint`: sealing of the key that signs the audit checkpoints.
    Checkpoint,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("bulla/v1/id"),
            Self::AotMac => f.write_str("bulla/v1/aot-mac"),
            Self::Secret(tenant) => write!(f, "bulla/v1/secret/{tenant}"),
            Self::Key(tenant) => write!(f, "bulla/v1/key/{tenant}"),
            Self::Checkpoint => f.write_str("bulla/v1/checkpoint"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("the host runs without a master key")]
    Missing,
    #[error("sealed under the master key `{sealed_by}`, but the host runs with `{present}`")]
    Wrong { sealed_by: String, present: String },
    #[error("`{origin}` holds no master key: {rule}")]
    Malformed { origin: String, rule: &'static str },
    #[error("`{path}` can be read by others than its owner (mode {mode:o}); it must be 0600")]
    Exposed { path: String, mode: u32 },
    #[error("cannot read or write `{path}`: {reason}")]
    File { path: String, reason: String },
    /// Changed since it was sealed, or moved here from another row.
    #[error("the sealed value of `{0}` does not open")]
    Damaged(String),
}

impl Coded for MasterKeyError {
    fn code(&self) -> Code {
        match self {
            Self::Missing => codes::MASTER_KEY_MISSING,
            Self::Wrong { .. } => codes::MASTER_KEY_WRONG,
            Self::Malformed { .. } | Self::Exposed { .. } | Self::File { .. } => codes::CONFIG_INVALID,
            Self::Damaged(_) => codes::STORE_CORRUPT,
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Malformed { .. } | Self::Exposed { .. } | Self::File { .. } => self.to_string(),
            other => other.code().title.into(),
        }
    }
}

/// A guest cannot mend the master key: for it the sealed thing is out of reach, and the operator's log says why.
impl From<MasterKeyError> for GuestError {
    fn from(error: MasterKeyError) -> Self {
        tracing::error!(%error, "a sealed value did not open for a guest");
        Self::Unavailable { retry_after_ms: 60_000 }
    }
}

impl MasterKey {
    /// From the environment variable `name`; `None` where it is not set.
    pub fn from_env(name: &str) -> Result<Option<Self>, MasterKeyError> {
        let malformed = |rule| MasterKeyError::Malformed { origin: name.to_owned(), rule };
        match std::env::var(name) {
            Ok(text) => Self::from_text(&Zeroizing::new(text)).map(Some).map_err(malformed),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(malformed(RULE)),
        }
    }

    /// From a file of mode 0600 or stricter. The mode is that of the opened file, so that nobody can exchange it in between.
    pub fn from_file(path: &Path) -> Result<Self, MasterKeyError> {
        let shown = || path.display().to_string();
        let failed =
            |error: std::io::Error| MasterKeyError::File { path: shown(), reason: error.to_string() };
        let malformed = |rule| MasterKeyError::Malformed { origin: shown(), rule };
        let file = fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.mode() & 0o777;
        if !metadata.is_file() {
            return Err(malformed("it is not a file"));
        }
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: shown(), mode });
        }
        // The full capacity at once: a buffer that grows would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT_BYTES as usize + 1));
        file.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_TEXT_BYTES {
            return Err(malformed(RULE));
        }
        Self::from_text(&text).map_err(malformed)
    }

    /// Draws a key and writes it to a file that does not exist yet, of mode 0600.
    pub fn create_file(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |error: std::io::Error| MasterKeyError::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let bytes = Zeroizing::new(Entropy.bytes::<KEY_BYTES>());
        let mut text = Zeroizing::new(hex::encode(bytes.as_slice()));
        text.push('\n');
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self::from_bytes(bytes))
    }

    /// 64 hex digits, or base64 of 32 bytes (either alphabet, padded or not); white space around it is ignored.
    /// The error is the rule that was broken, never the text.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let mut decoded = Zeroizing::new(Vec::with_capacity(MAX_TEXT_BYTES as usize));
        if text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            decoded.resize(KEY_BYTES, 0);
            hex::decode_to_slice(text, &mut decoded).map_err(|_| RULE)?;
        } else if text.len() as u64 <= MAX_TEXT_BYTES {
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
            for engine in engines {
                decoded.zeroize();
                if engine.decode_vec(text, &mut decoded).is_ok() {
                    break;
                }
                decoded.zeroize();
            }
        }
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).map_err(|_| RULE)?;
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }

    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut key = Self { bytes, id: String::new() };
        key.id = hex::encode(&key.derive(Label::Id)[..8]);
        key
    }

    /// 16 hex digits that name this key and say nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key of one use.
    pub fn derive(&self, label: Label<'_>) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes, and 32 are asked")]
        Hkdf::<Sha256>::new(Some(SALT), self.bytes.as_slice())
            .expand(label.to_string().as_bytes(), key.as_mut_slice())
            .expect("length");
        key
    }

    /// Seals `plaintext` for the one place that `place` names (table, tenant, alias, version joined with `/`): it opens
    /// nowhere else. Sealing the same twice gives two texts.
    pub fn seal(&self, label: Label<'_>, place: &str, plaintext: &[u8]) -> String {
        let nonce = Entropy.bytes::<NONCE_BYTES>();
        let aad = associated(&self.id, place);
        #[expect(clippy::expect_used, reason = "AES-GCM refuses only texts of 64 GiB and more")]
        let sealed = self
            .cipher(label)
            .encrypt(&nonce.into(), Payload { msg: plaintext, aad: aad.as_bytes() })
            .expect("length");
        let body = [nonce.as_slice(), &sealed].concat();
        format!("{FORMAT}.{}.{}", self.id, STANDARD_NO_PAD.encode(body))
    }

    /// Opens what [`MasterKey::seal`] gave for the same label and place.
    pub fn open(
        &self,
        label: Label<'_>,
        place: &str,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
        let damaged = || MasterKeyError::Damaged(place.to_owned());
        let (sealed_by, body) = split(sealed).ok_or_else(damaged)?;
        if sealed_by != self.id {
            return Err(MasterKeyError::Wrong { sealed_by: sealed_by.to_owned(), present: self.id.clone() });
        }
        let body = STANDARD_NO_PAD.decode(body).map_err(|_| damaged())?;
        let (nonce, text) = body.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let aad = associated(&self.id, place);
        self.cipher(label)
            .decrypt(&(*nonce).into(), Payload { msg: text, aad: aad.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| damaged())
    }

    fn cipher(&self, label: Label<'_>) -> Aes256Gcm {
        let key = self.derive(label);
        Aes256Gcm::new((&*key).into())
    }
}

const RULE: &str = "64 hex digits or base64 of 32 bytes are wanted";

/// The id of the master key that a sealed text names; `None` for a text of another format.
pub fn sealed_by(sealed: &str) -> Option<&str> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(FORMAT)?.strip_prefix('.')?.split_once('.')
}

/// The header is bound as well: a value of one format or key cannot be taken for one of another.
fn associated(key_id: &str, place: &str) -> String {
    format!("{FORMAT}.{key_id}\n{place}")
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests;
