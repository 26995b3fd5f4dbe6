//! The rules of a scope: a document that an operator writes, checked as a whole when it is loaded.
//!
//! ```toml
//! scope = "invoice.issue"
//! expires = "30d"                      # optional: a request that nobody decides lapses
//!
//! [[rule]]
//! name = "large"
//! when = { fact = "total", decimal = { gt = "10000" } }
//! approvers = ["role:cfo", "subject:ada"]
//! effective-from = "2026-01-01"        # optional, inclusive, UTC
//! effective-to = "2026-12-31"          # optional, inclusive, UTC
//! ```

use std::collections::BTreeSet;
use std::fmt;

use bulla_base::{Alias, Millis, Role, Scope, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::ApprovalError;
use super::facts::{Day, Facts};
use super::model::Verdict;
use super::predicate::{Predicate, Unanswered};
use crate::ports::Principal;

/// Rules of one scope at most.
pub const MAX_RULES: usize = 100;
/// Nesting of one predicate at most; a single test is 1.
pub const MAX_DEPTH: usize = 8;
/// Bytes of a document at most.
pub const MAX_DOCUMENT: usize = 256 << 10;
/// Approvers of one rule at most.
const MAX_APPROVERS: usize = 50;
/// Bytes of one line of a rationale at most.
const MAX_RATIONALE: usize = 500;
/// A year: what an expiry may be at most.
const MAX_EXPIRY: Millis = Millis(31_536_000_000);

/// A scope's rules as an operator writes them. A document without a rule says that nobody has to approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleDocument {
    pub scope: Scope,
    /// After this time a request that still waits is `expired`. Absent: it waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Millis>,
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    pub name: Alias,
    pub when: Predicate,
    pub approvers: BTreeSet<Approver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_to: Option<Day>,
}

/// Who may decide: `role:cfo` or `subject:ada`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Approver {
    Role(Role),
    Subject(Subject),
}

/// A checked document and its version, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    pub version: u32,
    pub document: RuleDocument,
}

impl RuleDocument {
    pub fn from_toml(text: &str) -> Result<Self, ApprovalError> {
        let document: Self = toml::from_str(bounded(text)?).map_err(|error| refused(error.to_string()))?;
        document.check()?;
        Ok(document)
    }

    pub fn from_json(text: &str) -> Result<Self, ApprovalError> {
        let document: Self =
            serde_json::from_str(bounded(text)?).map_err(|error| refused(error.to_string()))?;
        document.check()?;
        Ok(document)
    }

    /// Bounds that no single field knows.
    pub fn check(&self) -> Result<(), ApprovalError> {
        if self.rules.len() > MAX_RULES {
            return Err(refused(format!("{} rules are more than {MAX_RULES}", self.rules.len())));
        }
        if self.expires.is_some_and(|expires| expires == Millis(0) || expires > MAX_EXPIRY) {
            return Err(refused("`expires` is not within 1ms to 365d".into()));
        }
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            if !names.insert(&rule.name) {
                return Err(refused(format!("there are two rules `{}`", rule.name)));
            }
            rule.check().map_err(|reason| refused(format!("rule `{}`: {reason}", rule.name)))?;
        }
        Ok(())
    }
}

fn bounded(text: &str) -> Result<&str, ApprovalError> {
    if text.len() > MAX_DOCUMENT {
        return Err(refused(format!("{} bytes are more than {MAX_DOCUMENT}", text.len())));
    }
    Ok(text)
}

fn refused(reason: String) -> ApprovalError {
    ApprovalError::Rules { reason }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let depth = self.when.depth();
        if depth > MAX_DEPTH {
            return Err(format!("a depth of {depth} is more than {MAX_DEPTH}"));
        }
        if !(1..=MAX_APPROVERS).contains(&self.approvers.len()) {
            return Err(format!("{} approvers are not within 1 to {MAX_APPROVERS}", self.approvers.len()));
        }
        if let (Some(from), Some(to)) = (self.effective_from, self.effective_to)
            && from > to
        {
            return Err("`effective-from` is after `effective-to`".into());
        }
        Ok(())
    }

    fn in_force(&self, today: Day) -> bool {
        self.effective_from.is_none_or(|from| from <= today) && self.effective_to.is_none_or(|to| today <= to)
    }
}

impl RuleSet {
    /// Joins all rules in force on `today` that apply. Rules out of force ask for no fact.
    pub fn evaluate(&self, facts: &Facts, today: Day) -> Result<Verdict, ApprovalError> {
        let mut approvers = BTreeSet::new();
        let mut applied = Vec::new();
        let mut rationale = Vec::new();
        for rule in self.document.rules.iter().filter(|rule| rule.in_force(today)) {
            if rule.when.holds(facts).map_err(|why| unanswered(rule, why))? {
                let name = format!("{}@{}", rule.name, self.version);
                rationale.push(cut(format!("{name}: {}", rule.when.explain(facts))));
                applied.push(name);
                approvers.extend(rule.approvers.iter().cloned());
            }
        }
        let approvers: Vec<Approver> = approvers.into_iter().collect();
        Ok(Verdict {
            required: !approvers.is_empty(),
            approver_hash: approver_hash(&approvers),
            approvers,
            rationale,
            applied,
            rules_version: self.version,
        })
    }
}

fn unanswered(rule: &Rule, why: Unanswered) -> ApprovalError {
    let rule = rule.name.to_string();
    match why {
        Unanswered::Missing(name) => ApprovalError::MissingFact { rule, name: name.to_string() },
        Unanswered::Type(name, wanted) => ApprovalError::FactType { rule, name: name.to_string(), wanted },
    }
}

/// SHA-256 over the sorted approvers, one a line.
fn approver_hash(approvers: &[Approver]) -> String {
    let lines: Vec<String> = approvers.iter().map(ToString::to_string).collect();
    hex::encode(Sha256::digest(lines.join("\n")))
}

fn cut(mut line: String) -> String {
    if line.len() > MAX_RATIONALE {
        let end =
            (0..=MAX_RATIONALE - '…'.len_utf8()).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

impl Approver {
    /// By name, or by a role it carries.
    pub fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Role(role) => principal.roles.contains(role),
            Self::Subject(subject) => *subject == principal.subject,
        }
    }
}

impl TryFrom<String> for Approver {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let invalid = |error: bulla_base::ids::InvalidId| error.to_string();
        if let Some(role) = text.strip_prefix("role:") {
            Role::new(role).map(Self::Role).map_err(invalid)
        } else if let Some(subject) = text.strip_prefix("subject:") {
            Subject::new(subject).map(Self::Subject).map_err(invalid)
        } else {
            let text: String = text.chars().take(80).collect();
            Err(format!("`{text}` is not an approver like `role:cfo` or `subject:ada`"))
        }
    }
}

impl From<Approver> for String {
    fn from(approver: Approver) -> String {
        approver.to_string()
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Subject(subject) => write!(f, "subject:{subject}"),
        }
    }
}
