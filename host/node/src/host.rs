//! A host on its database: every room, the engine, the policies, wired together.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{Bytes, Clock, Coded, Failure, Rng, SystemClock, SystemRng, TraceId, codes};
use bulla_bindings::Rooms;
use bulla_egress::{EgressConfig, HttpEgress};
use bulla_engine::{AotKey, Engine, EngineConfig, Worker};
use bulla_kernel::Core;
use bulla_kernel::addons::{Addons, Private};
use bulla_kernel::admission::Admission;
use bulla_kernel::approvals::Approvals;
use bulla_kernel::audit::{Audit, AuditJournal, LogName, Query};
use bulla_kernel::idempotency::{Idempotency, IdempotencyConfig};
use bulla_kernel::jobs::{Claimed, Jobs, JobsConfig, RunJob};
use bulla_kernel::keys::Keys;
use bulla_kernel::master::{Label, MasterKey};
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{Principal, Quotas};
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::Sequences;
use bulla_kernel::tenants::Tenants;
use bulla_kernel::tokens::Tokens;
use bulla_kernel::trust::Trust;
use bulla_kernel::usage::Meter;
use bulla_policy::{PolicyError, PolicySet, Reloaded};
use bulla_server::Metrics;
use bulla_store::{
    AppliedMigration, Committer, CommitterConfig, Db, DirectoryLock, Durability, PostgresConfig,
    SqliteConfig, Unit, migrate,
};
use serde_json::json;
use tokio::runtime::Handle;

use crate::catalogue::Manifests;
use crate::code_cache::CacheAudit;
use crate::config::{self, Config};
use crate::dispatch::{Dispatcher, Parts};
use crate::storage::Storage;
use crate::supply::Supply;

/// SQLite's file in the data directory.
pub(crate) const DATABASE: &str = "bulla.db";
/// How long PostgreSQL may take for a statement or a commit: beyond what any of them needs, and within what callers wait.
const POSTGRES_ANSWER: Duration = Duration::from_secs(30);

/// Everything of a running host. Made by [`Host::start`]; the background loops are in `background`.
pub struct Host {
    pub config: Config,
    pub core: Core,
    pub engine: Engine,
    pub tenants: Arc<Tenants>,
    pub tokens: Arc<Tokens>,
    pub trust: Arc<Trust>,
    pub addons: Arc<Addons>,
    pub audit: Arc<Audit>,
    pub rooms: Arc<Rooms>,
    pub admission: Arc<Admission>,
    pub idempotency: Arc<Idempotency>,
    pub usage: Arc<Meter>,
    pub storage: Arc<Storage>,
    pub metrics: Arc<Metrics>,
    pub policies: Arc<PolicySet>,
    pub supply: Arc<Supply>,
    pub manifests: Arc<Manifests>,
    pub dispatcher: Dispatcher,
    pub master: Option<Arc<MasterKey>>,
    _lock: Option<DirectoryLock>,
}

