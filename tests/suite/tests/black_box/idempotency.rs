//! `Idempotency-Key`: one execution a key.

use bulla_suite::addons::all_of;
use bulla_suite::invoices::{numbered, sample, submission, submit, tenant};
use bulla_suite::{Answer, Bench, Gate, Receiver, manifest, trespasser};
use serde_json::json;

#[test]
fn the_same_request_again_gets_the_first_answer_and_has_no_effect() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let to = receiver.url("/invoices");
    let first = submit(&acme, "k1", &sample("standard"), &to);
    let again = submit(&acme, "k1", &sample("standard"), &to);
    assert_eq!((first.ok()["replayed"].clone(), again.ok()["replayed"].clone()), (json!(false), json!(true)));
    assert_eq!((again.data(), &again.body["call"]), (first.data(), &first.body["call"]));
    assert_ne!(again.trace(), first.trace());
    assert_eq!(acme.numbers("invoice").len(), 1);
    receiver.wait_for(1);
}

#[test]
fn a_key_belongs_to_one_input_one_action_and_one_subject() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let to = receiver.url("/invoices");
    submit(&acme, "k1", &numbered("standard", "A-1"), &to).ok();
    submit(&acme, "k1", &numbered("standard", "A-2"), &to).refused("idempotency-mismatch");
    let other = acme.token("other", &["caller"]);
    let input = submission(&numbered("standard", "A-3"), &to);
    assert_eq!(other.call_once("acme", "einvoice/submit", "k1", &input).ok()["replayed"], false);
    let validate = json!({"document": input["document"]});
    assert_eq!(acme.call_once("einvoice/validate", "k1", &validate).ok()["replayed"], false);
    assert_eq!(acme.numbers("invoice").len(), 2);
}

#[test]
fn a_call_that_failed_leaves_its_key_free() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    acme.key("spare");
    let to = receiver.url("/invoices");
    acme.operator.put(&acme.path("/addons/einvoice/grants"), &all_of("", "")).ok();
    submit(&acme, "k1", &sample("standard"), &to).refused("denied");
    acme.grant("einvoice", &all_of(&manifest("einvoice"), &receiver.origin())).ok();
    assert_eq!(submit(&acme, "k1", &sample("standard"), &to).ok()["replayed"], false);
}

#[test]
fn an_action_that_wants_a_key_is_not_run_without_one() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let input = submission(&sample("standard"), &receiver.url("/invoices"));
    acme.call("einvoice/submit", &input).refused("idempotency-key-required");
    for wrong in ["", " ", &"x".repeat(300)] {
        let reply = acme.call_once("einvoice/submit", wrong, &input);
        assert!(
            matches!(reply.body["code"].as_str(), Some("invalid" | "idempotency-key-required")),
            "{}",
            reply.text
        );
    }
    assert!(acme.numbers("invoice").is_empty());
}

#[test]
fn while_the_first_call_runs_a_second_one_is_told_to_come_back() {
    let gate = Gate::default();
    let held = gate.clone();
    let receiver = Receiver::start(move |_| {
        held.pass();
        Answer::status(200)
    });
    let bench = Bench::start();
    bench.patient("acme");
    let acme = trespasser::tenant(&bench, "acme", &receiver.origin());
    let input = trespasser::outgoing(&receiver.url("/"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| acme.call_once("trespasser/send", "k1", &input));
        receiver.wait_for(1);
        acme.call_once("trespasser/send", "k1", &input).refused("idempotency-in-flight");
        gate.open();
        assert_eq!(first.join().unwrap().ok()["replayed"], false);
    });
    assert_eq!(acme.call_once("trespasser/send", "k1", &input).ok()["replayed"], true);
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn an_answer_that_the_tenant_has_no_room_for_ends_its_call() {
    let bench = Bench::start();
    bench.quotas("[tier.tight]\nstorage = \"340B\"\n[tenant.acme]\ntier = \"tight\"");
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    let echo = |key: &str, bytes: usize| acme.call_once("glutton/echo", key, &json!("x".repeat(bytes)));
    echo("k1", 20).ok();
    let reply = echo("k2", 400);
    assert!(reply.refused("limit")["detail"].as_str().unwrap().contains("storage"), "{}", reply.text);
    acme.call("glutton/echo", &json!("x".repeat(400))).ok();
    // What is kept counts from the moment it is.
    echo("k3", 200).ok();
    echo("k4", 100).refused("limit");
    assert_eq!(echo("k1", 20).ok()["replayed"], true);
    assert_eq!(acme.audit("event=call.answered").len(), 2);
    assert_eq!(acme.audit("event=call.limited").len(), 2);
    assert_eq!(acme.audit("event=call.failed").len(), 2);
}
