//! Nothing that a guest passes widens its reach: another tenant's things do not exist.

use bulla_suite::Bench;
use bulla_suite::trespasser::{draw, tenant};
use serde_json::json;

#[test]
fn another_tenants_reservations_and_approvals_do_not_exist() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    let rival = tenant(&bench, "rival", "https://receiver.example");
    let drawn = acme.call("trespasser/draw", &draw("granted", 1)).data();
    let asked = acme.call("trespasser/ask", &json!({"scope": "granted", "total": "500"})).data();
    let reserved = json!({"key": "granted", "reservation": drawn["reservations"][0]});
    let lookup = json!({"scope": "granted", "id": asked["id"]});
    for (action, input) in [("commit_for", &reserved), ("cancel_for", &reserved), ("look_up", &lookup)] {
        rival.call(&format!("trespasser/{action}"), input).guest_refused("not-found");
    }
    acme.call("trespasser/look_up", &lookup).ok();
    acme.call("trespasser/commit_for", &reserved).ok();
    // A number that is bound stays bound.
    acme.call("trespasser/cancel_for", &reserved).guest_refused("conflict");
    assert!(rival.numbers("granted").is_empty());
}

#[test]
fn the_same_names_count_apart_in_two_tenants() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    let rival = tenant(&bench, "rival", "https://receiver.example");
    for _ in 0..2 {
        acme.call("trespasser/draw", &draw("granted", 1)).ok();
    }
    assert_eq!(rival.call("trespasser/draw", &draw("granted", 1)).data()["numbers"], json!(["G-2026-00001"]));
    assert_eq!(acme.numbers("granted").len(), 2);
}

#[test]
fn a_failed_calls_numbers_are_issued_again() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/draw", &draw("granted", 1)).ok();
    acme.call("trespasser/draw_and_trap", &draw("granted", 1_000)).refused("trap");
    let reply = acme.call("trespasser/draw_and_tell", &json!("granted"));
    let problem = reply.guest_refused("told");
    let told = format!("{} {}", problem["detail"], problem["details"]);
    assert!(told.contains("G-2026-00002") && told.contains("uncommitted"), "{told}");
    assert_eq!(acme.call("trespasser/draw", &draw("granted", 1)).data()["numbers"], json!(["G-2026-00002"]));
    // One more than a call may draw.
    let reply = acme.call("trespasser/draw", &draw("granted", 1_001));
    assert!(reply.guest_refused("limit").to_string().contains("reservations"), "{}", reply.text);
    assert_eq!(acme.numbers("granted"), ["G-2026-00001", "G-2026-00002"]);
    assert!(acme.verify_audit()["fault"].is_null());
}

#[test]
fn handles_that_are_none_trap() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/forged_handle", &json!({})).refused("trap");
    acme.call("trespasser/dropped_handle", &json!("granted")).refused("trap");
    acme.call("trespasser/peek", &json!("granted")).ok();
}
