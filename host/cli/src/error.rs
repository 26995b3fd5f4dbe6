//! Why a command ended without doing what it was asked for.

use std::path::{Path, PathBuf};

use bulla_base::{Coded, Failure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exit_codes::Exit;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server refused.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// A part of this program refused, before or without a server.
    #[error("{0}")]
    Failed(Box<Failure>),
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    #[error("no server is known: {reason}")]
    NoServer { reason: String },
    #[error("no server answers at `{url}`: {reason}")]
    Unreachable { url: String, reason: String },
    /// Something answers that is no Bulla server.
    #[error("`{url}` answers with HTTP {status} and not as a Bulla server does")]
    Strange { url: String, status: u16 },
    #[error("cannot {verb} `{path}`: {source}", path = path.display())]
    File { verb: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{path}` holds a secret and is open to others (mode {mode:o})", path = path.display())]
    OpenSecret { path: PathBuf, mode: u32 },
    #[error("cannot write the answer: {0}")]
    Stdout(std::io::Error),
    #[error("{failed} of {total} cases failed")]
    TestsFailed { failed: usize, total: usize },
    #[error("there is no case in `{dir}`", dir = .0.display())]
    NoCases(PathBuf),
    #[error("{0}")]
    Findings(String),
}

/// An error as the server tells it (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    pub code: String,
    pub status: u16,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl CliError {
    /// From an error of the house.
    pub fn coded(error: impl Coded) -> Self {
        error.failure().into()
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// For `map_err`: what was being done, and to which file.
    pub fn file(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { verb, path, source }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(problem) => Exit::of(&problem.code),
            Self::Failed(failure) => Exit::of(failure.code.name),
            Self::Usage { .. } => Exit::Usage,
            Self::NoServer { .. } | Self::Unreachable { .. } | Self::Strange { .. } => {
                Exit::ServerUnreachable
            }
            Self::File { .. } | Self::OpenSecret { .. } => Exit::File,
            // Who stops reading has seen enough.
            Self::Stdout(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Stdout(_) => Exit::File,
            Self::TestsFailed { .. } | Self::NoCases(_) => Exit::TestsFailed,
            Self::Findings(_) => Exit::Findings,
        }
    }

    /// The stable code where there is one, else the exit code's name.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(problem) => &problem.code,
            Self::Failed(failure) => failure.code.name,
            other => other.exit().name(),
        }
    }

    pub fn details(&self) -> Option<&Value> {
        match self {
            Self::Refused(problem) => problem.details.as_ref(),
            Self::Failed(failure) => failure.details.as_ref(),
            _ => None,
        }
    }

    pub fn trace(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => problem.trace.as_deref(),
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(problem) => problem.hint.clone().or_else(|| hint_of(problem)),
            Self::Failed(failure) => failure.hint.map(str::to_owned).or_else(|| page_of(failure.code.name)),
            Self::Usage { hint, .. } => hint.clone(),
            Self::NoServer { .. } | Self::Unreachable { .. } => {
                Some("start one with `bulla serve`, or name it with `--server URL` or `--data DIR`".into())
            }
            Self::Strange { .. } => Some("check the address in `--server` or `BULLA_SERVER`".into()),
            Self::OpenSecret { path, .. } => Some(format!("run `chmod 600 {}`", path.display())),
            Self::NoCases(_) => {
                Some("write one as JSON: {\"action\": …, \"input\": …, \"expect\": {\"ok\": …}}".into())
            }
            Self::File { .. } | Self::Stdout(_) | Self::TestsFailed { .. } | Self::Findings(_) => None,
        }
    }

    /// What this program itself knows about a failure and nobody else is told.
    pub fn internal(&self) -> Option<&str> {
        match self {
            Self::Failed(failure) => failure.internal.as_deref(),
            _ => None,
        }
    }

    /// For `--json`: one shape for every error, the server's own where it is the server's.
    pub fn to_json(&self) -> Value {
        if let Self::Refused(problem) = self {
            return json!(problem);
        }
        let mut value = json!({"code": self.code(), "detail": self.to_string()});
        let details = self.details().cloned();
        for (name, part) in [("details", details), ("hint", self.hint().map(Value::from))] {
            if let Some(part) = part {
                value[name] = part;
            }
        }
        value
    }
}

fn hint_of(problem: &Problem) -> Option<String> {
    if let Some(wait) = problem.retry_after_ms {
        return Some(format!("try again in {}", bulla_base::Millis(wait)));
    }
    match problem.code.as_str() {
        "unauthenticated" => Some("give a token in `BULLA_TOKEN` or with `--token-file FILE`".into()),
        code => page_of(code),
    }
}

fn page_of(code: &str) -> Option<String> {
    bulla_base::codes::find(code).map(|code| format!("`bulla explain {}` says more", code.name))
}
