//! What the server needs from the rest of the host.

use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::{AddonName, Clock, Failure, PartialLimits, Rng, TenantId};
use bulla_kernel::addons::Addons;
use bulla_kernel::approvals::Approvals;
use bulla_kernel::audit::Audit;
use bulla_kernel::jobs::Jobs;
use bulla_kernel::keys::Keys;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{Authorize, Diagnostics, Dispatch, Installer, PolicyAdmin, Quotas};
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::Sequences;
use bulla_kernel::tenants::Tenants;
use bulla_kernel::tokens::Tokens;
use bulla_kernel::trust::Trust;
use bulla_kernel::usage::Meter;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::metrics::Metrics;

/// The rooms and the ports behind the API, wired by the node.
pub struct Services {
    pub addons: Arc<Addons>,
    pub approvals: Approvals,
    pub audit: Arc<Audit>,
    pub jobs: Jobs,
    pub keys: Arc<Keys>,
    pub secrets: Arc<Secrets>,
    pub sequences: Arc<Sequences>,
    pub tenants: Arc<Tenants>,
    pub tokens: Arc<Tokens>,
    pub trust: Arc<Trust>,
    pub usage: Arc<Meter>,

    pub dispatch: Arc<dyn Dispatch>,
    pub authorize: Arc<dyn Authorize>,
    pub quotas: Arc<dyn Quotas>,
    pub installer: Arc<dyn Installer>,
    pub manifests: Arc<dyn Manifests>,
    pub policy: Arc<dyn PolicyAdmin>,
    pub diagnostics: Arc<dyn Diagnostics>,
    pub audit_sink: Arc<dyn AuditSink>,

    pub metrics: Arc<Metrics>,
    /// Where heavy work is done.
    pub workers: Handle,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

/// Writes an audit entry that belongs to no change: a refusal.
#[async_trait]
pub trait AuditSink: Send + Sync {
    /// Commits the entry into the origin's log.
    async fn record(&self, origin: &Origin, event: &str, object: &str, detail: Value) -> Result<(), Failure>;
}

/// What the manifests of installed addons say.
#[async_trait]
pub trait Manifests: Send + Sync {
    /// The limits that the manifest of the tenant's active version sets. `not-found` where the addon is not installed.
    async fn limits(&self, tenant: &TenantId, addon: &AddonName) -> Result<PartialLimits, Failure>;
}
