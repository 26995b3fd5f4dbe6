use std::sync::Arc;

use async_trait::async_trait;
use bulla_base::{
    Alias, ApprovalId, Bytes, CallId, Coded, EntryName, JobId, Limits, ManualClock, Millis, Purpose,
    SeededRng, Subject, TenantId, TraceId, codes,
};
use bulla_store::{Committer, CommitterConfig, Db, Expect, NoJournal, SqliteConfig, Unit};
use zeroize::Zeroizing;

use super::store::{SECRET, find};
use super::*;
use crate::call::Call;
use crate::core::Core;
use crate::grants::{GrantCell, Grants, SecretGrant};
use crate::guest_error::GuestError;
use crate::master::MasterKey;
use crate::origin::{CallOrigin, Origin};
use crate::ports::{Cause, Egress, EgressError, OutboundRequest, OutboundResponse, Placement, Plaintext};

const VALUE: &str = "tok-4711-geheim";

/// A way out that agrees with everything: the rules under test are the kernel's.
struct Agreeing;

#[async_trait]
impl Egress for Agreeing {
    fn check(&self, _: &OutboundRequest) -> Result<(), EgressError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        Ok(OutboundResponse { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}

struct Bench {
    core: Core,
    clock: Arc<ManualClock>,
    secrets: Secrets,
    _directory: tempfile::TempDir,
}

async fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let config =
        SqliteConfig { path: directory.path().join("bulla.db"), readers: 2, durability: Default::default() };
    let db = Db::open_sqlite(&config).await.unwrap();
    bulla_store::migrate(&db).await.unwrap();
    let clock =
        Arc::new(ManualClock::at(bulla_base::Timestamp::from_millisecond(1_750_000_000_000).unwrap()));
    let core = Core {
        committer: Committer::start(db.clone(), Arc::new(NoJournal), CommitterConfig::default()),
        db,
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(1)),
    };
    let secrets = load(&core, Some(master(1))).await;
    Bench { core, clock, secrets, _directory: directory }
}

async fn load(core: &Core, master: Option<Arc<MasterKey>>) -> Secrets {
    Secrets::load(core, master, Arc::new(Agreeing)).await.unwrap()
}

fn master(byte: u8) -> Arc<MasterKey> {
    Arc::new(MasterKey::from_bytes(Zeroizing::new([byte; 32])))
}

fn alias(text: &str) -> Alias {
    Alias::new(text).unwrap()
}

fn delivery() -> Purpose {
    Purpose::new("delivery").unwrap()
}

fn value(text: &str) -> Plaintext {
    Plaintext(Zeroizing::new(text.as_bytes().to_vec()))
}

fn origin(core: &Core, tenant: &str) -> Origin {
    Origin {
        tenant: Some(TenantId::new(tenant).unwrap()),
        subject: Subject::new("ada").unwrap(),
        trace: TraceId::draw(&*core.rng),
        at_ms: core.now_ms(),
        policy_version: None,
        call: None,
    }
}

fn grants(destination: &str) -> Grants {
    let grant = SecretGrant { purpose: delivery(), destinations: [destination.to_owned()].into() };
    Grants { secrets: [(alias("token"), grant)].into(), ..Default::default() }
}

fn call_of(core: &Core, tenant: &str, grants: Grants, cause: Cause) -> Call {
    let origin = origin(core, tenant);
    let call = CallOrigin {
        id: CallId::draw(&*core.rng),
        addon: bulla_base::AddonName::new("einvoice").unwrap(),
        version: "0.1.0".into(),
        entry: EntryName::new("deliver").unwrap(),
    };
    let tenant = TenantId::new(tenant).unwrap();
    Call::new(origin, call, tenant, cause, Limits::default(), GrantCell::new(grants))
}

fn call(core: &Core, tenant: &str) -> Call {
    let cause = Cause::Request { idempotency_key: None };
    call_of(core, tenant, grants("https://receiver.example"), cause)
}

fn request() -> GuestRequest {
    GuestRequest {
        method: "POST".into(),
        url: "https://receiver.example/invoices".into(),
        headers: vec![("content-type".into(), "application/xml".into())],
        body: b"<Invoice/>".to_vec(),
        placement: Placement::Bearer,
    }
}

