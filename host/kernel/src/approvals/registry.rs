//! The rules in force, in memory: calls evaluate without the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_base::{Scope, TenantId};

use super::error::ApprovalError;
use super::rules::RuleSet;
use crate::mirror::MAX_STALENESS;

type Scopes = HashMap<Scope, Arc<RuleSet>>;

#[derive(Default)]
pub(super) struct Registry {
    tenants: ArcSwap<HashMap<TenantId, Scopes>>,
    /// Monotonic milliseconds of the last look at the database; 0: none yet.
    looked_ms: AtomicU64,
}

impl Registry {
    pub fn get(&self, tenant: &TenantId, scope: &Scope) -> Option<Arc<RuleSet>> {
        self.tenants.load().get(tenant)?.get(scope).cloned()
    }

    pub fn version(&self, tenant: &TenantId, scope: &Scope) -> u32 {
        self.get(tenant, scope).map_or(0, |set| set.version)
    }

    /// Takes over sets that are newer than the ones here: a slow look never brings back an earlier version.
    pub fn learn(&self, sets: Vec<(TenantId, Arc<RuleSet>)>) {
        if sets.is_empty() {
            return;
        }
        self.tenants.rcu(|current| {
            let mut tenants = HashMap::clone(current);
            for (tenant, set) in &sets {
                let scopes = tenants.entry(tenant.clone()).or_default();
                let known = scopes.get(&set.document.scope).map_or(0, |known| known.version);
                if set.version > known {
                    scopes.insert(set.document.scope.clone(), set.clone());
                }
            }
            tenants
        });
    }

    pub fn looked(&self, at: Duration) {
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.looked_ms.fetch_max(at_ms, Ordering::AcqRel);
    }

    /// Fails where the last look is longer ago than [`MAX_STALENESS`], or never was.
    pub fn check_fresh(&self, now: Duration) -> Result<(), ApprovalError> {
        let looked = Duration::from_millis(self.looked_ms.load(Ordering::Acquire).saturating_sub(1));
        let age = now.saturating_sub(looked);
        if self.looked_ms.load(Ordering::Acquire) == 0 || age > MAX_STALENESS {
            return Err(ApprovalError::Stale { age_ms: age.as_millis() });
        }
        Ok(())
    }
}
