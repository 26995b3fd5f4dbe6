//! What can be wrong with rules, a request, a decision.

use bulla_base::{ApprovalId, Code, Coded, Scope, Subject, codes};
use bulla_store::StoreError;

use super::model::Status;
use crate::guest_error::GuestError;

#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    #[error("the rules are invalid: {reason}")]
    Rules { reason: String },
    #[error("fact `{name}`: {reason}")]
    Fact { name: String, reason: String },
    #[error("{count} facts are more than 64")]
    TooManyFacts { count: usize },
    #[error("rule `{rule}` needs fact `{name}`, which is missing")]
    MissingFact { rule: String, name: String },
    #[error("rule `{rule}` needs fact `{name}` to be a {wanted}")]
    FactType { rule: String, name: String, wanted: &'static str },
    #[error("`{digest}` is not a SHA-256 of 64 lower-case hex digits")]
    Digest { digest: String },
    #[error("the addon has no action `{action}`")]
    UnknownAction { action: String },
    #[error("the payload is not JSON: {reason}")]
    Payload { reason: String },
    #[error("a reason has 1 to 500 bytes and no control characters, and a rejection needs one")]
    Reason,
    #[error("there are no approval rules for `{scope}`")]
    NoRules { scope: Scope },
    #[error("approval `{id}` does not exist")]
    Unknown { id: ApprovalId },
    #[error("`{subject}` asked for this approval and cannot decide it")]
    OwnRequest { subject: Subject },
    #[error("`{subject}` is not an approver of `{id}`")]
    NotApprover { subject: Subject, id: ApprovalId },
    #[error("approval `{id}` is {status}")]
    Closed { id: ApprovalId, status: Status },
    #[error("approval `{id}` is about the digest `{stored}`, not `{shown}`")]
    OtherDigest { id: ApprovalId, stored: String, shown: String },
    #[error("the rules have changed since the request: {reason}")]
    RulesChanged { reason: String },
    #[error("the approval rules in memory are {age_ms} ms old")]
    Stale { age_ms: u128 },
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for ApprovalError {
    fn code(&self) -> Code {
        match self {
            Self::Rules { .. }
            | Self::Fact { .. }
            | Self::TooManyFacts { .. }
            | Self::MissingFact { .. }
            | Self::FactType { .. }
            | Self::Digest { .. }
            | Self::UnknownAction { .. }
            | Self::Payload { .. }
            | Self::Reason => codes::INVALID,
            Self::NoRules { .. } | Self::Unknown { .. } => codes::NOT_FOUND,
            Self::OwnRequest { .. } | Self::NotApprover { .. } => codes::FORBIDDEN,
            Self::Closed { .. } | Self::OtherDigest { .. } | Self::RulesChanged { .. } => codes::CONFLICT,
            Self::Stale { .. } => codes::UNAVAILABLE,
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

impl From<ApprovalError> for GuestError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Guest(error) => error,
            ApprovalError::Store(error) => error.into(),
            ApprovalError::Stale { .. } => Self::Unavailable { retry_after_ms: 1_000 },
            ApprovalError::NoRules { .. } | ApprovalError::Unknown { .. } => Self::NotFound,
            other if other.code() == codes::INVALID => Self::Invalid(other.to_string()),
            other => Self::Conflict(other.to_string()),
        }
    }
}
