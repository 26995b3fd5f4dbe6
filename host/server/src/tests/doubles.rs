//! What stands in for the node: each does the least that makes the API's answer visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bulla_base::{
    AddonName, Bytes, CallId, EntryName, Failure, Fuel, Limits, Millis, PartialLimits, SystemRng, TenantId,
    codes,
};
use bulla_kernel::Core;
use bulla_kernel::addons::{Addons, PackageRecord};
use bulla_kernel::grants::Grants;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::*;
use bulla_kernel::trust::{NewTrustedKey, Trust, TrustedKey};
use bulla_store::Unit;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::services::{AuditSink, Manifests};

/// An operator may everything, a tenant's `admin` everything in its tenant, a `caller` may call. A `traitor` may everything
/// everywhere, as a broken policy could say.
pub struct Roles;

impl Authorize for Roles {
    fn decide(&self, principal: &Principal, operation: Operation, target: Target<'_>) -> Decision {
        let has = |role: &str| principal.roles.iter().any(|one| one.as_str() == role);
        let own = match target {
            Target::Tenant(tenant) => principal.tenant.as_ref().is_none_or(|mine| mine == tenant),
            Target::Host => principal.is_operator(),
        };
        let allowed = has("traitor")
            || own && (has("admin") || has("caller") && operation == Operation::ActionCall)
            || has("scraper") && operation == Operation::HostMetrics;
        Decision { allowed, policy_version: "policy-1".into() }
    }
}

pub struct NoQuotas;

impl Quotas for NoQuotas {
    fn limits(&self, _: &TenantId, _: Option<&AddonName>) -> PartialLimits {
        PartialLimits::default()
    }

    fn explain(&self, tenant: &TenantId, manifest: &PartialLimits, _: &AddonName) -> Vec<LimitSource> {
        let line = |(limit, value): (&str, String)| LimitSource {
            limit: limit.into(),
            value,
            source: "manifest".into(),
            beaten: vec![format!("tenant {tenant}: 50M")],
        };
        manifest.written().into_iter().map(line).collect()
    }

    fn version(&self) -> Arc<str> {
        "quotas-1".into()
    }
}

/// Answers calls with what a test put into it, and keeps what it was asked.
#[derive(Default)]
pub struct Script {
    pub answer: Mutex<Option<Result<Vec<u8>, Failure>>>,
    pub asked: Mutex<Vec<CallRequest>>,
    /// How long a call takes.
    pub takes: Mutex<std::time::Duration>,
    /// Calls that came to their end.
    pub ended: AtomicUsize,
}

#[async_trait]
impl Dispatch for Script {
    async fn dispatch(&self, request: CallRequest) -> CallReply {
        let trace = request.trace.clone();
        self.asked.lock().push(request);
        let takes = *self.takes.lock();
        tokio::time::sleep(takes).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().clone();
        CallReply {
            call: CallId::draw(&SystemRng),
            trace,
            usage: Usage {
                fuel: Fuel(1_234),
                memory_peak: Bytes(65_536),
                elapsed: Millis(3),
                host_bytes: Bytes(10),
                log_bytes: Bytes(0),
            },
            limits: Limits::default(),
            fuel_schedule: "v1",
            replayed: false,
            outcome: answer.unwrap_or_else(|| panic!("a handler that fails badly")),
        }
    }
}

/// One addon, `einvoice`, with one action and one job.
pub struct OneAddon;

