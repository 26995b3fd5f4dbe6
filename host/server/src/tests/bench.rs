//! A host with two tenants, and requests to it that are held against `/openapi.json`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::body::Body;
use bulla_base::{CallId, Clock, Limits, ManualClock, Rng, SystemRng, TenantId, TraceId};
use bulla_kernel::Core;
use bulla_kernel::addons::Addons;
use bulla_kernel::approvals::Approvals;
use bulla_kernel::audit::{Audit, AuditJournal, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::call::Call;
use bulla_kernel::grants::{GrantCell, Grants};
use bulla_kernel::jobs::{Jobs, JobsConfig};
use bulla_kernel::keys::Keys;
use bulla_kernel::master::MasterKey;
use bulla_kernel::origin::{CallOrigin, Origin};
use bulla_kernel::ports::Cause;
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::Sequences;
use bulla_kernel::tenants::{NewTenant, Tenants};
use bulla_kernel::tokens::{NewToken, Tokens};
use bulla_kernel::trust::Trust;
use bulla_store::{Committer, CommitterConfig, Db, Durability, SqliteConfig, migrate};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::contract::Contract;
use super::doubles::{NoEgress, NoQuotas, Node, OneAddon, Roles, Script, Shelf};
use crate::{Metrics, ServerConfig, Services};

pub struct Bench {
    pub clock: Arc<ManualClock>,
    pub script: Arc<Script>,
    pub node: Arc<Node>,
    pub services: Arc<Services>,
    pub router: Router,
    /// An operator's token.
    pub operator: String,
    /// The token of `ada`, who administers `acme`.
    pub ada: String,
    /// The token of `bob`, who administers `globex`.
    pub bob: String,
    contract: Contract,
    /// Routes that answered with success.
    pub answered: Mutex<BTreeSet<String>>,
    _dir: tempfile::TempDir,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The data of a success.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.json);
        &self.json["data"]
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub async fn with(config: ServerConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sqlite =
            SqliteConfig { path: dir.path().join("bulla.db"), readers: 2, durability: Durability::Relaxed };
        let db = Db::open_sqlite(&sqlite).await.unwrap();
        migrate(&db).await.unwrap();
        let clock = Arc::new(ManualClock::at("2026-03-31T12:00:00Z".parse().unwrap()));
        let committer =
            Committer::start(db.clone(), Arc::new(AuditJournal::new()), CommitterConfig::default());
        let core = Core { db, committer, clock: clock.clone(), rng: Arc::new(SystemRng) as Arc<dyn Rng> };
        let script = Arc::new(Script::default());
        let node = Arc::new(Node { core: core.clone(), ready: AtomicBool::new(true) });
        let services = Arc::new(services(core, script.clone(), node.clone()).await);
        let by = origin_of(None, clock.now_ms());
        services.audit.start(&by).await.unwrap();
        for tenant in ["acme", "globex"] {
            let new = NewTenant { id: tenant.parse().unwrap(), display_name: tenant.into(), time_zone: None };
            services.tenants.create(&by, &new).await.unwrap();
        }
        let router = crate::router(services.clone(), config);
        let mut bench = Self {
            clock,
            script,
            node,
            services,
            router,
            operator: String::new(),
            ada: String::new(),
            bob: String::new(),
            contract: Contract::of(&crate::api::routes()),
            answered: Mutex::default(),
            _dir: dir,
        };
        bench.operator = bench.token("root", None, "admin").await;
        bench.ada = bench.token("ada", Some("acme"), "admin").await;
        bench.bob = bench.token("bob", Some("globex"), "admin").await;
        bench
    }

    pub async fn token(&self, subject: &str, tenant: Option<&str>, role: &str) -> String {
        let new = NewToken {
            subject: subject.parse().unwrap(),
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            roles: vec![role.parse().unwrap()],
            expires_ms: None,
        };
        let by = origin_of(tenant, self.clock.now_ms());
        self.services.tokens.create(&by, &new).await.unwrap().1.reveal().to_owned()
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::GET, path, token, None)).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, token, None)).await
    }

    /// A POST without a body where `body` is null.
    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, token, Some(body).filter(|body| !body.is_null()))).await
    }

    pub async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::PUT, path, token, Some(body))).await
    }

    /// Sends, and holds the response against the contract.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status, headers: parts.headers, bytes, json };
        if let Some(route) = self.contract.check(&method, &path, &answer) {
            self.answered.lock().insert(route);
        }
        answer
    }

    /// An origin of `ada` in this tenant, as a request would have it.
    pub fn origin(&self, tenant: &str) -> Origin {
        origin_of(Some(tenant), self.clock.now_ms())
    }

    /// A running call of `einvoice` in `acme` as `carl`.
    pub fn call(&self, grants: Grants) -> Call {
        let origin = Origin { subject: "carl".parse().unwrap(), ..self.origin("acme") };
        let call = CallOrigin {
            id: CallId::draw(&SystemRng),
            addon: "einvoice".parse().unwrap(),
            version: "1.0.0".into(),
            entry: "submit".parse().unwrap(),
        };
        let cause = Cause::Request { idempotency_key: None };
        Call::new(origin, call, acme(), cause, Limits::default(), GrantCell::new(grants))
    }

    /// Commits what the call staged.
    pub async fn commit(&self, call: &mut Call) {
        self.node.core.committer.commit(call.effects()).await.unwrap();
    }

    /// The bodies of a log's entries with this event.
    pub async fn audited(&self, log: &LogName, event: &str) -> Vec<Value> {
        let query = Query { event: Some(event.into()), ..Default::default() };
        let listing = self.services.audit.list(log, &query).await.unwrap();
        listing.entries.into_iter().map(|entry| entry.body).collect()
    }
}

