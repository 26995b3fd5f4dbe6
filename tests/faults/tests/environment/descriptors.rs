//! Too few file descriptors.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bulla_base::{Clock, SystemClock};
use bulla_faults::process::Process;
use bulla_faults::scan;
use bulla_suite::cli::binary;
use bulla_suite::trespasser::{self, draw, outgoing};
use bulla_suite::{Bench, Cli, Client, Data, Receiver, Server, until};
use serde_json::json;

use crate::{no_panic, refuses};

/// Room for some fifty connections beside what the server keeps for itself.
const FEW: u32 = 220;
const FLOOD: usize = 400;

#[test]
fn connections_never_take_the_last_descriptor_and_waiting_costs_nothing() {
    let mut data = Data::init();
    data.configure("[server]\nheader-timeout = '3s'\n");
    let limited = limited(&data, FEW);
    data.serve_with(limited);
    let mut bench = Bench::on(Server::on(data));
    let log = bench.server.log();
    assert!(log.contains("fewer connections than configured"), "{log}");

    let address = bench.server.url.trim_start_matches("http://").to_owned();
    let flood: Vec<_> = (0..FLOOD).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    let server = Process::of(bench.server.pid());
    let quiet = server.descriptors();
    until("connections to be taken", || (server.descriptors() >= quiet.max(60)).then_some(()));
    let (clock, before) = (SystemClock::new(), server.cpu());
    std::thread::sleep(Duration::from_secs(2));
    let share = (server.cpu() - before).as_secs_f64() / clock.monotonic().as_secs_f64();
    eprintln!(
        "{} connections: {} descriptors, {:.0} % of a core",
        flood.len(),
        server.descriptors(),
        share * 100.0
    );
    assert!(share < 0.5, "a server whose connections wait spins: {share}");
    assert!(server.descriptors() < FEW as usize, "the last descriptor is taken");

    // Who says nothing is closed, and those behind come in: also a client that asks for something.
    let waited = SystemClock::new();
    bench.operator.get("/v1/tenants").ok();
    eprintln!("served after {:.1} s, behind the flood", waited.monotonic().as_secs_f64());
    drop(flood);
    bench.tenant("acme");
    let log = bench.server.log();
    assert!(!log.contains("could not be accepted"), "descriptors ran out: {log}");
    no_panic(&bench.server);
    scan::after_stop(&mut bench.server);

    let data = bench.server.data();
    let serve = Cli::of(&self::limited(data, 100), ["serve"]).env("BULLA_DATA", data.path());
    let serve = serve.env("BULLA_SERVER_LISTEN", "127.0.0.1:0");
    refuses(serve, 7, &["unavailable", "may open 100 files", "hint:", "ulimit -n"]);
    scan::is_clean(data);
}

#[test]
fn a_running_server_that_can_open_nothing_refuses_what_needs_it_and_goes_on() {
    let receiver = Receiver::willing();
    let mut bench = Bench::on(Server::on(Data::init()));
    let acme = trespasser::tenant(&bench, "acme", &receiver.origin());
    let drawn = || acme.call("trespasser/draw", &draw("granted", 1)).data();
    let send = || acme.call("trespasser/send", &outgoing(&receiver.url("/")));
    drawn();
    acme.install(&bench.publisher.package("glutton"), None).ok();

    let server = Process::of(bench.server.pid());
    let before = server.limit_descriptors(Some(3));
    // What runs on what is open goes on.
    drawn();
    bench.operator.get("/readyz").ok();
    // A compiler is another process, with pipes.
    acme.install(&bench.publisher.package("nuisance"), None).refused("unavailable");
    // An addon's first instance needs its memory's image, which is a file: no fault of the addon's.
    let refused = acme.call("glutton/noop", &json!({}));
    refused.refused("unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(send().guest_refused("unavailable")["details"]["details"]["retry-after-ms"], 1_000);
    assert!(receiver.requests().is_empty());
    // Who comes now waits, and is served when there is room.
    let url = bench.server.url.clone();
    let newcomer = thread::spawn(move || Client::new(&url, None).get("/healthz").status);
    until("a connection to be refused", || {
        bench.server.log().contains("could not be accepted").then_some(())
    });
    assert!(!newcomer.is_finished());

    server.limit_descriptors(before);
    assert_eq!(newcomer.join().unwrap(), 200);
    acme.call("glutton/noop", &json!({})).ok();
    acme.install(&bench.publisher.package("nuisance"), None).ok();
    send().ok();
    drawn();
    assert_eq!(acme.numbers("granted").len(), 3);
    no_panic(&bench.server);
    scan::after_stop(&mut bench.server);
}

/// The binary under test, with so few descriptors that it cannot raise.
fn limited(data: &Data, descriptors: u32) -> PathBuf {
    let script = data.path().parent().unwrap().join(format!("bulla-{descriptors}"));
    let text = format!("#!/bin/sh\nulimit -n {descriptors}\nexec '{}' \"$@\"\n", binary().display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}
