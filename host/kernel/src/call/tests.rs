use bulla_base::{AddonName, EntryName, Rng, SystemRng};

use super::*;
use crate::ports::Principal;

fn call() -> Call {
    let rng: &dyn Rng = &SystemRng;
    let tenant: TenantId = "acme".parse().unwrap();
    let origin = Origin {
        tenant: Some(tenant.clone()),
        subject: Principal::host().subject,
        trace: TraceId::draw(rng),
        at_ms: 0,
        policy_version: None,
        call: None,
    };
    let own = CallOrigin {
        id: CallId::draw(rng),
        addon: AddonName::new("einvoice").unwrap(),
        version: "1.0.0".into(),
        entry: EntryName::new("submit").unwrap(),
    };
    Call::new(
        origin,
        own,
        tenant,
        Cause::Request { idempotency_key: None },
        Limits::default(),
        GrantCell::default(),
    )
}

fn alias(text: &str) -> bulla_base::Alias {
    text.parse().unwrap()
}

#[test]
fn a_denial_is_observed_once_with_its_count() {
    let mut call = call();
    for _ in 0..3 {
        assert!(call.require(Capability::Sequence(&alias("invoice"))).is_err());
    }
    let unit = call.remains("denied");
    let events: Vec<_> = unit.journal.iter().map(|entry| entry.body["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["call.denied", "call.failed"]);
    assert_eq!(
        (&unit.journal[0].body["object"], &unit.journal[0].body["detail"]["count"]),
        (&"sequence invoice".into(), &3.into())
    );
}

#[test]
fn a_failed_call_leaves_32_rows_at_most_and_no_effect() {
    let mut call = call();
    call.record("sequence.reserved", "INV-1", json!({}));
    for n in 0..100 {
        let _ = call.require(Capability::Sequence(&alias(&format!("s{n}"))));
    }
    let _ = call.require(Capability::Sequence(&alias("s0")));
    let unit = call.remains("trap");
    assert_eq!((unit.journal.len(), unit.writes.len()), (MAX_OBSERVATIONS, 0));
    let counted: i64 = unit.journal.iter().filter_map(|entry| entry.body["detail"]["count"].as_i64()).sum();
    assert_eq!(counted, 101, "nothing that was refused is uncounted");
    assert!(unit.journal.iter().all(|entry| entry.body["event"] != "sequence.reserved"));
}

#[test]
fn a_lost_commit_keeps_its_observations_and_the_next_run_counts_on() {
    let mut lost = call();
    let _ = lost.require(Capability::Sequence(&alias("invoice")));
    assert_eq!(lost.effects().journal.len(), 1);
    assert_eq!(lost.remains("conflict").journal.len(), 2, "the denial and the outcome");
    let mut again = call();
    let _ = again.require(Capability::Sequence(&alias("invoice")));
    again.carry(lost);
    let journal = again.effects().journal;
    assert_eq!((journal.len(), &journal[0].body["detail"]["count"]), (1, &2.into()));
}

#[test]
fn what_is_observed_fits_an_index_of_either_database() {
    let mut call = call();
    call.observe("call.denied", &format!("destination \0{}", "é".repeat(4_000)), json!({}));
    let object = call.remains("denied").journal[0].body["object"].as_str().unwrap().to_owned();
    assert!(object.len() <= MAX_OBJECT && !object.contains('\0'), "{object}");
}

#[test]
fn storage_is_taken_until_it_is_used_up() {
    let mut call = call().with_storage_left(Bytes(100));
    call.take_storage(60).unwrap();
    assert_eq!(call.take_storage(41), Err(GuestError::Limit("storage".into())));
    call.take_storage(40).unwrap();
    assert_eq!(call.storage_used(), Bytes(100));
    let mut tight = self::call();
    tight.limits.storage = Bytes(5);
    assert!(
        tight.with_storage_left(Bytes(10)).take_storage(6).is_err(),
        "the call's own limit is the stricter one"
    );
}
