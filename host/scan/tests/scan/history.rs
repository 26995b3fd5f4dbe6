//! A host's life, by the rooms' own code: every kind of effect that there is, and most ways to its end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{AddonName, Bytes, EntryName, Failure, Fuel, JobId, Millis, TenantId, codes};
use bulla_kernel::Core;
use bulla_kernel::addons::{Addons, PackageRecord};
use bulla_kernel::approvals::{Answer, Approvals, Decide, Fact, Outcome, RuleDocument, SubjectRef, Then};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN};
use bulla_kernel::call::Call;
use bulla_kernel::grants::Grants;
use bulla_kernel::idempotency::{Begun, Idempotency, IdempotencyConfig, Key, KeyText, RequestHash};
use bulla_kernel::jobs::{Claimed, Enqueue, Jobs, JobsConfig};
use bulla_kernel::keys::Keys;
use bulla_kernel::master::MasterKey;
use bulla_kernel::ports::{
    Catalogue, Egress, EgressError, Fairness, JobSchedule, JobSpec, OutboundRequest, OutboundResponse,
    Plaintext, Principal, Usage,
};
use bulla_kernel::secrets::Secrets;
use bulla_kernel::sequences::{Definition, Gaps, Reservation, Reset, Sequences};
use bulla_kernel::tenants::{NewTenant, Tenants};
use bulla_kernel::tokens::{NewToken, Tokens};
use bulla_kernel::trust::{NewTrustedKey, Trust};
use bulla_kernel::usage::Meter;
use bulla_store::Unit;

use crate::bench::Bench;

const RULES: &str = r#"
scope = "invoice.issue"
expires = "30d"
[[rule]]
name = "all"
when = { always = true }
approvers = ["role:cfo"]
"#;

pub struct Rooms {
    pub core: Core,
    pub sequences: Sequences,
    pub jobs: Jobs,
    pub approvals: Approvals,
    pub audit: Audit,
}

/// Everything once; leaves two checkpointed tenants and the `system` log.
pub async fn live(bench: &Bench) {
    let rooms = Rooms::open(bench).await;
    let system = bench.origin("system");
    rooms.audit.start(&system).await.unwrap();
    holdings(bench, &rooms).await;
    rooms.define(bench).await;
    numbers(bench, &rooms).await;
    rooms.audit.checkpoint_once().await.unwrap();
    addons(bench, &rooms).await;
    approvals(bench, &rooms).await;
    jobs(bench, &rooms).await;
    rooms.audit.rotate(&system).await.unwrap();
    rooms.audit.checkpoint_once().await.unwrap();
    idempotent(bench, &rooms).await;
    rooms.audit.checkpoint_once().await.unwrap();
}

impl Rooms {
    pub async fn open(bench: &Bench) -> Self {
        let core = bench.core.clone();
        let jobs = Jobs::new(core.clone(), Arc::new(Manifest), JobsConfig::default());
        let approvals =
            Approvals::open(core.clone(), Arc::new(Manifest), Arc::new(jobs.clone())).await.unwrap();
        Self {
            sequences: Sequences::open(core.clone()).await.unwrap(),
            audit: Audit::new(core.clone(), DEFAULT_ORIGIN, Some(master())).unwrap(),
            jobs,
            approvals,
            core,
        }
    }

    pub async fn define(&self, bench: &Bench) {
        let definition = Definition {
            format: "INV-{YYYY}{MM}-{00000}".into(),
            reset: Reset::Year,
            gaps: Gaps::Gapless,
            time_zone: "UTC".into(),
            fiscal_start: 1,
        };
        let key = "invoice".parse().unwrap();
        self.sequences.define(&bench.origin("acme"), &acme(), &key, definition).await.unwrap();
    }

    pub async fn draw(&self, call: &mut Call) -> Reservation {
        self.sequences
            .reserve(call, &"invoice".parse().unwrap(), "2026-03-31", Some(2_592_000))
            .await
            .unwrap()
    }

    /// Draws and binds.
    pub async fn issue(&self, call: &mut Call, object: &str) -> Reservation {
        let drawn = self.draw(call).await;
        let (key, object) = ("invoice".parse().unwrap(), object.parse().unwrap());
        self.sequences.commit(call, &key, &drawn.id, &object).await.unwrap();
        drawn
    }

