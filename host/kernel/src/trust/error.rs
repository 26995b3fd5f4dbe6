use bulla_base::{Code, Coded, codes};
use bulla_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("`{text}` is not a key id: 32 lower-case hex digits")]
    KeyId { text: String },
    #[error("a public key is written `ed25519:` and the Base64 of 32 bytes")]
    PublicKey,
    #[error("an owner has 1 to 200 bytes without control characters")]
    Owner,
    #[error("`{count}` purposes: a key has 1 to 16")]
    Purposes { count: usize },
    #[error("a key has at most 64 name patterns of 1 to 64 visible ASCII characters")]
    Names,
    #[error("the key ends before it starts")]
    EmptyWindow,
    #[error("a reason has at most 500 bytes without control characters")]
    Reason,
    #[error("the key `{id}` is not in the trust store")]
    NotFound { id: String },
    #[error("the key `{id}` is in the trust store already")]
    AlreadyTrusted { id: String },
    #[error("the key `{id}` is revoked, rotated or expired, or starts too late, and cannot be rotated")]
    NotRotatable { id: String },
    #[error("the trust store was last read from the database more than a second ago")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for TrustError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::AlreadyTrusted { .. } | Self::NotRotatable { .. } => codes::CONFLICT,
            Self::Stale => codes::UNAVAILABLE,
            Self::Store(error) => error.code(),
            Self::KeyId { .. }
            | Self::PublicKey
            | Self::Owner
            | Self::Purposes { .. }
            | Self::Names
            | Self::EmptyWindow
            | Self::Reason => codes::INVALID,
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Stale => codes::UNAVAILABLE.title.into(),
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }
}
