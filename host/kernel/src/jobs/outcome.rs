//! How an attempt ends: with its call's effects, with a failure, or with its node.

use std::sync::Arc;

use bulla_base::{Failure, JobId, codes};
use bulla_store::{Expect, Step, StoreError, Unit, failpoint, passed};
use serde_json::json;

use super::backoff;
use super::circuit::Circuit;
use super::claim::{Claimed, Settled};
use super::error::JobError;
use super::model::{JobState, MAX_RESULT};
use super::service::{Jobs, host_origin};
use super::store::{self, CIRCUITS, CircuitRow, JOBS, JobRow, KEY_VERSION, KEYS, KIND_JOB};
use crate::origin::Origin;

/// Bytes of a failure's message that are kept.
const MAX_MESSAGE: usize = 1_000;
/// Jobs that one look for lapsed leases takes back at most.
const RECLAIM: i64 = 200;
/// How often a failure is written again where its circuit was changed by another one.
const TRIES: u32 = 16;

impl Jobs {
    /// Stages the success into the call's own unit: it commits with the effects or not at all, and only while this node
    /// still has the claim. To be called right before the commit; again, with another unit, where the call is run again.
    pub async fn complete(
        &self,
        unit: &mut Unit,
        id: &JobId,
        attempt: u32,
        result: &[u8],
    ) -> Result<(), JobError> {
        let not_held = || JobError::NotHeld { id: id.clone() };
        let claimed = self.held(id).filter(|claimed| claimed.job.attempt == attempt).ok_or_else(not_held)?;
        let mut lease = claimed.lease.lock().await;
        let kept = (result.len() <= MAX_RESULT).then(|| String::from_utf8(result.to_vec()).ok()).flatten();
        let now_ms = self.core.now_ms();
        let row = JobRow {
            state: JobState::Succeeded.as_str().into(),
            finished_ms: Some(now_ms),
            lease_until_ms: None,
            result: kept.filter(|text| serde_json::from_str::<serde_json::Value>(text).is_ok()),
            error_code: None,
            error_message: None,
            ..lease.row.clone()
        };
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        if let Some(key_id) = row.key_id() {
            unit.remove(&KEYS, &key_id, KEY_VERSION);
        }
        let detail = json!({"attempt": row.attempt, "result-bytes": result.len()});
        unit.record(host_origin(&row, now_ms)?.entry("job.succeeded", &row.id, detail));
        lease.closed = true;
        Ok(())
    }