impl Host {
    /// Opens the data directory: migrations first, then every room with what it keeps in memory. `compiler`: the program that compiles
    /// addons in processes of their own; without it this one does.
    pub async fn start(config: Config, compiler: Option<PathBuf>) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let lock = match config.is_postgres() {
            true => None,
            false => Some(DirectoryLock::acquire(&config.data.directory).map_err(|error| error.failure())?),
        };
        let master = master_key(&config)?;
        let (core, applied) = open(&config, clock).await?;
        let origin = host_origin(&core);
        let audit = Audit::new(core.clone(), &config.audit.origin, master.clone())
            .map_err(|error| error.failure())?;
        check_master(&config, &audit).await?;
        record_migrations(&core, &audit, &applied).await?;
        audit.start(&origin).await.map_err(|error| error.failure())?;
        let policies = Arc::new(
            PolicySet::load(&config.below_data(&config.policy.directory)).map_err(|error| error.failure())?,
        );
        let addons = Addons::load_beside(core.clone(), private(&config)).await;
        let addons = Arc::new(addons.map_err(|error| error.failure())?);
        let trust = Arc::new(Trust::load(core.clone()).await.map_err(|error| error.failure())?);
        let manifests = Arc::new(Manifests::new(addons.clone()));
        manifests.refresh().await?;
        let rooms = Arc::new(rooms(&config, &core, &manifests, master.clone()).await?);
        let engine = engine(&config, &core, master.as_deref(), compiler)?;
        let linker = bulla_bindings::linker(&engine).map_err(|error| internal(&error.to_string()))?;
        let supply = Arc::new(Supply::new(
            engine.clone(),
            linker,
            addons.clone(),
            manifests.clone(),
            trust.clone(),
            core.clock.clone(),
        ));
        let admission = Arc::new(Admission::new(core.clone(), config.engine.instances));
        let settings = IdempotencyConfig { ttl: config.idempotency.ttl, ..Default::default() };
        let idempotency = Arc::new(Idempotency::new(core.clone(), settings));
        let usage = Arc::new(Meter::new(core.clone()));
        let storage = Arc::new(Storage::default());
        storage.refresh(&rooms, &idempotency).await?;
        let metrics = Arc::new(Metrics::new().map_err(|error| internal(&error.to_string()))?);
        let dispatcher = Dispatcher::new(Parts {
            workers: Handle::current(),
            core: core.clone(),
            engine: engine.clone(),
            supply: supply.clone(),
            rooms: rooms.clone(),
            addons: addons.clone(),
            quotas: policies.clone(),
            admission: admission.clone(),
            idempotency: idempotency.clone(),
            usage: usage.clone(),
            storage: storage.clone(),
            metrics: metrics.clone(),
        });
        Ok(Self {
            tenants: Arc::new(Tenants::load(core.clone()).await.map_err(|error| error.failure())?),
            tokens: Arc::new(Tokens::load(core.clone()).await.map_err(|error| error.failure())?),
            audit: Arc::new(audit),
            config,
            core,
            engine,
            trust,
            addons,
            rooms,
            admission,
            idempotency,
            usage,
            storage,
            metrics,
            policies,
            supply,
            manifests,
            dispatcher,
            master,
            _lock: lock,
        })
    }

    /// Records a change of the policies, or that an invalid one was refused.
    pub async fn policy_changed(&self, reloaded: &Result<Reloaded, PolicyError>) -> Result<(), Failure> {
        let (event, detail) = match reloaded {
            Ok(reloaded) if !reloaded.changed() => return Ok(()),
            Ok(reloaded) => ("policy.changed", json!({"before": reloaded.before, "after": reloaded.after})),
            Err(error) => ("policy.refused", json!({"reason": error.to_string()})),
        };
        let mut unit = Unit::default();
        unit.record(self.origin().entry(event, "policies", detail));
        self.core.committer.commit(unit).await.map_err(|error| error.failure())
    }

    /// An origin of the host's own doing, in the `system` log, under a new trace.
    pub fn origin(&self) -> Origin {
        host_origin(&self.core)
    }
}

/// A job's attempt is a call like any other.
pub struct JobCalls {
    pub dispatcher: Dispatcher,
    pub policies: Arc<PolicySet>,
}

#[async_trait]
impl RunJob for JobCalls {
    async fn run(&self, claimed: &Claimed) -> Result<(), Failure> {
        let version = Quotas::version(self.policies.as_ref());
        self.dispatcher.run(claimed.request(version)).await.reply.outcome.map(drop)
    }
}

pub(crate) fn host_origin(core: &Core) -> Origin {
    Origin {
        tenant: None,
        subject: Principal::host().subject,
        trace: TraceId::draw(core.rng.as_ref()),
        at_ms: core.now_ms(),
        policy_version: None,
        call: None,
    }
}

/// What no addon is given, whatever is granted.
fn private(config: &Config) -> Private {
    let policies = config.below_data(&config.policy.directory);
    Private::new([config.data.directory.clone(), config.master_key_file(), policies])
}

/// A host that was started with a master key once is not started without it or with another one: each call that needs what is
/// sealed would fail, one by one.
async fn check_master(config: &Config, audit: &Audit) -> Result<(), Failure> {
    let Err(error) = audit.check_master().await else { return Ok(()) };
    let failure = error.failure();
    let file = config.master_key_file();
    let (file, variable) = (file.display(), &config.master_key.variable);
    let text = match failure.code {
        codes::MASTER_KEY_MISSING => {
            format!(
                "the data is sealed under a master key, and there is none in `{file}` or in the variable `{variable}`"
            )
        }
        // The ids name the keys and say nothing about them.
        codes::MASTER_KEY_WRONG => error.to_string(),
        _ => return Err(failure),
    };
    Err(Failure { message: text, ..failure }
        .hint("give the key that belongs to this data; a new one opens nothing of it"))
}

/// From the environment, else from the file; a host without one runs without secrets, keys and cached code.
fn master_key(config: &Config) -> Result<Option<Arc<MasterKey>>, Failure> {
    if let Some(key) = MasterKey::from_env(&config.master_key.variable).map_err(|error| error.failure())? {
        return Ok(Some(Arc::new(key)));
    }
    let path = config.master_key_file();
    if !path.exists() {
        tracing::warn!(path = %path.display(), "no master key: no secrets, no signing keys, no cache of compiled code");
        return Ok(None);
    }
    MasterKey::from_file(&path).map(|key| Some(Arc::new(key))).map_err(|error| error.failure())
}

