//! What can go wrong here.

use std::path::{Path, PathBuf};

use bulla_base::{Code, Coded, codes};

/// No toolchain makes the guest. The text holds the command to run.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error("no toolchain for `{target}` was found: run `{command}`")]
    Missing { target: &'static str, command: String },
    #[error("no toolchain for `{target}` could be installed ({reason}): run `{command}`")]
    Install { target: &'static str, reason: String, command: String },
    #[error("the standard library for `{target}` does not compile: {reason}")]
    Sysroot { target: &'static str, reason: String },
}

impl Coded for ToolchainError {
    fn code(&self) -> Code {
        codes::TOOLCHAIN_MISSING
    }
}

/// A guest was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("cargo refused `{dir}` ({status})", dir = dir.display())]
    Cargo { dir: PathBuf, status: std::process::ExitStatus },
    #[error("the package `{package}` made no WebAssembly: `[lib] crate-type` must have `cdylib`")]
    NoModule { package: String },
    #[error("the module of `{package}` makes no component: {reason}")]
    Component { package: String, reason: String },
    #[error("cannot use `{path}`: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl BuildError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl Coded for BuildError {
    fn code(&self) -> Code {
        match self {
            Self::Toolchain(error) => error.code(),
            Self::Start { .. } => codes::TOOLCHAIN_MISSING,
            Self::Cargo { .. } | Self::NoModule { .. } | Self::Component { .. } | Self::Io { .. } => {
                codes::BUILD_FAILED
            }
        }
    }
}

/// A project was not written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{name}` cannot name an addon: {reason}")]
    Name { name: String, reason: String },
    #[error("`{path}` already exists", path = .0.display())]
    Exists(PathBuf),
    #[error("cannot write `{path}`: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the embedded `{file}` is malformed: {reason}")]
    Embedded { file: &'static str, reason: String },
}

impl Coded for TemplateError {
    fn code(&self) -> Code {
        match self {
            Self::Name { .. } | Self::Exists(_) | Self::Io { .. } => codes::INVALID,
            Self::Embedded { .. } => codes::INTERNAL,
        }
    }
}
