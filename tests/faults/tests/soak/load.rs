//! What a host does all day.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

use bulla_suite::component::{self, Component, DONE};
use bulla_suite::invoices::{self, numbered, submission, submit};
use bulla_suite::{Bench, Client, Receiver, Reply, Tenant};
use serde_json::json;

/// What was answered: kind of work, then `ok` or the code, then how often.
#[derive(Default)]
pub struct Counts {
    all: Mutex<BTreeMap<(&'static str, String), u64>>,
    unexpected: Mutex<Vec<String>>,
}

/// What a guest that misbehaves ends with.
const HOSTILE: [(&str, &str); 3] = [
    ("traps", "unreachable"),
    ("spins", "(loop $again (br $again)) unreachable"),
    ("grows", "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable"),
];

/// What is answered for want of time or places alone.
const PRESSED: [&str; 2] = ["busy", "deadline"];

impl Counts {
    /// Success, or the one refusal that this work is made for. A tenant's own rate may always speak, and so may the clock on a machine
    /// that has other things to do.
    pub fn note(&self, work: &'static str, reply: &Reply, refusal: Option<&[&str]>) {
        let code = reply.body["code"].as_str().unwrap_or("ok").to_owned();
        let fine = match refusal {
            Some(codes) => codes.contains(&code.as_str()),
            None => matches!(reply.status, 200 | 201),
        };
        if !fine && !PRESSED.contains(&code.as_str()) {
            self.unexpected.lock().unwrap().push(format!("{work}: {} {}", reply.status, reply.text));
        }
        *self.all.lock().unwrap().entry((work, code)).or_default() += 1;
    }

    pub fn unexpected(&self) -> Vec<String> {
        self.unexpected.lock().unwrap().iter().take(5).cloned().collect()
    }

    /// A soak in which something never happened proves nothing of it.
    pub fn everything_happened(&self) {
        let all = self.all.lock().unwrap();
        for work in
            ["call", "invoice", "approval", "job", "hostile", "install", "upgrade", "remove", "live upgrade"]
        {
            let happened = all.keys().any(|(done, code)| *done == work && !PRESSED.contains(&code.as_str()));
            assert!(happened, "no `{work}` happened");
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((work, code), count) in &*self.all.lock().unwrap() {
            writeln!(f, "{work:<14} {code:<16} {count:>9}")?;
        }
        Ok(())
    }
}

/// Three companies with the same addons.
pub fn tenants(bench: &Bench, receiver: &Receiver) -> Vec<Tenant> {
    let all: Vec<_> =
        ["acme", "globex", "initech"].map(|id| invoices::tenant(bench, id, &receiver.origin())).into();
    let nuisance = bench.publisher.package("nuisance");
    for tenant in &all {
        tenant.install(&nuisance, None).ok();
        tenant.install(&raw(bench, "noop", DONE), None).ok();
        for (name, body) in HOSTILE {
            tenant.install(&raw(bench, name, body), None).ok();
        }
    }
    all
}

/// A small addon of this name, with so little fuel and memory that a hostile one is cheap.
pub fn raw(bench: &Bench, name: &str, body: &str) -> Vec<u8> {
    let manifest = component::MANIFEST.replace("\"raw\"", &format!("\"{name}\""));
    let limits = "[limits]\nfuel = \"2M\"\nmemory = \"8MiB\"\n";
    bench.publisher.seal(&format!("{manifest}{limits}"), &Component::with_body(body).bytes())
}

pub fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    tenants: &'scope [Tenant],
    receiver: &'scope Receiver,
    counts: &'scope Counts,
    stopped: &'scope AtomicBool,
) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = || NEXT.fetch_add(1, Ordering::Relaxed);
    for tenant in tenants {
        let cfo = tenant.token("grace", &["approver", "cfo"]);
        worker(scope, (counts, stopped), 40, move || {
            let reply = tenant.call_once("noop/go", &format!("n-{}", next()), &json!({}));
            counts.note("call", &reply, None);
        });
        worker(scope, (counts, stopped), 120, move || {
            let id = format!("I-{}", next());
            let reply = submit(tenant, &id, &numbered("standard", &id), &receiver.url("/invoices"));
            counts.note("invoice", &reply, None);
        });
        worker(scope, (counts, stopped), 500, move || approved(tenant, &cfo, receiver, counts, next()));
        worker(scope, (counts, stopped), 250, move || {
            let number = next();
            let order = match number % 10 {
                0 => json!({"job": "fail"}),
                1 | 2 => json!({"job": "flaky", "payload": {"failures": 2}}),
                _ => json!({"job": "work", "payload": {"label": "soak"}}),
            };
            counts.note("job", &tenant.call("nuisance/enqueue", &order), None);
        });
        worker(scope, (counts, stopped), 400, move || {
            let (name, _) = HOSTILE[(next() % 3) as usize];
            let reply = tenant.call(&format!("{name}/go"), &json!({}));
            counts.note("hostile", &reply, Some(&["trap", "fuel-exhausted", "memory"]));
        });
    }
}

/// Does it again and again, with a pause of so many milliseconds.
pub fn worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    (counts, stopped): (&'scope Counts, &'scope AtomicBool),
    pause_ms: u64,
    mut work: impl FnMut() + Send + 'scope,
) {
    scope.spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            // No answer at all: the samples so far are to be seen as well.
            if catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
                counts.unexpected.lock().unwrap().push("no answer".to_owned());
                return;
            }
            std::thread::sleep(Duration::from_millis(pause_ms));
        }
    });
}

/// An invoice above the limit, its approval, and the continuation that issues and delivers it.
fn approved(tenant: &Tenant, cfo: &Client, receiver: &Receiver, counts: &Counts, number: u64) {
    let id = format!("A-{number}");
    let input = submission(&numbered("above-limit", &id), &receiver.url("/invoices"));
    let waiting = tenant.call_once("einvoice/submit", &id, &input);
    counts.note("invoice", &waiting, None);
    let Some(approval) = waiting.body["data"]["approval"].as_str() else { return };
    let answer = if number.is_multiple_of(5) { "reject" } else { "approve" };
    let decision = json!({"answer": answer, "reason": "checked"});
    counts.note(
        "approval",
        &cfo.post(&tenant.path(&format!("/approvals/{approval}/decision")), &decision),
        None,
    );
}
