//! Taking jobs: one versioned write of the job, its lock key and its circuit, so that of all nodes one wins.

use std::collections::HashMap;
use std::sync::Arc;

use bulla_base::{JobId, Subject};
use bulla_store::{Expect, Step, StoreError, Unit, failpoint, passed};
use serde_json::json;
use tokio::sync::Mutex;

use super::circuit::{Admission, Circuit};
use super::error::JobError;
use super::fairness::{Candidate, WEIGHTS};
use super::model::{Context, Job, JobState};
use super::service::{Jobs, host_origin};
use super::store::{self, CIRCUITS, CircuitRow, JOBS, JobRow, KIND_JOB, LOCKS, LockRow};
use crate::ports::{CallRequest, Cause, Principal};

/// A job that this node runs now, and the proof that it may.
pub struct Claimed {
    /// As it was taken: `attempt` is the one that runs.
    pub job: Job,
    pub(super) payload: Vec<u8>,
    pub(super) lease: Mutex<Lease>,
}

/// The fencing token. Whoever stages a write of the job's row holds it locked, so that an extension does not come between.
pub(super) struct Lease {
    pub row: JobRow,
    /// The end is staged: no more extensions.
    pub closed: bool,
}

/// What became of an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It runs again at this time (epoch milliseconds).
    Again { due_ms: i64 },
    /// That was the last attempt.
    Dead,
    /// The lease was over: another node has the job, and its own view of it.
    Lost,
}

impl Claimed {
    pub fn id(&self) -> &JobId {
        &self.job.id
    }

    /// Why the call runs, as the guest sees it.
    pub fn cause(&self) -> Cause {
        let (job, attempt) = (self.job.id.clone(), self.job.attempt);
        match &self.job.context {
            Context::Approval { id, requester, decider, .. } => Cause::Approval {
                id: id.clone(),
                requester: requester.clone(),
                decider: decider.clone(),
                job,
                attempt,
            },
            Context::Enqueued | Context::Scheduled { .. } => Cause::Job { id: job, attempt },
        }
    }

    /// The call that this attempt is. It runs as the job's subject, without roles: what it may do are the addon's grants.
    pub fn request(&self, policy_version: Arc<str>) -> CallRequest {
        let subject: Subject = self.job.subject.clone();
        CallRequest {
            tenant: self.job.tenant.clone(),
            principal: Principal { subject, tenant: Some(self.job.tenant.clone()), roles: Vec::new() },
            trace: self.job.trace.clone(),
            addon: self.job.addon.clone(),
            entry: self.job.entry.clone(),
            input: self.payload.clone(),
            cause: self.cause(),
            policy_version,
        }
    }
}

impl Jobs {
    /// Takes at most `slots` due jobs. Fewer than `slots` does not mean that nothing is left: other nodes take too.
    pub async fn claim(&self, slots: usize) -> Result<Vec<Arc<Claimed>>, JobError> {
        let now_ms = self.core.now_ms();
        let limit = i64::try_from(slots).unwrap_or(i64::MAX);
        let mut waiting: [Vec<Candidate>; WEIGHTS.len()] = Default::default();
        for (queue, (class, _)) in waiting.iter_mut().zip(WEIGHTS) {
            *queue = store::due(&self.core.db, class, now_ms, limit).await?;
        }
        let running = self.running();
        let picked = self.turns.lock().pick(waiting, &running, slots);
        let attempts = picked.iter().map(|candidate| self.take(candidate, now_ms));
        let mut claimed = Vec::new();
        let mut failed = None;
        for taken in futures::future::join_all(attempts).await {
            match taken {
                Ok(taken) => claimed.extend(taken),
                Err(error) => failed = Some(error),
            }
        }
        // What was claimed has to run, whatever became of the others.
        match failed {
            Some(error) if claimed.is_empty() => Err(error),
            Some(error) => {
                tracing::error!(%error, "a due job could not be claimed");
                Ok(claimed)
            }
            None => Ok(claimed),
        }
    }