    pub async fn commit(&self, call: &mut Call) {
        self.core.committer.commit(call.effects()).await.unwrap();
        self.sequences.settle(call);
    }

    pub async fn enqueue(&self, bench: &Bench, name: &str, unique: Option<&str>) -> JobId {
        let mut call = bench.call("acme");
        let options = Enqueue { delay_ms: 0, unique_key: unique.map(str::to_owned) };
        let id = self.jobs.enqueue(&mut call, name, b"{}".to_vec(), options).await.unwrap();
        self.commit(&mut call).await;
        id
    }

    async fn complete(&self, claimed: &Claimed) {
        let mut unit = Unit::default();
        self.jobs.complete(&mut unit, claimed.id(), claimed.job.attempt, b"null").await.unwrap();
        self.core.committer.commit(unit).await.unwrap();
        self.jobs.succeeded(claimed).await.unwrap();
    }
}

/// Issued, reserved, voided, given back within the call.
async fn numbers(bench: &Bench, rooms: &Rooms) {
    let key = "invoice".parse().unwrap();
    for n in 1..=4 {
        let mut call = bench.call("acme");
        rooms.issue(&mut call, &format!("invoice/{n}")).await;
        rooms.commit(&mut call).await;
    }
    let mut call = bench.call("acme");
    let (kept, cancelled) = (rooms.draw(&mut call).await, rooms.draw(&mut call).await);
    rooms.sequences.cancel(&mut call, &key, &cancelled.id, "a slip").await.unwrap();
    let again = rooms.draw(&mut call).await;
    assert_eq!((kept.value, again.value), (5, 6));
    rooms.commit(&mut call).await;
    rooms.sequences.void(&bench.origin("acme"), &acme(), &key, &kept.id, "typed twice").await.unwrap();
    let mut later = bench.call("acme");
    rooms.sequences.commit(&mut later, &key, &again.id, &"invoice/6".parse().unwrap()).await.unwrap();
    rooms.commit(&mut later).await;
    let mut open = bench.call("acme");
    rooms.draw(&mut open).await;
    rooms.commit(&mut open).await;
}

/// Succeeded, waiting, dead, retried, cancelled, swept, scheduled.
async fn jobs(bench: &Bench, rooms: &Rooms) {
    rooms.jobs.tick().await.unwrap();
    rooms.enqueue(bench, "deliver", Some("4711")).await;
    let [claimed] =
        rooms.jobs.claim(1).await.unwrap().try_into().unwrap_or_else(|_| panic!("nothing is due"));
    rooms.complete(&claimed).await;
    bench.clock.advance(Duration::from_secs(8 * 86_400));
    rooms.sequences.refresh().await.unwrap();
    rooms.jobs.sweep().await.unwrap();

    let fragile = rooms.enqueue(bench, "fragile", None).await;
    rooms.enqueue(bench, "deliver", Some("4712")).await;
    let origin = bench.origin("acme");
    for _ in 0..2 {
        for claimed in rooms.jobs.claim(4).await.unwrap() {
            match *claimed.id() == fragile {
                true => drop(rooms.jobs.failed(&claimed, &Failure::new(codes::TRAP, "trap")).await.unwrap()),
                false => rooms.complete(&claimed).await,
            }
        }
        rooms.jobs.retry(&origin, &acme(), &fragile).await.unwrap();
    }
    rooms.jobs.cancel(&origin, &acme(), &fragile, "no use").await.unwrap();
    rooms.jobs.tick().await.unwrap();
    rooms.enqueue(bench, "deliver", Some("4713")).await;
    rooms.jobs.claim(1).await.unwrap();
}

