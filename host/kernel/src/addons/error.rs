use bulla_base::{AddonName, Code, Coded, TenantId, codes};
use bulla_store::StoreError;

use super::model::PACKAGE_MAX;

#[derive(Debug, thiserror::Error)]
pub enum AddonError {
    #[error("a package of `{size}` bytes is larger than {PACKAGE_MAX}")]
    TooLarge { size: usize },
    #[error("`{text}` is not a version: 1 to 64 visible ASCII characters without `/`")]
    Version { text: String },
    #[error("a digest is not that of the package")]
    Digest,
    #[error("the package names no publisher")]
    Publisher,
    #[error("the manifest does not ask for: {what}")]
    NotAsked { what: String },
    #[error("a granted path is not UTF-8")]
    NotText,
    #[error("a granted directory is named by its whole path, without `..`")]
    Directory,
    #[error("the directory reaches the host's own files: its data, its policies or its master key")]
    Private,
    #[error("`{addon}` is not installed in `{tenant}`")]
    NotInstalled { tenant: TenantId, addon: AddonName },
    #[error("there is no package `{digest}`")]
    NoPackage { digest: String },
    #[error("`{addon}` is installed already, as version `{version}`: upgrade it, or change its grants")]
    AlreadyInstalled { addon: AddonName, version: String },
    #[error("version `{version}` of `{addon}` was installed before and was another package")]
    VersionReused { addon: AddonName, version: String },
    #[error("`{addon}` has no previous version to go back to")]
    NothingBefore { addon: AddonName },
    #[error("the installed addons were last read from the database more than a second ago")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for AddonError {
    fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::Version { .. }
            | Self::Digest
            | Self::Publisher
            | Self::NotAsked { .. }
            | Self::NotText
            | Self::Directory
            | Self::Private => codes::INVALID,
            Self::NotInstalled { .. } | Self::NoPackage { .. } => codes::NOT_FOUND,
            Self::AlreadyInstalled { .. } | Self::VersionReused { .. } | Self::NothingBefore { .. } => {
                codes::CONFLICT
            }
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
