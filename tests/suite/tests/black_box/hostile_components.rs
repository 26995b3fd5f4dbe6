//! Components that no compiler makes. That each of their sins ends with its own error stands in `sins`.

use std::time::Duration;

use bulla_suite::addons::of_next_version;
use bulla_suite::component::{DONE, MANIFEST};
use bulla_suite::patience::timed;
use bulla_suite::{Bench, Component, Data, Publisher, Reply, Server, Tenant, until};
use serde_json::json;

use crate::sins::bombs::long_in_compiling;

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

/// As many bombs as there are places to compile, until their deadline.
#[test]
fn what_is_compiled_already_does_not_wait_for_compilations() {
    let data = Data::init();
    data.configure("[engine]\ncompile-deadline = '25s'\n");
    let mut bench = Bench::on(Server::on(data));
    let [mut acme, mut zenith, mut neighbour, mut newcomer] =
        ["acme", "zenith", "neighbour", "newcomer"].map(|id| bench.tenant(id));
    install(&bench, &neighbour, &Component::with_body(DONE)).ok();
    // Its code is in the cache, and nowhere else.
    assert!(bench.server.stop().success());
    bench.server.start_again();
    bench.follow(&mut [&mut acme, &mut zenith, &mut neighbour, &mut newcomer]);
    std::thread::scope(|scope| {
        for tenant in [&acme, &zenith] {
            scope.spawn(|| {
                let problem = install(&bench, tenant, &long_in_compiling()).refused("limit").to_string();
                assert!(problem.contains("did not compile within 25 s"), "{problem}");
            });
        }
        until("both to be compiled", || (bench.server.children().len() == 2).then_some(()));
        let (call, took) = timed(|| neighbour.call("raw/go", &json!({})));
        call.ok();
        assert!(took < Duration::from_secs(3), "{took:?}");
        for child in bench.server.children() {
            let environment = std::fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
            let names: Vec<_> =
                environment.split_terminator('\0').map(|pair| pair.split('=').next()).collect();
            assert_eq!(
                names,
                [Some("MIMALLOC_DISALLOW_ARENA_ALLOC")],
                "the process knows more than it has to"
            );
        }
        // Who needs a place is told to come again, and that is no word about the addon.
        let told =
            install(&bench, &newcomer, &Component::with_body("(call $ok (i32.const 64) (i32.const 1))"));
        assert!(told.refused("unavailable")["retry-after-ms"].as_u64() > Some(0));
    });
    until("no process to compile any more", || bench.server.children().is_empty().then_some(()));
    install(&bench, &newcomer, &Component::with_body(DONE)).ok();
    newcomer.call("raw/go", &json!({})).ok();
}