pub fn acme() -> TenantId {
    "acme".parse().unwrap()
}

pub fn request(method: Method, path: &str, token: &str, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    match body {
        Some(body) => {
            request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
        }
        None => request.body(Body::empty()).unwrap(),
    }
}

fn origin_of(tenant: Option<&str>, at_ms: i64) -> Origin {
    Origin {
        tenant: tenant.map(|tenant| tenant.parse().unwrap()),
        subject: "ada".parse().unwrap(),
        trace: TraceId::draw(&SystemRng),
        at_ms,
        policy_version: Some("policy-1".into()),
        call: None,
    }
}

async fn services(core: Core, script: Arc<Script>, node: Arc<Node>) -> Services {
    let master = Some(Arc::new(MasterKey::from_bytes(zeroize::Zeroizing::new([7; 32]))));
    let addons = Arc::new(Addons::load_all(core.clone()).await.unwrap());
    let trust = Arc::new(Trust::load(core.clone()).await.unwrap());
    let jobs = Jobs::new(core.clone(), Arc::new(OneAddon), JobsConfig::default());
    let approvals = Approvals::open(core.clone(), Arc::new(OneAddon), Arc::new(jobs.clone())).await.unwrap();
    Services {
        installer: Arc::new(Shelf { addons: addons.clone(), trust: trust.clone() }),
        addons,
        approvals,
        audit: Arc::new(Audit::new(core.clone(), DEFAULT_ORIGIN, master.clone()).unwrap()),
        jobs,
        keys: Arc::new(Keys::load(&core, master.clone()).await.unwrap()),
        secrets: Arc::new(Secrets::load(&core, master, Arc::new(NoEgress)).await.unwrap()),
        sequences: Arc::new(Sequences::open(core.clone()).await.unwrap()),
        tenants: Arc::new(Tenants::load(core.clone()).await.unwrap()),
        tokens: Arc::new(Tokens::load(core.clone()).await.unwrap()),
        trust,
        usage: Arc::new(bulla_kernel::usage::Meter::new(core.clone())),
        dispatch: script,
        authorize: Arc::new(Roles),
        quotas: Arc::new(NoQuotas),
        manifests: node.clone(),
        policy: node.clone(),
        diagnostics: node.clone(),
        audit_sink: node,
        metrics: Arc::new(Metrics::new().unwrap()),
        workers: tokio::runtime::Handle::current(),
        clock: core.clock.clone(),
        rng: core.rng.clone(),
    }
}

/// The rules of `invoice.issue`: `ada` or a `cfo` decides above 100.
pub fn rules() -> Value {
    json!({
        "scope": "invoice.issue",
        "rule": [{
            "name": "large",
            "when": {"fact": "total", "decimal": {"gt": "100"}},
            "approvers": ["subject:ada", "role:cfo"],
        }],
    })
}
