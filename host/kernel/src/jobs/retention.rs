//! Forgetting jobs that ended long ago.

use std::collections::BTreeMap;

use bulla_base::Millis;
use bulla_store::{StoreError, Unit};
use serde_json::json;

use super::error::JobError;
use super::service::{Jobs, host_origin};
use super::store::{self, JOBS, JobRow};

/// Jobs that one sweep removes at most.
const SWEEP: i64 = 500;

impl Jobs {
    /// Removes succeeded and cancelled jobs, and dead letters, that ended longer ago than they are kept; at most 500 a call,
    /// with one audit entry a tenant. Says how many.
    pub async fn sweep(&self) -> Result<usize, JobError> {
        let now_ms = self.core.now_ms();
        let before = |kept: Millis| now_ms.saturating_sub(i64::try_from(kept.get()).unwrap_or(i64::MAX));
        let (done, dead) = (before(self.config.keep_done), before(self.config.keep_dead));
        let mut tenants: BTreeMap<String, Vec<JobRow>> = BTreeMap::new();
        for row in store::finished(&self.core.db, done, dead, SWEEP).await? {
            tenants.entry(row.tenant.clone()).or_default().push(row);
        }
        let mut removed = 0;
        for rows in tenants.values() {
            let Some(first) = rows.first() else { continue };
            let mut unit = Unit::default();
            for row in rows {
                unit.remove(&JOBS, &row.id, row.version);
            }
            unit.record(host_origin(first, now_ms)?.entry("job.swept", "jobs", json!({"count": rows.len()})));
            match self.core.committer.commit(unit).await {
                Ok(()) => removed += rows.len(),
                // An operator retried one of them, or another node swept: the next sweep looks again.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(removed)
    }
}