async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<(Core, Vec<AppliedMigration>), Failure> {
    let durability = match config.store.durability {
        config::Durability::Durable => Durability::Durable,
        config::Durability::Relaxed => Durability::Relaxed,
    };
    let db = if config.is_postgres() {
        let (url, connections) = (config.store.database.clone(), config.store.connections);
        Db::open_postgres(&PostgresConfig { url, connections, durability, answer: POSTGRES_ANSWER }).await
    } else {
        let path = config.data.directory.join(DATABASE);
        Db::open_sqlite(&SqliteConfig { path, readers: config.store.connections, durability }).await
    }
    .map_err(|error| error.failure())?;
    let applied = migrate(&db).await.map_err(|error| error.failure())?;
    let batch =
        CommitterConfig { max_batch: config.store.batch.max(1) as usize, ..CommitterConfig::default() };
    let committer = Committer::start(db.clone(), Arc::new(AuditJournal::new()), batch);
    let core = Core { db, committer, clock, rng: Arc::new(SystemRng) as Arc<dyn Rng> };
    Ok((core, applied))
}

/// Records the migrations that the log does not have: also those of a start that died before it came to this.
async fn record_migrations(core: &Core, audit: &Audit, applied: &[AppliedMigration]) -> Result<(), Failure> {
    let query = Query { event: Some("migration.applied".into()), ..Query::default() };
    let entries = match audit.list(&LogName::system(), &query).await {
        Ok(listing) => listing.entries,
        // The first start: there is no log yet.
        Err(error) if error.code() == codes::NOT_FOUND => Vec::new(),
        Err(error) => return Err(error.failure()),
    };
    let recorded: HashSet<i64> =
        entries.iter().filter_map(|entry| entry.body["detail"]["version"].as_i64()).collect();
    let origin = host_origin(core);
    let mut unit = Unit::default();
    for migration in applied.iter().filter(|migration| !recorded.contains(&migration.version)) {
        let detail = json!({"version": migration.version, "checksum": migration.checksum});
        unit.record(origin.entry("migration.applied", &migration.name, detail));
    }
    core.committer.commit(unit).await.map_err(|error| error.failure())
}

async fn rooms(
    config: &Config,
    core: &Core,
    manifests: &Arc<Manifests>,
    master: Option<Arc<MasterKey>>,
) -> Result<Rooms, Failure> {
    let egress = HttpEgress::new(&EgressConfig::default(), core.rng.clone())
        .map_err(|error| internal(&error.to_string()))?;
    let node = TraceId::draw(core.rng.as_ref()).to_string();
    let settings = JobsConfig { node, lease: config.jobs.lease, ..JobsConfig::default() };
    let jobs = Jobs::new(core.clone(), manifests.clone(), settings);
    let approvals = Approvals::open(core.clone(), manifests.clone(), Arc::new(jobs.clone()));
    let sequences = Sequences::open(core.clone());
    Ok(Rooms {
        sequences: Arc::new(sequences.await.map_err(|error| error.failure())?),
        approvals: Arc::new(approvals.await.map_err(|error| error.failure())?),
        secrets: Arc::new(
            Secrets::load(core, master.clone(), Arc::new(egress)).await.map_err(|error| error.failure())?,
        ),
        keys: Arc::new(Keys::load(core, master).await.map_err(|error| error.failure())?),
        jobs: Arc::new(jobs),
    })
}

fn engine(
    config: &Config,
    core: &Core,
    master: Option<&MasterKey>,
    compiler: Option<PathBuf>,
) -> Result<Engine, Failure> {
    let memory = config.engine.compile_memory;
    let worker = compiler.map(|program| Worker { program, memory });
    let settings = EngineConfig {
        instances: config.engine.instances,
        memory_slot: config.engine.memory_slot,
        stack: config.engine.stack,
        compile_deadline: config.engine.compile_deadline.duration(),
        pooling: config.engine.pooling,
        debug_info: config.engine.debug_info,
        worker,
        ..EngineConfig::default()
    };
    let key = master.map(|master| AotKey::new(*master.derive(Label::AotMac)));
    let cache = config.data.directory.join("code");
    let events = Arc::new(CacheAudit { core: core.clone(), runtime: Handle::current() });
    Engine::with_events(settings, key, core.clock.clone(), Some(cache), events)
        .map_err(|error| error.failure())
}

pub(crate) fn internal(text: &str) -> Failure {
    Failure::new(codes::INTERNAL, codes::INTERNAL.title).internal(text)
}

/// For `/diagz`: sizes as people write them.
pub(crate) fn written(bytes: u64) -> String {
    Bytes(bytes).to_string()
}
