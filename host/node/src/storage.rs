//! What each tenant keeps, in memory: `limits.storage` is held against this, not against the database, in every call.
//!
//! It is looked up every second, and what this node's calls commit in between is added at once. What other nodes commit is
//! seen with the next look: a tenant that calls on many nodes can go over its limit by what they take within a second.

use std::collections::HashMap;

use bulla_base::{Bytes, Coded, Failure, TenantId};
use bulla_bindings::Rooms;
use bulla_kernel::idempotency::Idempotency;
use parking_lot::Mutex;

#[derive(Default)]
pub struct Storage {
    used: Mutex<HashMap<TenantId, u64>>,
}

impl Storage {
    /// Waiting jobs and approvals and the stored responses, of all tenants.
    pub async fn refresh(&self, rooms: &Rooms, idempotency: &Idempotency) -> Result<(), Failure> {
        let looks = [
            rooms.jobs.all_waiting_bytes().await.map_err(|error| error.failure())?,
            rooms.approvals.all_waiting_bytes().await.map_err(|error| error.failure())?,
            idempotency.kept().await.map_err(|error| error.failure())?,
        ];
        let mut used: HashMap<TenantId, u64> = HashMap::new();
        for (tenant, bytes) in looks.into_iter().flatten() {
            let sum = used.entry(tenant).or_default();
            *sum = sum.saturating_add(bytes.0);
        }
        *self.used.lock() = used;
        Ok(())
    }

    /// What the tenant may keep beyond what it keeps already.
    pub fn left(&self, tenant: &TenantId, limit: Bytes) -> Bytes {
        Bytes(limit.0.saturating_sub(self.used.lock().get(tenant).copied().unwrap_or(0)))
    }

    /// A call of this node committed this much.
    pub fn add(&self, tenant: &TenantId, bytes: Bytes) {
        if bytes.0 > 0 {
            let mut used = self.used.lock();
            let sum = used.entry(tenant.clone()).or_default();
            *sum = sum.saturating_add(bytes.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_here_counts_at_once_and_for_its_tenant_alone() {
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let storage = Storage::default();
        assert_eq!(storage.left(&acme, Bytes(100)), Bytes(100));
        storage.add(&acme, Bytes(70));
        storage.add(&acme, Bytes(70));
        assert_eq!(storage.left(&acme, Bytes(100)), Bytes(0));
        assert_eq!(storage.left(&acme, Bytes(150)), Bytes(10));
        assert_eq!(storage.left(&globex, Bytes(100)), Bytes(100));
    }
}
