//! What a guest is told: the variant `error` of `bulla:kernel/types`, without any binding to it.

use bulla_base::codes;
use bulla_base::{Coded, ids::InvalidId};
use bulla_store::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    #[error("denied: {0}")]
    Denied(String),
    #[error("not found")]
    NotFound,
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("limit: {0}")]
    Limit(String),
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("unavailable")]
    Unavailable { retry_after_ms: u64 },
}

impl Coded for GuestError {
    fn code(&self) -> bulla_base::Code {
        match self {
            Self::Denied(_) => codes::DENIED,
            Self::NotFound => codes::NOT_FOUND,
            Self::Conflict(_) => codes::CONFLICT,
            Self::Limit(_) => codes::LIMIT,
            Self::Invalid(_) => codes::INVALID,
            Self::Unavailable { .. } => codes::UNAVAILABLE,
        }
    }
}

impl From<InvalidId> for GuestError {
    fn from(error: InvalidId) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// The guest learns nothing of the database; the operator's log does.
impl From<StoreError> for GuestError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict("another change came first".into()),
            other => {
                tracing::error!(error = %other, "the database failed a guest's call");
                Self::Unavailable { retry_after_ms: 1_000 }
            }
        }
    }
}
