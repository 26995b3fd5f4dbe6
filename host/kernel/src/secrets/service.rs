use std::sync::Arc;

use bulla_base::{Alias, Bytes, Millis, Purpose, TenantId};
use bulla_store::{Expect, Step, StoreError, Unit, failpoint};
use serde_json::json;
use zeroize::Zeroizing;

use super::error::SecretsError;
use super::idempotency;
use super::model::{GuestRequest, MAX_PER_TENANT, SecretInfo, check_value};
use super::rules;
use super::store::{self, SECRET, SecretRow};
use crate::call::Call;
use crate::core::Core;
use crate::grants::Capability;
use crate::guest_error::GuestError;
use crate::master::{Label, MasterKey, MasterKeyError};
use crate::mirror::Mirror;
use crate::origin::Origin;
use crate::ports::{Egress, EgressError, OutboundRequest, OutboundResponse, Plaintext};

/// The room. One for the whole node.
pub struct Secrets {
    core: Core,
    master: Option<Arc<MasterKey>>,
    egress: Arc<dyn Egress>,
    rows: Mirror<SecretRow>,
}

/// The operator's side.
impl Secrets {
    pub async fn load(
        core: &Core,
        master: Option<Arc<MasterKey>>,
        egress: Arc<dyn Egress>,
    ) -> Result<Self, StoreError> {
        Ok(Self { core: core.clone(), master, egress, rows: Mirror::load(core).await? })
    }

    /// Takes over what other nodes changed; see [`crate::mirror`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.rows.refresh().await
    }

    /// Stores the first value of an alias, or the next one: the old value is gone with the commit.
    pub async fn set(
        &self,
        origin: &Origin,
        alias: &Alias,
        value: Plaintext,
    ) -> Result<SecretInfo, SecretsError> {
        let tenant = origin.tenant.as_ref().ok_or(SecretsError::NoTenant)?;
        check_value(&value).map_err(SecretsError::Value)?;
        let master = self.master()?;
        let old = store::find(&self.core.db, tenant, alias).await?;
        let present = old.as_ref().is_some_and(SecretRow::is_present);
        if !present && self.count(tenant) >= MAX_PER_TENANT {
            return Err(SecretsError::TooMany(MAX_PER_TENANT));
        }
        let now_ms = self.core.now_ms();
        let mut row = SecretRow {
            id: store::id(tenant, alias),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            tenant: tenant.as_str().into(),
            alias: alias.as_str().into(),
            value_version: old.as_ref().map_or(1, |old| old.value_version + 1),
            sealed: String::new(),
            created_ms: old.as_ref().filter(|_| present).map_or(now_ms, |old| old.created_ms),
            updated_ms: now_ms,
            updated_by: origin.subject.as_str().into(),
            removed_ms: None,
        };
        row.sealed = master.seal(Label::Secret(tenant), &row.place(), &value.0);
        let event = if present { "secret.rotated" } else { "secret.set" };
        self.commit(origin, event, old.as_ref(), row).await
    }

    /// Wipes the value. The alias keeps its count of versions.
    pub async fn remove(&self, origin: &Origin, alias: &Alias) -> Result<(), SecretsError> {
        let tenant = origin.tenant.as_ref().ok_or(SecretsError::NoTenant)?;
        let old = store::find(&self.core.db, tenant, alias).await?.filter(SecretRow::is_present);
        let old = old.ok_or_else(|| SecretsError::NotFound(alias.clone()))?;
        let now_ms = self.core.now_ms();
        let row = SecretRow {
            version: old.version + 1,
            sealed: String::new(),
            updated_ms: now_ms,
            updated_by: origin.subject.as_str().into(),
            removed_ms: Some(now_ms),
            ..old.clone()
        };
        self.commit(origin, "secret.removed", Some(&old), row).await.map(drop)
    }

    /// The tenant's secrets by alias, without their values.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<SecretInfo>, SecretsError> {
        let rows = store::list(&self.core.db, tenant).await?;
        Ok(rows.iter().map(SecretRow::info).collect::<Result<_, _>>()?)
    }

    /// How many secrets of all tenants are sealed under another master key than the present one, for `doctor`.
    pub fn sealed_elsewhere(&self) -> usize {
        let present = self.master.as_ref().map(|master| master.id());
        self.rows.count(|row| row.is_present() && crate::master::sealed_by(&row.sealed) != present)
    }

    async fn commit(
        &self,
        origin: &Origin,
        event: &str,
        old: Option<&SecretRow>,
        row: SecretRow,
    ) -> Result<SecretInfo, SecretsError> {
        let mut unit = Unit::default();
        let expect = old.map_or(Expect::Absent, |old| Expect::Version(old.version));
        unit.put(&SECRET, &row.id, expect, &row);
        unit.record(origin.entry(event, &row.alias, json!({"version": row.value_version})));
        self.core.committer.commit(unit).await?;
        let info = row.info()?;
        self.rows.show(row).await;
        Ok(info)
    }

    fn count(&self, tenant: &TenantId) -> usize {
        self.rows.count(|row| row.is_present() && row.tenant == tenant.as_str())
    }

    fn master(&self) -> Result<&MasterKey, MasterKeyError> {
        self.master.as_deref().ok_or(MasterKeyError::Missing)
    }
}

