//! The kernel's rooms on a database of their own, and an engine: what a guest meets, without a server around it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use bulla_base::{
    AddonName, CallId, Clock, Entropy, EntryName, Limits, ManualClock, Millis, Rng, SeededRng, TenantId,
    Timestamp, TraceId,
};
use bulla_bindings::{HostLinker, HostState, LogLine, Rooms};
use bulla_engine::{Engine, EngineConfig, Entry, LoadError, Loaded, Outcome, Usage, WasiState, run};
use bulla_kernel::Core;
use bulla_kernel::approvals::{Approvals, RuleDocument};
use bulla_kernel::audit::AuditJournal;
use bulla_kernel::call::{Call, MAX_OBSERVATIONS};
use bulla_kernel::grants::{GrantCell, Grants};
use bulla_kernel::jobs::{Jobs, JobsConfig};
use bulla_kernel::keys::Keys;
use bulla_kernel::master::MasterKey;
use bulla_kernel::origin::{CallOrigin, Origin};
use bulla_kernel::ports::{
    Catalogue, Cause, Egress, EgressError, Fairness, JobSchedule, JobSpec, OutboundRequest, OutboundResponse,
    Plaintext,
};
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::{Definition, Sequences};
use bulla_signing::{Contract, EntryContract, Package, PublisherKey, TrustEntry, TrustStore, VerifiedAddon};
use bulla_store::{Committer, CommitterConfig, Db, Durability, SqliteConfig, StoreError, migrate};
use serde_json::json;
use tokio::runtime::Runtime;

/// What the guests ask for and are granted: everything.
const MANIFEST: &str = r#"
[addon]
name = "guest"
version = "0.1.0"
description = "Generated."
kernel = "0.1"
[actions.go]
[capabilities]
sequences = ["granted", "loose"]
approvals = ["granted"]
[capabilities.secrets.granted]
purpose = "delivery"
destinations = ["https://receiver.example"]
[capabilities.keys.granted]
purpose = "invoice"
"#;

/// The interfaces that [`MANIFEST`] asks for.
const INTERFACES: [&str; 4] =
    ["bulla:kernel/sequences", "bulla:kernel/approvals", "bulla:kernel/secrets", "bulla:kernel/keys"];

/// One tenant that has everything its guest asks for. Its time stands still, and its randomness starts anew with each call.
pub struct House {
    runtime: Runtime,
    pub engine: Engine,
    linker: HostLinker,
    core: Core,
    rooms: Arc<Rooms>,
    rng: Arc<Restarting>,
    key: PublisherKey,
    trust: TrustStore,
    kept: AtomicU64,
    _dir: tempfile::TempDir,
}

/// How one call ended, without what is measured by the clock.
#[derive(Debug, PartialEq)]
pub struct Ended {
    pub outcome: Outcome,
    pub usage: Usage,
    pub log: Vec<LogLine>,
}

/// One for the whole process, with the pool as servers have it.
pub static POOLED: LazyLock<House> = LazyLock::new(|| House::open(true));
/// One that allocates each instance by itself.
pub static ON_DEMAND: LazyLock<House> = LazyLock::new(|| House::open(false));

impl Ended {
    /// The same in every respect. What differs is told in parts: the whole is long.
    #[track_caller]
    pub fn is_like(&self, other: &Self, what: &str) {
        assert_eq!(self.usage, other.usage, "{what}: usage");
        assert_eq!(self.log, other.log, "{what}: log");
        assert!(self.outcome == other.outcome, "{what}: {:?}", differing(&self.outcome, &other.outcome));
    }
}

/// Where two answers first differ, with what stands there; for other outcomes both.
fn differing<'a>(one: &'a Outcome, other: &'a Outcome) -> (Option<usize>, String) {
    let (Outcome::Ok(a), Outcome::Ok(b)) = (one, other) else {
        return (None, format!("{one:?} and {other:?}"));
    };
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(0);
    let around = |bytes: &[u8]| format!("{:?}", &bytes[at - at % 64..bytes.len().min(at - at % 64 + 64)]);
    (Some(at), format!("{} and {}", around(a), around(b)))
}

