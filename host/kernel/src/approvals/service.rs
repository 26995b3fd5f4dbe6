//! What addons ask in a call, and what operators load and look at. Decisions stand in `decisions.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulla_base::{ApprovalId, Bytes, EntryName, Scope, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use super::error::ApprovalError;
use super::facts::{Day, Fact, Facts};
use super::model::{Approval, Outcome, Page, Status, SubjectRef, Then, Verdict};
use super::registry::Registry;
use super::rules::{RuleDocument, RuleSet};
use super::store::{self, ApprovalRow, RULES, RulesRow};
use crate::Core;
use crate::call::Call;
use crate::grants::Capability;
use crate::origin::Origin;
use crate::ports::{Catalogue, Continuations};

/// Bytes of a continuation's payload at most.
pub const MAX_PAYLOAD: usize = 256 << 10;

/// The room. Clones share the rules in memory.
#[derive(Clone)]
pub struct Approvals {
    pub(super) core: Core,
    pub(super) catalogue: Arc<dyn Catalogue>,
    pub(super) continuations: Arc<dyn Continuations>,
    pub(super) registry: Arc<Registry>,
}

/// One version of a scope's rules, for the operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RulesVersion {
    pub version: u32,
    pub loaded_by: String,
    pub loaded_ms: i64,
    pub document: RuleDocument,
}

impl Approvals {
    /// Opens the room with the rules that the database holds.
    pub async fn open(
        core: Core,
        catalogue: Arc<dyn Catalogue>,
        continuations: Arc<dyn Continuations>,
    ) -> Result<Self, ApprovalError> {
        let room = Self { core, catalogue, continuations, registry: Arc::default() };
        room.refresh().await?;
        Ok(room)
    }

    /// Looks for rules that other nodes loaded. On PostgreSQL to be called every [`REFRESH_EVERY`](crate::mirror::REFRESH_EVERY).
    pub async fn refresh(&self) -> Result<(), ApprovalError> {
        let looked = self.core.clock.monotonic();
        let mut newer = Vec::new();
        for (tenant, scope, number) in store::heads(&self.core.db).await? {
            if number > i64::from(self.registry.version(&tenant, &scope))
                && let Some(set) = store::rules(&self.core.db, &tenant, &scope, Some(number)).await?
            {
                newer.push((tenant, Arc::new(set)));
            }
        }
        self.registry.learn(newer);
        self.registry.looked(looked);
        Ok(())
    }

    /// What the rules in force say. No effect.
    pub fn evaluate(
        &self,
        call: &mut Call,
        scope: &Scope,
        facts: Vec<(String, Fact)>,
    ) -> Result<Verdict, ApprovalError> {
        call.require(Capability::Approval(scope))?;
        Ok(self.judge(&call.tenant, scope, &Facts::new(facts)?)?.0)
    }

