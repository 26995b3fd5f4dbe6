use std::sync::Arc;

use bulla_base::{
    Alias, CallId, Coded, EntryName, Limits, ManualClock, Purpose, SeededRng, Subject, TenantId, TraceId,
    codes,
};
use bulla_store::{Committer, CommitterConfig, Db, Expect, NoJournal, SqliteConfig, Unit};
use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

use super::store::{TENANT_KEY, find};
use super::*;
use crate::call::Call;
use crate::core::Core;
use crate::grants::{GrantCell, Grants, KeyGrant};
use crate::guest_error::GuestError;
use crate::master::MasterKey;
use crate::origin::{CallOrigin, Origin};
use crate::ports::Cause;

async fn core() -> (Core, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let config =
        SqliteConfig { path: directory.path().join("bulla.db"), readers: 2, durability: Default::default() };
    let db = Db::open_sqlite(&config).await.unwrap();
    bulla_store::migrate(&db).await.unwrap();
    let now = bulla_base::Timestamp::from_millisecond(1_750_000_000_000).unwrap();
    let core = Core {
        committer: Committer::start(db.clone(), Arc::new(NoJournal), CommitterConfig::default()),
        db,
        clock: Arc::new(ManualClock::at(now)),
        rng: Arc::new(SeededRng::new(1)),
    };
    (core, directory)
}

fn master(byte: u8) -> Option<Arc<MasterKey>> {
    Some(Arc::new(MasterKey::from_bytes(Zeroizing::new([byte; 32]))))
}

fn alias(text: &str) -> Alias {
    Alias::new(text).unwrap()
}

fn invoice() -> Purpose {
    Purpose::new("invoice").unwrap()
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

fn call(core: &Core, tenant: &str) -> Call {
    let grants =
        Grants { keys: [(alias("signing"), KeyGrant { purpose: invoice() })].into(), ..Default::default() };
    let call = CallOrigin {
        id: CallId::draw(&*core.rng),
        addon: bulla_base::AddonName::new("einvoice").unwrap(),
        version: "0.1.0".into(),
        entry: EntryName::new("sign").unwrap(),
    };
    let cause = Cause::Request { idempotency_key: None };
    let tenant_id = TenantId::new(tenant).unwrap();
    Call::new(origin(core, tenant), call, tenant_id, cause, Limits::default(), GrantCell::new(grants))
}

#[tokio::test]
async fn a_signature_verifies_for_a_stranger() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    let info = keys.create(&origin(&core, "acme"), &alias("signing")).await.unwrap();
    let mut call = call(&core, "acme");
    let signature = keys.sign(&mut call, &alias("signing"), &invoice(), b"payload").unwrap();
    assert_eq!(signature, keys.sign(&mut call, &alias("signing"), &invoice(), b"payload").unwrap());
    let public = keys.public_key(&mut call, &alias("signing"), &invoice()).unwrap();
    assert_eq!(info.versions[0].public_key, hex::encode(public));
    let outside = ed25519_dalek::Signature::from_slice(&signature.bytes).unwrap();
    VerifyingKey::from_bytes(&public).unwrap().verify_strict(b"payload", &outside).unwrap();

    let mut check = |payload: &[u8], signature: &Signature| {
        keys.verify(&mut call, &alias("signing"), &invoice(), payload, signature)
    };
    assert_eq!(check(b"payload", &signature), Ok(true));
    assert_eq!(check(b"payloae", &signature), Ok(false));
    let rsa = Signature { algorithm: "rsa".into(), ..signature.clone() };
    let short = Signature { bytes: signature.bytes[..63].to_vec(), ..signature.clone() };
    let unknown = Signature { key_version: 2, ..signature.clone() };
    assert_eq!((check(b"payload", &rsa), check(b"payload", &short)), (Ok(false), Ok(false)));
    assert_eq!(check(b"payload", &unknown), Err(GuestError::NotFound));
    for at in 0..64 {
        let mut changed = signature.clone();
        changed.bytes[at] ^= 1;
        assert_eq!(check(b"payload", &changed), Ok(false), "byte {at}");
    }
}

#[tokio::test]
async fn each_signature_is_observed_with_what_was_signed() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    keys.create(&origin(&core, "acme"), &alias("signing")).await.unwrap();
    let mut call = call(&core, "acme");
    for payload in [b"one", b"one", b"two"] {
        keys.sign(&mut call, &alias("signing"), &invoice(), payload).unwrap();
    }
    let unit = call.remains("trap");
    let seen: Vec<_> = unit.journal.iter().filter(|entry| entry.body["event"] == "key.signed").collect();
    let counts: Vec<_> = seen.iter().map(|entry| entry.body["detail"]["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 1]);
    let one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!(seen[0].body["detail"]["sha256"], one);
    assert_eq!(seen[0].body["detail"]["version"], 1);
}

#[tokio::test]
async fn only_what_is_granted_signs() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    keys.create(&origin(&core, "other"), &alias("signing")).await.unwrap();
    let mut call = call(&core, "acme");
    assert_eq!(keys.open(&mut call, &alias("signing"), &invoice()), Err(GuestError::NotFound));
    keys.create(&origin(&core, "acme"), &alias("signing")).await.unwrap();
    keys.create(&origin(&core, "acme"), &alias("payroll")).await.unwrap();
    assert_eq!(keys.open(&mut call, &alias("signing"), &invoice()), Ok(()));
    let denied =
        |result: Result<(), GuestError>| assert!(matches!(result, Err(GuestError::Denied(_))), "{result:?}");
    denied(keys.open(&mut call, &alias("payroll"), &invoice()));
    denied(keys.open(&mut call, &alias("signing"), &Purpose::new("login").unwrap()));
    call.grants.replace(Grants::default());
    denied(keys.sign(&mut call, &alias("signing"), &invoice(), b"x").map(drop));
    denied(keys.public_key(&mut call, &alias("signing"), &invoice()).map(drop));
    let none = Signature { bytes: vec![0; 64], algorithm: ALGORITHM.into(), key_version: 1 };
    denied(keys.verify(&mut call, &alias("signing"), &invoice(), b"x", &none).map(drop));
}

