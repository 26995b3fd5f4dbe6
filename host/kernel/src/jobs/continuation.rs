//! Continuations of approvals: jobs that run an action, as the requester, with the decider beside.

use bulla_base::{JobId, Millis};
use bulla_store::{Expect, Unit};
use serde_json::json;

use super::model::{Context, JobState, Policy, derived_id};
use super::overlay::put_new;
use super::service::Jobs;
use super::store::{self, JobRow, KIND_APPROVAL};
use crate::origin::Origin;
use crate::ports::{Continuation, Continuations, Fairness};

/// Somebody waits for it, and no manifest describes it: the options that a job has by default.
const RETRIES: u32 = 8;
const BACKOFF: Millis = Millis(1_000);

impl Continuations for Jobs {
    /// The id is derived from the approval's: a second continuation of the same approval loses the commit.
    fn stage(&self, unit: &mut Unit, origin: &Origin, continuation: &Continuation) -> JobId {
        let id = derived_id(&format!("approval\n{}", continuation.approval));
        put_new(unit, &row(&id, continuation, self.core.now_ms()), Expect::Absent);
        let detail = json!({
            "approval": continuation.approval,
            "addon": continuation.addon,
            "action": continuation.action,
            "digest": continuation.digest,
            "request-trace": continuation.trace,
        });
        unit.record(origin.entry("job.enqueued", id.as_str(), detail));
        id
    }

    fn committed(&self) {
        self.wake();
    }
}

fn row(id: &JobId, continuation: &Continuation, now_ms: i64) -> JobRow {
    let context = Context::Approval {
        id: continuation.approval.clone(),
        requester: continuation.requester.clone(),
        decider: continuation.decider.clone(),
        object: continuation.object.clone(),
        digest: continuation.digest.clone(),
        decision_trace: continuation.decision_trace.clone(),
    };
    JobRow {
        id: id.to_string(),
        version: 0,
        tenant: continuation.tenant.to_string(),
        addon: continuation.addon.to_string(),
        entry: continuation.action.to_string(),
        kind: KIND_APPROVAL.into(),
        context: json!(context).to_string(),
        subject: continuation.requester.to_string(),
        trace: continuation.trace.to_string(),
        payload: continuation.payload.clone(),
        bytes: i64::try_from(continuation.payload.len()).unwrap_or(i64::MAX),
        state: JobState::Waiting.as_str().into(),
        fairness: store::class_text(Fairness::Interactive).into(),
        lock_key: None,
        unique_key: None,
        policy: json!(Policy { retries: RETRIES, backoff: BACKOFF, circuit: None }).to_string(),
        attempt: 0,
        max_attempts: 1 + i64::from(RETRIES),
        created_ms: now_ms,
        due_ms: now_ms,
        lease_until_ms: None,
        holder: None,
        finished_ms: None,
        result: None,
        error_code: None,
        error_message: None,
        reason: None,
    }
}
