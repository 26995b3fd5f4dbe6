//! One running invocation: who it runs for, what it may do, what it has staged.

use std::sync::Arc;

use bulla_base::{ApprovalId, Bytes, CallId, JobId, Limits, ObjectRef, Subject, TenantId};
use bulla_store::Unit;
use serde_json::{Value, json};

use crate::grants::{Capability, GrantCell};
use crate::guest_error::GuestError;
use crate::origin::{CallOrigin, Origin};
use crate::ports::Cause;
use crate::{approvals, jobs, sequences};

/// Rows of observations that a call may leave; further kinds are counted in the last one.
pub const MAX_OBSERVATIONS: usize = 32;

/// A call's context and its unit of work. Rooms read the context and stage into their own overlay.
pub struct Call {
    pub id: CallId,
    pub tenant: TenantId,
    pub subject: Subject,
    pub origin: Origin,
    pub cause: Cause,
    pub limits: Limits,
    pub grants: GrantCell,
    pub sequences: sequences::Overlay,
    pub approvals: approvals::Overlay,
    pub jobs: jobs::Overlay,
    unit: Unit,
    observations: Vec<Observation>,
    own_entries: u32,
    sends: u32,
}

/// Something that happened whether the call succeeds or not: a denial, a use of a secret or key, a limit hit.
#[derive(Debug, Clone, PartialEq)]
struct Observation {
    event: &'static str,
    object: String,
    detail: Value,
    count: u64,
}

impl Call {
    pub fn new(origin: Origin, call: CallOrigin, tenant: TenantId, cause: Cause, limits: Limits, grants: GrantCell) -> Self {
        let id = call.id.clone();
        let subject = origin.subject.clone();
        let origin = Origin { tenant: Some(tenant.clone()), call: Some(Arc::new(call)), ..origin };
        Self {
            id,
            tenant,
            subject,
            origin,
            cause,
            limits,
            grants,
            sequences: Default::default(),
            approvals: Default::default(),
            jobs: Default::default(),
            unit: Unit::default(),
            observations: Vec::new(),
            own_entries: 0,
            sends: 0,
        }
    }

    /// The addon, version and entry that run.
    pub fn addon(&self) -> &CallOrigin {
        #[expect(clippy::expect_used, reason = "`new` is the only constructor and sets it")]
        self.origin.call.as_deref().expect("a call has its origin")
    }

    /// Deny by default: refuses, and observes the refusal, unless manifest and operator both allow it now.
    pub fn require(&mut self, capability: Capability<'_>) -> Result<(), GuestError> {
        if self.grants.allows(capability) {
            return Ok(());
        }
        let name = capability.to_string();
        self.observe("call.denied", &name, json!({}));
        Err(GuestError::Denied(name))
    }

    /// Observes a limit that fired, and gives the error for the guest.
    pub fn limit_hit(&mut self, limit: &'static str) -> GuestError {
        self.observe("call.limited", limit, json!({}));
        GuestError::Limit(limit.into())
    }

    /// Repeats are counted; kinds beyond [`MAX_OBSERVATIONS`] are counted together.
    pub fn observe(&mut self, event: &'static str, object: &str, detail: Value) {
        let same = |seen: &Observation| seen.event == event && seen.object == object && seen.detail == detail;
        if let Some(seen) = self.observations.iter_mut().find(|seen| same(seen)) {
            seen.count += 1;
        } else if self.observations.len() < MAX_OBSERVATIONS {
            self.observations.push(Observation { event, object: object.into(), detail, count: 1 });
        } else if let Some(last) = self.observations.last_mut() {
            *last = Observation {
                event: "call.observed-more",
                object: "observations".into(),
                detail: json!({}),
                count: last.count + 1,
            };
        }
    }

    /// An effect's audit entry; visible when the call commits.
    pub fn record(&mut self, event: &str, object: &str, detail: Value) {
        let entry = self.origin.entry(event, object, detail);
        self.unit.record(entry);
    }

    /// The addon's own audit entry, counted against its limit.
    pub fn record_own(&mut self, event: &str, object: &ObjectRef, detail: Value) -> Result<(), GuestError> {
        if self.own_entries >= self.limits.audit_entries {
            return Err(self.limit_hit("audit-entries"));
        }
        self.own_entries += 1;
        self.record(&format!("addon.{event}"), object.as_str(), detail);
        Ok(())
    }

    /// Counts an outbound request. Refused while the call holds a gapless number that is not committed: a byte that left
    /// the host cannot be rolled back.
    pub fn admit_send(&mut self) -> Result<(), GuestError> {
        if self.sequences.holds_gapless() {
            return Err(GuestError::Conflict("the call holds an uncommitted gapless number; send from a job".into()));
        }
        if self.sends >= self.limits.sends {
            return Err(self.limit_hit("sends"));
        }
        self.sends += 1;
        Ok(())
    }

    /// True once something left the host: such a call is never run a second time by the host.
    pub fn has_sent(&self) -> bool {
        self.sends > 0
    }

    pub fn job(&self) -> Option<(&JobId, u32)> {
        match &self.cause {
            Cause::Job { id, attempt } => Some((id, *attempt)),
            Cause::Approval { job, attempt, .. } => Some((job, *attempt)),
            Cause::Request { .. } => None,
        }
    }

    pub fn approval(&self) -> Option<(&ApprovalId, &Subject, &Subject)> {
        match &self.cause {
            Cause::Approval { id, requester, decider, .. } => Some((id, requester, decider)),
            _ => None,
        }
    }

    /// Checks a size against `limits.host_call`; used before a payload is copied further.
    pub fn fits_host_call(&mut self, size: usize) -> Result<(), GuestError> {
        if Bytes(size as u64) > self.limits.host_call {
            return Err(self.limit_hit("host-call"));
        }
        Ok(())
    }

    /// The call returned `ok`: all its effects and observations, to be committed together.
    pub fn effects(&mut self) -> Unit {
        let mut unit = std::mem::take(&mut self.unit);
        self.sequences.stage(&mut unit);
        self.approvals.stage(&mut unit);
        self.jobs.stage(&mut unit);
        unit.journal.extend(self.observed());
        unit
    }

    /// The call failed: its observations and its outcome; the effects are gone.
    pub fn remains(&mut self, code: &str) -> Unit {
        let mut journal = self.observed();
        let object = format!("{}/{}", self.addon().addon, self.addon().entry);
        journal.push(self.origin.entry("call.failed", &object, json!({"code": code})));
        Unit { writes: Vec::new(), journal }
    }

    fn observed(&mut self) -> Vec<bulla_store::Entry> {
        std::mem::take(&mut self.observations)
            .into_iter()
            .map(|seen| {
                let mut detail = seen.detail;
                if let Value::Object(fields) = &mut detail {
                    fields.insert("count".into(), seen.count.into());
                }
                self.origin.entry(seen.event, &seen.object, detail)
            })
            .collect()
    }
}
