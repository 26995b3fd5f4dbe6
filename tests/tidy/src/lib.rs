//! The rules of the house that no compiler checks: who may import what, file sizes, names, error pages, frozen files, links.
//!
//! Each check is a function from the [`Tree`] to its findings, and has a test in which a planted violation turns it red.
#![forbid(unsafe_code)]

pub mod frozen;
mod imports;
mod links;
mod manifest;
mod names;
mod pages;
mod promises;
mod rooms;
mod roots;
mod sizes;
mod source;
mod tree;
mod words;

pub use tree::{ReadError, Tree};

/// A rule that is broken, or nearly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub severity: Severity,
    /// Path from the repository's root, with `/`.
    pub path: String,
    /// From 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// The check that speaks.
    pub check: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.check, self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Finding {
    fn error(check: &'static str, path: &str, line: Option<usize>, message: String) -> Self {
        Self { severity: Severity::Error, path: path.to_owned(), line, check, message }
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    imports::dependencies,
    imports::paths,
    rooms::check,
    roots::forbid_unsafe,
    roots::inherit_lints,
    sizes::check,
    names::check,
    words::check,
    pages::errors,
    pages::limits,
    pages::configuration,
    frozen::check,
    links::check,
    promises::check,
];

/// Every finding of every check, errors first.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = CHECKS.iter().flat_map(|check| check(tree)).collect();
    findings.sort();
    findings.dedup();
    findings
}
