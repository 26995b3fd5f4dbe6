//! Why a task ended early.

use std::fmt::Display;

use crate::exit_codes::Exit;

/// One failure of a task. Its text is for people; the exit code is for programs.
#[derive(Debug, thiserror::Error)]
#[error("error[{name}]: {message}{hint}", name = exit.name())]
pub struct Failure {
    pub exit: Exit,
    message: String,
    hint: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: String::new() }
    }

    /// What to do about it, as the last line.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = format!("\nhint: {hint}");
        self
    }

    /// For `map_err`: `cannot <what>: <source>`.
    pub fn io<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |source| Self::new(Exit::Io, format!("cannot {what}: {source}"))
    }
}