/// What the call would leave behind if it failed now.
fn observed(call: &mut Call) -> Vec<(String, String)> {
    let text = |entry: &bulla_store::Entry, field: &str| entry.body[field].as_str().unwrap_or("").to_owned();
    call.remains("trap").journal.iter().map(|entry| (text(entry, "event"), text(entry, "object"))).collect()
}

#[tokio::test]
async fn a_value_goes_in_and_only_metadata_comes_out() {
    let bench = bench().await;
    let origin = origin(&bench.core, "acme");
    let tenant = origin.tenant.clone().unwrap();
    let first = bench.secrets.set(&origin, &alias("token"), value(VALUE)).await.unwrap();
    bench.clock.advance(std::time::Duration::from_secs(5));
    let second = bench.secrets.set(&origin, &alias("token"), value("another-value")).await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(second.updated_ms - second.created_ms, 5_000);
    let listed = bench.secrets.list(&tenant).await.unwrap();
    assert_eq!(listed, [second]);
    let row = find(&bench.core.db, &tenant, &alias("token")).await.unwrap().unwrap();
    assert!(row.sealed.starts_with("v1.") && !row.sealed.contains("another"));
    assert!(!serde_json::to_string(&listed).unwrap().contains("another"));

    bench.secrets.remove(&origin, &alias("token")).await.unwrap();
    assert!(bench.secrets.list(&tenant).await.unwrap().is_empty());
    let row = find(&bench.core.db, &tenant, &alias("token")).await.unwrap().unwrap();
    assert_eq!(row.sealed, "", "the value is wiped, the row stays");
    let gone = bench.secrets.remove(&origin, &alias("token")).await.unwrap_err();
    assert_eq!(gone.code(), codes::NOT_FOUND);
    let third = bench.secrets.set(&origin, &alias("token"), value(VALUE)).await.unwrap();
    assert_eq!(third.version, 3, "a version names one value, also across a removal");
}

#[tokio::test]
async fn a_value_that_no_header_can_hold_is_refused() {
    let bench = bench().await;
    let origin = origin(&bench.core, "acme");
    for wrong in [
        "",
        "short",
        "token-with-line-end\n",
        " leading-blank",
        "nul\0inside",
        "ümläut-token",
        &"x".repeat(4_097),
    ] {
        let error = bench.secrets.set(&origin, &alias("token"), value(wrong)).await.unwrap_err();
        assert_eq!(error.code(), codes::INVALID, "{wrong:?}");
        assert!(
            wrong.is_empty() || !error.to_string().contains(wrong),
            "the error must not repeat the value"
        );
    }
    let error = bench.secrets.set(&Origin { tenant: None, ..origin }, &alias("token"), value(VALUE)).await;
    assert_eq!(error.unwrap_err().code(), codes::INVALID);
}

#[tokio::test]
async fn only_what_is_granted_opens() {
    let bench = bench().await;
    let mut call = call(&bench.core, "acme");
    let open = |call: &mut Call, name: &str, purpose: &str| {
        bench.secrets.open(call, &alias(name), &Purpose::new(purpose).unwrap())
    };
    assert_eq!(open(&mut call, "token", "delivery"), Err(GuestError::NotFound));
    for tenant in ["acme", "other"] {
        bench.secrets.set(&origin(&bench.core, tenant), &alias("other_token"), value(VALUE)).await.unwrap();
    }
    bench.secrets.set(&origin(&bench.core, "other"), &alias("token"), value(VALUE)).await.unwrap();
    assert_eq!(
        open(&mut call, "token", "delivery"),
        Err(GuestError::NotFound),
        "another tenant's does not exist"
    );
    assert!(matches!(open(&mut call, "other_token", "delivery"), Err(GuestError::Denied(_))));
    assert!(matches!(open(&mut call, "token", "login"), Err(GuestError::Denied(_))));
    bench.secrets.set(&origin(&bench.core, "acme"), &alias("token"), value(VALUE)).await.unwrap();
    assert_eq!(open(&mut call, "token", "delivery"), Ok(()));
    call.grants.replace(Grants::default());
    assert!(
        matches!(open(&mut call, "token", "delivery"), Err(GuestError::Denied(_))),
        "taken away in the call"
    );
    assert!(observed(&mut call).contains(&("call.denied".into(), "secret token for login".into())));
}

