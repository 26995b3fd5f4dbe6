//! What the server asks of the host for its operators: policies, packages, diagnosis.

use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::{AddonName, Coded, Failure, Millis, PartialLimits, TenantId, codes};
use bulla_engine::Allocation;
use bulla_kernel::addons::PackageRecord;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{Accepted, Delivery, Diagnostics, Installer, PolicyAdmin, Quotas};
use bulla_kernel::trust::{NewTrustedKey, TrustedKey};
use bulla_server::{AuditSink, Manifests};
use bulla_store::Unit;
use serde_json::{Value, json};

use crate::host::{Host, written};

pub struct Operator {
    host: Arc<Host>,
}

impl Operator {
    pub fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    /// A package that was refused has no name to believe: the entry is about its digest. The refusal stands whether it could be
    /// written or not.
    async fn refused(&self, origin: &Origin, tenant: TenantId, digest: &str, failure: &Failure) {
        let origin = Origin { tenant: Some(tenant), ..origin.clone() };
        let detail = json!({"code": failure.code.name});
        let written = AuditSink::record(self, &origin, "addon.refused", digest, detail).await;
        if let Err(unwritten) = written {
            let internal = unwritten.internal.as_deref().unwrap_or_default();
            tracing::error!(trace = %origin.trace, %unwritten, internal, "a refused package could not be audited");
        }
    }
}

#[async_trait]
impl Installer for Operator {
    /// The manifest's jobs and actions are known before the answer goes out.
    async fn install(&self, origin: &Origin, delivery: Delivery) -> Result<Accepted, Failure> {
        let (tenant, digest) = (delivery.tenant.clone(), PackageRecord::digest_of(&delivery.package));
        let installed = self.host.supply.install(origin, delivery).await;
        if let Err(failure) = &installed {
            self.refused(origin, tenant, &digest, failure).await;
        }
        installed
    }

    async fn trust(&self, origin: &Origin, key: NewTrustedKey) -> Result<TrustedKey, Failure> {
        self.host.supply.trust(origin, key).await
    }

    async fn rotate_trust(
        &self,
        origin: &Origin,
        old: &str,
        key: NewTrustedKey,
        overlap: Millis,
    ) -> Result<TrustedKey, Failure> {
        self.host.supply.rotate_trust(origin, old, key, overlap).await
    }

    async fn rollback(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Accepted, Failure> {
        self.host.supply.rollback(origin, tenant, addon).await
    }
}

#[async_trait]
impl Manifests for Operator {
    async fn limits(&self, tenant: &TenantId, addon: &AddonName) -> Result<PartialLimits, Failure> {
        self.host.manifests.limits(tenant, addon)
    }
}

#[async_trait]
impl PolicyAdmin for Operator {
    async fn reload(&self) -> Result<Arc<str>, Failure> {
        let policies = self.host.policies.clone();
        let reloaded = tokio::task::spawn_blocking(move || policies.reload()).await;
        let reloaded = reloaded.map_err(|error| crate::host::internal(&error.to_string()))?;
        self.host.policy_changed(&reloaded).await?;
        reloaded.map(|reloaded| reloaded.after).map_err(|error| error.failure())
    }
}

#[async_trait]
impl AuditSink for Operator {
    async fn record(&self, origin: &Origin, event: &str, object: &str, detail: Value) -> Result<(), Failure> {
        let mut unit = Unit::default();
        unit.record(origin.entry(event, object, detail));
        self.host.core.committer.commit(unit).await.map_err(|error| error.failure())
    }
}

#[async_trait]
impl Diagnostics for Operator {
    async fn ready(&self) -> Result<(), Failure> {
        if !self.host.core.committer.is_running() {
            return Err(Failure::new(codes::UNAVAILABLE, "the committer has stopped"));
        }
        if let Some(code) = self.host.core.committer.trouble() {
            return Err(Failure::new(code, code.title)
                .hint("reading goes on; writing goes on when the cause is gone"));
        }
        self.host.audit.status().await.map(drop).map_err(|error| error.failure())
    }

    async fn diagnose(&self) -> Value {
        let host = &self.host;
        let loads: Vec<Value> = host
            .admission
            .loads()
            .into_iter()
            .map(|load| {
                json!({
                    "tenant": load.tenant, "running": load.running, "waiting": load.waiting,
                    "admitted": load.admitted, "refused": load.refused,
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "database": if host.config.is_postgres() { "postgres" } else { "sqlite" },
            "durability": host.config.store.durability,
            "writing": host.core.committer.trouble().map_or("ok", |code| code.name),
            "master-key": host.master.as_ref().map(|key| key.id().to_owned()),
            "sealed-under-another-key": {
                "secrets": host.rooms.secrets.sealed_elsewhere(), "keys": host.rooms.keys.sealed_elsewhere(),
            },
            "engine": {
                "instances": host.config.engine.instances,
                "pooled": host.engine.allocation() == Allocation::Pooled,
                "code-cache": host.engine.caches(),
                "memory-slot": written(host.config.engine.memory_slot.get()),
                "addons-loaded": host.supply.held(),
            },
            "policy-version": Quotas::version(host.policies.as_ref()),
            "admission": {"free-places": host.admission.free_places(), "tenants": loads},
            "audit": host.audit.status().await.map(|status| json!(status)).unwrap_or_else(|error| json!({"error": error.code().name})),
        })
    }
}
