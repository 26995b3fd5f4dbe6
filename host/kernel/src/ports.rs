//! What the kernel and the server ask of elsewhere. Each trait has one implementation, wired in `node`.

use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::{
    AddonName, Alias, ApprovalId, Bytes, CallId, EntryName, Failure, Fuel, JobId, Limits, Millis, ObjectRef,
    Role, Subject, TenantId, TraceId,
};
use bulla_store::Unit;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// Who stands behind a request: what its token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub subject: Subject,
    /// `None`: an operator, of no tenant.
    pub tenant: Option<TenantId>,
    pub roles: Vec<Role>,
}

impl Principal {
    /// The host itself: schedules, migrations, sweepers.
    pub fn host() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that is a valid subject")]
        let subject = Subject::new("bulla:host").expect("constant");
        Self { subject, tenant: None, roles: Vec::new() }
    }

    pub fn is_operator(&self) -> bool {
        self.tenant.is_none()
    }
}

/// Declares the operations of the API; each is an action of the Cedar schema by the same name.
macro_rules! operations {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// One operation of the API. Authorization decides on these and on nothing finer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation { $($variant),* }

        impl Operation {
            pub const ALL: &[Operation] = &[$(Operation::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Operation::$variant => $name),* }
            }
        }
    };
}

operations! {
    ActionCall = "action:call",
    AddonInstall = "addon:install", AddonList = "addon:list", AddonEnable = "addon:enable", AddonDisable = "addon:disable",
    AddonRollback = "addon:rollback", AddonRemove = "addon:remove", AddonGrant = "addon:grant",
    ApprovalDecide = "approval:decide", ApprovalList = "approval:list", ApprovalRules = "approval:rules",
    AuditExport = "audit:export", AuditList = "audit:list", AuditVerify = "audit:verify",
    JobList = "job:list", JobRetry = "job:retry", JobCancel = "job:cancel",
    KeyCreate = "key:create", KeyList = "key:list",
    SecretSet = "secret:set", SecretList = "secret:list", SecretRemove = "secret:remove",
    SequenceDefine = "sequence:define", SequenceList = "sequence:list", SequenceVoid = "sequence:void",
    TenantCreate = "tenant:create", TenantList = "tenant:list",
    TokenCreate = "token:create", TokenList = "token:list", TokenRevoke = "token:revoke",
    TrustAdd = "trust:add", TrustList = "trust:list", TrustRemove = "trust:remove",
    PolicyExplain = "policy:explain", PolicyReload = "policy:reload",
    UsageList = "usage:list",
    HostDiagnose = "host:diagnose", HostMetrics = "host:metrics",
}

/// What an operation is about: a tenant's things, or the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Tenant(&'a TenantId),
    Host,
}

/// A decision and the version of the policies that made it; both go into the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub policy_version: Arc<str>,
}

/// May this principal do this? Never fails: where the policies cannot say yes, the answer is no.
pub trait Authorize: Send + Sync {
    fn decide(&self, principal: &Principal, operation: Operation, target: Target<'_>) -> Decision;
}

/// The limits of a tenant's calls.
pub trait Quotas: Send + Sync {
    /// What tier and overrides allow for this addon (for the tenant as a whole where `addon` is absent).
    fn limits(&self, tenant: &TenantId, addon: Option<&AddonName>) -> bulla_base::PartialLimits;

    /// The same with the line that won, for `bulla policy explain`.
    fn explain(
        &self,
        tenant: &TenantId,
        manifest: &bulla_base::PartialLimits,
        addon: &AddonName,
    ) -> Vec<LimitSource>;

    /// The version of the rules in force.
    fn version(&self) -> Arc<str>;
}

/// Where a limit in force comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSource {
    pub limit: String,
    pub value: String,
    /// `default`, `manifest`, `tier standard`, `tenant acme`, `addon acme/einvoice`.
    pub source: String,
    /// The other candidates, as `source: value`.
    pub beaten: Vec<String>,
}

/// Who sends a call, and why it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A request from outside.
    Request { idempotency_key: Option<String> },
    /// A job's attempt, from 1.
    Job { id: JobId, attempt: u32 },
    /// An approval's decision; it runs as the requester's continuation, itself driven by a job.
    Approval { id: ApprovalId, requester: Subject, decider: Subject, job: JobId, attempt: u32 },
}

/// A call to be dispatched.
#[derive(Debug, Clone)]
pub struct CallRequest {
    pub tenant: TenantId,
    pub principal: Principal,
    pub trace: TraceId,
    pub addon: AddonName,
    pub entry: EntryName,
    pub input: Vec<u8>,
    pub cause: Cause,
    /// Version of the policies that allowed it.
    pub policy_version: Arc<str>,
}

/// What a call used, beside its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    pub fuel: Fuel,
    pub memory_peak: Bytes,
    pub elapsed: Millis,
    pub host_bytes: Bytes,
    pub log_bytes: Bytes,
}

/// A call that came to an end, well or not.
#[derive(Debug, Clone)]
pub struct CallReply {
    pub call: CallId,
    pub trace: TraceId,
    pub usage: Usage,
    pub limits: Limits,
    /// The version of the schedule that priced the fuel.
    pub fuel_schedule: &'static str,
    /// True: an earlier call's stored response, nothing ran.
    pub replayed: bool,
    pub outcome: Result<Vec<u8>, Failure>,
}

/// The way from a request to a guest and back.
#[async_trait]
pub trait Dispatch: Send + Sync {
    async fn dispatch(&self, request: CallRequest) -> CallReply;
}