#[tokio::test]
async fn the_secret_goes_to_a_granted_destination_only() {
    let bench = bench().await;
    bench.secrets.set(&origin(&bench.core, "acme"), &alias("token"), value(VALUE)).await.unwrap();
    let mut call = call(&bench.core, "acme");
    let outbound = bench.secrets.prepare(&mut call, &alias("token"), &delivery(), request()).unwrap();
    assert_eq!(outbound.secret.0.as_slice(), VALUE.as_bytes());
    assert_eq!((outbound.idempotency_key.as_deref(), outbound.timeout), (None, Millis(1_800)));
    assert!(!format!("{outbound:?}").contains(VALUE));

    for url in ["https://evil.example/", "http://receiver.example/", "https://receiver.example:444/"] {
        let refused = bench.secrets.prepare(
            &mut call,
            &alias("token"),
            &delivery(),
            GuestRequest { url: url.into(), ..request() },
        );
        assert!(matches!(refused, Err(GuestError::Denied(_))), "{url}");
    }
    let unit = call.remains("trap");
    let journal =
        serde_json::to_string(&unit.journal.iter().map(|entry| &entry.body).collect::<Vec<_>>()).unwrap();
    assert!(journal.contains("secret.used") && journal.contains("https://receiver.example:443"));
    assert!(journal.contains("destination https://evil.example:443"));
    assert!(!journal.contains(VALUE) && !journal.contains("invoices"), "no contents in the log: {journal}");
}

#[tokio::test]
async fn a_secret_that_was_opened_is_of_no_use_once_its_grant_is_gone() {
    let bench = bench().await;
    bench.secrets.set(&origin(&bench.core, "acme"), &alias("token"), value(VALUE)).await.unwrap();
    let mut call = call(&bench.core, "acme");
    assert_eq!(bench.secrets.open(&mut call, &alias("token"), &delivery()), Ok(()));
    let prepare =
        |call: &mut Call| bench.secrets.prepare(call, &alias("token"), &delivery(), request()).map(drop);
    assert_eq!(prepare(&mut call), Ok(()));
    call.grants.replace(grants("https://elsewhere.example"));
    assert!(matches!(prepare(&mut call), Err(GuestError::Denied(_))), "another destination");
    call.grants.replace(Grants::default());
    assert!(matches!(prepare(&mut call), Err(GuestError::Denied(_))), "taken away");
    assert!(observed(&mut call).contains(&("call.denied".into(), "secret token for delivery".into())));
}

#[tokio::test]
async fn a_jobs_attempts_carry_one_idempotency_key() {
    let bench = bench().await;
    bench.secrets.set(&origin(&bench.core, "acme"), &alias("token"), value(VALUE)).await.unwrap();
    let job = JobId::draw(&*bench.core.rng);
    let keys_of = |attempt| {
        let cause = Cause::Job { id: job.clone(), attempt };
        let mut call = call_of(&bench.core, "acme", grants("https://receiver.example"), cause);
        let mut send = |body: &str| {
            let request = GuestRequest { body: body.into(), ..request() };
            bench
                .secrets
                .prepare(&mut call, &alias("token"), &delivery(), request)
                .unwrap()
                .idempotency_key
                .unwrap()
        };
        [send("one"), send("two"), send("three")]
    };
    let (first, second) = (keys_of(1), keys_of(2));
    assert_eq!(first, second, "a repeat is told by its key");
    assert_eq!(first[0], format!("bulla-{job}"));
    assert!(first[1] != first[0] && first[2] != first[1], "another order of the same job is not a repeat");

    let ada = Subject::new("ada").unwrap();
    let id = ApprovalId::draw(&*bench.core.rng);
    let cause = Cause::Approval { id, requester: ada.clone(), decider: ada, job: job.clone(), attempt: 1 };
    let mut call = call_of(&bench.core, "acme", grants("https://receiver.example"), cause);
    let outbound = bench.secrets.prepare(&mut call, &alias("token"), &delivery(), request()).unwrap();
    assert_eq!(outbound.idempotency_key.unwrap(), format!("bulla-{job}"));
}