impl House {
    fn open(pooling: bool) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock = Arc::new(ManualClock::at(now()));
        let settings = EngineConfig { instances: 8, compile_threads: 2, pooling, ..EngineConfig::default() };
        let engine = Engine::new(settings, None, clock.clone() as Arc<dyn Clock>, None).unwrap();
        let linker = bulla_bindings::linker(&engine).unwrap();
        let rng = Arc::new(Restarting(Mutex::new(SeededRng::new(0))));
        let dir = tempfile::tempdir().unwrap();
        let (core, rooms) = runtime.block_on(rooms(dir.path(), clock, rng.clone()));
        let key = PublisherKey::generate(&Entropy);
        let trust = TrustStore::from_entries([TrustEntry::for_addons(key.public(), "ACME")]).unwrap();
        Self {
            runtime,
            engine,
            linker,
            core,
            rooms,
            rng,
            key,
            trust,
            kept: AtomicU64::new(1 << 32),
            _dir: dir,
        }
    }

    /// Packs, signs, verifies: as far as a publisher comes with these bytes. `None`: the bytes take no contract.
    pub fn verified(&self, component: &[u8]) -> Option<VerifiedAddon> {
        let go = EntryContract {
            name: "go".parse().unwrap(),
            doc: String::new(),
            input: json!(true),
            output: json!(true),
        };
        let component = Contract { actions: vec![go], jobs: Vec::new() }.write(component).ok()?;
        let package = Package::seal(MANIFEST.as_bytes(), &component, &self.key, now()).unwrap();
        Some(VerifiedAddon::verify(package.into_bytes(), &self.trust, now()).unwrap())
    }

    pub fn load(&self, addon: &VerifiedAddon) -> Result<Loaded<HostState>, LoadError> {
        let granted: BTreeSet<String> = INTERFACES.map(str::to_owned).into();
        self.runtime.block_on(self.engine.load(addon, &self.linker, &granted))
    }

    /// `describe` as `bulla build` asks for it: every import is a trap.
    pub fn describe(&self, component: &[u8]) -> Result<Vec<u8>, bulla_engine::DescribeError> {
        self.runtime.block_on(self.engine.describe_own_build(component))
    }

    /// One call, and the laws that hold for each: no use beyond a limit, and no more left of a failure than observations.
    /// Numbers that were drawn are given back. `keep`: what an `ok` call staged is committed.
    pub fn call(&self, loaded: &Loaded<HostState>, input: &[u8], limits: &Limits, keep: bool) -> Ended {
        self.runtime.block_on(async {
            // What is kept needs ids of its own.
            self.rng.restart(if keep { self.kept.fetch_add(1, Ordering::Relaxed) } else { 1 });
            let state = HostState::new(self.new_call(limits), self.rooms.clone(), WasiState::default());
            let (outcome, mut usage, state) =
                run(&self.engine, loaded, Entry::Action, "go", input, limits, state).await;
            within(&usage);
            usage.elapsed = Default::default();
            let (mut call, log) = state.into_parts();
            let ok = matches!(outcome, Outcome::Ok(_));
            if keep && ok {
                let unit = call.effects();
                if !unit.is_empty() {
                    match self.core.committer.commit(unit).await {
                        // What an earlier call bound or asked for.
                        Ok(()) | Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("what a guest staged cannot be kept: {error}"),
                    }
                }
                self.rooms.sequences.settle(&mut call);
            } else {
                let left = call.remains("trap");
                assert!(
                    left.writes.is_empty() && left.journal.len() <= MAX_OBSERVATIONS,
                    "{}",
                    left.journal.len()
                );
                self.rooms.sequences.release(&mut call, None).await;
            }
            Ended { outcome, usage, log }
        })
    }

    fn new_call(&self, limits: &Limits) -> Call {
        let call = CallOrigin {
            id: CallId::draw(self.rng.as_ref()),
            addon: "guest".parse().unwrap(),
            version: "0.1.0".into(),
            entry: "go".parse().unwrap(),
        };
        let cause = Cause::Request { idempotency_key: None };
        Call::new(origin(&self.core), call, tenant(), cause, *limits, GrantCell::new(grants()))
    }
}

fn within(usage: &Usage) {
    let limits = &usage.limits;
    assert!(usage.fuel <= limits.fuel, "{usage:?}");
    assert!(usage.memory_peak <= limits.memory, "{usage:?}");
    assert!(usage.table_elements_peak <= limits.table_elements, "{usage:?}");
    assert!(usage.log <= limits.log, "{usage:?}");
    // The call that goes beyond a limit is counted too.
    let carried = usage.host_bytes_in.0 + usage.host_bytes_out.0;
    assert!(carried <= limits.host_calls.0 + 2 * limits.host_call.0 + (64 << 10), "{usage:?}");
}

