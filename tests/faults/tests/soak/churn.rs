//! Addons that come, change and go: each version is a new package, and new code to compile.

use std::sync::atomic::AtomicBool;
use std::thread::Scope;

use bulla_suite::addons::{guest, manifest, of_next_version};
use bulla_suite::component::{self, Component};
use bulla_suite::{Bench, Tenant};
use serde_json::json;

use crate::load::{Counts, worker};

pub fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    bench: &'scope Bench,
    tenants: &'scope [Tenant],
    counts: &'scope Counts,
    stopped: &'scope AtomicBool,
) {
    let mut turn = 0;
    worker(scope, (counts, stopped), 1_000, move || {
        turn += 1;
        come_and_go(bench, &tenants[turn % tenants.len()], counts, turn);
    });
    let mut turn = 0;
    worker(scope, (counts, stopped), 10_000, move || {
        turn += 1;
        upgrade_in_use(bench, &tenants[turn % tenants.len()], counts, turn);
    });
}

/// Writes to more than a slot of the engine's pool keeps resident: each version comes into another slot, and all of them are to be
/// full before the memory is looked at.
const FILLS: &str =
    "(drop (memory.grow (i32.const 6))) (memory.fill (i32.const 131072) (i32.const 7) (i32.const 393216))";

/// An addon under a name that was never there, in two versions, called in both, and removed.
fn come_and_go(bench: &Bench, tenant: &Tenant, counts: &Counts, turn: usize) {
    let name = format!("guest-{turn}");
    let of_version = |version: &str, answer: &str| {
        let text = component::MANIFEST.replace("\"raw\"", &format!("\"{name}\"")).replace("0.1.0", version);
        let code = Component::with_body(&format!("{FILLS} {}", component::DONE));
        bench.publisher.seal(&text, &stamped(&code.bytes(), answer))
    };
    let called = || {
        for _ in 0..2 {
            counts.note("churned call", &tenant.call(&format!("{name}/go"), &json!({})), None);
        }
    };
    counts.note(
        "install",
        &tenant.install(&of_version("0.1.0", &format!("{turn} a")), Some(&json!({}))),
        None,
    );
    called();
    counts.note("upgrade", &tenant.install(&of_version("0.2.0", &format!("{turn} b")), None), None);
    called();
    if turn.is_multiple_of(4) {
        let path = tenant.path(&format!("/addons/{name}/rollback"));
        counts.note("rollback", &tenant.operator.poke(&path), None);
        called();
    }
    counts.note("remove", &tenant.operator.delete(&tenant.path(&format!("/addons/{name}"))), None);
}

/// A new version of what is being called at this moment.
fn upgrade_in_use(bench: &Bench, tenant: &Tenant, counts: &Counts, turn: usize) {
    // The large one more rarely: the compiler would have nothing else to do.
    let names: &[&str] = if turn % 5 == 1 { &["einvoice", "nuisance"] } else { &["nuisance"] };
    for name in names {
        let version = of_next_version(&manifest(name));
        let package = bench.publisher.seal(&version, &stamped(&guest(name), &format!("{name} {turn}")));
        counts.note("live upgrade", &tenant.install(&package, None), None);
    }
}

/// The component with another custom section at its end: other bytes, another digest, the same behaviour.
fn stamped(component: &[u8], stamp: &str) -> Vec<u8> {
    const NAME: &str = "stamp";
    let content = [&[NAME.len() as u8], NAME.as_bytes(), stamp.as_bytes()].concat();
    assert!(content.len() < 128, "one byte tells the length");
    [component, &[0, content.len() as u8], &content].concat()
}
