//! Somebody sets the machine's clock, while the server runs and while it does not.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bulla_base::{Clock, SystemClock};
use bulla_faults::scan;
use bulla_suite::invoices::{self, numbered, submit};
use bulla_suite::{Bench, Client, Data, Receiver, Reply, Server, Tenant, until};
use serde_json::{Value, json};

use crate::no_panic;

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;

/// How the clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Running,
    Stopped,
}

#[test]
fn an_hour_back_stops_nothing() {
    for how in [How::Running, How::Stopped] {
        let mut world = World::new();
        let waiting = world.enqueued("flaky", json!({"payload": {"label": "before", "failures": 3}}));
        until("a first attempt", || (world.acme.job(&waiting)["attempt"].as_u64() >= Some(1)).then_some(()));
        let ticked = world.ticks();
        world.set_clock(-HOUR, how);
        world.goes_on("back");
        // Neither what waited for its next attempt nor what ticks by itself waits until the hour has passed again.
        world.acme.job_becomes(&waiting, "succeeded");
        until("the schedule to tick", || (world.ticks() > ticked).then_some(()));
        assert_eq!(world.worked("before"), 1, "{how:?}: it was done twice");
        // The token that had half an hour to live has more of it now, by the clock: the operator who set it back knows.
        world.short_lived.get("/v1/tenants/acme/jobs").ok();
        world.ends_whole();
    }
}

#[test]
fn a_year_forward_ends_what_is_over_and_nothing_else() {
    for how in [How::Running, How::Stopped] {
        let mut world = World::new();
        let slow = world.enqueued("work", json!({"payload": {"label": "later"}, "delay-ms": 3_600_000}));
        world.set_clock(YEAR, how);
        world.goes_on("forward");
        // What was to run in an hour is due.
        world.acme.job_becomes(&slow, "succeeded");
        assert_eq!(world.worked("later"), 1, "{how:?}");
        world.short_lived.get("/v1/tenants/acme/jobs").refused("unauthenticated");
        // The stored answer is over: the key is free, and the document itself is not issued twice.
        until("the records to be swept", || {
            let reply = world.submitted("first");
            (reply.body["code"] == "guest-error").then(|| reply.guest_refused("already-issued").clone())
        });
        world.ends_whole();
    }
}

/// A host whose clock can be set, and what happened on it before.
struct World {
    bench: Bench,
    acme: Tenant,
    receiver: Receiver,
    short_lived: Client,
    clock: Shift,
    issued: usize,
}

impl World {
    fn new() -> Self {
        let mut data = Data::init();
        let clock = Shift::beside(&data);
        data.env("LD_PRELOAD", clock.library.as_os_str());
        data.env("CLOCK_SHIFT", clock.file.as_os_str());
        let (receiver, bench) = (Receiver::willing(), Bench::on(Server::on(data)));
        let acme = invoices::tenant(&bench, "acme", &receiver.origin());
        acme.install(&bench.publisher.package("nuisance"), None).ok();
        let body = json!({"subject": "temp", "roles": ["tenant-admin"], "expires-in": "30m"});
        let token = bench.operator.post("/v1/tenants/acme/tokens", &body).data()["text"].clone();
        let short_lived = bench.operator.with_token(token.as_str());
        short_lived.get("/v1/tenants/acme/jobs").ok();
        let mut world = Self { bench, acme, receiver, short_lived, clock, issued: 0 };
        world.issue("first");
        until("a tick", || (world.ticks() > 0).then_some(()));
        world
    }

    fn set_clock(&mut self, seconds: i64, how: How) {
        eprintln!("{seconds} s, {how:?}");
        match how {
            How::Running => self.clock.set(seconds),
            How::Stopped => {
                self.bench.server.kill();
                self.clock.set(seconds);
                self.bench.server.start_again();
                self.bench.follow(&mut [&mut self.acme]);
                self.short_lived = self.short_lived.at(&self.bench.server.url);
            }
        }
    }

    /// Calls, numbers, jobs and deliveries work as ever, at once, and nobody is locked out.
    fn goes_on(&mut self, label: &str) {
        let clock = SystemClock::new();
        for turn in 0..30 {
            self.issue(&format!("{label}-{turn}"));
        }
        let job = self.enqueued("work", json!({"payload": {"label": label}}));
        self.acme.job_becomes(&job, "succeeded");
        assert_eq!(self.worked(label), 1);
        self.receiver.wait_for(self.issued);
        let again = self.submitted(&format!("{label}-0"));
        assert_eq!(again.ok()["replayed"], true);
        assert!(clock.monotonic() < Duration::from_secs(60), "{:?}", clock.monotonic());
    }

    fn issue(&mut self, key: &str) {
        self.submitted(key).ok();
        self.issued += 1;
    }

    fn submitted(&self, key: &str) -> Reply {
        submit(&self.acme, key, &numbered("standard", key), &self.receiver.url("/invoices"))
    }

    fn enqueued(&self, job: &str, more: Value) -> String {
        let mut order = more;
        order["job"] = job.into();
        self.acme.call("nuisance/enqueue", &order).data().as_str().unwrap().to_owned()
    }

    /// How often the job that runs every second has run.
    fn ticks(&self) -> u64 {
        let jobs = self.acme.jobs("succeeded");
        jobs.iter().filter(|job| job["entry"] == "tick").count() as u64
    }

    fn worked(&self, label: &str) -> usize {
        self.acme.audit(&format!("event=addon.worked&object=task/{label}")).len()
    }

    /// Numbers and audit indexes are dense, the log verifies, and the scan finds nothing.
    fn ends_whole(mut self) {
        let numbers = self.acme.numbers("invoice");
        assert_eq!(numbers.len(), self.issued);
        let audit = self.acme.verify_audit();
        assert!(audit["fault"].is_null(), "{audit}");
        scan::after_stop(&mut self.bench.server);
        no_panic(&self.bench.server);
    }
}

/// The library that shifts the clock, and the file that says by how much.
struct Shift {
    library: PathBuf,
    file: PathBuf,
}

impl Shift {
    fn beside(data: &Data) -> Self {
        let dir = data.path().parent().unwrap().to_owned();
        let (library, file) = (dir.join("clock_shift.so"), dir.join("clock_shift"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/environment/clock_shift.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
        assert!(compile.status().unwrap().success(), "{compile:?}");
        let shift = Self { library, file };
        fs::write(&shift.file, 0i64.to_ne_bytes()).unwrap();
        shift
    }

    /// In place: the servers have the file mapped.
    fn set(&self, seconds: i64) {
        let mut file = fs::File::options().write(true).open(&self.file).unwrap();
        file.rewind().unwrap();
        file.write_all(&seconds.to_ne_bytes()).unwrap();
    }
}
