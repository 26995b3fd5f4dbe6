use bulla_base::{Code, Coded, TenantId, codes};
use bulla_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("a display name has 1 to 200 bytes without control characters")]
    DisplayName,
    #[error("`{name}` is not a time zone of the IANA database, such as `Europe/Berlin`")]
    TimeZone { name: String },
    #[error("there is a tenant `{tenant}` already")]
    Exists { tenant: TenantId },
    #[error("there is no tenant `{tenant}`")]
    NotFound { tenant: TenantId },
    #[error("the tenants were last read from the database more than a second ago")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for TenantError {
    fn code(&self) -> Code {
        match self {
            Self::DisplayName | Self::TimeZone { .. } => codes::INVALID,
            Self::Exists { .. } => codes::CONFLICT,
            Self::NotFound { .. } => codes::NOT_FOUND,
            Self::Stale => codes::UNAVAILABLE,
            Self::Store(error) => error.code(),
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
