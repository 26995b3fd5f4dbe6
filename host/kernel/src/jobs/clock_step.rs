//! When the machine's clock was set back.
//!
//! A job that waits for its next attempt would wait until the clock has come to that time again, an hour later for an hour back. What is
//! kept of a job cannot tell such a time from one that was meant, so whoever notices the step says by how much.

use bulla_store::{Db, Expect, Sql, StoreError, Unit};
use serde_json::json;

use super::error::JobError;
use super::service::{Jobs, host_origin};
use super::store::{JOBS, JobRow};

/// A step of less than this is left alone (milliseconds): what waits then waits this much longer at most.
pub const CLOCK_STEP_MS: i64 = 60_000;
/// Jobs that one commit moves at most.
const BATCH: i64 = 200;

const WAITING_AFTER: Sql =
    Sql::both("SELECT * FROM job WHERE state = 'waiting' AND due_ms > $1 AND id > $2 ORDER BY id LIMIT $3");

impl Jobs {
    /// Makes everything that still waits due `by_ms` milliseconds earlier. Gives the number of jobs.
    pub async fn clock_set_back(&self, by_ms: i64) -> Result<usize, JobError> {
        let now_ms = self.core.now_ms();
        let (mut moved, mut last) = (0, String::new());
        loop {
            let rows = waiting_after(&self.core.db, now_ms, &last).await?;
            let Some(end) = rows.last() else { break };
            last = end.id.clone();
            for row in rows {
                moved += usize::from(self.move_one(row, by_ms, now_ms).await?);
            }
        }
        self.wake();
        Ok(moved)
    }

    /// `false`: something else happened to the job in between.
    async fn move_one(&self, row: JobRow, by_ms: i64, now_ms: i64) -> Result<bool, JobError> {
        let due_ms = row.due_ms.saturating_sub(by_ms).max(now_ms);
        let mut unit = Unit::default();
        let detail = json!({"clock-back-ms": by_ms, "due-ms": due_ms});
        unit.record(host_origin(&row, now_ms)?.entry("job.rescheduled", &row.id, detail));
        let moved = JobRow { due_ms, ..row };
        unit.put(&JOBS, &moved.id, Expect::Version(moved.version), &moved);
        match self.core.committer.commit(unit).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn waiting_after(db: &Db, now_ms: i64, id: &str) -> Result<Vec<JobRow>, StoreError> {
    db.fetch(&WAITING_AFTER, &[now_ms.into(), id.into(), BATCH.into()]).await
}