impl Catalogue for OneAddon {
    fn job(&self, _: &TenantId, _: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>> {
        (job.as_str() == "deliver").then(|| {
            Arc::new(JobSpec {
                name: job.clone(),
                schedule: JobSchedule::OnDemand,
                lock_key: None,
                fairness: Fairness::Normal,
                retries: 0,
                backoff: Millis(1_000),
                circuit: None,
            })
        })
    }

    fn has_action(&self, _: &TenantId, _: &AddonName, action: &EntryName) -> bool {
        action.as_str() == "issue"
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        Vec::new()
    }
}

/// Takes a package's bytes for its version.
pub struct Shelf {
    pub addons: Arc<Addons>,
    pub trust: Arc<Trust>,
}

fn told(error: impl bulla_base::Coded) -> Failure {
    error.failure()
}

#[async_trait]
impl Installer for Shelf {
    async fn install(&self, origin: &Origin, delivery: Delivery) -> Result<Accepted, Failure> {
        let Delivery { tenant, package, grants } = delivery;
        let version = String::from_utf8(package.clone())
            .map_err(|_| Failure::new(codes::PACKAGE_INVALID, "the package is not text"))?;
        let asked = Grants { sequences: ["invoice".parse().unwrap()].into(), ..Default::default() };
        let record = PackageRecord {
            name: "einvoice".parse().unwrap(),
            version,
            digest: PackageRecord::digest_of(&package),
            component_digest: PackageRecord::digest_of(b"component"),
            publisher: "k1".into(),
            bytes: package.into(),
            asked,
        };
        let installed = match grants {
            Some(grants) => self.addons.install(origin, &tenant, &record, &grants).await,
            None => self.addons.upgrade(origin, &tenant, &record).await,
        };
        Ok(accepted(&*installed.map_err(told)?))
    }

    async fn trust(&self, origin: &Origin, mut key: NewTrustedKey) -> Result<TrustedKey, Failure> {
        key.id = "0123456789abcdef0123456789abcdef".into();
        self.trust.add(origin, &key).await.map_err(told)
    }

    async fn rotate_trust(
        &self,
        origin: &Origin,
        old: &str,
        mut key: NewTrustedKey,
        overlap: Millis,
    ) -> Result<TrustedKey, Failure> {
        key.id = "fedcba9876543210fedcba9876543210".into();
        self.trust.rotate(origin, old, &key, overlap).await.map_err(told)
    }

    async fn rollback(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Accepted, Failure> {
        Ok(accepted(&*self.addons.rollback(origin, tenant, addon).await.map_err(told)?))
    }
}

fn accepted(addon: &bulla_kernel::addons::Installed) -> Accepted {
    Accepted {
        name: addon.addon.clone(),
        version: addon.version.clone(),
        digest: addon.digest.clone(),
        publisher: addon.publisher.clone(),
        withheld: Vec::new(),
    }
}

/// The rest of the node, in one.
pub struct Node {
    pub core: Core,
    pub ready: AtomicBool,
}

#[async_trait]
impl AuditSink for Node {
    async fn record(&self, origin: &Origin, event: &str, object: &str, detail: Value) -> Result<(), Failure> {
        let mut unit = Unit::default();
        unit.record(origin.entry(event, object, detail));
        self.core.committer.commit(unit).await.map_err(told)
    }
}

#[async_trait]
impl Manifests for Node {
    async fn limits(&self, _: &TenantId, addon: &AddonName) -> Result<PartialLimits, Failure> {
        match addon.as_str() {
            "einvoice" => Ok(PartialLimits { fuel: Some(Fuel(20_000_000)), ..Default::default() }),
            _ => Err(Failure::new(codes::NOT_FOUND, format!("`{addon}` is not installed"))),
        }
    }
}

#[async_trait]
impl PolicyAdmin for Node {
    async fn reload(&self) -> Result<Arc<str>, Failure> {
        Ok("policy-2".into())
    }
}

#[async_trait]
impl Diagnostics for Node {
    async fn ready(&self) -> Result<(), Failure> {
        match self.ready.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Failure::new(codes::UNAVAILABLE, "starting").retry_after(Millis(1_500))),
        }
    }

    async fn diagnose(&self) -> Value {
        json!({"pools": {"readers": 2}})
    }
}

pub struct NoEgress;

#[async_trait]
impl Egress for NoEgress {
    fn check(&self, _: &OutboundRequest) -> Result<(), EgressError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        Err(EgressError::Unavailable { reason: "there is no way out".into(), retry_after: Millis(1) })
    }
}
