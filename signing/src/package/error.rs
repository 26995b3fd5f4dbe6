//! What can be wrong with a package before its signature is looked at.

use std::fmt;

use bulla_base::{Code, Coded, codes};

use crate::manifest::ManifestError;

/// A part of the package file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Statement,
    Manifest,
    Component,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Statement => "statement",
            Self::Manifest => "manifest",
            Self::Component => "component",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    #[error("this is not a package: it does not start with `BULLAPK1`")]
    NotAPackage,
    #[error("the package ends after {actual} bytes, its header announces {expected}")]
    Truncated { expected: u64, actual: u64 },
    #[error("the package has {extra} bytes after its end")]
    Trailing { extra: u64 },
    #[error("the package's {part} is empty")]
    Empty { part: Part },
    #[error("the package's {part} has {size} bytes, {max} are the most")]
    TooLarge { part: Part, size: u64, max: u64 },
    #[error("the package's statement is malformed: {problem}")]
    Statement { problem: String },
    #[error("the package's statement is not in its canonical form (RFC 8785)")]
    NotCanonical,
    #[error("the package's statement has the type `{found}`, this host knows `{known}`")]
    OtherStatement { found: String, known: &'static str },
    #[error("the package is of the kind `{found}`, this host knows `{known}`")]
    OtherKind { found: String, known: &'static str },
    /// The manifest that was to be sealed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Coded for PackageError {
    fn code(&self) -> Code {
        match self {
            Self::NotAPackage
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::Empty { .. }
            | Self::TooLarge { .. }
            | Self::Statement { .. }
            | Self::NotCanonical => codes::PACKAGE_INVALID,
            Self::OtherStatement { .. } | Self::OtherKind { .. } => codes::INCOMPATIBLE,
            Self::Manifest(error) => error.code(),
        }
    }
}