    /// Stages a request where one is required. Reads the database once, to find one that already waits.
    pub async fn request(
        &self,
        call: &mut Call,
        scope: &Scope,
        facts: Vec<(String, Fact)>,
        subject: SubjectRef,
        then: Then,
    ) -> Result<Outcome, ApprovalError> {
        call.require(Capability::Approval(scope))?;
        let facts = Facts::new(facts)?;
        let (verdict, rules) = self.judge(&call.tenant, scope, &facts)?;
        subject.check()?;
        let (action, payload) = self.check_continuation(call, then)?;
        let object = subject.object.to_string();
        let seen = json!({"scope": scope, "digest": subject.digest, "rules-version": verdict.rules_version, "rules": verdict.applied});
        if !verdict.required {
            call.record("approval.not-required", &object, seen);
            return Ok(Outcome::NotRequired);
        }
        let addon = call.addon().addon.clone();
        let open_id = store::open_id(&call.tenant, &addon, scope, &subject);
        if let Some(id) = call.approvals.open(&open_id) {
            return Ok(Outcome::Waiting(id.clone()));
        }
        if let Some(id) = store::open(&self.core.db, &call.tenant, &open_id).await? {
            return Ok(Outcome::Waiting(id));
        }
        call.take_storage(payload.len() + facts.to_json().len())?;
        let id = ApprovalId::draw(self.core.rng.as_ref());
        let row = request_row(call, scope, &facts, &subject, (action, payload), &verdict, &rules);
        let mut detail = seen;
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("approval".into(), id.as_str().into());
            fields.insert("approver-hash".into(), verdict.approver_hash.clone().into());
        }
        call.record("approval.requested", &object, detail);
        call.approvals.add(id.clone(), open_id, row);
        Ok(Outcome::Waiting(id))
    }

    /// How a request of this addon stands. Reads the database, unless this very call made it.
    pub async fn state(
        &self,
        call: &mut Call,
        scope: &Scope,
        id: &ApprovalId,
    ) -> Result<Status, ApprovalError> {
        call.require(Capability::Approval(scope))?;
        let addon = &call.addon().addon;
        if call.approvals.holds(addon, scope, id) {
            return Ok(Status::Waiting);
        }
        let row = store::by_id(&self.core.db, &call.tenant, id).await?;
        let row = row.filter(|row| row.addon == addon.as_str() && row.scope == scope.as_str());
        let row = row.ok_or_else(|| ApprovalError::Unknown { id: id.clone() })?;
        Ok(status_at(&row, self.core.now_ms())?)
    }

    /// Makes this document the rules of its scope, as the next version. The one in force loaded again changes nothing.
    /// Gives the version in force.
    pub async fn load_rules(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        document: RuleDocument,
    ) -> Result<u32, ApprovalError> {
        document.check()?;
        let scope = document.scope.clone();
        let current = store::rules(&self.core.db, tenant, &scope, None).await?;
        if let Some(current) = current.as_ref().filter(|current| current.document == document) {
            return Ok(current.version);
        }
        let version = current.map_or(0, |current| current.version) + 1;
        let row = RulesRow {
            tenant: tenant.to_string(),
            scope: scope.to_string(),
            number: version.into(),
            document: serde_json::to_string(&document)
                .map_err(|error| ApprovalError::Rules { reason: error.to_string() })?,
            loaded_by: origin.subject.to_string(),
            loaded_ms: self.core.now_ms(),
        };
        let names: Vec<_> = document.rules.iter().map(|rule| rule.name.as_str()).collect();
        let origin = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
        let mut unit = Unit::default();
        unit.put(&RULES, &store::rules_id(tenant, &scope, version.into()), Expect::Absent, &row);
        unit.record(origin.entry(
            "approval.rules-loaded",
            scope.as_str(),
            json!({"rules-version": version, "rules": names}),
        ));
        self.core.committer.commit(unit).await?;
        self.registry.learn(vec![(tenant.clone(), Arc::new(RuleSet { version, document }))]);
        Ok(version)
    }

    /// The versions of a scope's rules, newest first, at most 100; empty for a scope without rules.
    pub async fn rules_history(
        &self,
        tenant: &TenantId,
        scope: &Scope,
    ) -> Result<Vec<RulesVersion>, ApprovalError> {
        let version = |row: &RulesRow| -> Result<RulesVersion, StoreError> {
            let RuleSet { version, document } = row.read()?;
            Ok(RulesVersion { version, loaded_by: row.loaded_by.clone(), loaded_ms: row.loaded_ms, document })
        };
        let rows = store::history(&self.core.db, tenant, scope).await?;
        Ok(rows.iter().map(version).collect::<Result<_, _>>()?)
    }

    /// Newest first, without payloads.
    pub async fn list(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Approval>, ApprovalError> {
        let rows = store::list(&self.core.db, tenant, page).await?;
        Ok(rows.iter().map(ApprovalRow::view).collect::<Result<_, _>>()?)
    }

    /// One request with its payload.
    pub async fn get(&self, tenant: &TenantId, id: &ApprovalId) -> Result<Approval, ApprovalError> {
        Ok(self.row(tenant, id).await?.view()?)
    }

    /// What the requests of a tenant that wait take of its storage.
    pub async fn waiting_bytes(&self, tenant: &TenantId) -> Result<Bytes, ApprovalError> {
        Ok(self.all_waiting_bytes().await?.remove(tenant).unwrap_or(Bytes(0)))
    }

    /// The same for every tenant that has any.
    pub async fn all_waiting_bytes(&self) -> Result<BTreeMap<TenantId, Bytes>, ApprovalError> {
        Ok(store::all_waiting_bytes(&self.core.db).await?)
    }

    pub(super) async fn row(&self, tenant: &TenantId, id: &ApprovalId) -> Result<ApprovalRow, ApprovalError> {
        store::by_id(&self.core.db, tenant, id)
            .await?
            .ok_or_else(|| ApprovalError::Unknown { id: id.clone() })
    }

    pub(super) fn today(&self) -> Day {
        Day(self.core.clock.now().to_zoned(TimeZone::UTC).date())
    }

    fn judge(
        &self,
        tenant: &TenantId,
        scope: &Scope,
        facts: &Facts,
    ) -> Result<(Verdict, Arc<RuleSet>), ApprovalError> {
        // One process writes SQLite, and it learns of its own writes at once.
        if self.core.db.is_postgres() {
            self.registry.check_fresh(self.core.clock.monotonic())?;
        }
        let rules = self
            .registry
            .get(tenant, scope)
            .ok_or_else(|| ApprovalError::NoRules { scope: scope.clone() })?;
        Ok((rules.evaluate(facts, self.today())?, rules))
    }

    /// The action exists and the payload is JSON within its limit.
    fn check_continuation(&self, call: &mut Call, then: Then) -> Result<(EntryName, String), ApprovalError> {
        let unknown = || ApprovalError::UnknownAction { action: then.action.chars().take(80).collect() };
        let action = EntryName::new(&then.action).map_err(|_| unknown())?;
        if !self.catalogue.has_action(&call.tenant, &call.addon().addon, &action) {
            return Err(unknown());
        }
        if then.payload.len() > MAX_PAYLOAD {
            return Err(call.limit_hit("payload").into());
        }
        let refused = |reason: String| ApprovalError::Payload { reason };
        let payload = String::from_utf8(then.payload).map_err(|error| refused(error.to_string()))?;
        serde_json::from_str::<serde_json::Value>(&payload).map_err(|error| refused(error.to_string()))?;
        Ok((action, payload))
    }
}

