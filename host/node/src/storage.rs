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
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    used: Sums,
    /// What was committed since the last look began, which may have seen it or not. Until the next one it counts twice rather than not.
    since: Sums,
}

type Sums = HashMap<TenantId, u64>;

fn add(sums: &mut Sums, tenant: &TenantId, bytes: u64) {
    let sum = sums.entry(tenant.clone()).or_default();
    *sum = sum.saturating_add(bytes);
}

impl Storage {
    /// Waiting jobs and approvals and the stored responses, of all tenants.
    pub async fn refresh(&self, rooms: &Rooms, idempotency: &Idempotency) -> Result<(), Failure> {
        self.known.lock().since.clear();
        let looks = [
            rooms.jobs.all_waiting_bytes().await.map_err(|error| error.failure())?,
            rooms.approvals.all_waiting_bytes().await.map_err(|error| error.failure())?,
            idempotency.kept().await.map_err(|error| error.failure())?,
        ];
        let mut used = Sums::new();
        for (tenant, bytes) in looks.into_iter().flatten() {
            add(&mut used, &tenant, bytes.0);
        }
        self.known.lock().looked(used);
        Ok(())
    }

    /// What the tenant may keep beyond what it keeps already.
    pub fn left(&self, tenant: &TenantId, limit: Bytes) -> Bytes {
        Bytes(limit.0.saturating_sub(self.known.lock().used.get(tenant).copied().unwrap_or(0)))
    }

    /// A call of this node committed this much.
    pub fn add(&self, tenant: &TenantId, bytes: Bytes) {
        if bytes.0 > 0 {
            let mut known = self.known.lock();
            add(&mut known.used, tenant, bytes.0);
            add(&mut known.since, tenant, bytes.0);
        }
    }
}

impl Known {
    fn looked(&mut self, mut used: Sums) {
        for (tenant, bytes) in &self.since {
            add(&mut used, tenant, *bytes);
        }
        self.used = used;
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

    #[test]
    fn what_is_committed_during_a_look_is_not_forgotten_by_it() {
        let acme: TenantId = "acme".parse().unwrap();
        let storage = Storage::default();
        storage.add(&acme, Bytes(70));
        storage.known.lock().since.clear();
        storage.add(&acme, Bytes(20));
        storage.known.lock().looked([(acme.clone(), 70)].into());
        assert_eq!(storage.left(&acme, Bytes(100)), Bytes(10));
    }
}
