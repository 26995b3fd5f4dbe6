use std::sync::Arc;

use bulla_base::{AddonName, CallId, EntryName, Millis, Subject, TenantId, TraceId, canonical};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::IdempotencyError;
use super::service::Running;

/// How long a response is kept where the configuration says nothing.
pub const DEFAULT_TTL: Millis = Millis(24 * 60 * 60 * 1_000);

const KEY_MAX: usize = 255;

/// The text of an `Idempotency-Key` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyText(Arc<str>);

impl KeyText {
    pub fn new(text: &str) -> Result<Self, IdempotencyError> {
        if (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(IdempotencyError::Key)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a record is unique by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub tenant: TenantId,
    pub subject: Subject,
    /// `addon/action`.
    pub action: String,
    pub text: KeyText,
    pub(super) id: KeyHash,
}

/// SHA-256 over the parts of a key, each behind its length: no two keys have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash(pub [u8; 32]);

impl Key {
    pub fn new(
        tenant: &TenantId,
        subject: &Subject,
        addon: &AddonName,
        action: &EntryName,
        text: KeyText,
    ) -> Self {
        let action = format!("{addon}/{action}");
        let mut hasher = Sha256::new();
        for part in [tenant.as_str(), subject.as_str(), &action, text.as_str()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let id = KeyHash(hasher.finalize().into());
        Self { tenant: tenant.clone(), subject: subject.clone(), action, text, id }
    }
}

impl KeyHash {
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// What tells one request from another under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash([u8; 32]);

impl RequestHash {
    /// Of an action's input: of its canonical form where it is JSON, so that white space and the order of fields say
    /// nothing; of the bytes where it is not.
    pub fn of(input: &[u8]) -> Self {
        let canonical = serde_json::from_slice::<Value>(input)
            .ok()
            .and_then(|value| canonical::canonicalize(&value).ok());
        let mut hasher = Sha256::new();
        match canonical {
            Some(bytes) => hasher.update([&[0u8], bytes.as_slice()].concat()),
            None => hasher.update([&[1u8], input].concat()),
        }
        Self(hasher.finalize().into())
    }

    pub(super) fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// The response of the call that came first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub response: Arc<[u8]>,
    /// The call that gave it, and its trace.
    pub call: CallId,
    pub trace: TraceId,
    /// Milliseconds since 1970 (UTC).
    pub created_ms: i64,
    pub expires_ms: i64,
}

/// What [`Idempotency::begin`](super::Idempotency::begin) found.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: the call is to run, and to be ended through this.
    First(Running),
    /// The response to give.
    Replay(Stored),
}
