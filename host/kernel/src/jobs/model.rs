//! A job's life, why it runs, and what goes in and out of the room.

use std::fmt;

use bulla_base::{AddonName, ApprovalId, EntryName, JobId, Millis, ObjectRef, Subject, TenantId, TraceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::JobError;
use crate::ports::{Fairness, JobSpec};

/// Bytes of a payload at most.
pub const MAX_PAYLOAD: usize = 256 << 10;
/// Bytes of a result that is kept; of a longer one only the length is.
pub const MAX_RESULT: usize = 64 << 10;
/// A year, in milliseconds.
const MAX_DELAY_MS: u64 = 31_536_000_000;

/// `waiting` ⇄ `running` → `succeeded`, or `dead`; `dead` → `waiting` by an operator; `waiting` and `dead` → `cancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    Waiting,
    Running,
    Succeeded,
    Dead,
    Cancelled,
}

impl JobState {
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Succeeded, Self::Dead, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a job is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Context {
    /// A call asked for it.
    Enqueued,
    /// The tick of a schedule.
    Scheduled { tick_ms: i64 },
    /// A positive decision: runs an action as the requester's continuation.
    Approval {
        id: ApprovalId,
        requester: Subject,
        decider: Subject,
        object: ObjectRef,
        /// SHA-256 of what was approved.
        digest: String,
        decision_trace: TraceId,
    },
}

/// How often and how patiently a job is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Policy {
    /// Attempts after the first.
    pub retries: u32,
    pub backoff: Millis,
    /// Consecutive failures that open a pause, and its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<(u32, Millis)>,
}

impl Policy {
    pub fn of(spec: &JobSpec) -> Self {
        Self { retries: spec.retries, backoff: spec.backoff, circuit: spec.circuit }
    }
}

/// How a call wants its job to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enqueue {
    /// Not before this many milliseconds from now.
    pub delay_ms: u64,
    pub unique_key: Option<String>,
}

impl Enqueue {
    pub(super) fn check(&self) -> Result<(), JobError> {
        if self.delay_ms > MAX_DELAY_MS {
            return Err(JobError::Delay { delay_ms: self.delay_ms });
        }
        let visible = |key: &str| (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        match &self.unique_key {
            Some(key) if !visible(key) => Err(JobError::UniqueKey { key: key.chars().take(80).collect() }),
            _ => Ok(()),
        }
    }
}

/// A job as an operator sees it. Payload and result are only in the answer about a single job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    pub id: JobId,
    pub tenant: TenantId,
    pub addon: AddonName,
    /// The job that runs, or the action of a continuation.
    pub entry: EntryName,
    pub context: Context,
    pub subject: Subject,
    pub trace: TraceId,
    pub state: JobState,
    pub fairness: Fairness,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_key: Option<String>,
    /// Attempts so far, and how many there may be.
    pub attempt: u32,
    pub max_attempts: u32,
    pub created_ms: i64,
    pub due_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Why an operator cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// A part of a list: newest first, `after` the last id of the part before.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub state: Option<JobState>,
    pub after: Option<JobId>,
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

/// The id of a job that may exist only once for its cause, whoever enqueues it: 128 bits of SHA-256 over the cause.
pub(super) fn derived_id(cause: &str) -> JobId {
    let digest = hex::encode(Sha256::digest(cause));
    #[expect(clippy::expect_used, reason = "32 hex digits behind the prefix are a job id")]
    JobId::new(&format!("job_{}", &digest[..32])).expect("a job id")
}

/// UTF-8 JSON within the limit of a payload, as text.
pub(super) fn checked_json(payload: Vec<u8>) -> Result<String, JobError> {
    let refused = |reason: String| JobError::Payload { reason };
    let text = String::from_utf8(payload).map_err(|error| refused(error.to_string()))?;
    serde_json::from_str::<serde_json::Value>(&text).map_err(|error| refused(error.to_string()))?;
    Ok(text)
}

/// 1 to 500 bytes without control characters.
pub(super) fn checked_reason(reason: &str) -> Result<&str, JobError> {
    if (1..=500).contains(&reason.len()) && !reason.chars().any(char::is_control) {
        Ok(reason)
    } else {
        Err(JobError::Reason)
    }
}
