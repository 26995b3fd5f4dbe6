//! What can be wrong with a sequence, a date, a reservation.

use bulla_base::{Code, Coded, codes};
use bulla_store::StoreError;

use crate::guest_error::GuestError;

#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    #[error("format `{format}` is invalid: {reason}")]
    Format { format: String, reason: &'static str },
    #[error("`{text}` is not a date like `2026-03-31`, nor an instant like `2026-03-31T23:30:00Z`")]
    Date { text: String },
    #[error("`{text}` is not within 2000 to 2099, the years that `{{YY}}` tells apart")]
    Century { text: String },
    #[error("`{name}` is not an IANA time zone")]
    TimeZone { name: String },
    #[error("`{month}` is not a month from 1 to 12")]
    FiscalStart { month: i8 },
    #[error("an expiry of {seconds} s is not within 1 to 2,592,000 s")]
    Expiry { seconds: u32 },
    #[error("a reason has 1 to 500 bytes and no control characters")]
    Reason,
    #[error("sequence `{key}` does not exist")]
    UnknownSequence { key: String },
    #[error("reservation `{id}` does not exist in this sequence")]
    UnknownReservation { id: String },
    #[error("sequence `{key}` exists already with another definition; numbers were drawn from it")]
    Redefined { key: String },
    #[error("`{object}` has another number of this sequence")]
    Bound { object: String },
    #[error("the sequences in memory are {age_ms} ms old")]
    Stale { age_ms: u64 },
    #[error("number `{number}` is {state}")]
    State { number: String, state: &'static str },
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for SequenceError {
    fn code(&self) -> Code {
        match self {
            Self::Format { .. }
            | Self::Date { .. }
            | Self::Century { .. }
            | Self::TimeZone { .. }
            | Self::FiscalStart { .. }
            | Self::Expiry { .. }
            | Self::Reason => codes::INVALID,
            Self::UnknownSequence { .. } | Self::UnknownReservation { .. } => codes::NOT_FOUND,
            Self::Redefined { .. } | Self::Bound { .. } | Self::State { .. } => codes::CONFLICT,
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

impl From<SequenceError> for GuestError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::Guest(error) => error,
            SequenceError::Store(error) => error.into(),
            SequenceError::UnknownSequence { .. } | SequenceError::UnknownReservation { .. } => {
                Self::NotFound
            }
            SequenceError::Redefined { .. } | SequenceError::Bound { .. } | SequenceError::State { .. } => {
                Self::Conflict(error.to_string())
            }
            SequenceError::Stale { .. } => Self::Unavailable { retry_after_ms: 1_000 },
            _ => Self::Invalid(error.to_string()),
        }
    }
}
