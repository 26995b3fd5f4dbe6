//! Components that no compiler makes: refused when they are installed, or held by the engine when they run.

use std::time::Duration;

use bulla_suite::addons::of_next_version;
use bulla_suite::component::{DONE, MANIFEST};
use bulla_suite::patience::timed;
use bulla_suite::{Bench, Component, Reply, Tenant};
use serde_json::json;

fn install(bench: &Bench, tenant: &Tenant, component: &Component) -> Reply {
    let manifest = of_next_version(MANIFEST);
    tenant.install(&bench.publisher.seal(&manifest, &component.bytes()), None)
}

#[test]
fn a_component_of_too_many_parts_is_not_installed() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let plain = || Component::with_body(DONE);
    let repeat = |text: &str, times: usize| text.repeat(times);
    let too_much = [
        ("functions", Component { fields: repeat("(func)", 100_001), ..plain() }),
        ("memories", Component { outer: repeat("(core module (memory 1))", 5), ..plain() }),
        ("tables", Component { fields: repeat("(table 1 funcref)", 17), ..plain() }),
        ("globals", Component { fields: repeat("(global i32 (i32.const 0))", 50_001), ..plain() }),
        ("modules", Component { outer: repeat("(core module)", 65), ..plain() }),
        ("components", Component { outer: repeat("(component)", 65), ..plain() }),
        ("core-instances", Component { outer: repeat("(core instance)", 200), ..plain() }),
        ("segments", Component { fields: repeat("(data \"\")", 100_001), ..plain() }),
        ("function-size", Component { fields: format!("(func {})", repeat("nop ", 2_100_000)), ..plain() }),
    ];
    for (named, component) in too_much {
        let reply = install(&bench, &acme, &component);
        assert_eq!(reply.body["code"], "limit", "{named}: {}", reply.text);
        let problem = reply.refused("limit");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{named}: {problem}");
    }
    assert!(acme.operator.get(&acme.path("/addons")).data().as_array().unwrap().is_empty());
    install(&bench, &acme, &plain()).ok();
    assert_eq!(acme.call("raw/go", &json!({})).data(), json!({}));
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
fn what_does_not_fit_the_host_is_incompatible() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let threads = Component { fields: "(memory $shared 1 2 shared)".into(), ..Component::with_body(DONE) };
    let wide = Component { fields: "(memory $wide i64 1)".into(), ..Component::with_body(DONE) };
    for component in [threads, wide] {
        install(&bench, &acme, &component).refused("incompatible");
    }
    // A manifest for another kernel line.
    let manifest = MANIFEST.replace("kernel = \"0.1\"", "kernel = \"0.2\"");
    let package = bench.publisher.try_seal(&manifest, &Component::with_body(DONE).bytes());
    assert!(package.unwrap_err().contains("0.2"), "a package for another line cannot even be made");
}

#[test]
fn answers_that_lie_about_their_length_trap() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let lies = [
        ("beyond its memory", "(call $ok (i32.const 64) (i32.const 0x7fffffff))"),
        ("beyond 4 GiB", "(call $ok (i32.const -8) (i32.const 64))"),
        ("an answer that lies nowhere", "(i32.const -4)"),
        ("a result that is neither ok nor err", "(i32.store8 (i32.const 16) (i32.const 7)) (i32.const 16)"),
    ];
    for (lie, body) in lies {
        install(&bench, &acme, &Component::with_body(body)).ok();
        let reply = acme.call("raw/go", &json!({}));
        assert_eq!(reply.body["code"], "trap", "{lie}: {}", reply.text);
        reply.refused("trap");
    }
    install(&bench, &acme, &Component::with_body("(call $ok (i32.const 64) (i32.const 1))")).ok();
    acme.call("raw/go", &json!({})).refused("invalid-output");
}

#[test]
fn tables_are_bounded_and_fresh() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let grow = Component {
        fields: "(table $t 1 funcref)".into(),
        ..Component::with_body(
            "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable",
        )
    };
    install(&bench, &acme, &grow).ok();
    let reply = acme.call("raw/go", &json!({}));
    assert!(reply.refused("limit")["detail"].as_str().unwrap().contains("table-elements"), "{}", reply.text);
    // Leaves 100 elements behind, and answers the size that it found: one digit.
    let leave = Component {
        fields: "(table $t 1 funcref) (func $f) (elem declare func $f)".into(),
        ..Component::with_body(
            "(i32.store8 (i32.const 80) (i32.add (i32.const 48) (table.size $t)))
             (drop (table.grow $t (ref.func $f) (i32.const 100)))
             (if (i32.eqz (ref.is_null (table.get $t (i32.const 0)))) (then unreachable))
             (table.set $t (i32.const 0) (ref.func $f))
             (call $ok (i32.const 80) (i32.const 1))",
        )
    };
    install(&bench, &acme, &leave).ok();
    for _ in 0..10 {
        assert_eq!(acme.call("raw/go", &json!({})).data(), json!(1));
    }
}

#[test]
fn a_start_function_and_describe_are_metered_too() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let spin = Component {
        fields: "(func $for_ever (loop $l (br $l))) (start $for_ever)".into(),
        ..Component::with_body(DONE)
    };
    install(&bench, &acme, &spin).ok();
    acme.call("raw/go", &json!({})).refused("fuel-exhausted");
}