/// Approved with its continuation, rejected, cancelled, waiting.
async fn approvals(bench: &Bench, rooms: &Rooms) {
    let origin = bench.origin("acme");
    let document = RuleDocument::from_toml(RULES).unwrap();
    rooms.approvals.load_rules(&origin, &acme(), document).await.unwrap();
    let cfo = Principal {
        subject: "carl".parse().unwrap(),
        tenant: Some(acme()),
        roles: vec!["cfo".parse().unwrap()],
    };
    for (object, answer) in [
        ("invoice/1", Some(Answer::Approve)),
        ("invoice/2", Some(Answer::Reject)),
        ("invoice/3", None),
        ("invoice/4", None),
    ] {
        let mut call = bench.call("acme");
        let scope = "invoice.issue".parse().unwrap();
        let subject = SubjectRef { object: object.parse().unwrap(), digest: "ab".repeat(32) };
        let then = Then { action: "issue".into(), payload: b"{}".to_vec() };
        let facts = vec![("total".into(), Fact::Decimal("1".into()))];
        let asked = rooms.approvals.request(&mut call, &scope, facts, subject, then).await.unwrap();
        let Outcome::Waiting(id) = asked else { panic!("no approval is required") };
        rooms.commit(&mut call).await;
        if let Some(answer) = answer {
            let decide = Decide { answer, reason: Some("seen".into()), digest: None };
            rooms.approvals.decide(&origin, &acme(), &id, &cfo, decide).await.unwrap();
        } else if object == "invoice/3" {
            rooms.approvals.cancel(&origin, &acme(), &id, &cfo, "withdrawn").await.unwrap();
        }
    }
}

async fn holdings(bench: &Bench, rooms: &Rooms) {
    let (origin, system, core) = (bench.origin("acme"), bench.origin("system"), rooms.core.clone());
    let tenants = Tenants::load(core.clone()).await.unwrap();
    for id in ["acme", "acme-x"] {
        let new = NewTenant { id: id.parse().unwrap(), display_name: id.into(), time_zone: None };
        tenants.create(&system, &new).await.unwrap();
    }
    let tokens = Tokens::load(core.clone()).await.unwrap();
    for tenant in [None, Some("acme"), Some("acme-x")] {
        let tenant: Option<TenantId> = tenant.map(|tenant| tenant.parse().unwrap());
        let new = NewToken {
            subject: "ann".parse().unwrap(),
            tenant: tenant.clone(),
            roles: vec!["cfo".parse().unwrap()],
            expires_ms: None,
        };
        let (token, _) = tokens.create(&system, &new).await.unwrap();
        tokens.revoke(&system, tenant.as_ref(), &token.id).await.unwrap();
        tokens.create(&system, &new).await.unwrap();
    }
    let secrets = Secrets::load(&core, Some(master()), Arc::new(Nowhere)).await.unwrap();
    let alias = "token".parse().unwrap();
    let value = || Plaintext(zeroize::Zeroizing::new(b"hunter2hunter2".to_vec()));
    secrets.set(&origin, &alias, value()).await.unwrap();
    secrets.set(&origin, &alias, value()).await.unwrap();
    secrets.remove(&origin, &alias).await.unwrap();
    secrets.set(&origin, &alias, value()).await.unwrap();
    let keys = Keys::load(&core, Some(master())).await.unwrap();
    keys.create(&origin, &"signing".parse().unwrap()).await.unwrap();
    keys.rotate(&origin, &"signing".parse().unwrap()).await.unwrap();
    let trust = Trust::load(core).await.unwrap();
    trust.add(&system, &publisher('a')).await.unwrap();
    trust.rotate(&system, &publisher('a').id, &publisher('b'), Millis(1)).await.unwrap();
    trust.revoke(&system, &publisher('b').id, "lost").await.unwrap();
    trust.remove(&system, &publisher('b').id).await.unwrap();
}

async fn addons(bench: &Bench, rooms: &Rooms) {
    let (origin, name) = (bench.origin("acme"), "einvoice".parse().unwrap());
    let addons = Addons::load_all(rooms.core.clone()).await.unwrap();
    addons.install(&origin, &acme(), &package("0.1.0"), &Grants::default()).await.unwrap();
    addons.upgrade(&origin, &acme(), &package("0.2.0")).await.unwrap();
    let granted = Grants { sequences: ["invoice".parse().unwrap()].into(), ..Default::default() };
    addons.grant(&origin, &acme(), &name, &granted).await.unwrap();
    addons.rollback(&origin, &acme(), &name).await.unwrap();
    addons.disable(&origin, &acme(), &name).await.unwrap();
    addons.enable(&origin, &acme(), &name).await.unwrap();
    addons.remove(&origin, &acme(), &name).await.unwrap();
    addons.install(&origin, &acme(), &package("0.1.0"), &granted).await.unwrap();
}

