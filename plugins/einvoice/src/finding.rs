//! What is wrong with a document.

use serde::Serialize;

/// The most findings one document is given. A document with more is wrong beyond counting.
pub const MAX_FINDINGS: usize = 1_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The id of the published rule (`BR-CO-10`, `PEPPOL-EN16931-R120`), or one of this addon's own for what cannot be read (`UBL-…`).
    pub rule: &'static str,
    /// For a person: what was expected, and what was found.
    pub message: String,
    /// Where, as an XPath with the usual prefixes `cac` and `cbc`.
    pub location: String,
    /// The amount that the rule asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The amount that the document states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Finding {
    /// A finding without amounts.
    pub fn new(rule: &'static str, location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), location: location.into(), expected: None, found: None }
    }
}

/// The findings of one document, at most [`MAX_FINDINGS`].
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Keeps `finding`, unless there are too many already; then the last one says so.
    pub fn push(&mut self, finding: Finding) {
        match self.0.len() + 1 {
            MAX_FINDINGS => self.0.push(Finding::new("UBL-limit", "/", "more findings than are listed")),
            count if count < MAX_FINDINGS => self.0.push(finding),
            _ => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// At most 40 characters of a text from the document, for a message.
pub fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
