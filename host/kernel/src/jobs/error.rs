//! What can be wrong with a job.

use bulla_base::{Code, Coded, JobId, codes};
use bulla_store::StoreError;

use super::model::JobState;
use crate::guest_error::GuestError;

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("the addon has no job `{name}`")]
    UnknownJob { name: String },
    #[error("the payload is not JSON: {reason}")]
    Payload { reason: String },
    #[error("a delay of {delay_ms} ms is not within 0 to 31,536,000,000 ms")]
    Delay { delay_ms: u64 },
    #[error("`{key}` is not a unique key of 1 to 200 visible ASCII characters")]
    UniqueKey { key: String },
    #[error("`{text}` is not a cron line of five fields: {reason}")]
    Schedule { text: String, reason: String },
    #[error("a reason has 1 to 500 bytes and no control characters")]
    Reason,
    #[error("job `{id}` does not exist")]
    Unknown { id: JobId },
    #[error("job `{id}` is {state}, not {wanted}")]
    State { id: JobId, state: JobState, wanted: &'static str },
    #[error("another job has the unique key of `{id}`")]
    KeyTaken { id: JobId },
    #[error("job `{id}` is no longer held by this run")]
    NotHeld { id: JobId },
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for JobError {
    fn code(&self) -> Code {
        match self {
            Self::Payload { .. }
            | Self::Delay { .. }
            | Self::UniqueKey { .. }
            | Self::Schedule { .. }
            | Self::Reason => codes::INVALID,
            Self::UnknownJob { .. } | Self::Unknown { .. } => codes::NOT_FOUND,
            Self::State { .. } | Self::KeyTaken { .. } | Self::NotHeld { .. } => codes::CONFLICT,
            Self::Guest(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }
}

impl From<JobError> for GuestError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Guest(error) => error,
            JobError::Store(error) => error.into(),
            JobError::UnknownJob { .. } | JobError::Unknown { .. } => Self::NotFound,
            other if other.code() == codes::INVALID => Self::Invalid(other.to_string()),
            other => Self::Conflict(other.to_string()),
        }
    }
}
