//! Approvals: a tenant's rules decide from facts who must approve; a continuation runs once the decision is made.
//!
//! # What it promises
//! - The rules of a scope are one document with a version; earlier versions are kept. The same rules, facts and day
//!   give the same verdict. A fact that a rule in force needs and that is missing, or has another type, is an error:
//!   it never counts as "no approval needed". A scope without rules is an error too.
//! - All rules that apply are joined: their approvers together, of which one decides. An operator who wants the higher
//!   amount to go to the CFO alone writes ranges that exclude each other.
//! - The requester never decides, neither by name nor by a role. Who may decide is looked up in the rules in force at
//!   the decision, with the facts of the request; where these rules ask for nobody any more, the approvers named at the
//!   request stand. A refusal is audited.
//! - The commit of a positive decision enqueues the continuation, exactly once, with the digest of what was approved.
//!
//! # Repeats
//! A request for the same object and digest while one waits gives the one that waits, with its own continuation. The same
//! decision again by the same decider gives the stored decision and changes nothing; another decision is `conflict`.
//!
//! # Limits
//! 64 facts a request, text facts of 1,000 bytes, decimals of 38 digits; 100 rules a scope, 50 approvers a rule, depth 8,
//! documents of 256 KiB; continuation payloads of 256 KiB; reasons of 500 bytes. Rules in memory are at most
//! [`MAX_STALENESS`](crate::mirror::MAX_STALENESS) behind other nodes, or evaluation is `unavailable`.
//!
//! # Errors, in order of precedence
//! In a call: `denied`, `invalid` (facts), `unavailable`, `not-found` (no rules), `invalid` (a missing fact, the subject,
//! the action, the payload), `limit` (`payload`). At a decision: `invalid` (reason), `not-found`, `forbidden`, `conflict`.

mod decisions;
mod error;
mod facts;
mod model;
mod overlay;
mod predicate;
mod registry;
mod rules;
mod service;
mod store;

#[cfg(test)]
mod tests;

pub use error::ApprovalError;
pub use facts::{Day, Decimal, Fact, FactName, Facts, MAX_FACTS};
pub use model::{Answer, Approval, Decide, Outcome, Page, Status, SubjectRef, Then, Verdict};
pub use overlay::Overlay;
pub use predicate::Predicate;
pub use rules::{Approver, MAX_DEPTH, MAX_DOCUMENT, MAX_RULES, Rule, RuleDocument, RuleSet};
pub use service::{Approvals, MAX_PAYLOAD, RulesVersion};