    /// Says that the run is alive. `false`: the lease is gone, and nothing of this run will be committed.
    pub async fn extend(&self, claimed: &Claimed) -> Result<bool, JobError> {
        let mut lease = claimed.lease.lock().await;
        if lease.closed {
            return Ok(true);
        }
        let now_ms = self.core.now_ms();
        let row = JobRow { lease_until_ms: Some(self.lease_until(now_ms)), ..lease.row.clone() };
        let mut unit = Unit::default();
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        unit.record(host_origin(&row, now_ms)?.entry(
            "job.extended",
            &row.id,
            json!({"attempt": row.attempt}),
        ));
        match self.core.committer.commit(unit).await {
            Ok(()) => {
                lease.row = JobRow { version: row.version + 1, ..row };
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => {
                self.let_go(claimed.id(), claimed.job.attempt);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs in progress on this node, by tenant.
    fn running(&self) -> HashMap<String, usize> {
        let mut running = HashMap::new();
        for claimed in self.held.lock().values() {
            *running.entry(claimed.job.tenant.to_string()).or_default() += 1;
        }
        running
    }

    /// `None`: somebody else was faster, or the lock key or the circuit says no.
    async fn take(&self, candidate: &Candidate, now_ms: i64) -> Result<Option<Arc<Claimed>>, JobError> {
        let row = store::by_id(&self.core.db, &candidate.tenant, &candidate.id).await?;
        let Some(row) = row.filter(|row| row.state == JobState::Waiting.as_str()) else { return Ok(None) };
        let row = JobRow {
            state: JobState::Running.as_str().into(),
            attempt: row.attempt + 1,
            lease_until_ms: Some(self.lease_until(now_ms)),
            holder: Some(self.config.node.clone()),
            ..row
        };
        let origin = host_origin(&row, now_ms)?;
        let mut unit = Unit::default();
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        if !self.take_lock(&mut unit, &row).await? {
            return Ok(None);
        }
        match self.admit(&row, now_ms).await? {
            (Admission::Wait, _) => return Ok(None),
            (Admission::Run, _) => {}
            (Admission::Probe(circuit), version) => {
                let id = row.entry_id();
                unit.put(&CIRCUITS, &id, Expect::Version(version), &CircuitRow::of(&row.tenant, &circuit));
                unit.record(origin.entry("job.circuit-probed", &id, json!({"job": row.id})));
            }
        }
        let detail = json!({"addon": row.addon, "entry": row.entry, "attempt": row.attempt, "of": row.max_attempts, "node": row.holder});
        unit.record(origin.entry("job.attempted", &row.id, detail));
        failpoint(Step::JobClaim)?;
        let committed = self.core.committer.commit(unit).await;
        passed(Step::JobClaimed);
        match committed {
            Ok(()) => Ok(Some(self.hold(JobRow { version: row.version + 1, ..row })?)),
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Stages the lock key for this job. The job that had it last is looked at in the same read as the version: if it starts
    /// to run again after that, it takes the key again, and this claim loses.
    async fn take_lock(&self, unit: &mut Unit, row: &JobRow) -> Result<bool, JobError> {
        let Some(key) = &row.lock_key else { return Ok(true) };
        let id = store::lock_id(&row.tenant, key);
        let expect = match store::lock(&self.core.db, &row.tenant, &id).await? {
            None => Expect::Absent,
            Some(lock) if lock.holder_state.as_deref() == Some(JobState::Running.as_str()) => {
                return Ok(false);
            }
            Some(lock) => Expect::Version(lock.version),
        };
        unit.put(&LOCKS, &id, expect, &LockRow { tenant: row.tenant.clone(), job: row.id.clone() });
        Ok(true)
    }

    async fn admit(&self, row: &JobRow, now_ms: i64) -> Result<(Admission, i64), JobError> {
        if row.kind != KIND_JOB {
            return Ok((Admission::Run, 0));
        }
        let found = store::circuit(&self.core.db, &row.tenant, &row.entry_id()).await?;
        let Some(found) = found else { return Ok((Circuit::NEW.admit(&row.id()?, false, now_ms), 0)) };
        Ok((found.circuit.admit(&row.id()?, found.probe_runs, now_ms), found.version))
    }

    fn hold(&self, row: JobRow) -> Result<Arc<Claimed>, JobError> {
        let job = JobRow { payload: String::new(), ..row.clone() }.view()?;
        let payload = row.payload.clone().into_bytes();
        let claimed = Arc::new(Claimed { job, payload, lease: Mutex::new(Lease { row, closed: false }) });
        self.held.lock().insert(claimed.id().clone(), claimed.clone());
        Ok(claimed)
    }

    fn lease_until(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(i64::try_from(self.config.lease.get()).unwrap_or(i64::MAX))
    }
}
