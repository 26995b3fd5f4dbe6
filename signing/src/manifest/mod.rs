//! The manifest, `addon.toml`: what an addon is called, which entries it has, and all it asks for. It grants nothing.
//!
//! Parsed once, from the very bytes that the package signs. Unknown fields are refused everywhere; a field that is there has been
//! checked. Refusals in order of precedence: too large, not UTF-8, not TOML, another kernel line (before all other fields, which may
//! differ in that line), then the first field that is wrong, then the rules between fields.

mod capabilities;
mod destination;
mod document;
mod error;
mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bulla_base::{AddonName, EntryName, PartialLimits, Rate};
use semver::Version;
use serde::Serialize;

pub use capabilities::{
    Capabilities, DirectoryAccess, InvalidWasiInterface, KeyRequest, SecretRequest, WasiInterface,
    WasiRequest,
};
pub use destination::{Destination, InvalidDestination, Scheme};
pub use error::ManifestError;
pub use options::{
    ActionOptions, Budget, Circuit, CronText, Fairness, Idempotency, InvalidCron, JobOptions, Schedule,
};

/// The largest manifest, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// The longest description, in bytes.
pub const DESCRIPTION_MAX: usize = 500;
/// The longest version, in bytes.
pub const VERSION_MAX: usize = 128;
/// The most actions, jobs, or entries of one list of capabilities.
pub const LIST_MAX: usize = 256;
/// The lines of the WIT package `bulla:kernel` this host serves.
pub const KERNEL_LINES: &[KernelLine] = &[KernelLine { major: 0, minor: 1 }];

/// A manifest that has been checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    name: AddonName,
    version: Version,
    description: String,
    kernel: KernelLine,
    actions: BTreeMap<EntryName, ActionOptions>,
    jobs: BTreeMap<EntryName, JobOptions>,
    capabilities: Capabilities,
    limits: PartialLimits,
    suggested_rate: Option<Rate>,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        document::read(text)
    }

    /// As [`Manifest::parse`], of bytes that must be UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        document::check_size(bytes.len())?;
        Self::parse(std::str::from_utf8(bytes).map_err(|_| ManifestError::NotUtf8)?)
    }

    pub fn name(&self) -> &AddonName {
        &self.name
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    /// 1 to 500 bytes, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// One of [`KERNEL_LINES`].
    pub fn kernel(&self) -> KernelLine {
        self.kernel
    }

    pub fn actions(&self) -> &BTreeMap<EntryName, ActionOptions> {
        &self.actions
    }

    pub fn action(&self, name: &str) -> Option<&ActionOptions> {
        self.actions.get(name)
    }

    pub fn jobs(&self) -> &BTreeMap<EntryName, JobOptions> {
        &self.jobs
    }

    pub fn job(&self, name: &str) -> Option<&JobOptions> {
        self.jobs.get(name)
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// What the author asks for; the host takes the least of this, the tier and the operator's override.
    pub fn limits(&self) -> &PartialLimits {
        &self.limits
    }

    /// A suggestion of the author; the tier decides, and the least wins.
    pub fn suggested_rate(&self) -> Option<Rate> {
        self.suggested_rate
    }
}

/// A line of the WIT package `bulla:kernel`, written `0.1`: within it versions only add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelLine {
    pub major: u16,
    pub minor: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a kernel line such as `0.1`")]
pub struct InvalidKernelLine {
    pub text: String,
}

impl FromStr for KernelLine {
    type Err = InvalidKernelLine;
    fn from_str(text: &str) -> Result<Self, InvalidKernelLine> {
        let line = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        // Written back to refuse second spellings such as `+0.01`.
        line.filter(|line| line.to_string() == text)
            .ok_or_else(|| InvalidKernelLine { text: text.chars().take(80).collect() })
    }
}

impl fmt::Display for KernelLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for KernelLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
