//! Who may publish what. The operator's list of publisher keys; the host stores it, this crate decides by it.
//!
//! **The time of the check is the time of the load.** A package does not stay good because it was good when it was signed: the
//! time a package claims to have been signed at is the signer's word. Where a key has expired or was revoked, its packages are
//! refused at the next load, and the operator either prolongs the key or installs packages signed by its successor.
//!
//! **Rotation** puts a new key beside the old one: both are good for the overlap, then only the new one ([`TrustStore::rotate`]).

mod name_pattern;

use std::collections::{BTreeMap, BTreeSet};

use bulla_base::{AddonName, Code, Coded, Millis, Purpose, Timestamp, codes};
use serde::{Deserialize, Serialize};

use crate::key::{KeyId, PublicKey};
pub use name_pattern::{InvalidNamePattern, NamePattern};

/// The purpose of a key that may publish addons.
pub const PURPOSE_ADDON: &str = "addon";

/// The longest owner's name, in bytes.
pub const OWNER_MAX: usize = 200;
/// The longest reason for a revocation, in bytes.
pub const REASON_MAX: usize = 500;

/// The keys an operator trusts. A key that is not in it is not trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<TrustEntry>", into = "Vec<TrustEntry>")]
pub struct TrustStore {
    entries: BTreeMap<KeyId, TrustEntry>,
}

/// One trusted key and what it is trusted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrustEntry {
    pub key: PublicKey,
    /// Whose key it is, for people: 1 to 200 bytes, no control characters.
    pub owner: String,
    /// What it may sign; at least one, such as [`PURPOSE_ADDON`].
    pub purposes: BTreeSet<Purpose>,
    /// The addons it may publish; none given means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<NamePattern>,
    /// Good from this moment on; unset means always was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// No longer good from this moment on; unset means for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Set: refused whatever the time is, so that a clock set back brings nothing back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
    /// The key that took its place in a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_by: Option<KeyId>,
}

/// That a key was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Revocation {
    pub at: Timestamp,
    /// For people: at most 500 bytes, no control characters.
    pub reason: String,
}

impl TrustEntry {
    /// A key that may publish any addon, for ever.
    pub fn for_addons(key: PublicKey, owner: impl Into<String>) -> Self {
        Self {
            key,
            owner: owner.into(),
            purposes: Purpose::new(PURPOSE_ADDON).into_iter().collect(),
            names: BTreeSet::new(),
            not_before: None,
            not_after: None,
            revoked: None,
            rotated_by: None,
        }
    }

    fn check(&self) -> Result<(), TrustStoreError> {
        let key = || self.key.id();
        if !is_line(&self.owner, OWNER_MAX) || self.owner.is_empty() {
            return Err(TrustStoreError::Owner { key: key() });
        }
        if self.purposes.is_empty() {
            return Err(TrustStoreError::NoPurpose { key: key() });
        }
        if self.not_before.zip(self.not_after).is_some_and(|(from, until)| from >= until) {
            return Err(TrustStoreError::EmptyWindow { key: key() });
        }
        if self.revoked.as_ref().is_some_and(|revoked| !is_line(&revoked.reason, REASON_MAX)) {
            return Err(TrustStoreError::Reason { key: key() });
        }
        Ok(())
    }

    fn allows(&self, purpose: &str, addon: &AddonName, at: Timestamp) -> Result<(), TrustError> {
        let key = self.key.id();
        if let Some(Revocation { at, reason }) = &self.revoked {
            return Err(TrustError::Revoked { key, at: *at, reason: reason.clone() });
        }
        if let Some(from) = self.not_before.filter(|from| at < *from) {
            return Err(TrustError::NotYetValid { key, from });
        }
        if let Some(until) = self.not_after.filter(|until| at >= *until) {
            return Err(TrustError::Expired { key, until, rotated_by: self.rotated_by.clone() });
        }
        if !self.purposes.contains(purpose) {
            return Err(TrustError::OtherPurpose { key, purpose: purpose.to_owned() });
        }
        if !self.names.is_empty() && !self.names.iter().any(|pattern| pattern.matches(addon)) {
            return Err(TrustError::OtherName { key, addon: addon.clone() });
        }
        Ok(())
    }
}

/// One line of text without control characters.
fn is_line(text: &str, max: usize) -> bool {
    text.len() <= max && !text.chars().any(char::is_control)
}

impl TrustStore {
    /// Errors: those of [`TrustStore::add`], for the first entry that has one.
    pub fn from_entries(entries: impl IntoIterator<Item = TrustEntry>) -> Result<Self, TrustStoreError> {
        let mut store = Self::default();
        entries.into_iter().try_for_each(|entry| store.add(entry))?;
        Ok(store)
    }

    /// The key's entry, if the key is in the store at all; says nothing about whether it is good now.
    pub fn find(&self, key: &KeyId) -> Option<&TrustEntry> {
        self.entries.get(key)
    }

    /// All entries, sorted by key id.
    pub fn list(&self) -> impl Iterator<Item = &TrustEntry> {
        self.entries.values()
    }

    /// Whether `key` may sign an `addon` for `purpose` now (`at`). Refusals in order of precedence: unknown key, revoked,
    /// not yet valid, expired, other purpose, other name.
    pub fn allows(
        &self,
        key: &KeyId,
        purpose: &str,
        addon: &AddonName,
        at: Timestamp,
    ) -> Result<(), TrustError> {
        let entry = self.entries.get(key).ok_or_else(|| TrustError::UnknownKey { key: key.clone() })?;
        entry.allows(purpose, addon, at)
    }

