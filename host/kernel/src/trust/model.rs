use bulla_base::Purpose;
use serde::Serialize;

use super::error::TrustError;

const KEY_ID_LEN: usize = 32;
const PUBLIC_KEY_MAX: usize = 200;
const OWNER_MAX: usize = 200;
const REASON_MAX: usize = 500;
const PURPOSES_MAX: usize = 16;
const NAMES_MAX: usize = 64;
const PATTERN_MAX: usize = 64;

/// A key to trust, read and checked by the signing crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTrustedKey {
    /// 32 lower-case hex digits.
    pub id: String,
    /// `ed25519:` and Base64.
    pub public_key: String,
    /// Whose key it is, for people.
    pub owner: String,
    /// What it may sign, such as `addon`.
    pub purposes: Vec<Purpose>,
    /// The addons it may publish (`einvoice`, `acme-*`); none given means any.
    pub names: Vec<String>,
    /// Good from then on, in milliseconds since 1970 (UTC).
    pub not_before_ms: Option<i64>,
    /// No longer good from then on.
    pub not_after_ms: Option<i64>,
}

/// A key in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrustedKey {
    pub id: String,
    pub public_key: String,
    pub owner: String,
    pub purposes: Vec<Purpose>,
    pub names: Vec<String>,
    /// Milliseconds since 1970 (UTC), as all times here.
    pub not_before_ms: Option<i64>,
    pub not_after_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
    pub revoked_reason: Option<String>,
    /// The key that took its place.
    pub rotated_by: Option<String>,
    pub added_by: String,
    pub added_ms: i64,
}

/// The whole list at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustView {
    /// Grows with every change: two views of one version are the same.
    pub version: i64,
    /// By id, without the removed ones.
    pub keys: Vec<TrustedKey>,
}

impl NewTrustedKey {
    pub(super) fn check(&self) -> Result<(), TrustError> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if self.id.len() != KEY_ID_LEN || !self.id.bytes().all(hex) {
            return Err(TrustError::KeyId { text: self.id.chars().take(80).collect() });
        }
        if !is_visible(&self.public_key, PUBLIC_KEY_MAX) {
            return Err(TrustError::PublicKey);
        }
        if self.owner.is_empty() || !is_line(&self.owner, OWNER_MAX) {
            return Err(TrustError::Owner);
        }
        if !(1..=PURPOSES_MAX).contains(&self.purposes.len()) {
            return Err(TrustError::Purposes { count: self.purposes.len() });
        }
        if self.names.len() > NAMES_MAX || !self.names.iter().all(|name| is_visible(name, PATTERN_MAX)) {
            return Err(TrustError::Names);
        }
        if self.not_before_ms.zip(self.not_after_ms).is_some_and(|(from, until)| from >= until) {
            return Err(TrustError::EmptyWindow);
        }
        Ok(())
    }
}

/// A reason for a revocation.
pub(super) fn check_reason(reason: &str) -> Result<(), TrustError> {
    if is_line(reason, REASON_MAX) { Ok(()) } else { Err(TrustError::Reason) }
}

fn is_line(text: &str, max: usize) -> bool {
    text.len() <= max && !text.chars().any(char::is_control)
}

fn is_visible(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
