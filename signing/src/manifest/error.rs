//! What can be wrong with a manifest.

use bulla_base::{Code, Coded, codes};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest has {size} bytes, {max} are the most")]
    TooLarge { size: usize, max: usize },
    #[error("the manifest is not UTF-8")]
    NotUtf8,
    #[error("the manifest is not TOML, line {line}: {problem}")]
    Syntax { line: usize, problem: String },
    #[error("the addon needs the kernel line `{wanted}`; this host serves {served}")]
    OtherKernel {
        wanted: String,
        /// The lines of this host, in backticks.
        served: String,
    },
    /// A field is unknown, missing, of the wrong type or not what it should be. The problem names the input.
    #[error("`{path}`: {problem}")]
    Field { path: String, problem: String },
    #[error("`{path}`: `{value}` is not within {range}")]
    OutOfRange { path: String, value: String, range: &'static str },
    #[error("`{path}` has {count} entries, {max} are the most")]
    TooMany { path: String, count: usize, max: usize },
    #[error("`{path}`: `{value}` stands there twice")]
    Duplicate { path: String, value: String },
    #[error("`limits.{name}` belongs to the tenant as a whole: an addon suggests a rate under `[suggested]`")]
    TenantLimit { name: &'static str },
    #[error("`jobs.{job}` has both `schedule` and `every`: it takes one or neither")]
    TwoSchedules { job: String },
}

impl Coded for ManifestError {
    fn code(&self) -> Code {
        match self {
            Self::OtherKernel { .. } => codes::INCOMPATIBLE,
            Self::TooLarge { .. }
            | Self::NotUtf8
            | Self::Syntax { .. }
            | Self::Field { .. }
            | Self::OutOfRange { .. }
            | Self::TooMany { .. }
            | Self::Duplicate { .. }
            | Self::TenantLimit { .. }
            | Self::TwoSchedules { .. } => codes::MANIFEST_INVALID,
        }
    }
}