#[tokio::test]
async fn every_limit_of_a_send_fires() {
    let bench = bench().await;
    bench.secrets.set(&origin(&bench.core, "acme"), &alias("token"), value(VALUE)).await.unwrap();
    let mut call = call(&bench.core, "acme");
    let prepare = |call: &mut Call, request| {
        bench.secrets.prepare(call, &alias("token"), &delivery(), request).map(drop)
    };
    call.limits.request_body = Bytes(10);
    let long = GuestRequest { body: vec![b'x'; 11], ..request() };
    assert_eq!(prepare(&mut call, long), Err(GuestError::Limit("request-body".into())));
    assert!(!call.has_sent(), "nothing left the host");
    call.limits.sends = 2;
    assert_eq!([prepare(&mut call, request()), prepare(&mut call, request())], [Ok(()), Ok(())]);
    assert_eq!(prepare(&mut call, request()), Err(GuestError::Limit("sends".into())));

    call.limits.response_body = Bytes(3);
    let answer = |body: &[u8]| Ok(OutboundResponse { status: 200, headers: Vec::new(), body: body.to_vec() });
    assert!(bench.secrets.finish(&mut call, answer(b"abc")).is_ok());
    let over = bench.secrets.finish(&mut call, answer(b"abcd")).unwrap_err();
    assert_eq!(over, GuestError::Limit("response-body".into()));
    assert!(observed(&mut call).contains(&("call.limited".into(), "sends".into())));
}

#[tokio::test]
async fn what_went_wrong_outside_is_told_to_guest_and_log() {
    let bench = bench().await;
    let mut call = call(&bench.core, "acme");
    let mut finish = |error| bench.secrets.finish(&mut call, Err(error)).unwrap_err();
    let reason = "connection to 10.0.0.7 refused".to_owned();
    assert_eq!(
        finish(EgressError::Unavailable { reason, retry_after: Millis(500) }),
        GuestError::Unavailable { retry_after_ms: 500 }
    );
    let destination = "https://receiver.example:443".to_owned();
    assert!(matches!(finish(EgressError::Denied { destination }), GuestError::Denied(_)));
    assert_eq!(finish(EgressError::Limit("response-body")), GuestError::Limit("response-body".into()));
    assert_eq!(finish(EgressError::Invalid("x".into())), GuestError::Invalid("x".into()));
    let events: Vec<_> = observed(&mut call).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["secret.unanswered", "call.denied", "call.limited", "call.failed"]);
}

#[tokio::test]
async fn without_the_right_master_key_nothing_is_sealed_or_opened() {
    let bench = bench().await;
    let origin = origin(&bench.core, "acme");
    bench.secrets.set(&origin, &alias("token"), value(VALUE)).await.unwrap();
    let mut call = call(&bench.core, "acme");

    let without = load(&bench.core, None).await;
    let refused = without.set(&origin, &alias("token"), value(VALUE)).await.unwrap_err();
    assert_eq!(refused.code(), codes::MASTER_KEY_MISSING);
    let wrong = load(&bench.core, Some(master(2))).await;
    assert_eq!(
        (bench.secrets.sealed_elsewhere(), wrong.sealed_elsewhere(), without.sealed_elsewhere()),
        (0, 1, 1)
    );
    for room in [without, wrong] {
        let refused = room.prepare(&mut call, &alias("token"), &delivery(), request()).unwrap_err();
        assert!(matches!(refused, GuestError::Unavailable { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_sealed_value_moved_to_another_row_does_not_open() {
    let bench = bench().await;
    let (acme, other) = (origin(&bench.core, "acme"), origin(&bench.core, "other"));
    bench.secrets.set(&acme, &alias("token"), value(VALUE)).await.unwrap();
    bench.secrets.set(&other, &alias("token"), value("their-own-value")).await.unwrap();
    let tenant = |origin: &Origin| origin.tenant.clone().unwrap();
    let stolen = find(&bench.core.db, &tenant(&acme), &alias("token")).await.unwrap().unwrap().sealed;
    let mut row = find(&bench.core.db, &tenant(&other), &alias("token")).await.unwrap().unwrap();
    row.sealed = stolen;
    let mut unit = Unit::default();
    unit.put(&SECRET, &row.id, Expect::Version(row.version), &row);
    unit.record(other.entry("test.moved", "token", serde_json::json!({})));
    bench.core.committer.commit(unit).await.unwrap();
    bench.secrets.refresh().await.unwrap();
    let mut call = call(&bench.core, "other");
    let refused = bench.secrets.prepare(&mut call, &alias("token"), &delivery(), request()).unwrap_err();
    assert!(matches!(refused, GuestError::Unavailable { .. }), "{refused}");
}
