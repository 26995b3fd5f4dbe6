//! A file system without room.

use std::time::Duration;

use bulla_faults::disk::{Filler, may_mount, shrink};
use bulla_faults::scan;
use bulla_suite::component::{self, Component, DONE};
use bulla_suite::invoices::{self, numbered, submit};
use bulla_suite::{Bench, Data, Receiver, Server, Tenant, until, within};
use serde_json::json;

use crate::{does_not_start, no_panic};

const MEBIBYTES: u32 = 24;

#[test]
fn a_full_disk_stops_writing_alone_and_only_until_there_is_room() {
    if !may_mount("disk_full::a_full_disk_stops_writing_alone_and_only_until_there_is_room", "disk-full") {
        return;
    }
    let data = Data::init();
    shrink(&data.path(), MEBIBYTES);
    let receiver = Receiver::willing();
    let mut bench = Bench::on(Server::on(data));
    let acme = invoices::tenant(&bench, "acme", &receiver.origin());
    acme.install(&bench.publisher.seal(component::MANIFEST, &Component::with_body(DONE).bytes()), None).ok();
    let mut acknowledged = vec![issued(&acme, "first", &receiver)];

    for round in 0..3 {
        let filler = Filler::fill(bench.server.data());
        let refused = until_refused(&bench, &acme, round, &receiver, &mut acknowledged);
        the_rest_goes_on(&bench, &acme, &acknowledged);
        let told = times_told(&bench);
        drop(filler);
        until("the server to go on by itself", || {
            (bench.operator.get("/readyz").status == 200).then_some(())
        });
        for key in &refused {
            acknowledged.push(issued(&acme, key, &receiver));
        }
        acknowledged.push(issued(&acme, &format!("after-{round}"), &receiver));
        until("the log to say that it goes on", || (times_told(&bench) > told).then_some(()));
    }
    assert_eq!(bench.operator.get("/diagz").data()["writing"], "ok");
    numbers_are_dense(&acme, &acknowledged);
    scan::after_stop(&mut bench.server);
    a_start_without_room(&mut bench);
    no_panic(&bench.server);
}

/// How often the log says that the database can be written again.
fn times_told(bench: &Bench) -> usize {
    let told = bench.operator.get("/v1/system/audit?event=store.recovered").data();
    told["entries"].as_array().unwrap().len()
}

/// The number under this key, whether it is asked for the first time or again.
fn issued(acme: &Tenant, key: &str, receiver: &Receiver) -> String {
    let reply = submit(acme, key, &numbered("standard", key), &receiver.url("/invoices"));
    reply.data()["number"].as_str().unwrap().to_owned()
}

/// Issues until there is no room left for anything; gives the keys of the refused calls. At the brink a small change may still fit where
/// a larger one did not, and then the server is well.
fn until_refused(
    bench: &Bench,
    acme: &Tenant,
    round: u32,
    receiver: &Receiver,
    acknowledged: &mut Vec<String>,
) -> Vec<String> {
    let mut refused = Vec::new();
    for turn in 0..5_000 {
        let key = format!("full-{round}-{turn}");
        let reply = submit(acme, &key, &numbered("standard", &key), &receiver.url("/invoices"));
        if reply.status == 200 {
            acknowledged.push(reply.data()["number"].as_str().unwrap().to_owned());
            continue;
        }
        reply.refused("store-full");
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        refused.push(key);
        if refused.len() >= 5 && stays_full(bench) {
            return refused;
        }
    }
    panic!("the disk is full, and {} calls were refused", refused.len());
}

/// Over one of the server's own tries, each second: then not even a small change fits.
fn stays_full(bench: &Bench) -> bool {
    let well = || (bench.operator.get("/readyz").status == 200).then_some(());
    within(Duration::from_millis(1_500), well).is_none()
}

fn the_rest_goes_on(bench: &Bench, acme: &Tenant, acknowledged: &[String]) {
    bench.operator.get("/healthz").ok();
    let ready = bench.operator.get("/readyz");
    ready.refused("store-full");
    assert!(ready.header("retry-after").is_some());
    assert_eq!(bench.operator.get("/diagz").data()["writing"], "store-full");
    // A call that leaves nothing behind writes nothing.
    acme.call("raw/go", &json!({})).ok();
    let numbers = acme.numbers("invoice");
    assert!(acknowledged.iter().all(|number| numbers.contains(number)), "{acknowledged:?} in {numbers:?}");
    assert!(acme.verify_audit()["fault"].is_null());
}

fn numbers_are_dense(acme: &Tenant, acknowledged: &[String]) {
    let mut all = acknowledged.to_vec();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), acknowledged.len(), "a number was given twice");
    let numbers = acme.numbers("invoice");
    assert_eq!(numbers, all);
    assert!(numbers.last().unwrap().ends_with(&format!("{:05}", numbers.len())), "{numbers:?}");
}

fn a_start_without_room(bench: &mut Bench) {
    let filler = Filler::fill(bench.server.data());
    does_not_start(&bench.server, 7, "store-full");
    drop(filler);
    bench.server.start_again();
    assert_eq!(bench.server.operator().get("/v1/tenants").status, 200);
    scan::after_stop(&mut bench.server);
}
