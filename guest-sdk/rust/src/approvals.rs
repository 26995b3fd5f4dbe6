//! Approvals: the tenant's rules decide from facts who must approve.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bindings::kernel::approvals as kernel;
use crate::{Date, Error, Result, entry};

pub use kernel::{Status, Verdict};

/// The approval rules of one scope. See [`crate::Call::approvals`].
#[derive(Debug, Clone)]
pub struct Approvals {
    scope: String,
}

impl Approvals {
    pub(crate) fn open(scope: &str) -> Result<Self> {
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
        let starts_with_letter = scope.starts_with(|c: char| c.is_ascii_lowercase());
        match starts_with_letter && scope.len() <= 63 && scope.bytes().all(named) {
            true => Ok(Self { scope: scope.to_owned() }),
            false => Err(Error::new("invalid", format!("`{scope}` is not the name of a scope"))),
        }
    }

    /// What the rules in force now say. No effect. Errors: `denied`, `invalid` (a fact), `not-found` (no rules for the scope).
    pub fn evaluate(&self, facts: impl Into<Facts>) -> Result<Verdict> {
        Ok(kernel::evaluate(&self.scope, &facts.into().into_kernel())?)
    }

    /// Evaluates, and where an approval is required stores the request with what runs after a positive decision.
    /// The same subject again while a request waits gives the same id.
    /// Errors: as [`Approvals::evaluate`], then `invalid` (subject, action), `limit(payload)`.
    pub fn request(&self, facts: impl Into<Facts>, subject: Subject, then: Continuation) -> Result<Approval> {
        let subject = kernel::Subject { object: subject.object, digest: subject.digest };
        let then = kernel::Continuation { action: then.action, payload: then.payload? };
        Ok(match kernel::request(&self.scope, &facts.into().into_kernel(), &subject, &then)? {
            kernel::Outcome::NotRequired => Approval::NotRequired,
            kernel::Outcome::Waiting(id) => Approval::Waiting { id },
        })
    }

    /// How a request stands. Errors: `denied`, `not-found`.
    pub fn state(&self, id: &str) -> Result<Status> {
        Ok(kernel::state(&self.scope, id)?)
    }
}

/// The answer to a request. Can stand in an action's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Approval {
    /// No rule asks for an approval: go on at once. Nothing was stored.
    NotRequired,
    /// The request with this id waits for a decision.
    Waiting { id: String },
}

impl Approval {
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// The id of the request that waits.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::NotRequired => None,
            Self::Waiting { id } => Some(id),
        }
    }
}

/// What is to be approved: an object, and the SHA-256 of what the approver is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    object: String,
    digest: String,
}

impl Subject {
    /// The object with these bytes: an approval counts for exactly them.
    pub fn of(object: impl Into<String>, shown: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(shown).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { object: object.into(), digest }
    }

    /// The object with a digest that is already known: 64 lower-case hex digits.
    pub fn new(object: impl Into<String>, digest: impl Into<String>) -> Self {
        Self { object: object.into(), digest: digest.into() }
    }

    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// What runs after a positive decision. See [`then`].
#[derive(Debug, Clone)]
pub struct Continuation {
    action: String,
    /// A payload that could not become JSON is told when the request is made.
    payload: Result<Vec<u8>>,
}

/// After a positive decision, run this action of the same addon with this input: JSON of at most 256 KiB.
pub fn then(action: &str, payload: &impl Serialize) -> Continuation {
    Continuation { action: action.to_owned(), payload: entry::encode(payload) }
}

/// Named facts. Usually made with [`crate::facts!`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, Fact)>);

impl Facts {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact. `name`: 1 to 63 characters `a-z 0-9 _ . -`. At most 64 facts.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Fact>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    fn into_kernel(self) -> Vec<(String, kernel::Fact)> {
        self.0.into_iter().map(|(name, fact)| (name, fact.into())).collect()
    }
}

/// A fact's value. Texts, flags, [`Date`]s and integers become facts by themselves; a decimal is marked with [`Decimal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An exact text such as `1250.00`: at most 38 digits, an optional sign and point.
    Decimal(String),
    Text(String),
    Flag(bool),
    Date(Date),
}

/// Marks a value as a decimal fact: `Decimal("1250.00")`, or any decimal type that prints plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<T>(pub T);

impl<T: Display> From<Decimal<T>> for Fact {
    fn from(value: Decimal<T>) -> Self {
        Self::Decimal(value.0.to_string())
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Fact {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Date> for Fact {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}

impl From<&Date> for Fact {
    fn from(date: &Date) -> Self {
        Self::Date(date.clone())
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Fact {
            fn from(number: $integer) -> Self {
                Self::Decimal(number.to_string())
            }
        })*
    };
}

integers!(i32, i64, u32, u64, usize);

impl From<Fact> for kernel::Fact {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Decimal(text) => Self::Decimal(text),
            Fact::Text(text) => Self::Text(text),
            Fact::Flag(flag) => Self::Flag(flag),
            Fact::Date(date) => Self::Date(date.as_str().to_owned()),
        }
    }
}

/// Facts by name: `facts! { total: Decimal("1250.00"), customer: &order.customer, "ship.express": true, due: order.due }`.
#[macro_export]
macro_rules! facts {
    (@name $name:ident) => { ::core::stringify!($name) };
    (@name $name:literal) => { $name };
    ($($name:tt : $value:expr),* $(,)?) => {{
        use $crate::Decimal;
        let _used = Decimal(());
        $crate::Facts::new()$(.with($crate::facts!(@name $name), $value))*
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_keep_names_order_and_kinds() {
        let due = Date::new("2026-03-01").unwrap();
        let facts = facts! { total: Decimal("1250.00"), "ship.express": true, to: "acme", due: due.clone(), lines: 3u32 };
        assert_eq!(
            facts.0,
            [
                ("total".to_owned(), Fact::Decimal("1250.00".into())),
                ("ship.express".to_owned(), Fact::Flag(true)),
                ("to".to_owned(), Fact::Text("acme".into())),
                ("due".to_owned(), Fact::Date(due)),
                ("lines".to_owned(), Fact::Decimal("3".into())),
            ]
        );
    }

    #[test]
    fn a_subject_is_bound_to_bytes() {
        let subject = Subject::of("invoice/1", b"abc");
        // FIPS 180-4, example B.1.
        assert_eq!(subject.digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(subject, Subject::of("invoice/1", b"abd"));
    }

    #[test]
    fn a_scope_has_a_name() {
        assert!(Approvals::open("invoice.issue").is_ok());
        for bad in ["", "1st", "Invoice", "a b", &"a".repeat(64)] {
            assert_eq!(Approvals::open(bad).unwrap_err().code(), "invalid");
        }
    }

    #[test]
    fn an_approval_says_how_it_stands() {
        let waiting = Approval::Waiting { id: "a1".into() };
        assert_eq!(serde_json::to_string(&waiting).unwrap(), r#"{"state":"waiting","id":"a1"}"#);
        assert_eq!(waiting.id(), Some("a1"));
        assert!(!Approval::NotRequired.is_waiting());
    }
}
