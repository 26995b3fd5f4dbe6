//! Hours in minutes: calls, jobs, approvals, deliveries and hostile guests, while addons come, change and go. At the end nothing may have
//! grown that does not have to.
//!
//! A minute by default; `cargo xtask soak --minutes 30` for what the release notes quote.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod churn;
mod load;
mod samples;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bulla_base::{Clock, SystemClock};
use bulla_suite::patience::RaisedOnDrop;
use bulla_suite::{Bench, Data, Receiver, Server, until};

use load::Counts;
use samples::{Sample, Samples};

/// How long the load runs, in minutes.
const VARIABLE: &str = "BULLA_TEST_SOAK_MINUTES";

/// So short that the sweeper has work. Compiled code and the database are on disk and are not held against memory.
const CONFIG: &str = "[idempotency]\nttl = '1m'\n";

#[test]
fn nothing_grows_that_does_not_have_to() {
    let minutes: f64 = std::env::var(VARIABLE).map_or(1.0, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(minutes * 60.0);
    let data = Data::init();
    data.configure(CONFIG);
    let bench = Bench::on(Server::on(data));
    let receiver = Receiver::discarding();
    let tenants = load::tenants(&bench, &receiver);
    let (counts, stopped) = (Counts::default(), AtomicBool::new(false));
    let mut samples = Samples::default();
    std::thread::scope(|scope| {
        let _stop = RaisedOnDrop(&stopped);
        load::start(scope, &tenants, &receiver, &counts, &stopped);
        churn::start(scope, &bench, &tenants, &counts, &stopped);
        let clock = SystemClock::new();
        let pause = (time / 120).clamp(Duration::from_millis(500), Duration::from_secs(5));
        while clock.monotonic() < time && counts.unexpected().is_empty() {
            samples.take(Sample::of(&bench, clock.monotonic()));
            samples.tell_each_minute(minutes);
            std::thread::sleep(pause);
        }
    });
    eprintln!("{samples}\n{counts}");
    assert_eq!(counts.unexpected(), Vec::<String>::new(), "answers that no caller should get");
    counts.everything_happened();
    at_rest(&bench);
    samples.are_flat(minutes);
    clean(bench);
}

/// Every place, instance and connection has been given back.
fn at_rest(bench: &Bench) {
    until("every instance to be returned, and no call to run", || {
        let told = bench.operator.get("/diagz").data();
        let tenants = told["admission"]["tenants"].as_array().unwrap().clone();
        let idle = tenants.iter().all(|one| one["running"] == 0 && one["waiting"] == 0);
        let free = &told["admission"]["free-places"];
        let metrics = bench.operator.get("/metrics").text;
        let none_runs = metrics.lines().any(|line| line == "bulla_calls_running 0");
        (idle && none_runs && free == &told["engine"]["instances"]).then_some(())
    });
}

/// The scan finds nothing in what all of this left.
fn clean(mut bench: Bench) {
    assert!(bench.server.stop().success());
    let scan = bench.server.data().cli(["doctor", "--scan", "--json"]).run().succeeds().json();
    eprintln!("scan: {}", scan["scanned"]);
    assert_eq!(scan["finding-count"].as_u64().unwrap_or(0), 0, "{scan}");
}