    /// After the commit of a success: lets go of the claim, and closes the circuit where this run says so.
    pub async fn succeeded(&self, claimed: &Claimed) -> Result<(), JobError> {
        self.let_go(claimed.id(), claimed.job.attempt);
        let row = claimed.lease.lock().await.row.clone();
        if row.kind != KIND_JOB {
            return Ok(());
        }
        let id = row.entry_id();
        let Some(found) = store::circuit(&self.core.db, &row.tenant, &id).await? else { return Ok(()) };
        if !found.circuit.closes() {
            return Ok(());
        }
        let mut unit = Unit::default();
        unit.remove(&CIRCUITS, &id, found.version);
        let detail =
            json!({"job": row.id, "was": found.circuit.state(), "failures": found.circuit.failures()});
        unit.record(host_origin(&row, self.core.now_ms())?.entry("job.circuit-closed", &id, detail));
        match self.core.committer.commit(unit).await {
            // A failure came in between, and counts.
            Err(StoreError::Conflict { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Records the failure of an attempt, and lets go of the claim.
    pub async fn failed(&self, claimed: &Claimed, failure: &Failure) -> Result<Settled, JobError> {
        let mut lease = claimed.lease.lock().await;
        lease.closed = true;
        self.let_go(claimed.id(), claimed.job.attempt);
        let wait_ms = failure.retry_after.map_or(0, |wait| i64::try_from(wait.get()).unwrap_or(i64::MAX));
        let fault = Fault {
            event: "job.failed",
            code: failure.code.name,
            message: &failure.message,
            wait_ms,
            // The call was not let in: that says nothing of the job, and takes none of its retries.
            ran: failure.code != codes::BUSY,
            counts: failure.code != codes::BUSY,
        };
        self.settle(&lease.row, &fault).await
    }

    /// Takes back the jobs of nodes that gave no sign of life. Says how many.
    pub async fn reclaim(&self) -> Result<usize, JobError> {
        self.reclaim_until(self.core.now_ms()).await
    }

    /// At the start of the only node (SQLite, under the directory lock): nobody runs anything, whatever the leases say.
    pub async fn reclaim_all(&self) -> Result<usize, JobError> {
        let mut all = 0;
        loop {
            match self.reclaim_until(i64::MAX).await? {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    async fn reclaim_until(&self, until_ms: i64) -> Result<usize, JobError> {
        let mut reclaimed = 0;
        for row in store::lapsed(&self.core.db, until_ms, RECLAIM).await? {
            let message = "the node stopped during the attempt";
            let fault = Fault {
                event: "job.reclaimed",
                code: codes::UNAVAILABLE.name,
                message,
                wait_ms: 0,
                ran: true,
                counts: false,
            };
            if self.settle(&row, &fault).await? != Settled::Lost {
                self.let_go(&row.id()?, row.count(row.attempt));
                reclaimed += 1;
            }
        }
        Ok(reclaimed)
    }

    fn held(&self, id: &JobId) -> Option<Arc<Claimed>> {
        self.held.lock().get(id).cloned()
    }

    /// Forgets this attempt; a later one of the same job stays.
    pub(super) fn let_go(&self, id: &JobId, attempt: u32) {
        let mut held = self.held.lock();
        if held.get(id).is_some_and(|claimed| claimed.job.attempt == attempt) {
            held.remove(id);
        }
    }

    /// Writes what comes after a failure: the next attempt or the dead letter, and the circuit.
    async fn settle(&self, held: &JobRow, fault: &Fault<'_>) -> Result<Settled, JobError> {
        for _ in 0..TRIES {
            let (unit, settled) = self.after_failure(held, fault).await?;
            failpoint(Step::JobSettle)?;
            let committed = self.core.committer.commit(unit).await;
            passed(Step::JobSettled);
            match committed {
                Ok(()) => return Ok(settled),
                // Another failure moved the circuit first: look at it again.
                Err(StoreError::Conflict { table, .. }) if table == CIRCUITS.name => {}
                Err(StoreError::Conflict { .. }) => return Ok(Settled::Lost),
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Unavailable(format!("the circuit of `{}` changes all the time", held.entry_id()))
            .into())
    }

    async fn after_failure(&self, held: &JobRow, fault: &Fault<'_>) -> Result<(Unit, Settled), JobError> {
        let now_ms = self.core.now_ms();
        let policy = held.policy()?;
        let delay = backoff::delay(policy.backoff, held.count(held.attempt), self.core.rng.as_ref());
        let wait_ms = i64::try_from(delay.get()).unwrap_or(i64::MAX).max(fault.wait_ms);
        let due_ms = now_ms.saturating_add(wait_ms);
        let dead = fault.ran && held.attempt >= held.max_attempts;
        let row = JobRow {
            max_attempts: held.max_attempts.saturating_add(i64::from(!fault.ran)),
            state: if dead { JobState::Dead } else { JobState::Waiting }.as_str().into(),
            due_ms: if dead { held.due_ms } else { due_ms },
            finished_ms: dead.then_some(now_ms),
            lease_until_ms: None,
            holder: None,
            error_code: Some(fault.code.into()),
            error_message: Some(cut(fault.message)),
            ..held.clone()
        };
        let origin = host_origin(&row, now_ms)?;
        let mut unit = Unit::default();
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        let settled = if dead {
            if let Some(key_id) = row.key_id() {
                unit.remove(&KEYS, &key_id, KEY_VERSION);
            }
            Settled::Dead
        } else {
            Settled::Again { due_ms }
        };
        // The message may name people: the audit holds the code alone.
        let detail = json!({"code": fault.code, "attempt": row.attempt, "dead": dead, "due-ms": (!dead).then_some(due_ms)});
        unit.record(origin.entry(fault.event, &row.id, detail));
        if dead {
            unit.record(origin.entry("job.dead", &row.id, json!({"attempts": row.attempt})));
        }
        if fault.counts && row.kind == KIND_JOB {
            self.count_failure(&mut unit, &row, policy.circuit, &origin, now_ms).await?;
        }
        Ok((unit, settled))
    }

    async fn count_failure(
        &self,
        unit: &mut Unit,
        row: &JobRow,
        policy: Option<(u32, bulla_base::Millis)>,
        origin: &Origin,
        now_ms: i64,
    ) -> Result<(), JobError> {
        let id = row.entry_id();
        let found = store::circuit(&self.core.db, &row.tenant, &id).await?;
        let (before, expect) = match found {
            Some(found) => (found.circuit, Expect::Version(found.version)),
            None => (Circuit::NEW, Expect::Absent),
        };
        let Some(policy) = policy else { return Ok(()) };
        let after = before.failed(&row.id()?, policy, now_ms);
        if after == before {
            return Ok(());
        }
        unit.put(&CIRCUITS, &id, expect, &CircuitRow::of(&row.tenant, &after));
        if let Circuit::Open { failures, until_ms } = after {
            let detail = json!({"job": row.id, "failures": failures, "until-ms": until_ms});
            unit.record(origin.entry("job.circuit-opened", &id, detail));
        }
        Ok(())
    }
}

/// Why an attempt did not succeed.
struct Fault<'a> {
    event: &'static str,
    code: &'static str,
    message: &'a str,
    /// What the failure itself asks to wait, at least.
    wait_ms: i64,
    /// False where the attempt ended before its guest began.
    ran: bool,
    /// A failure of the job itself, which its circuit counts.
    counts: bool,
}

/// Without NUL, which PostgreSQL cannot hold.
fn cut(message: &str) -> String {
    let mut text = message.replace('\0', "\u{fffd}");
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
