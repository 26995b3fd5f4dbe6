//! What an addon may do in a tenant: what its manifest asks for, cut down to what the operator granted.
//!
//! The check is on the hot path: no lock, no allocation. A grant that is taken away counts from the next check on, also
//! inside a running call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bulla_base::{Alias, Purpose, Scope};
use serde::{Deserialize, Serialize};

/// Capabilities, as a manifest asks for them and an operator grants them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Grants {
    pub sequences: BTreeSet<Alias>,
    pub approvals: BTreeSet<Scope>,
    pub secrets: BTreeMap<Alias, SecretGrant>,
    pub keys: BTreeMap<Alias, KeyGrant>,
    /// WASI interfaces by name without version.
    pub wasi: BTreeSet<String>,
    /// The directory the operator opens to the addon, `read-only` or `read-write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryGrant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretGrant {
    pub purpose: Purpose,
    /// `scheme://host[:port]`, exact.
    pub destinations: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyGrant {
    pub purpose: Purpose,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectoryGrant {
    pub path: std::path::PathBuf,
    pub writable: bool,
}

/// One thing a guest wants to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability<'a> {
    Sequence(&'a Alias),
    Approval(&'a Scope),
    Secret(&'a Alias, &'a Purpose),
    Key(&'a Alias, &'a Purpose),
}

impl std::fmt::Display for Capability<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sequence(key) => write!(f, "sequence {key}"),
            Self::Approval(scope) => write!(f, "approval {scope}"),
            Self::Secret(alias, purpose) => write!(f, "secret {alias} for {purpose}"),
            Self::Key(alias, purpose) => write!(f, "key {alias} for {purpose}"),
        }
    }
}

impl Grants {
    pub fn allows(&self, capability: Capability<'_>) -> bool {
        match capability {
            Capability::Sequence(key) => self.sequences.contains(key),
            Capability::Approval(scope) => self.approvals.contains(scope),
            Capability::Secret(alias, purpose) => {
                self.secrets.get(alias).is_some_and(|grant| grant.purpose == *purpose)
            }
            Capability::Key(alias, purpose) => {
                self.keys.get(alias).is_some_and(|grant| grant.purpose == *purpose)
            }
        }
    }

    /// What both sides name. A secret's destinations are the operator's where the purposes agree: only the operator knows
    /// where a tenant's receiver stands.
    pub fn both(asked: &Self, granted: &Self) -> Self {
        Self {
            sequences: asked.sequences.intersection(&granted.sequences).cloned().collect(),
            approvals: asked.approvals.intersection(&granted.approvals).cloned().collect(),
            secrets: granted
                .secrets
                .iter()
                .filter(|(alias, grant)| {
                    asked.secrets.get(*alias).is_some_and(|want| want.purpose == grant.purpose)
                })
                .map(|(alias, grant)| (alias.clone(), grant.clone()))
                .collect(),
            keys: granted
                .keys
                .iter()
                .filter(|(alias, grant)| asked.keys.get(*alias) == Some(grant))
                .map(|(alias, grant)| (alias.clone(), grant.clone()))
                .collect(),
            wasi: asked.wasi.intersection(&granted.wasi).cloned().collect(),
            directory: match (&asked.directory, &granted.directory) {
                (Some(want), Some(have)) => {
                    Some(DirectoryGrant { path: have.path.clone(), writable: want.writable && have.writable })
                }
                _ => None,
            },
        }
    }
}

/// The grants of one addon in one tenant, exchanged in one step when the operator changes them.
#[derive(Debug, Clone, Default)]
pub struct GrantCell(Arc<ArcSwap<Grants>>);

impl GrantCell {
    pub fn new(grants: Grants) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(grants)))
    }

    pub fn allows(&self, capability: Capability<'_>) -> bool {
        self.0.load().allows(capability)
    }

    pub fn current(&self) -> Arc<Grants> {
        self.0.load_full()
    }

    /// Does anybody else look at this cell?
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub fn replace(&self, grants: Grants) {
        self.0.store(Arc::new(grants));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(text: &str) -> Alias {
        Alias::new(text).unwrap()
    }

    #[test]
    fn both_sides_must_name_it() {
        let asked = Grants { sequences: [alias("a"), alias("b")].into(), ..Default::default() };
        let granted = Grants { sequences: [alias("b"), alias("c")].into(), ..Default::default() };
        let both = Grants::both(&asked, &granted);
        assert!(both.allows(Capability::Sequence(&alias("b"))));
        assert!(!both.allows(Capability::Sequence(&alias("a"))));
        assert!(!both.allows(Capability::Sequence(&alias("c"))));
    }

    #[test]
    fn a_grant_taken_away_counts_at_once() {
        let cell = GrantCell::new(Grants { sequences: [alias("a")].into(), ..Default::default() });
        let held = cell.clone();
        cell.replace(Grants::default());
        assert!(!held.allows(Capability::Sequence(&alias("a"))));
    }
}
