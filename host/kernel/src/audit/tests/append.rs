use std::sync::Arc;

use bulla_base::{CallId, Limits};

use super::*;
use crate::call::Call;
use crate::grants::GrantCell;
use crate::guest_error::GuestError;
use crate::origin::CallOrigin;
use crate::ports::Cause;

fn call(house: &House, limits: Limits) -> Call {
    let own = CallOrigin {
        id: CallId::draw(&SystemRng),
        addon: "einvoice".parse().unwrap(),
        version: "0.1.0".into(),
        entry: "submit".parse().unwrap(),
    };
    let cause = Cause::Request { idempotency_key: None };
    Call::new(house.origin("acme"), own, "acme".parse().unwrap(), cause, limits, GrantCell::default())
}

fn pairs(count: usize, size: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("k{n:02}"), "v".repeat(size))).collect()
}

#[tokio::test]
async fn an_addons_entry_cannot_be_taken_for_the_kernels() {
    let house = House::open().await;
    let mut call = call(&house, Limits::default());
    append(&mut call, "sequence.committed", "invoice/1", &[("number".into(), "INV-1".into())]).unwrap();
    house.core.committer.commit(call.effects()).await.unwrap();
    let listing = house.audit.list(&acme(), &Query::default()).await.unwrap();
    let body = &listing.entries[0].body;
    assert_eq!(body["event"], "addon.sequence.committed");
    assert_eq!(body["detail"], json!({"number": "INV-1"}));
    assert_eq!(body["call"]["addon"], "einvoice");
    assert_eq!(Arc::new(body["trace"].clone()).as_str(), Some(call.origin.trace.as_str()));
}

#[tokio::test]
async fn bounds_of_an_entry_hold_at_their_edges() {
    let house = House::open().await;
    let mut call = call(&house, Limits::default());
    let mut ok =
        |event: &str, object: &str, detail: &[(String, String)]| append(&mut call, event, object, detail);
    assert!(ok(&"e".repeat(63), &"o".repeat(200), &pairs(32, 125)).is_ok());
    assert!(ok("1.a-b_c", "o", &pairs(1, 4_093)).is_ok());
    let invalid =
        |result: Result<(), GuestError>| assert!(matches!(result, Err(GuestError::Invalid(_))), "{result:?}");
    for event in ["", "A", "a b", "ä", "a/b", "a\0", &"e".repeat(64)] {
        invalid(ok(event, "o", &[]));
    }
    for object in ["", "a b", "a\n", &"o".repeat(201)] {
        invalid(ok("e", object, &[]));
    }
    let one = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let twice = [one("k", "1"), one("k", "2")].concat();
    for detail in [pairs(33, 1), pairs(1, 4_094), one("", "v"), one("k", "a\0b"), one("k\0", "v"), twice] {
        invalid(ok("e", "o", &detail));
    }
}

#[tokio::test]
async fn a_call_has_so_many_entries_of_its_own() {
    let house = House::open().await;
    let mut call = call(&house, Limits { audit_entries: 2, ..Limits::default() });
    assert!(append(&mut call, "e", "o", &[]).is_ok());
    assert!(append(&mut call, "e", "o", &[]).is_ok());
    assert_eq!(append(&mut call, "e", "o", &[]), Err(GuestError::Limit("audit-entries".into())));
    assert!(
        matches!(append(&mut call, "E", "o", &[]), Err(GuestError::Invalid(_))),
        "invalid comes before limit"
    );
}
