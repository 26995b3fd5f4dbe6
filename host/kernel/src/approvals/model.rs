//! A request's life, and what goes in and out of the room.

use std::fmt;

use bulla_base::{AddonName, ApprovalId, EntryName, JobId, ObjectRef, Scope, Subject, TraceId};
use serde::{Deserialize, Serialize};

use super::error::ApprovalError;
use super::rules::Approver;

/// `waiting` is left once, and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Waiting,
    Approved,
    Rejected,
    Cancelled,
    Expired,
}

impl Status {
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Approved, Self::Rejected, Self::Cancelled, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the rules say of some facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub required: bool,
    /// Sorted; one of them must decide.
    pub approvers: Vec<Approver>,
    /// `rule@version: why`, in the order of the document.
    pub rationale: Vec<String>,
    /// `rule@version` of the rules that applied: what the audit may hold, without the facts.
    pub applied: Vec<String>,
    /// SHA-256 over the sorted approvers, one a line, in hex.
    pub approver_hash: String,
    pub rules_version: u32,
}

/// What is to be approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRef {
    pub object: ObjectRef,
    /// SHA-256 of what the approver is shown: 64 lower-case hex digits.
    pub digest: String,
}

impl SubjectRef {
    pub fn check(&self) -> Result<(), ApprovalError> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if self.digest.len() == 64 && self.digest.bytes().all(hex) {
            Ok(())
        } else {
            Err(ApprovalError::Digest { digest: self.digest.chars().take(80).collect() })
        }
    }
}

/// What runs after a positive decision: an action of the same addon with its input as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Then {
    pub action: String,
    pub payload: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No rule asks for an approval. Nothing was stored.
    NotRequired,
    Waiting(ApprovalId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Approve,
    Reject,
}

impl Answer {
    pub fn status(self) -> Status {
        match self {
            Self::Approve => Status::Approved,
            Self::Reject => Status::Rejected,
        }
    }
}

/// A decision as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decide {
    pub answer: Answer,
    /// 1 to 500 bytes; a rejection needs one.
    #[serde(default)]
    pub reason: Option<String>,
    /// The digest of what the decider saw. Given and different: `conflict`.
    #[serde(default)]
    pub digest: Option<String>,
}

/// An approval request as an operator or approver sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approval {
    pub id: ApprovalId,
    pub addon: AddonName,
    pub scope: Scope,
    pub object: ObjectRef,
    pub digest: String,
    pub facts: serde_json::Value,
    pub status: Status,
    pub requester: Subject,
    pub approvers: Vec<Approver>,
    pub rationale: Vec<String>,
    /// The version of the rules at the request.
    pub rules_version: u32,
    pub action: EntryName,
    /// The continuation's input; only in the answer about a single request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    pub trace: TraceId,
    pub created_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decider: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The job that runs the continuation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// A part of a list: newest first, `after` the last id of the part before.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub status: Option<Status>,
    pub after: Option<ApprovalId>,
    /// At most 500; 0 means 100.
    pub limit: u32,
}

impl Page {
    pub(super) fn rows(&self) -> i64 {
        match self.limit {
            0 => 100,
            limit => i64::from(limit.min(500)),
        }
    }
}

/// 1 to 500 bytes without control characters.
pub(super) fn checked_reason(reason: &str) -> Result<&str, ApprovalError> {
    if (1..=500).contains(&reason.len()) && !reason.chars().any(char::is_control) {
        Ok(reason)
    } else {
        Err(ApprovalError::Reason)
    }
}
