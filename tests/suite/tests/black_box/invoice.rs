//! An invoice from submission to a number.

use bulla_suite::invoices::{numbered, sample, submit, tenant};
use bulla_suite::{Bench, Receiver, Reply, Tenant, until};
use serde_json::{Value, json};

fn decide(tenant: &Tenant, decider: &bulla_suite::Client, id: &str, answer: &str) -> Reply {
    let body = json!({"answer": answer, "reason": "checked"});
    decider.post(&tenant.path(&format!("/approvals/{id}/decision")), &body)
}

#[test]
fn below_the_limit_an_invoice_is_issued_at_once() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let reply = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices"));
    let issued = reply.data();
    assert_eq!(issued["status"], "issued");
    assert_eq!(issued["number"], "INV-2026-00001");
    assert_eq!(acme.numbers("invoice"), ["INV-2026-00001"]);
    let usage = &reply.ok()["usage"];
    for field in ["fuel", "memory-peak", "elapsed", "host-bytes", "log-bytes"] {
        assert!(usage[field].is_string(), "{usage}");
    }
    assert!(usage["limits"]["fuel"].is_string() && reply.body["fuel-schedule"] == "v1", "{}", reply.text);
    assert!(acme.jobs("waiting").len() <= 1);
    receiver.wait_for(1);
}

#[test]
fn above_the_limit_it_waits_for_one_who_may_and_is_not_the_requester() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    // The requester has every role that could decide, and still may not.
    let requester = acme.token("ada", &["caller", "approver", "cfo"]);
    let input = bulla_suite::invoices::submission(&sample("above-limit"), &receiver.url("/invoices"));
    let waiting = requester.call_once("acme", "einvoice/submit", "k1", &input);
    let waiting = waiting.data();
    assert_eq!(waiting["status"], "waiting");
    assert_eq!(waiting["approvers"], json!(["role:cfo"]));
    let id = waiting["approval"].as_str().unwrap();

    let before = acme.audit_size();
    let refused = [
        ("a caller", acme.caller.clone()),
        ("an approver without the role that the rules name", acme.token("bob", &["approver"])),
        ("one with that role who may not decide at all", acme.token("eve", &["cfo"])),
        ("the requester", requester),
        ("the operator", acme.operator.clone()),
    ];
    for (who, decider) in &refused {
        let reply = decide(&acme, decider, id, "approve");
        assert_eq!(reply.body["code"], "forbidden", "{who}: {}", reply.text);
        reply.refused("forbidden");
    }
    assert_eq!(acme.admin.get(&acme.path(&format!("/approvals/{id}"))).data()["status"], "waiting");
    assert!(acme.numbers("invoice").is_empty());
    assert!(acme.audit_size() > before, "refusals are in the audit log");

    let cfo = acme.token("grace", &["approver", "cfo"]);
    decide(&acme, &cfo, id, "approve").ok();
    let delivered = receiver.wait_for(1);
    assert_eq!(delivered[0].json()["number"], "INV-2026-00001");
    assert_eq!(acme.numbers("invoice"), ["INV-2026-00001"]);
    decide(&acme, &cfo, id, "reject").refused("conflict");
    receiver_had(&receiver, 1);
}

#[test]
fn the_continuation_goes_on_under_the_trace_of_the_request() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let waiting = submit(&acme, "k1", &sample("above-limit"), &receiver.url("/invoices"));
    let id = waiting.data()["approval"].as_str().unwrap().to_owned();
    decide(&acme, &acme.token("grace", &["approver", "cfo"]), &id, "approve").ok();
    let trace = waiting.trace();
    let events = until("the delivery in the log", || {
        let events: Vec<Value> = acme.audit(&format!("trace={trace}"));
        let has = |event: &str| events.iter().any(|entry| entry["event"] == event);
        (has("addon.invoice.delivered")).then_some(events)
    });
    for event in
        ["approval.requested", "sequence.committed", "addon.invoice.issued", "addon.invoice.delivered"]
    {
        assert!(events.iter().any(|entry| entry["event"] == event), "no {event} under {trace}: {events:#?}");
    }
}

#[test]
fn a_rejected_invoice_is_never_numbered() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let waiting = submit(&acme, "k1", &sample("above-limit"), &receiver.url("/invoices")).data();
    let id = waiting["approval"].as_str().unwrap();
    let cfo = acme.token("grace", &["approver", "cfo"]);
    let rejected = decide(&acme, &cfo, id, "reject").data();
    assert_eq!(rejected["status"], "rejected");
    decide(&acme, &cfo, id, "approve").refused("conflict");
    // Whoever calls the continuation's action directly is held to the same rules.
    let input = bulla_suite::invoices::submission(&sample("above-limit"), &receiver.url("/invoices"));
    acme.call("einvoice/issue", &input).guest_refused("approval-required");
    assert!(acme.numbers("invoice").is_empty() && receiver.requests().is_empty());
}

#[test]
fn numbers_have_no_gap_across_failed_calls() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let to = receiver.url("/invoices");
    submit(&acme, "k1", &numbered("standard", "A-1"), &to).ok();
    // It draws a number, and fails when it binds it: the document has one already.
    submit(&acme, "k2", &numbered("standard", "A-1"), &to).guest_refused("already-issued");
    submit(&acme, "k3", &sample("wrong-totals"), &to).guest_refused("invalid-invoice");
    let second = submit(&acme, "k4", &numbered("standard", "A-2"), &to).data();
    assert_eq!(second["number"], "INV-2026-00002");
    assert_eq!(acme.numbers("invoice"), ["INV-2026-00001", "INV-2026-00002"]);
}

#[test]
fn concurrent_invoices_are_numbered_densely() {
    const EACH: usize = 6;
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let (acme, to) = (&acme, &receiver.url("/invoices"));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for turn in 0..EACH {
                    let id = format!("P-{worker}-{turn}");
                    submit(acme, &id, &numbered("standard", &id), to).ok();
                    submit(acme, &format!("{id}-again"), &numbered("standard", &id), to)
                        .guest_refused("already-issued");
                }
            });
        }
    });
    // What the last failed calls held is free, and goes to the next that ask: at most one number a worker.
    for turn in 0..4 {
        let id = format!("Q-{turn}");
        submit(acme, &id, &numbered("standard", &id), to).ok();
    }
    let expected: Vec<_> = (1..=4 * EACH + 4).map(|number| format!("INV-2026-{number:05}")).collect();
    assert_eq!(acme.numbers("invoice"), expected);
}

#[test]
fn a_wrong_document_is_refused_with_all_its_findings() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let wrong = submit(&acme, "k1", &sample("wrong-totals"), &receiver.url("/x"));
    let problem = wrong.guest_refused("invalid-invoice").clone();
    let findings = problem["details"]["details"]["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["rule"].as_str().unwrap().starts_with("BR-CO-")),
        "{findings:?}"
    );
    let dtd = submit(&acme, "k2", &sample("dtd"), &receiver.url("/x"));
    dtd.guest_refused("invalid-invoice");
    let missing = acme.call_once("einvoice/submit", "k3", &json!({"document": "AAAA"}));
    let findings = missing.refused("invalid-input")["details"]["findings"].clone();
    assert!(findings.to_string().contains("deliver-to"), "{findings}");
    assert!(acme.numbers("invoice").is_empty() && receiver.requests().is_empty());
}

fn receiver_had(receiver: &Receiver, count: usize) {
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(receiver.requests().len(), count);
}
