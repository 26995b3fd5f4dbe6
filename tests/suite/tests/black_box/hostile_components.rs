//! Components that no compiler makes. That each of their sins ends with its own error stands in `sins`.

use std::time::Duration;

use bulla_suite::addons::of_next_version;
use bulla_suite::component::{DONE, MANIFEST};
use bulla_suite::patience::timed;
use bulla_suite::{Bench, Component, Data, Publisher, Reply, Server, Tenant, until};
use serde_json::json;

fn install(bench: &Bench, tenant: &Tenant, component: &Component) -> Reply {
    let manifest = of_next_version(MANIFEST);
    tenant.install(&bench.publisher.seal(&manifest, &component.bytes()), None)
}

#[test]
fn a_component_that_is_long_in_compiling_holds_nobody_up() {
    let bench = Bench::start();
    let (acme, neighbour) = (bench.tenant("acme"), bench.tenant("neighbour"));
    install(&bench, &neighbour, &Component::with_body(DONE)).ok();
    let function =
        "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.add (local.get 0) (i32.const 7))))";
    let bomb = Component { fields: function.repeat(40_000), ..Component::with_body(DONE) };
    let slowest = std::thread::scope(|scope| {
        let installed = scope.spawn(|| install(&bench, &acme, &bomb));
        let mut slowest = Duration::ZERO;
        while !installed.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            let (health, took) = timed(|| bench.operator.get("/healthz"));
            assert_eq!(health.status, 200);
            let (call, longer) = timed(|| neighbour.call("raw/go", &json!({})));
            call.ok();
            slowest = slowest.max(took).max(longer);
        }
        installed.join().unwrap().ok();
        slowest
    });
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    acme.call("raw/go", &json!({})).ok();
}

#[test]
fn a_package_for_another_kernel_line_cannot_even_be_made() {
    let publisher = Publisher::new();
    let manifest = MANIFEST.replace("kernel = \"0.1\"", "kernel = \"0.2\"");
    let package = publisher.try_seal(&manifest, &Component::with_body(DONE).bytes());
    assert!(package.unwrap_err().contains("0.2"));
}

#[test]
fn an_answer_that_is_no_json_is_invalid() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    install(&bench, &acme, &Component::with_body("(call $ok (i32.const 64) (i32.const 1))")).ok();
    acme.call("raw/go", &json!({})).refused("invalid-output");
}

/// Minutes of compilation in 1.75 MB: branches in blocks, where wasmtime's time grows with their square.
fn long_in_compiling() -> Component {
    let branches = "block local.get 0 br_if 0 end ".repeat(250_000);
    Component { fields: format!("(func (param i32) {branches})"), ..Component::with_body(DONE) }
}

#[test]
fn a_compilation_is_ended_at_its_deadline_and_leaves_its_place() {
    let data = Data::init();
    data.configure("[engine]\ncompile-deadline = '4s'\n");
    let bench = Bench::on(Server::on(data));
    let tenants = ["acme", "zenith"].map(|id| bench.tenant(id));
    // As many as there are places.
    std::thread::scope(|scope| {
        for tenant in &tenants {
            scope.spawn(|| {
                let (reply, took) = timed(|| install(&bench, tenant, &long_in_compiling()));
                let problem = reply.refused("limit").to_string();
                assert!(problem.contains("did not compile within 4 s"), "{problem}");
                assert!(took < Duration::from_secs(20), "{took:?}");
            });
        }
    });
    until("no process to compile any more", || (bench.server.children() == 0).then_some(()));
    install(&bench, &tenants[0], &Component::with_body(DONE)).ok();
    tenants[0].call("raw/go", &json!({})).ok();
}

#[test]
fn a_compilation_has_so_much_memory() {
    let data = Data::init();
    data.configure("[engine]\ncompile-memory = '700MiB'\n");
    let bench = Bench::on(Server::on(data));
    let acme = bench.tenant("acme");
    let calls = "call $nothing ".repeat(1_000_000);
    let bomb = Component { fields: format!("(func $nothing) (func {calls})"), ..Component::with_body(DONE) };
    let problem = install(&bench, &acme, &bomb).refused("limit").to_string();
    assert!(problem.contains("does not compile in 700MiB of memory"), "{problem}");
    install(&bench, &acme, &Component::with_body(DONE)).ok();
    acme.call("raw/go", &json!({})).ok();
}