/// The limits of generated calls: wide enough to come far, narrow enough to end soon.
pub fn limits() -> Limits {
    Limits {
        fuel: bulla_base::Fuel(5_000_000),
        deadline: Millis(30_000),
        memory: bulla_base::Bytes(16 << 20),
        ..Limits::default()
    }
}

fn now() -> Timestamp {
    "2026-03-31T12:00:00Z".parse().unwrap()
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn origin(core: &Core) -> Origin {
    Origin {
        tenant: Some(tenant()),
        subject: "ada".parse().unwrap(),
        trace: TraceId::draw(core.rng.as_ref()),
        at_ms: core.now_ms(),
        policy_version: None,
        call: None,
    }
}

fn grants() -> Grants {
    serde_json::from_value(json!({
        "sequences": ["granted", "loose"],
        "approvals": ["granted"],
        "secrets": {"granted": {"purpose": "delivery", "destinations": ["https://receiver.example"]}},
        "keys": {"granted": {"purpose": "invoice"}},
    }))
    .unwrap()
}

async fn rooms(dir: &Path, clock: Arc<ManualClock>, rng: Arc<Restarting>) -> (Core, Arc<Rooms>) {
    let sqlite = SqliteConfig { path: dir.join("bulla.db"), readers: 2, durability: Durability::Relaxed };
    let db = Db::open_sqlite(&sqlite).await.unwrap();
    migrate(&db).await.unwrap();
    let committer = Committer::start(db.clone(), Arc::new(AuditJournal::new()), CommitterConfig::default());
    let core = Core { db, committer, clock, rng };
    let master = Some(Arc::new(MasterKey::from_bytes(zeroize::Zeroizing::new([7; 32]))));
    let jobs = Jobs::new(core.clone(), Arc::new(OneJob), JobsConfig::default());
    let rooms = Rooms {
        sequences: Arc::new(Sequences::open(core.clone()).await.unwrap()),
        approvals: Arc::new(
            Approvals::open(core.clone(), Arc::new(OneJob), Arc::new(jobs.clone())).await.unwrap(),
        ),
        secrets: Arc::new(Secrets::load(&core, master.clone(), Arc::new(Echo)).await.unwrap()),
        keys: Arc::new(Keys::load(&core, master).await.unwrap()),
        jobs: Arc::new(jobs),
    };
    furnish(&core, &rooms).await;
    (core, Arc::new(rooms))
}

async fn furnish(core: &Core, rooms: &Rooms) {
    let by = origin(core);
    for (key, gaps) in [("granted", "gapless"), ("loose", "allowed")] {
        let definition = json!({"format": "N-{YYYY}-{00000}", "reset": "year", "gaps": gaps});
        let definition: Definition = serde_json::from_value(definition).unwrap();
        rooms.sequences.define(&by, &tenant(), &key.parse().unwrap(), definition).await.unwrap();
    }
    let when = json!({"fact": "total", "decimal": {"gt": "100"}});
    let rules =
        json!({"scope": "granted", "rule": [{"name": "large", "when": when, "approvers": ["role:cfo"]}]});
    let rules: RuleDocument = serde_json::from_value(rules).unwrap();
    rooms.approvals.load_rules(&by, &tenant(), rules).await.unwrap();
    let alias = "granted".parse().unwrap();
    let value = Plaintext(zeroize::Zeroizing::new(b"a-secret-that-nobody-may-see".to_vec()));
    rooms.secrets.set(&by, &alias, value).await.unwrap();
    rooms.keys.create(&by, &alias).await.unwrap();
}

/// Starts from the same seed whenever it is told to.
struct Restarting(Mutex<SeededRng>);

impl Restarting {
    fn restart(&self, seed: u64) {
        *self.0.lock().unwrap() = SeededRng::new(seed);
    }
}

impl Rng for Restarting {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill(bytes);
    }
}

/// One action `go`, one job `work`.
struct OneJob;

impl Catalogue for OneJob {
    fn job(&self, _: &TenantId, _: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>> {
        (job.as_str() == "work").then(|| {
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
        action.as_str() == "go"
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        Vec::new()
    }
}

/// Gives back what it is sent, without the secret.
struct Echo;

#[async_trait]
impl Egress for Echo {
    fn check(&self, request: &OutboundRequest) -> Result<(), EgressError> {
        bulla_kernel::secrets::check(request).map(drop)
    }

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        Ok(OutboundResponse { status: 200, headers: request.headers, body: request.body })
    }
}
