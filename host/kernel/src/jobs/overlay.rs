//! What one call has enqueued, before it commits.

use bulla_base::JobId;
use bulla_store::{Expect, Unit};

use super::store::{JOBS, JobRow, KEYS, KeyRow};

/// What a call has staged in this room.
#[derive(Default)]
pub struct Overlay {
    jobs: Vec<JobRow>,
}

impl Overlay {
    pub(super) fn add(&mut self, row: JobRow) {
        self.jobs.push(row);
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The job with this unique key that this call enqueued before.
    pub(super) fn with_key(&self, key_id: &str) -> Option<JobId> {
        self.jobs.iter().find(|row| row.key_id().as_deref() == Some(key_id)).and_then(|row| row.id().ok())
    }

    /// True where the commit of this call gives the runners something to do.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn stage(&mut self, unit: &mut Unit) {
        for row in self.jobs.drain(..) {
            put_new(unit, &row, Expect::Fresh);
        }
    }
}

/// A new job and, where it has one, its unique key: of two that race for a key, one commits.
pub(super) fn put_new(unit: &mut Unit, row: &JobRow, expect: Expect) {
    unit.put(&JOBS, &row.id, expect, row);
    if let Some(key_id) = row.key_id() {
        unit.put(&KEYS, &key_id, Expect::Absent, &KeyRow { tenant: row.tenant.clone(), job: row.id.clone() });
    }
}
