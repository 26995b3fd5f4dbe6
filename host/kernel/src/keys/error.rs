use bulla_base::{Alias, Code, Coded, codes};
use bulla_store::StoreError;

use crate::master::MasterKeyError;

/// What an operator is told.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("a key belongs to a tenant, and the request names none")]
    NoTenant,
    #[error("the tenant has no key `{0}`")]
    NotFound(Alias),
    #[error("the tenant has a key `{0}` already; rotate it for a new version")]
    Exists(Alias),
    #[error("the tenant has {0} keys already, and may not have more")]
    TooMany(usize),
    #[error("the key has {0} versions already, and may not have more")]
    TooManyVersions(usize),
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for KeysError {
    fn code(&self) -> Code {
        match self {
            Self::NoTenant => codes::INVALID,
            Self::NotFound(_) => codes::NOT_FOUND,
            Self::Exists(_) | Self::TooMany(_) | Self::TooManyVersions(_) => codes::CONFLICT,
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
