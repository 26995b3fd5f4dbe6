//! The end of a request: a decision, a withdrawal, its time.

use bulla_base::{ApprovalId, Scope, Subject, TenantId, TraceId};
use bulla_store::{Expect, Step, StoreError, Unit, failpoint, passed};
use serde_json::{Value, json};

use super::error::ApprovalError;
use super::facts::Facts;
use super::model::{Answer, Approval, Decide, Status, checked_reason};
use super::rules::Approver;
use super::service::{Approvals, status_at};
use super::store::{self, APPROVALS, ApprovalRow, OPEN, OPEN_VERSION};
use crate::origin::Origin;
use crate::ports::{Continuation, Principal};

/// Requests that one sweep ends at most.
const SWEEP: i64 = 200;

impl Approvals {
    /// Decides a request. On `approve` the same commit enqueues the continuation.
    ///
    /// The principal is one of the approvers that the rules in force name now, and never the requester. A refusal is audited.
    pub async fn decide(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        id: &ApprovalId,
        principal: &Principal,
        decide: Decide,
    ) -> Result<Approval, ApprovalError> {
        match (&decide.reason, decide.answer) {
            (Some(reason), _) => drop(checked_reason(reason)?),
            (None, Answer::Reject) => return Err(ApprovalError::Reason),
            (None, Answer::Approve) => {}
        }
        let origin = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
        let row = self.row(tenant, id).await?;
        if let Err(refusal) = self.authorize(tenant, id, &row, principal).await {
            self.audit_refusal(&origin, id, principal, &refusal).await?;
            return Err(refusal);
        }
        if row.status()? == decide.answer.status()
            && row.decider.as_deref() == Some(principal.subject.as_str())
        {
            return Ok(row.view()?);
        }
        let now_ms = self.core.now_ms();
        let status = status_at(&row, now_ms)?;
        if status != Status::Waiting {
            return Err(ApprovalError::Closed { id: id.clone(), status });
        }
        if let Some(shown) = decide.digest.filter(|shown| *shown != row.digest) {
            let shown = shown.chars().take(80).collect();
            return Err(ApprovalError::OtherDigest { id: id.clone(), stored: row.digest, shown });
        }
        let ended = Ended {
            status: decide.answer.status(),
            by: Some(principal.subject.clone()),
            reason: decide.reason,
        };
        self.end(&origin, id, row, ended).await
    }

    /// Withdraws a request: its requester may, its approvers may, an operator may.
    pub async fn cancel(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        id: &ApprovalId,
        principal: &Principal,
        reason: &str,
    ) -> Result<Approval, ApprovalError> {
        let reason = checked_reason(reason)?.to_owned();
        let origin = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
        let row = self.row(tenant, id).await?;
        let own = row.requester == principal.subject.as_str() && principal.tenant.as_ref() == Some(tenant);
        if !own
            && !principal.is_operator()
            && let Err(refusal) = self.authorize(tenant, id, &row, principal).await
        {
            self.audit_refusal(&origin, id, principal, &refusal).await?;
            return Err(refusal);
        }
        let status = status_at(&row, self.core.now_ms())?;
        if status != Status::Waiting {
            return Err(ApprovalError::Closed { id: id.clone(), status });
        }
        let ended =
            Ended { status: Status::Cancelled, by: Some(principal.subject.clone()), reason: Some(reason) };
        self.end(&origin, id, row, ended).await
    }

