//! One running invocation: who it runs for, what it may do, what it has staged.

use std::sync::Arc;

use bulla_base::{ApprovalId, Bytes, CallId, JobId, Limits, ObjectRef, Subject, TenantId, TraceId};
use bulla_store::Unit;
use serde_json::{Value, json};

use crate::grants::{Capability, GrantCell};
use crate::guest_error::GuestError;
use crate::origin::{CallOrigin, Origin};
use crate::ports::Cause;
use crate::{approvals, jobs, sequences};

/// Rows that a failed call may leave: its observations, a last one that counts further kinds, and its outcome.
pub const MAX_OBSERVATIONS: usize = 32;
/// Kinds of observation that have a row of their own.
const MAX_KINDS: usize = MAX_OBSERVATIONS - 2;
/// Bytes of an observation's object; a longer one, such as the host of a made-up URL, is cut. PostgreSQL indexes no longer
/// texts than 2,704 bytes.
const MAX_OBJECT: usize = 300;

/// The row that counts what has no row of its own.
const MORE: &str = "call.observed-more";

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
    /// Bytes that the tenant may yet keep, as far as this node knows.
    storage_left: Bytes,
    storage_used: Bytes,
    own_entries: u32,
    sends: u32,
    again: bool,
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
    pub fn new(
        origin: Origin,
        call: CallOrigin,
        tenant: TenantId,
        cause: Cause,
        limits: Limits,
        grants: GrantCell,
    ) -> Self {
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
            storage_left: limits.storage,
            storage_used: Bytes(0),
            own_entries: 0,
            sends: 0,
            again: false,
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

    /// Repeats are counted; kinds beyond `MAX_KINDS` are counted together.
    pub fn observe(&mut self, event: &'static str, object: &str, detail: Value) {
        let mut object = object.replace('\0', "\u{fffd}");
        object.truncate(object.floor_char_boundary(MAX_OBJECT));
        self.count(Observation { event, object, detail, count: 1 });
    }

    fn count(&mut self, new: Observation) {
        let same = |seen: &Observation| {
            seen.event == new.event && seen.object == new.object && seen.detail == new.detail
        };
        if let Some(seen) = self.observations.iter_mut().find(|seen| same(seen)) {
            seen.count += new.count;
        } else if self.observations.len() < MAX_KINDS || new.event == MORE {
            self.observations.push(new);
        } else {
            let (object, detail) = ("observations".into(), json!({}));
            self.count(Observation { event: MORE, object, detail, count: new.count });
        }
    }

    /// Takes over what an earlier run of this very call observed: it lost its commit, and what it saw happened all the same.
    pub fn carry(&mut self, earlier: Self) {
        for seen in earlier.observations {
            self.count(seen);
        }
    }

    /// The second run of a call whose first one lost a race.
    pub fn run_again(mut self) -> Self {
        self.again = true;
        self
    }

    /// True where a lost commit would not be run again: rooms then look into the database for what a commit would find, so
    /// that the guest is told and can decide.
    pub fn looks_first(&self) -> bool {
        self.again || self.job().is_some()
    }

    /// What the tenant may yet keep, where others of its calls have taken some of `limits.storage`.
    pub fn with_storage_left(mut self, left: Bytes) -> Self {
        self.storage_left = left.min(self.limits.storage);
        self
    }

    /// Takes from what the tenant may keep; to be called before anything is staged that stays.
    pub fn take_storage(&mut self, bytes: usize) -> Result<(), GuestError> {
        match self.storage_left.0.checked_sub(bytes as u64) {
            Some(left) => {
                self.storage_left = Bytes(left);
                self.storage_used.0 += bytes as u64;
                Ok(())
            }
            None => Err(self.limit_hit("storage")),
        }
    }

    /// What this call has taken of it.
    pub fn storage_used(&self) -> Bytes {
        self.storage_used
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

    /// Counts an outbound request. Refused while the call holds a number that is not committed: a byte that left the host
    /// cannot be rolled back.
    pub fn admit_send(&mut self) -> Result<(), GuestError> {
        if self.sequences.holds_uncommitted() {
            let text = "the call holds an uncommitted number; send from a job";
            return Err(GuestError::Conflict(text.into()));
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

    /// The call returned `ok`: all its effects and observations, to be committed together. The observations stay here as
    /// well: they are needed again where the commit is lost.
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
        journal.push(self.origin.entry("call.failed", &self.name(), json!({"code": code})));
        Unit { writes: Vec::new(), journal }
    }

    /// Another node's call with the same key came first: this one's observations, and which response was given.
    pub fn discarded(&mut self, first: &CallId, first_trace: &TraceId) -> Unit {
        let mut journal = self.observed();
        let detail = json!({"call": first, "first-trace": first_trace});
        journal.push(self.origin.entry("call.replayed", &self.name(), detail));
        Unit { writes: Vec::new(), journal }
    }

    /// The addon and its entry, as audit entries name them.
    pub fn name(&self) -> String {
        format!("{}/{}", self.addon().addon, self.addon().entry)
    }

    fn observed(&self) -> Vec<bulla_store::Entry> {
        self.observations
            .iter()
            .map(|seen| {
                let mut detail = seen.detail.clone();
                if let Value::Object(fields) = &mut detail {
                    fields.insert("count".into(), seen.count.into());
                }
                self.origin.entry(seen.event, &seen.object, detail)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
