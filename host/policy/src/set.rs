//! The set in force, and how it is exchanged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_base::{AddonName, PartialLimits, TenantId};
use bulla_kernel::ports::{Authorize, Decision, LimitSource, Operation, Principal, Quotas, Target};
use parking_lot::Mutex;

use crate::authorization::Authorization;
use crate::error::PolicyError;
use crate::files::{Files, QUOTAS, SCHEMA};
use crate::quotas::QuotaRules;

/// How often [`PolicySet::watch`] looks. A change is taken when two looks in a row see the same, so that a file that is being
/// written is not read halfway: a change is in force within a second.
pub const WATCH_EVERY: Duration = Duration::from_millis(450);

/// The policies of a host. Clones share what is in force.
#[derive(Clone)]
pub struct PolicySet {
    /// `None`: the embedded defaults, which never change.
    dir: Option<PathBuf>,
    current: Arc<ArcSwap<Rules>>,
    /// One reload at a time, so that an older reading cannot replace a newer one.
    reloading: Arc<Mutex<()>>,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    pub before: Arc<str>,
    /// The version in force now.
    pub after: Arc<str>,
}

impl Reloaded {
    pub fn changed(&self) -> bool {
        self.before != self.after
    }
}

/// One valid set, immutable.
pub(crate) struct Rules {
    pub version: Arc<str>,
    pub quotas: QuotaRules,
    pub authorization: Authorization,
}

impl Rules {
    pub fn parse(files: &Files) -> Result<Self, PolicyError> {
        Ok(Self {
            version: files.version(),
            quotas: QuotaRules::parse(files.get(QUOTAS)?)?,
            authorization: Authorization::parse(files.get(SCHEMA)?, files.cedar())?,
        })
    }
}

impl PolicySet {
    /// Reads and validates the policies in a directory.
    pub fn load(dir: &Path) -> Result<Self, PolicyError> {
        Ok(Self::of(Some(dir.to_owned()), Rules::parse(&Files::read(dir)?)?))
    }

    /// The defaults that `bulla init` writes, without a directory.
    pub fn embedded() -> Result<Self, PolicyError> {
        Ok(Self::of(None, Rules::parse(&Files::embedded())?))
    }

    fn of(dir: Option<PathBuf>, rules: Rules) -> Self {
        Self { dir, current: Arc::new(ArcSwap::from_pointee(rules)), reloading: Arc::default() }
    }

    /// Reads the directory again. An error leaves the old set in force. Calls that are being decided finish with the set
    /// they began with; every decision after the return is made by the new one. Blocks on files.
    pub fn reload(&self) -> Result<Reloaded, PolicyError> {
        let _one_at_a_time = self.reloading.lock();
        let before = self.current.load().version.clone();
        let Some(dir) = &self.dir else {
            return Ok(Reloaded { after: before.clone(), before });
        };
        let files = Files::read(dir)?;
        if files.version() != before {
            self.current.store(Arc::new(Rules::parse(&files)?));
        }
        Ok(Reloaded { before, after: self.current.load().version.clone() })
    }

    /// Looks at the directory for ever and takes what changed; `told` hears of each change, and once of each invalid state.
    pub async fn watch(&self, every: Duration, mut told: impl FnMut(Result<Reloaded, PolicyError>) + Send) {
        let mut settled = Some(self.version());
        let mut seen = settled.clone();
        let mut refused: Option<PolicyError> = None;
        loop {
            tokio::time::sleep(every).await;
            let now = match self.look().await {
                Ok(version) => version,
                Err(error) => {
                    if refused.as_ref() != Some(&error) {
                        told(Err(error.clone()));
                        refused = Some(error);
                    }
                    settled = None;
                    continue;
                }
            };
            let steady = seen.as_ref() == Some(&now);
            seen = Some(now.clone());
            if !steady || settled.as_ref() == Some(&now) {
                continue;
            }
            settled = Some(now);
            let set = self.clone();
            let outcome = tokio::task::spawn_blocking(move || set.reload()).await;
            refused = None;
            match outcome {
                Ok(Ok(reloaded)) if !reloaded.changed() => {}
                Ok(outcome) => {
                    refused = outcome.as_ref().err().cloned();
                    told(outcome);
                }
                Err(error) => tracing::error!(%error, "the policies could not be reloaded"),
            }
        }
    }

    /// The version of what lies in the directory now.
    async fn look(&self) -> Result<Arc<str>, PolicyError> {
        let Some(dir) = self.dir.clone() else { return Ok(self.version()) };
        let shown = dir.display().to_string();
        let read = tokio::task::spawn_blocking(move || Files::read(&dir).map(|files| files.version()));
        read.await.unwrap_or_else(|error| Err(PolicyError::File { path: shown, reason: error.to_string() }))
    }
}

impl Authorize for PolicySet {
    fn decide(&self, principal: &Principal, operation: Operation, target: Target<'_>) -> Decision {
        let rules = self.current.load();
        Decision {
            allowed: rules.authorization.allows(principal, operation, target),
            policy_version: rules.version.clone(),
        }
    }
}

impl Quotas for PolicySet {
    fn limits(&self, tenant: &TenantId, addon: Option<&AddonName>) -> PartialLimits {
        self.current.load().quotas.limits(tenant, addon)
    }

    fn explain(&self, tenant: &TenantId, manifest: &PartialLimits, addon: &AddonName) -> Vec<LimitSource> {
        self.current.load().quotas.explain(tenant, manifest, addon)
    }

    fn version(&self) -> Arc<str> {
        self.current.load().version.clone()
    }
}
