//! Before the guest: which code, which limits, and whether the answer is there already.

use std::sync::Arc;

use bulla_base::{Bytes, Coded, Failure, Fuel, Limits, Millis, codes};
use bulla_engine::{Entry, SCHEDULE_VERSION};
use bulla_kernel::addons::Installed;
use bulla_kernel::idempotency::{Begun, Key, KeyText, RequestHash, Running, Stored};
use bulla_kernel::ports::{CallReply, CallRequest, Cause, Usage};
use bulla_kernel::usage::Budget;
use bulla_signing::manifest::{self, Idempotency};
use bulla_store::Unit;
use serde_json::json;

use super::{Dispatcher, Ended, PATIENCE};
use crate::contract::Checked;
use crate::supply::Active;

/// Everything a call needs, found once.
pub(super) struct Ready {
    pub installed: Arc<Installed>,
    pub active: Arc<Active>,
    pub limits: Limits,
    pub entry: Entry,
    pub budget: Budget,
    idempotency: Idempotency,
    checked: Arc<Checked>,
}

impl Ready {
    pub fn contract(&self) -> &Checked {
        &self.checked
    }
}

/// How a call starts.
pub(super) enum Start {
    /// With its guest; where it came with a key, the answer is stored under it.
    Run(Option<Running>),
    /// It has its answer already.
    Replay(Stored),
}

impl Dispatcher {
    pub(super) async fn ready(&self, request: &CallRequest) -> Result<Ready, Failure> {
        let installed = self.addons.get(&request.tenant, &request.addon).map_err(|error| error.failure())?;
        if !installed.enabled {
            return Err(Failure::new(codes::CONFLICT, format!("addon `{}` is disabled", request.addon)));
        }
        let active = match self.supply.active(&installed).await {
            Ok(active) => active,
            Err(failure) => return Err(self.refused_code(request, &installed, failure).await),
        };
        let limits = self.limits(request, &active);
        let manifest = &active.manifest;
        let unknown =
            || Failure::new(codes::NOT_FOUND, format!("`{}` has no `{}`", request.addon, request.entry));
        let name = request.entry.as_str();
        let (entry, budget, idempotency, checked) = match request.cause {
            Cause::Job { .. } => {
                let options = manifest.job(name).ok_or_else(unknown)?;
                (Entry::Job, options.budget(), Idempotency::Optional, active.contracts.job(&request.entry))
            }
            Cause::Request { .. } => {
                let options = manifest.action(name).ok_or_else(unknown)?;
                (
                    Entry::Action,
                    options.budget(),
                    options.idempotency(),
                    active.contracts.action(&request.entry),
                )
            }
            // A continuation has the decision as its key: it is enqueued once.
            Cause::Approval { .. } => {
                let options = manifest.action(name).ok_or_else(unknown)?;
                (
                    Entry::Action,
                    options.budget(),
                    Idempotency::Optional,
                    active.contracts.action(&request.entry),
                )
            }
        };
        let checked = checked.ok_or_else(unknown)?.clone();
        let budget = budget_of(budget);
        Ok(Ready { installed, active, limits, entry, budget, idempotency, checked })
    }

    /// It may still run, and is still the same code. What it was granted is looked at by each use.
    pub(super) fn is_current(&self, request: &CallRequest, ready: &Ready) -> bool {
        let installed = self.addons.get(&request.tenant, &request.addon);
        installed.is_ok_and(|now| now.enabled && now.digest == ready.installed.digest)
            && self.supply.may_run(&ready.active, &request.addon).is_ok()
    }

    /// The least of manifest, tier and override.
    fn limits(&self, request: &CallRequest, active: &Active) -> Limits {
        let operator = self.quotas.limits(&request.tenant, Some(&request.addon));
        active.manifest.limits().least(&operator).complete()
    }

    /// Code that may not run is refused, and the tenant's log says so.
    async fn refused_code(&self, request: &CallRequest, installed: &Installed, failure: Failure) -> Failure {
        // The host's own trouble is no word about the addon.
        if failure.code == codes::UNAVAILABLE {
            return failure;
        }
        // A flood of calls that are refused is no flood of entries.
        let limits = self.quotas.limits(&request.tenant, None).complete();
        let _permit = match self.admission.admit(&request.tenant, &limits, PATIENCE).await {
            Ok(permit) => permit,
            Err(busy) => {
                self.metrics.throttled(busy.reason.name());
                return busy.failure();
            }
        };
        let event = if failure.code == codes::DENIED { "call.denied" } else { "addon.refused" };
        let detail =
            json!({"code": failure.code.name, "reason": failure.message, "digest": installed.digest});
        let mut unit = Unit::default();
        unit.record(self.origin(request).entry(event, request.addon.as_str(), detail));
        match self.core.committer.commit(unit).await {
            Ok(()) => failure,
            Err(error) => error.failure(),
        }
    }

    /// Takes the call's key, where it has one.
    pub(super) async fn begin(&self, request: &CallRequest, ready: &Ready) -> Result<Start, Failure> {
        let Cause::Request { idempotency_key } = &request.cause else {
            return Ok(Start::Run(None));
        };
        let Some(text) = idempotency_key else {
            return match ready.idempotency {
                Idempotency::Optional => Ok(Start::Run(None)),
                Idempotency::Required => Err(Failure::new(
                    codes::IDEMPOTENCY_KEY_REQUIRED,
                    format!("`{}` wants an `Idempotency-Key`", request.entry),
                )
                .hint("send a header `Idempotency-Key` with a value of your own, the same on every try")),
            };
        };
        let text = KeyText::new(text).map_err(|error| error.failure())?;
        let subject = &request.principal.subject;
        let key = Key::new(&request.tenant, subject, &request.addon, &request.entry, text);
        match self.idempotency.begin(key, RequestHash::of(&request.input)).await {
            Ok(Begun::First(running)) => Ok(Start::Run(Some(running))),
            Ok(Begun::Replay(stored)) => Ok(Start::Replay(stored)),
            Err(error) => Err(error.failure()),
        }
    }

    /// Gives the stored answer again; nothing runs, and the log says that it was asked for.
    pub(super) async fn replayed(
        &self,
        request: &CallRequest,
        ready: &Ready,
        stored: Stored,
    ) -> Result<Ended, Failure> {
        let object = format!("{}/{}", request.addon, request.entry);
        let detail = json!({"call": stored.call, "first-trace": stored.trace});
        let mut unit = Unit::default();
        unit.record(self.origin(request).entry("call.replayed", &object, detail));
        self.core.committer.commit(unit).await.map_err(|error| error.failure())?;
        self.metrics.call_without_run(request.addon.as_str(), "replayed");
        Ok(Ended::of(replay(request, ready, stored)))
    }
}

pub(super) fn replay(request: &CallRequest, ready: &Ready, stored: Stored) -> CallReply {
    CallReply {
        call: stored.call,
        trace: request.trace.clone(),
        usage: Usage {
            fuel: Fuel(0),
            memory_peak: Bytes(0),
            elapsed: Millis(0),
            host_bytes: Bytes(0),
            log_bytes: Bytes(0),
        },
        limits: ready.limits,
        fuel_schedule: SCHEDULE_VERSION,
        replayed: true,
        outcome: Ok(stored.response.to_vec()),
    }
}

fn budget_of(budget: &manifest::Budget) -> Budget {
    Budget { fuel: budget.fuel, time: budget.time, memory: budget.memory }
}
