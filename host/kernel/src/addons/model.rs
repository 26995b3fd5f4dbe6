use std::path::Component;
use std::sync::Arc;

use bulla_base::{AddonName, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::AddonError;
use crate::grants::{GrantCell, Grants};

/// The largest package, in bytes.
pub const PACKAGE_MAX: usize = 64 << 20;

const VERSION_MAX: usize = 64;

/// A package that the caller verified: signature, contents and manifest.
#[derive(Debug, Clone)]
pub struct PackageRecord {
    pub name: AddonName,
    pub version: String,
    /// SHA-256 of `bytes`, as 64 lower-case hex digits.
    pub digest: String,
    pub bytes: Arc<[u8]>,
    /// SHA-256 of the component inside, likewise.
    pub component_digest: String,
    /// The id of the key that signed it.
    pub publisher: String,
    /// What the manifest asks for.
    pub asked: Grants,
}

/// An addon in a tenant, as this node knows it.
#[derive(Debug, Clone)]
pub struct Installed {
    pub tenant: TenantId,
    pub addon: AddonName,
    pub version: String,
    /// The active package.
    pub digest: String,
    /// The package that [`rollback`](super::Addons::rollback) goes back to.
    pub previous: Option<String>,
    pub component_digest: String,
    pub publisher: String,
    pub enabled: bool,
    pub asked: Grants,
    /// What the operator granted; in force is what was also asked for.
    pub granted: Grants,
    /// What is in force, for calls of this version; changes while they run.
    pub grants: GrantCell,
    pub installed_by: String,
    /// Milliseconds since 1970 (UTC).
    pub installed_ms: i64,
}

/// A version that was installed once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VersionRecord {
    pub version: String,
    pub digest: String,
    pub installed_by: String,
    /// When it was first installed, in milliseconds since 1970 (UTC).
    pub installed_ms: i64,
}

impl PackageRecord {
    /// SHA-256 as 64 lower-case hex digits: the name of a package.
    pub fn digest_of(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    pub(super) fn check(&self) -> Result<(), AddonError> {
        if self.bytes.len() > PACKAGE_MAX {
            return Err(AddonError::TooLarge { size: self.bytes.len() });
        }
        let formed = (1..=VERSION_MAX).contains(&self.version.len())
            && self.version.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !formed {
            return Err(AddonError::Version { text: self.version.chars().take(80).collect() });
        }
        if !is_digest(&self.component_digest) || self.digest != Self::digest_of(&self.bytes) {
            return Err(AddonError::Digest);
        }
        if self.publisher.is_empty() || !self.publisher.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AddonError::Publisher);
        }
        Ok(())
    }
}

/// Grants beyond what the manifest asks for are refused, not dropped in silence: a mistyped alias would never be noticed.
pub(super) fn check_asked(asked: &Grants, granted: &Grants) -> Result<(), AddonError> {
    check_directory(granted)?;
    let both = Grants::both(asked, granted);
    if both == *granted {
        return Ok(());
    }
    let mut extra = Vec::new();
    extra.extend(granted.sequences.difference(&both.sequences).map(|key| format!("sequence {key}")));
    extra.extend(granted.approvals.difference(&both.approvals).map(|scope| format!("approval {scope}")));
    let secrets = granted.secrets.iter().filter(|(alias, _)| !both.secrets.contains_key(*alias));
    extra.extend(secrets.map(|(alias, grant)| format!("secret {alias} for {}", grant.purpose)));
    let keys = granted.keys.iter().filter(|(alias, _)| !both.keys.contains_key(*alias));
    extra.extend(keys.map(|(alias, grant)| format!("key {alias} for {}", grant.purpose)));
    extra.extend(granted.wasi.difference(&both.wasi).map(|import| format!("wasi {import}")));
    if both.directory != granted.directory {
        extra.push("directory".into());
    }
    Err(AddonError::NotAsked { what: extra.join(", ") })
}

/// A relative path would name another directory wherever the host is started.
fn check_directory(granted: &Grants) -> Result<(), AddonError> {
    let Some(directory) = &granted.directory else { return Ok(()) };
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if directory.path.is_absolute() && directory.path.components().all(plain) {
        Ok(())
    } else {
        Err(AddonError::Directory)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
