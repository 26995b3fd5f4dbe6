//! How an error leaves a room: a code with a page, a text for the caller, a text for the operator.

use crate::codes::Code;
use crate::quantity::Millis;

/// What the outside sees of an error. The caller's text holds no internals; the operator's may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// For the caller.
    pub message: String,
    /// For the operator: goes to the server's log, never into a response.
    pub internal: Option<String>,
    pub retry_after: Option<Millis>,
    /// JSON for the caller's program, such as a guest's findings.
    pub details: Option<serde_json::Value>,
    pub hint: Option<&'static str>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), internal: None, retry_after: None, details: None, hint: None }
    }

    pub fn internal(mut self, text: impl Into<String>) -> Self {
        self.internal = Some(text.into());
        self
    }

    pub fn retry_after(mut self, wait: Millis) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Failure {}

/// A room's error that can leave it.
pub trait Coded: std::error::Error {
    fn code(&self) -> Code;

    /// What the caller is told; the error's own text unless it holds internals.
    fn public(&self) -> String {
        self.to_string()
    }

    fn failure(&self) -> Failure {
        let (public, own) = (self.public(), self.to_string());
        let failure = Failure::new(self.code(), public.clone());
        if own == public { failure } else { failure.internal(own) }
    }
}