    /// Ends requests whose time is over, at most 200 a call. Says how many; a node that comes second ends none.
    pub async fn expire_due(&self) -> Result<usize, ApprovalError> {
        let now_ms = self.core.now_ms();
        let mut ended = 0;
        for row in store::expired(&self.core.db, now_ms, SWEEP).await? {
            let id = row.text(&row.id, ApprovalId::new)?;
            let origin = Origin {
                tenant: Some(row.text(&row.tenant, TenantId::new)?),
                subject: Principal::host().subject,
                trace: row.text(&row.trace, TraceId::new)?,
                at_ms: now_ms,
                policy_version: None,
                call: None,
            };
            match self.end(&origin, &id, row, Ended { status: Status::Expired, by: None, reason: None }).await
            {
                Ok(_) => ended += 1,
                Err(ApprovalError::Closed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Who may decide: by the rules of now over the facts of then.
    async fn authorize(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
        row: &ApprovalRow,
        principal: &Principal,
    ) -> Result<(), ApprovalError> {
        let subject = || principal.subject.clone();
        if row.requester == principal.subject.as_str() {
            return Err(ApprovalError::OwnRequest { subject: subject() });
        }
        let not_approver = || ApprovalError::NotApprover { subject: subject(), id: id.clone() };
        if principal.tenant.as_ref().is_some_and(|own| own != tenant) {
            return Err(not_approver());
        }
        let approvers = self.approvers_now(tenant, row).await?;
        if approvers.iter().any(|approver| approver.is(principal)) { Ok(()) } else { Err(not_approver()) }
    }

    async fn approvers_now(
        &self,
        tenant: &TenantId,
        row: &ApprovalRow,
    ) -> Result<Vec<Approver>, ApprovalError> {
        let scope = row.text(&row.scope, Scope::new)?;
        // From the database, not from memory: another node may have loaded rules a moment ago.
        let rules = store::rules(&self.core.db, tenant, &scope, None).await?;
        let rules = rules.ok_or(ApprovalError::NoRules { scope })?;
        let changed = |error: ApprovalError| ApprovalError::RulesChanged { reason: error.to_string() };
        let verdict = rules.evaluate(&Facts::from_json(&row.facts)?, self.today()).map_err(changed)?;
        if verdict.required { Ok(verdict.approvers) } else { Ok(row.json(&row.approvers)?) }
    }

    async fn audit_refusal(
        &self,
        origin: &Origin,
        id: &ApprovalId,
        principal: &Principal,
        refusal: &ApprovalError,
    ) -> Result<(), ApprovalError> {
        let why = match refusal {
            ApprovalError::OwnRequest { .. } => "own-request",
            ApprovalError::NotApprover { .. } => "not-approver",
            _ => return Ok(()),
        };
        let mut unit = Unit::default();
        unit.record(origin.entry(
            "approval.refused",
            id.as_str(),
            json!({"by": principal.subject, "why": why}),
        ));
        Ok(self.core.committer.commit(unit).await?)
    }

    /// Writes the end and its audit entry, and on approval the continuation, in one commit.
    async fn end(
        &self,
        origin: &Origin,
        id: &ApprovalId,
        row: ApprovalRow,
        ended: Ended,
    ) -> Result<Approval, ApprovalError> {
        let mut unit = Unit::default();
        let mut row = ApprovalRow {
            status: ended.status.as_str().into(),
            decided_ms: Some(self.core.now_ms()),
            decider: ended.by.as_ref().map(ToString::to_string),
            reason: ended.reason,
            ..row
        };
        if let (Status::Approved, Some(decider)) = (ended.status, &ended.by) {
            let job =
                self.continuations.stage(&mut unit, origin, &continuation(id, &row, decider, &origin.trace)?);
            row.job = Some(job.to_string());
        }
        unit.put(&APPROVALS, id.as_str(), Expect::Version(row.version), &row);
        unit.remove(&OPEN, &row.open_id()?, OPEN_VERSION);
        let event = format!("approval.{}", ended.status);
        unit.record(origin.entry(&event, &row.object, detail(id, &row)));
        failpoint(Step::ApprovalDecide)?;
        let committed = self.core.committer.commit(unit).await;
        passed(Step::ApprovalDecided);
        match committed {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                let tenant = row.text(&row.tenant, TenantId::new)?;
                let status = self.row(&tenant, id).await?.status()?;
                return Err(ApprovalError::Closed { id: id.clone(), status });
            }
            Err(error) => return Err(error.into()),
        }
        if ended.status == Status::Approved {
            self.continuations.committed();
        }
        Ok(row.view()?)
    }
}

/// How a request ends, and by whom; by nobody when its time is over.
struct Ended {
    status: Status,
    by: Option<Subject>,
    reason: Option<String>,
}

/// What the audit holds of an end: no facts, no reason, which may name people.
fn detail(id: &ApprovalId, row: &ApprovalRow) -> Value {
    json!({
        "approval": id,
        "scope": row.scope,
        "digest": row.digest,
        "requester": row.requester,
        "decider": row.decider,
        "request-trace": row.trace,
        "job": row.job,
    })
}

/// It continues the trace of the request; the decision's own trace is a link.
fn continuation(
    id: &ApprovalId,
    row: &ApprovalRow,
    decider: &Subject,
    decision_trace: &TraceId,
) -> Result<Continuation, StoreError> {
    let approval = row.view()?;
    Ok(Continuation {
        tenant: row.text(&row.tenant, TenantId::new)?,
        addon: approval.addon,
        action: approval.action,
        payload: row.payload.clone(),
        approval: id.clone(),
        requester: approval.requester,
        decider: decider.clone(),
        object: approval.object,
        digest: approval.digest,
        trace: approval.trace,
        decision_trace: decision_trace.clone(),
    })
}
