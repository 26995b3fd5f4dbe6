use bulla_base::{Code, Coded, codes};
use bulla_store::StoreError;

use super::model::{MAX_ROLES, TokenId};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the tokens were last read from the database more than a second ago")]
    Stale,
    /// Also for a text that has not the form of a token.
    #[error("an unknown token")]
    Unknown,
    #[error("the token `{id}` is revoked")]
    Revoked { id: TokenId },
    #[error("the token `{id}` has expired")]
    Expired { id: TokenId },
    #[error("`{count}` roles are more than the {MAX_ROLES} that a token can carry")]
    TooManyRoles { count: usize },
    #[error("the expiry is not in the future")]
    ExpiryPassed,
    #[error("there is no token `{id}`")]
    NotFound { id: TokenId },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for TokenError {
    fn code(&self) -> Code {
        match self {
            Self::Stale => codes::UNAVAILABLE,
            Self::Unknown | Self::Revoked { .. } | Self::Expired { .. } => codes::UNAUTHENTICATED,
            Self::TooManyRoles { .. } | Self::ExpiryPassed => codes::INVALID,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::Store(error) => error.code(),
        }
    }

    /// Why a token does not hold is for the operator's log: the caller may not be its owner.
    fn public(&self) -> String {
        match self {
            Self::Stale | Self::Unknown | Self::Revoked { .. } | Self::Expired { .. } => {
                self.code().title.into()
            }
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }
}