/// Where a secret goes in an outbound request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    Bearer,
    Basic { user: String },
    Header { name: String },
}

/// A secret's plaintext on its way into a request: wiped when dropped, never printed.
pub struct Plaintext(pub zeroize::Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plaintext(…)")
    }
}

/// A request on its way out, after its destination was granted.
#[derive(Debug)]
pub struct OutboundRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub placement: Placement,
    pub secret: Plaintext,
    /// The destinations granted, as `scheme://host[:port]`; the request must go to one of them.
    pub destinations: Vec<String>,
    pub idempotency_key: Option<String>,
    pub trace: TraceId,
    pub timeout: Millis,
    pub max_response: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("`{destination}` is not a granted destination")]
    Denied { destination: String },
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("the {0} is over its limit")]
    Limit(&'static str),
    #[error("no answer: {reason}")]
    Unavailable { reason: String, retry_after: Millis },
}

/// The one way out of the host.
#[async_trait]
pub trait Egress: Send + Sync {
    /// Validates what can be validated without the network. Decided before the secret is opened.
    fn check(&self, request: &OutboundRequest) -> Result<(), EgressError>;

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, EgressError>;
}

/// What the rooms ask about the installed addons.
pub trait Catalogue: Send + Sync {
    /// The job's options in the manifest of the tenant's active version; `None` where there is no such job.
    fn job(&self, tenant: &TenantId, addon: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>>;

    /// True when the tenant's active version has this action.
    fn has_action(&self, tenant: &TenantId, addon: &AddonName, action: &EntryName) -> bool;

    /// Every job with a schedule, of every enabled addon.
    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)>;
}

/// A job as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    pub name: EntryName,
    pub schedule: JobSchedule,
    pub lock_key: Option<Alias>,
    pub fairness: Fairness,
    /// Attempts after the first.
    pub retries: u32,
    /// The first delay; doubles up to an hour.
    pub backoff: Millis,
    /// Consecutive failures that pause the job, and for how long.
    pub circuit: Option<(u32, Millis)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobSchedule {
    OnDemand,
    Every(Millis),
    /// Five fields, in UTC unless the tenant has a time zone.
    Cron(String),
}

/// Which queue a job waits in; a tenant's share within a class is equal whatever it queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fairness {
    Interactive,
    Normal,
    Bulk,
}

/// What a positive decision lets run: an action of the addon that asked, with what the requester gave for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    pub tenant: TenantId,
    pub addon: AddonName,
    pub action: EntryName,
    /// JSON, at most 256 KiB.
    pub payload: String,
    pub approval: ApprovalId,
    pub requester: Subject,
    pub decider: Subject,
    pub object: ObjectRef,
    /// SHA-256 of what the decider was shown: the approval counts for exactly these bytes.
    pub digest: String,
    /// The request's trace, which the continuation goes on with.
    pub trace: TraceId,
    /// The decision's own trace, kept as a link.
    pub decision_trace: TraceId,
}

/// Where continuations wait to run.
pub trait Continuations: Send + Sync {
    /// Stages the run into the decision's unit, once for each approval, and says which job it is.
    fn stage(&self, unit: &mut Unit, origin: &Origin, continuation: &Continuation) -> JobId;

    /// The unit has been committed: the job can run.
    fn committed(&self);
}

/// A package that arrives at the host, and what the operator grants with it.
#[derive(Debug)]
pub struct Delivery {
    pub tenant: TenantId,
    pub package: Vec<u8>,
    /// Absent on an upgrade: what was granted stays granted.
    pub grants: Option<crate::grants::Grants>,
}

/// What the host learned of a package it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    pub name: AddonName,
    pub version: String,
    /// SHA-256 of the package file, in hex.
    pub digest: String,
    /// The publisher's key.
    pub publisher: String,
    /// Capabilities that the manifest asks for and the operator did not grant, as `kind name`.
    pub withheld: Vec<String>,
}

/// Verifies, compiles and installs packages: the supply chain's end.
#[async_trait]
pub trait Installer: Send + Sync {
    /// Verifies and installs for one tenant. A version that is there with another digest is refused.
    async fn install(&self, origin: &crate::origin::Origin, delivery: Delivery) -> Result<Accepted, Failure>;

    /// Reads a publisher's key, checks it, and trusts it from now on. The key's id is derived, whatever `key.id` says.
    async fn trust(
        &self,
        origin: &crate::origin::Origin,
        key: crate::trust::NewTrustedKey,
    ) -> Result<crate::trust::TrustedKey, Failure>;

    /// The same for a key that takes the place of `old`, which stays good for `overlap`.
    async fn rotate_trust(
        &self,
        origin: &crate::origin::Origin,
        old: &str,
        key: crate::trust::NewTrustedKey,
        overlap: Millis,
    ) -> Result<crate::trust::TrustedKey, Failure>;

    /// Back to the version before.
    async fn rollback(
        &self,
        origin: &crate::origin::Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Accepted, Failure>;
}

/// The operator's side of the policies.
#[async_trait]
pub trait PolicyAdmin: Send + Sync {
    /// Reads the files again. An invalid set is refused and the old one stays in force.
    async fn reload(&self) -> Result<Arc<str>, Failure>;
}

/// What `/readyz` and `/diagz` tell.
#[async_trait]
pub trait Diagnostics: Send + Sync {
    /// `Err` says why the host should get no requests now.
    async fn ready(&self) -> Result<(), Failure>;

    /// For operators: version, database, engine, policies, load, audit.
    async fn diagnose(&self) -> serde_json::Value;
}