#[tokio::test]
async fn a_payload_over_the_limit_is_not_signed() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    keys.create(&origin(&core, "acme"), &alias("signing")).await.unwrap();
    let mut call = call(&core, "acme");
    let most = vec![0; MAX_PAYLOAD_BYTES];
    let signature = keys.sign(&mut call, &alias("signing"), &invoice(), &most).unwrap();
    let over = vec![0; MAX_PAYLOAD_BYTES + 1];
    let limit = GuestError::Limit("payload".into());
    assert_eq!(keys.sign(&mut call, &alias("signing"), &invoice(), &over), Err(limit.clone()));
    assert_eq!(keys.verify(&mut call, &alias("signing"), &invoice(), &over, &signature), Err(limit));
}

#[tokio::test]
async fn a_rotated_key_verifies_what_it_signed_and_signs_no_more() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    let origin = origin(&core, "acme");
    let tenant = origin.tenant.clone().unwrap();
    keys.create(&origin, &alias("signing")).await.unwrap();
    assert_eq!(keys.create(&origin, &alias("signing")).await.unwrap_err().code(), codes::CONFLICT);
    let mut call = call(&core, "acme");
    let old = keys.sign(&mut call, &alias("signing"), &invoice(), b"payload").unwrap();
    let sealed = find(&core.db, &tenant, &alias("signing")).await.unwrap().unwrap().sealed;
    let info = keys.rotate(&origin, &alias("signing")).await.unwrap();
    assert_eq!(keys.list(&tenant).await.unwrap(), std::slice::from_ref(&info));
    assert!(info.versions[0].retired_ms.is_some() && info.versions[1].retired_ms.is_none());
    let new = keys.sign(&mut call, &alias("signing"), &invoice(), b"payload").unwrap();
    assert_eq!((old.key_version, new.key_version), (1, 2));
    assert_ne!(old.bytes, new.bytes);
    for signature in [&old, &new] {
        assert_eq!(keys.verify(&mut call, &alias("signing"), &invoice(), b"payload", signature), Ok(true));
    }
    let row = find(&core.db, &tenant, &alias("signing")).await.unwrap().unwrap();
    assert!(!row.sealed.is_empty() && row.sealed != sealed, "the old seed is gone");
    let absent = keys.rotate(&origin, &alias("none")).await.unwrap_err();
    assert_eq!(absent.code(), codes::NOT_FOUND);
    // A node that starts later signs with the same key.
    let later = Keys::load(&core, master(1)).await.unwrap();
    assert_eq!(later.sign(&mut call, &alias("signing"), &invoice(), b"payload"), Ok(new));
}

#[tokio::test]
async fn without_the_right_master_key_nothing_is_signed() {
    let (core, _directory) = core().await;
    let origin = origin(&core, "acme");
    Keys::load(&core, master(1)).await.unwrap().create(&origin, &alias("signing")).await.unwrap();
    let mut call = call(&core, "acme");
    for wrong in [None, master(2)] {
        let keys = Keys::load(&core, wrong).await.unwrap();
        assert_eq!(keys.sealed_elsewhere(), 1);
        let refused = keys.sign(&mut call, &alias("signing"), &invoice(), b"x");
        assert!(matches!(refused, Err(GuestError::Unavailable { .. })));
        assert!(
            keys.public_key(&mut call, &alias("signing"), &invoice()).is_ok(),
            "public keys need no master key"
        );
    }
    let without = Keys::load(&core, None).await.unwrap();
    let refused = without.create(&origin, &alias("next")).await.unwrap_err();
    assert_eq!(refused.code(), codes::MASTER_KEY_MISSING);
}

#[tokio::test]
async fn a_sealed_key_moved_to_another_row_does_not_sign() {
    let (core, _directory) = core().await;
    let keys = Keys::load(&core, master(1)).await.unwrap();
    let (acme, other) = (origin(&core, "acme"), origin(&core, "other"));
    for tenant in [&acme, &other] {
        keys.create(tenant, &alias("signing")).await.unwrap();
    }
    let mut call = call(&core, "other");
    let row = async |origin: &Origin| {
        find(&core.db, origin.tenant.as_ref().unwrap(), &alias("signing")).await.unwrap().unwrap()
    };
    let (stolen, mut own) = (row(&acme).await, row(&other).await);
    assert!(keys.sign(&mut call, &alias("signing"), &invoice(), b"x").is_ok());
    // With its public key, so that nothing but the seal tells the two places apart.
    (own.sealed, own.versions) = (stolen.sealed, stolen.versions);
    let mut unit = Unit::default();
    unit.put(&TENANT_KEY, &own.id, Expect::Version(own.version), &own);
    unit.record(other.entry("test.moved", "signing", serde_json::json!({})));
    core.committer.commit(unit).await.unwrap();
    keys.refresh().await.unwrap();
    let public = |call: &mut Call| keys.public_key(call, &alias("signing"), &invoice()).unwrap();
    assert_eq!(public(&mut call), public(&mut self::call(&core, "acme")), "the row is read");
    let refused = keys.sign(&mut call, &alias("signing"), &invoice(), b"x");
    assert!(matches!(refused, Err(GuestError::Unavailable { .. })), "{refused:?}");
}