/// A request whose time is over counts as expired before the sweeper comes by.
pub(super) fn status_at(row: &ApprovalRow, now_ms: i64) -> Result<Status, StoreError> {
    let status = row.status()?;
    let over = row.expires_ms.is_some_and(|expires| expires <= now_ms);
    Ok(if status == Status::Waiting && over { Status::Expired } else { status })
}

fn request_row(
    call: &Call,
    scope: &Scope,
    facts: &Facts,
    subject: &SubjectRef,
    (action, payload): (EntryName, String),
    verdict: &Verdict,
    rules: &RuleSet,
) -> ApprovalRow {
    let now_ms = call.origin.at_ms;
    let expires = rules.document.expires.and_then(|expires| i64::try_from(expires.get()).ok());
    ApprovalRow {
        id: String::new(),
        version: 0,
        tenant: call.tenant.to_string(),
        addon: call.addon().addon.to_string(),
        scope: scope.to_string(),
        object: subject.object.to_string(),
        digest: subject.digest.clone(),
        facts: facts.to_json(),
        action: action.to_string(),
        payload,
        requester: call.subject.to_string(),
        trace: call.origin.trace.to_string(),
        status: Status::Waiting.as_str().into(),
        approvers: json!(verdict.approvers).to_string(),
        rationale: json!(verdict.rationale).to_string(),
        rules_version: verdict.rules_version.into(),
        created_ms: now_ms,
        expires_ms: expires.map(|expires| now_ms.saturating_add(expires)),
        decided_ms: None,
        decider: None,
        reason: None,
        job: None,
    }
}
