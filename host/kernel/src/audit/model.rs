//! What callers of the room see.

use std::fmt;
use std::sync::Arc;

use bulla_base::{ObjectRef, TenantId, TraceId};
use serde::Serialize;
use serde_json::Value;

use crate::origin::SYSTEM_LOG;

use super::error::AuditError;

/// Entries that one listing returns at most.
pub const MAX_LISTED: u32 = 1_000;

/// Which log: a tenant's, or `system`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName(Arc<str>);

impl LogName {
    pub fn tenant(tenant: &TenantId) -> Self {
        Self(tenant.as_str().into())
    }

    pub fn system() -> Self {
        Self(SYSTEM_LOG.into())
    }

    /// A name that a commit gave to a log, read back.
    pub(super) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which entries to list: all that match everything that is set, in order of index.
///
/// A trace or an object finds its entries through a table index; an event alone reads through the range.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub trace: Option<TraceId>,
    /// The whole event name, such as `sequence.committed`.
    pub event: Option<String>,
    pub object: Option<ObjectRef>,
    /// The first index.
    pub from: u64,
    /// The index behind the last; absent: the end of the log.
    pub to: Option<u64>,
    /// 1 to [`MAX_LISTED`]; absent: [`MAX_LISTED`].
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    pub entries: Vec<Listed>,
    /// How many entries the log has.
    pub size: u64,
}

/// An entry as it was committed to: `body` is the parsed leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub index: u64,
    pub body: Value,
}

/// How far publishing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// False without a master key: entries are written, checkpoints are not.
    pub signing: bool,
    /// Logs with entries that no checkpoint covers.
    pub logs_behind: u64,
    /// The age of the oldest entry without a checkpoint, in milliseconds; 0 where there is none.
    pub oldest_unpublished_ms: u64,
}

/// Whose word counts for the checkpoints of a log.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The keys in the database: proven by the master key where there is one.
    #[default]
    Host,
    /// Verifier keys that the auditor brings.
    Given(Vec<String>),
}

/// Where the keys came from that a verification believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// From the auditor.
    Given,
    /// From the database, each proven by its private half under the master key.
    Sealed,
    /// From the database alone: who wrote the database could have written the keys.
    Stored,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub log: String,
    /// Entries that were checked.
    pub entries: u64,
    /// Checkpoints that were checked.
    pub checkpoints: u64,
    /// The size of the newest good checkpoint: entries behind it are not signed yet.
    pub published: u64,
    pub keys: KeySource,
    /// The first thing that is wrong; nothing behind it was looked at.
    pub fault: Option<Fault>,
}

impl Report {
    /// An error where something is wrong.
    pub fn into_result(self) -> Result<Self, AuditError> {
        match &self.fault {
            None => Ok(self),
            Some(fault) => Err(AuditError::Tampered { log: self.log.clone(), fault: fault.clone() }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The first index that is wrong. For a broken history: the first that the last good checkpoint does not cover.
    pub index: u64,
    pub kind: FaultKind,
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at index {}: {}", self.kind, self.index, self.detail)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// An entry is not there though later ones, the head or a checkpoint say that it was.
    Missing,
    /// There is an entry that the log never had.
    Inserted,
    /// An entry's leaf belongs to another place.
    Moved,
    /// An entry does not read as it was written.
    Edited,
    /// The entries are not those that a checkpoint was signed over.
    History,
    /// A checkpoint that no trusted key signed, or that speaks of another log.
    Checkpoint,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing entry",
            Self::Inserted => "inserted entry",
            Self::Moved => "moved entry",
            Self::Edited => "edited entry",
            Self::History => "changed history",
            Self::Checkpoint => "bad checkpoint",
        })
    }
}
