//! Deliveries: at least once, under one key, with a secret that the addon never sees.

use bulla_suite::addons::{all_of, edited, guest, of_next_version};
use bulla_suite::invoices::{SECRET, sample, submit, tenant};
use bulla_suite::{Answer, Bench, Gate, Receiver, manifest, until};

#[test]
fn an_invoice_is_delivered_once_though_tried_twice() {
    let (bench, receiver) = (Bench::start(), Receiver::refusing_first(1));
    let acme = tenant(&bench, "acme", &receiver.origin());
    let issued = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices?a=b")).data();
    let requests = receiver.wait_for(2);
    let job = acme.job_becomes(issued["job"].as_str().unwrap(), "succeeded");
    assert_eq!(job["attempt"], 2);
    assert_eq!(receiver.requests().len(), 2, "a job that succeeded is not run again");
    let key = requests[0].header("idempotency-key").unwrap();
    assert!(!key.is_empty() && requests[1].header("idempotency-key") == Some(key), "{requests:#?}");
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/invoices?a=b"));
    for request in &requests {
        assert_eq!(request.header("authorization").unwrap(), format!("Bearer {SECRET}"));
        assert_eq!(request.json()["number"], "INV-2026-00001");
    }
    assert_eq!(acme.audit("event=addon.invoice.delivered").len(), 1);
}

#[test]
fn an_invoice_is_delivered_under_one_key_though_the_host_was_killed_between_send_and_commit() {
    let gate = Gate::default();
    let held = gate.clone();
    let receiver = Receiver::start(move |request| {
        if request.number == 1 {
            held.pass();
        }
        Answer::status(200).body("{}")
    });
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", &receiver.origin());
    let issued = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices")).data();
    // The request is out, its answer is not in: nothing of the attempt can be committed.
    receiver.wait_for(1);
    bench.server.kill();
    gate.open();
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);

    let requests = receiver.wait_for(2);
    let job = acme.job_becomes(issued["job"].as_str().unwrap(), "succeeded");
    let keys: Vec<_> = requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(keys[0], keys[1], "the receiver can tell a repeat");
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(acme.numbers("invoice"), ["INV-2026-00001"]);
    assert_eq!(acme.audit("event=addon.invoice.delivered").len(), 1, "{job}");
    assert!(acme.verify_audit()["fault"].is_null());
}

#[test]
fn what_was_answered_survives_a_kill() {
    let receiver = Receiver::willing();
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", &receiver.origin());
    let first = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices"));
    bench.server.kill();
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    let again = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices"));
    assert_eq!(again.ok()["replayed"], true);
    assert_eq!((again.data(), &again.body["call"]), (first.data(), &first.body["call"]));
    assert_eq!(acme.numbers("invoice"), ["INV-2026-00001"]);
    receiver.wait_for(1);
}

#[test]
fn the_secret_is_nowhere_but_at_the_receiver() {
    let receiver = Receiver::start(Answer::echo);
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", &receiver.origin());
    let issued = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices")).data();
    let job = acme.job_becomes(issued["job"].as_str().unwrap(), "succeeded");
    let told = format!("{issued} {job} {:?} {}", acme.audit("limit=1000"), bench.server.log());
    assert!(!told.contains(SECRET));
    let listed = acme.admin.get(&acme.path("/secrets")).text;
    assert!(listed.contains("receiver_token") && !listed.contains(SECRET));
    for (path, bytes) in bulla_suite::server::snapshot(&bench.server.data().path()) {
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the secret stands in {}", path.display());
    }
}

#[test]
fn a_receiver_that_was_taken_out_of_the_grant_gets_nothing_any_more() {
    let receiver = Receiver::refusing_first(1);
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", &receiver.origin());
    // So long that the grant is taken away before the second attempt, however busy the machine is.
    let text = edited(&of_next_version(&manifest("einvoice")), "jobs.deliver.backoff", Some("8s".into()));
    let package = bench.publisher.seal(&text, &guest("einvoice"));
    acme.reinstall("einvoice", &package, Some(&all_of(&text, &receiver.origin()))).ok();
    let issued = submit(&acme, "k1", &sample("standard"), &receiver.url("/invoices")).data();
    receiver.wait_for(1);
    acme.grant("einvoice", &all_of(&text, "https://elsewhere.example")).ok();
    let id = issued["job"].as_str().unwrap();
    until("the second attempt", || Some(acme.job(id)).filter(|job| job["attempt"].as_u64() >= Some(2)));
    until("its refusal", || (!acme.audit("event=call.denied").is_empty()).then_some(()));
    assert_eq!(receiver.requests().len(), 1);
}