    /// Adds a key. A key that is there already stays as it is: remove it first.
    /// Errors: `AlreadyTrusted`, `Owner`, `NoPurpose`, `EmptyWindow`, `Reason`.
    pub fn add(&mut self, entry: TrustEntry) -> Result<(), TrustStoreError> {
        let id = entry.key.id();
        if self.entries.contains_key(&id) {
            return Err(TrustStoreError::AlreadyTrusted { key: id });
        }
        entry.check()?;
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Takes a key out. To keep the knowledge that it was bad, revoke it instead.
    pub fn remove(&mut self, key: &KeyId) -> Result<TrustEntry, TrustStoreError> {
        self.entries.remove(key).ok_or_else(|| TrustStoreError::NotFound { key: key.clone() })
    }

    /// Withdraws a key for good. Revoking it again changes nothing: the first revocation stands.
    pub fn revoke(&mut self, key: &KeyId, at: Timestamp, reason: &str) -> Result<(), TrustStoreError> {
        let entry = self.entry_mut(key)?;
        if !is_line(reason, REASON_MAX) {
            return Err(TrustStoreError::Reason { key: key.clone() });
        }
        entry.revoked.get_or_insert_with(|| Revocation { at, reason: reason.to_owned() });
        Ok(())
    }

    /// Puts `new` beside `old` with the same owner, purposes and names, good from `at` and with no end. The old key ends `overlap`
    /// after `at`, or when it would have ended anyway. Nothing changes on an error.
    /// Errors: `NotFound`, `NotRotatable` (the old key is revoked, rotated or over, or starts later than the overlap ends),
    /// `AlreadyTrusted` (the new key).
    pub fn rotate(
        &mut self,
        old: &KeyId,
        new: PublicKey,
        at: Timestamp,
        overlap: Millis,
    ) -> Result<KeyId, TrustStoreError> {
        let id = new.id();
        if self.entries.contains_key(&id) {
            return Err(TrustStoreError::AlreadyTrusted { key: id });
        }
        let entry = self.entry_mut(old)?;
        let end = at.checked_add(overlap.duration()).unwrap_or(Timestamp::MAX);
        let end = entry.not_after.map_or(end, |until| until.min(end));
        let over = entry.not_after.is_some_and(|until| at >= until);
        let starts_later = entry.not_before.is_some_and(|from| from >= end);
        if entry.revoked.is_some() || entry.rotated_by.is_some() || over || starts_later {
            return Err(TrustStoreError::NotRotatable { key: old.clone() });
        }
        let successor = TrustEntry { key: new, not_before: Some(at), not_after: None, ..entry.clone() };
        (entry.not_after, entry.rotated_by) = (Some(end), Some(id.clone()));
        self.entries.insert(id.clone(), successor);
        Ok(id)
    }

    fn entry_mut(&mut self, key: &KeyId) -> Result<&mut TrustEntry, TrustStoreError> {
        self.entries.get_mut(key).ok_or_else(|| TrustStoreError::NotFound { key: key.clone() })
    }
}

impl TryFrom<Vec<TrustEntry>> for TrustStore {
    type Error = TrustStoreError;
    fn try_from(entries: Vec<TrustEntry>) -> Result<Self, TrustStoreError> {
        Self::from_entries(entries)
    }
}

impl From<TrustStore> for Vec<TrustEntry> {
    fn from(store: TrustStore) -> Self {
        store.entries.into_values().collect()
    }
}

/// Why a key is not trusted with a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error("the publisher key `{key}` is not in the trust store")]
    UnknownKey { key: KeyId },
    #[error("the publisher key `{key}` was revoked at `{at}`: {reason}")]
    Revoked { key: KeyId, at: Timestamp, reason: String },
    #[error("the publisher key `{key}` is not valid before `{from}`")]
    NotYetValid { key: KeyId, from: Timestamp },
    #[error("the publisher key `{key}` expired at `{until}`{}", successor(.rotated_by))]
    Expired { key: KeyId, until: Timestamp, rotated_by: Option<KeyId> },
    #[error("the publisher key `{key}` is not trusted for the purpose `{purpose}`")]
    OtherPurpose { key: KeyId, purpose: String },
    #[error("the publisher key `{key}` is not trusted for the addon `{addon}`")]
    OtherName { key: KeyId, addon: AddonName },
}

fn successor(rotated_by: &Option<KeyId>) -> String {
    rotated_by.as_ref().map_or_else(String::new, |key| format!("; its successor is `{key}`"))
}

impl Coded for TrustError {
    fn code(&self) -> Code {
        codes::PUBLISHER_UNTRUSTED
    }
}

/// Why the store itself cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustStoreError {
    #[error("the key `{key}` is in the trust store already")]
    AlreadyTrusted { key: KeyId },
    #[error("the key `{key}` is not in the trust store")]
    NotFound { key: KeyId },
    #[error("the key `{key}` is revoked, rotated or expired, or starts too late, and cannot be rotated")]
    NotRotatable { key: KeyId },
    #[error("the owner of the key `{key}` must be 1 to {OWNER_MAX} bytes without control characters")]
    Owner { key: KeyId },
    #[error("the key `{key}` has no purpose")]
    NoPurpose { key: KeyId },
    #[error("the key `{key}` ends before it starts")]
    EmptyWindow { key: KeyId },
    #[error(
        "the reason for revoking the key `{key}` must be at most {REASON_MAX} bytes without control characters"
    )]
    Reason { key: KeyId },
}

impl Coded for TrustStoreError {
    fn code(&self) -> Code {
        match self {
            Self::AlreadyTrusted { .. } | Self::NotRotatable { .. } => codes::CONFLICT,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::Owner { .. } | Self::NoPurpose { .. } | Self::EmptyWindow { .. } | Self::Reason { .. } => {
                codes::INVALID
            }
        }
    }
}

#[cfg(test)]
mod tests;