/// A call under a key, as dispatch ends it; and what it used. An addon's own entry says nothing about installations.
async fn idempotent(bench: &Bench, rooms: &Rooms) {
    let meter = Meter::new(rooms.core.clone());
    for text in ["one", "two"] {
        let call = keyed(bench, rooms, text, &format!("invoice/{text}")).await;
        let used = Usage {
            fuel: Fuel(1),
            memory_peak: Bytes(1),
            elapsed: Millis(1),
            host_bytes: Bytes(0),
            log_bytes: Bytes(0),
        };
        meter.count(&call, &used, Ok(()), None);
        meter.flush(&bench.origin("system")).await.unwrap();
    }
}

/// A call under this key, on a node that knows no other.
pub async fn keyed(bench: &Bench, rooms: &Rooms, text: &str, bound_to: &str) -> Call {
    let idempotency = Idempotency::new(rooms.core.clone(), IdempotencyConfig::default());
    let mut call = bench.call("acme");
    rooms.issue(&mut call, bound_to).await;
    let object = "invoice/1".parse().unwrap();
    call.record_own("installed", &object, serde_json::json!({})).unwrap();
    let addon = call.addon().clone();
    let key = Key::new(&call.tenant, &call.subject, &addon.addon, &addon.entry, KeyText::new(text).unwrap());
    let Begun::First(running) = idempotency.begin(key, RequestHash::of(b"{}")).await.unwrap() else {
        panic!("the key is new")
    };
    let mut unit = call.effects();
    let now_ms = rooms.core.now_ms();
    let stored = running.stage(&mut unit, &call.id, &call.origin.trace, b"{\"ok\":true}", now_ms);
    rooms.core.committer.commit(unit).await.unwrap();
    rooms.sequences.settle(&mut call);
    idempotency.committed(running, stored);
    call
}

/// `deliver` has a lock key, `fragile` one attempt, `report` a schedule.
struct Manifest;

impl Catalogue for Manifest {
    fn job(&self, _: &TenantId, _: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>> {
        let retries = if job.as_str() == "fragile" { 0 } else { 8 };
        let lock_key = (job.as_str() == "deliver").then(|| "deliver".parse().unwrap());
        Some(Arc::new(JobSpec { name: job.clone(), lock_key, retries, ..report() }))
    }

    fn has_action(&self, _: &TenantId, _: &AddonName, _: &EntryName) -> bool {
        true
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        let spec = JobSpec { schedule: JobSchedule::Every(Millis(60_000)), ..report() };
        vec![(acme(), "einvoice".parse().unwrap(), Arc::new(spec))]
    }
}

fn report() -> JobSpec {
    JobSpec {
        name: "report".parse().unwrap(),
        schedule: JobSchedule::OnDemand,
        lock_key: None,
        fairness: Fairness::Normal,
        retries: 8,
        backoff: Millis(1),
        circuit: None,
    }
}

struct Nowhere;

#[async_trait]
impl Egress for Nowhere {
    fn check(&self, _: &OutboundRequest) -> Result<(), EgressError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        Ok(OutboundResponse { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn master() -> Arc<MasterKey> {
    Arc::new(MasterKey::from_text(&"07".repeat(32)).unwrap())
}

fn publisher(digit: char) -> NewTrustedKey {
    NewTrustedKey {
        id: digit.to_string().repeat(32),
        public_key: format!("ed25519:{digit}"),
        owner: "Acme GmbH".into(),
        purposes: vec!["addon".parse().unwrap()],
        names: vec!["acme-*".into()],
        not_before_ms: None,
        not_after_ms: None,
    }
}

fn package(version: &str) -> PackageRecord {
    let bytes: Arc<[u8]> = format!("\0package {version}").into_bytes().into();
    PackageRecord {
        name: "einvoice".parse().unwrap(),
        version: version.into(),
        digest: PackageRecord::digest_of(&bytes),
        component_digest: "0".repeat(64),
        publisher: "key".into(),
        bytes,
        asked: Grants { sequences: ["invoice".parse().unwrap()].into(), ..Default::default() },
    }
}
