//! What can go wrong beside the log itself being wrong.

use bulla_base::{Code, Coded, codes};
use bulla_store::StoreError;

use crate::master::MasterKeyError;

use super::model::Fault;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("{0}")]
    Invalid(String),
    #[error("there is no log `{log}`")]
    NotFound { log: String },
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// Its public half in the database is not the one of its private half.
    #[error("the stored checkpoint key of generation {generation} was changed")]
    KeyChanged { generation: i64 },
    #[error("no checkpoint of `{log}` covers index {index} yet")]
    Unpublished { log: String, index: u64 },
    #[error("the range needs a bundle of {entries} entries; at most {limit} fit")]
    TooLarge { entries: u64, limit: u64 },
    #[error("others are reading the log `{log}`, or all that may be read at once")]
    Busy { log: String },
    #[error("the log `{log}` does not verify: {fault}")]
    Tampered { log: String, fault: Fault },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for AuditError {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => codes::INVALID,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::MasterKey(error) => error.code(),
            Self::KeyChanged { .. } => codes::AUDIT_TAMPERED,
            Self::Unpublished { .. } => codes::UNAVAILABLE,
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::Busy { .. } => codes::BUSY,
            Self::Tampered { .. } => codes::AUDIT_TAMPERED,
            Self::Store(error) => error.code(),
        }
    }

    fn public(&self) -> String {
        match self {
            Self::MasterKey(error) => error.public(),
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }
}