/// The guest's side. Everything here is synchronous and reads no database.
impl Secrets {
    /// Checks that the guest may use the secret, and that there is one.
    pub fn open(&self, call: &mut Call, alias: &Alias, purpose: &Purpose) -> Result<(), GuestError> {
        call.require(Capability::Secret(alias, purpose))?;
        self.find(&call.tenant, alias).map(drop)
    }

    /// Decides about a request and puts the secret beside it. To be followed by [`Egress::send`] and then [`Secrets::finish`]; between
    /// them nothing of the call is borrowed.
    ///
    /// The timeout leaves the guest a tenth of its remaining time to deal with an answer that does not come.
    pub fn prepare(
        &self,
        call: &mut Call,
        alias: &Alias,
        purpose: &Purpose,
        request: GuestRequest,
    ) -> Result<OutboundRequest, GuestError> {
        call.require(Capability::Secret(alias, purpose))?;
        let mut outbound = self.outbound(call, alias, request);
        let checked = rules::check(&outbound).and_then(|granted| {
            self.egress.check(&outbound)?;
            Ok(granted)
        });
        // A destination that is not granted comes first, an uncommitted number before a malformed request.
        if !matches!(checked, Err(EgressError::Denied { .. })) && call.sequences.holds_uncommitted() {
            call.admit_send()?;
        }
        let granted = checked.map_err(|error| refused(call, error))?;
        if Bytes(outbound.body.len() as u64) > call.limits.request_body {
            return Err(call.limit_hit("request-body"));
        }
        let row = self.find(&call.tenant, alias)?;
        call.admit_send()?;
        outbound.secret =
            Plaintext(self.master()?.open(Label::Secret(&call.tenant), &row.place(), &row.sealed)?);
        call.observe(
            "secret.used",
            alias.as_str(),
            json!({
                "purpose": purpose.as_str(),
                "destination": granted.destination.to_string(),
                "version": row.value_version,
            }),
        );
        failpoint(Step::SecretSend)?;
        Ok(outbound)
    }

    /// Takes the answer back into the call: what the guest may see of it, or why there is none.
    pub fn finish(
        &self,
        call: &mut Call,
        answer: Result<OutboundResponse, EgressError>,
    ) -> Result<OutboundResponse, GuestError> {
        failpoint(Step::SecretSent)?;
        let response = answer.map_err(|error| refused(call, error))?;
        if Bytes(response.body.len() as u64) > call.limits.response_body {
            return Err(call.limit_hit("response-body"));
        }
        call.observe("secret.answered", "response", json!({"status": response.status}));
        Ok(response)
    }

    /// The way out that requests of [`Secrets::prepare`] take.
    pub fn egress(&self) -> Arc<dyn Egress> {
        Arc::clone(&self.egress)
    }

    /// The request as it goes out, but for the secret.
    fn outbound(&self, call: &Call, alias: &Alias, request: GuestRequest) -> OutboundRequest {
        let grants = call.grants.current();
        let destinations =
            grants.secrets.get(alias).map(|grant| grant.destinations.iter().cloned().collect());
        let first = !call.has_sent();
        let idempotency_key = call.job().map(|(job, _)| idempotency::key(job, first, &request));
        OutboundRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            placement: request.placement,
            secret: Plaintext(Zeroizing::default()),
            destinations: destinations.unwrap_or_default(),
            idempotency_key,
            trace: call.origin.trace.clone(),
            timeout: self.timeout(call),
            max_response: call.limits.response_body,
        }
    }

    fn timeout(&self, call: &Call) -> Millis {
        let elapsed = u64::try_from(self.core.now_ms() - call.origin.at_ms).unwrap_or(0);
        let left = call.limits.deadline.0.saturating_sub(elapsed);
        Millis(left - left / 10)
    }

    fn find(&self, tenant: &TenantId, alias: &Alias) -> Result<Arc<SecretRow>, GuestError> {
        if !self.rows.is_fresh() {
            return Err(GuestError::Unavailable { retry_after_ms: 1_000 });
        }
        self.rows.get(&store::id(tenant, alias)).filter(|row| row.is_present()).ok_or(GuestError::NotFound)
    }
}

/// What the guest is told, and what the operator finds in the log.
fn refused(call: &mut Call, error: EgressError) -> GuestError {
    match error {
        EgressError::Denied { destination } => {
            let what = format!("destination {destination}");
            call.observe("call.denied", &what, json!({}));
            GuestError::Denied(what)
        }
        EgressError::Invalid(text) => GuestError::Invalid(text),
        EgressError::Limit(which) => call.limit_hit(which),
        EgressError::Unavailable { reason, retry_after } => {
            tracing::warn!(trace = %call.origin.trace, %reason, "an outbound request got no answer");
            call.observe("secret.unanswered", "response", json!({}));
            GuestError::Unavailable { retry_after_ms: retry_after.0 }
        }
    }
}
