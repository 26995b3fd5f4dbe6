use bulla_base::{Alias, Code, Coded, codes};
use bulla_store::StoreError;

use crate::master::MasterKeyError;

/// What an operator is told.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("a secret belongs to a tenant, and the request names none")]
    NoTenant,
    #[error("the value of the secret is refused: {0}")]
    Value(&'static str),
    #[error("the tenant has no secret `{0}`")]
    NotFound(Alias),
    #[error("the tenant has {0} secrets already, and may not have more")]
    TooMany(usize),
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for SecretsError {
    fn code(&self) -> Code {
        match self {
            Self::NoTenant | Self::Value(_) => codes::INVALID,
            Self::NotFound(_) => codes::NOT_FOUND,
            Self::TooMany(_) => codes::CONFLICT,
            Self::Master(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Master(error) => error.public(),
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }
}
