//! What a manifest asks for. Each request needs the operator's grant as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use bulla_base::{Alias, Purpose, Scope};
use serde::{Deserialize, Serialize};

use super::destination::Destination;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capabilities {
    pub(super) sequences: BTreeSet<Alias>,
    pub(super) approvals: BTreeSet<Scope>,
    pub(super) secrets: BTreeMap<Alias, SecretRequest>,
    pub(super) keys: BTreeMap<Alias, KeyRequest>,
    pub(super) wasi: WasiRequest,
}

impl Capabilities {
    pub fn sequences(&self) -> &BTreeSet<Alias> {
        &self.sequences
    }

    pub fn approvals(&self) -> &BTreeSet<Scope> {
        &self.approvals
    }

    pub fn secrets(&self) -> &BTreeMap<Alias, SecretRequest> {
        &self.secrets
    }

    pub fn keys(&self) -> &BTreeMap<Alias, KeyRequest> {
        &self.keys
    }

    /// Empty where the manifest has no `[capabilities.wasi]`.
    pub fn wasi(&self) -> &WasiRequest {
        &self.wasi
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretRequest {
    pub(super) purpose: Purpose,
    pub(super) destinations: BTreeSet<Destination>,
}

impl SecretRequest {
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Where the author expects to send it; may be empty. The operator's grant decides where it names destinations of its own.
    pub fn destinations(&self) -> &BTreeSet<Destination> {
        &self.destinations
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyRequest {
    pub(super) purpose: Purpose,
}

impl KeyRequest {
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WasiRequest {
    pub(super) imports: BTreeSet<WasiInterface>,
    pub(super) directory: Option<DirectoryAccess>,
}

impl WasiRequest {
    pub fn imports(&self) -> &BTreeSet<WasiInterface> {
        &self.imports
    }

    /// How the addon wants to use the one directory it can be given; unset: not at all.
    pub fn directory(&self) -> Option<DirectoryAccess> {
        self.directory
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryAccess {
    ReadOnly,
    ReadWrite,
}

/// A WASI interface without its version, such as `wasi:clocks/wall-clock`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WasiInterface(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a WASI interface without version, such as `wasi:clocks/wall-clock`")]
pub struct InvalidWasiInterface {
    pub text: String,
}

impl WasiInterface {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WasiInterface {
    type Err = InvalidWasiInterface;
    fn from_str(text: &str) -> Result<Self, InvalidWasiInterface> {
        let names = text.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
        if names.is_some_and(|(package, interface)| is_label(package) && is_label(interface)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWasiInterface { text: text.chars().take(80).collect() })
        }
    }
}

/// A name as WIT writes packages and interfaces: words of lower-case letters and digits, joined by single hyphens.
fn is_label(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 63 && text.split('-').all(word)
}

impl TryFrom<String> for WasiInterface {
    type Error = InvalidWasiInterface;
    fn try_from(text: String) -> Result<Self, InvalidWasiInterface> {
        text.parse()
    }
}

impl From<WasiInterface> for String {
    fn from(interface: WasiInterface) -> String {
        interface.0
    }
}

impl std::borrow::Borrow<str> for WasiInterface {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WasiInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
