//! What hostile guests leave to see and to read. That each sin ends with its own error stands in `sins`.

use std::time::Duration;

use bulla_suite::component::MANIFEST;
use bulla_suite::patience::timed;
use bulla_suite::{Bench, Component, Data, Server, Tenant};
use serde_json::{Value, json};

fn glutton(bench: &Bench, id: &str) -> Tenant {
    let tenant = bench.tenant(id);
    tenant.install(&bench.publisher.package("glutton"), None).ok();
    tenant
}

fn count(count: u64) -> Value {
    json!({ "count": count })
}

#[test]
fn what_stays_within_the_limits_is_no_sin() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    assert_eq!(
        acme.call("glutton/echo", &json!({"a": [1, {"b": "ü"}]})).data(),
        json!({"a": [1, {"b": "ü"}]})
    );
    assert_eq!(acme.call("glutton/bad_output", &count(10)).data()["value"], 10);
    assert_eq!(acme.call("glutton/wide_output", &count(100_000)).data().as_array().unwrap().len(), 100_000);
    acme.call("glutton/deep_output", &count(100)).ok();
    let reply = acme.call("glutton/refuse", &json!({}));
    let problem = reply.guest_refused("not-today");
    assert_eq!(
        (&problem["detail"], &problem["details"]["details"]["courses"]),
        (&json!("the glutton is full"), &json!(7))
    );
    acme.call("glutton/flood_audit", &count(256)).ok();
    let reply = acme.call("glutton/flood_audit", &count(257));
    assert!(reply.guest_refused("limit").to_string().contains("audit-entries"));
    assert_eq!(acme.audit("event=addon.flood").len(), 256);
}

#[test]
fn a_flooded_log_is_cut_and_the_cut_recorded_once() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    let reply = acme.call("glutton/flood_log", &count(1_000));
    assert_eq!(reply.ok()["usage"]["log-bytes"], "16300B", "163 lines of 100 bytes: {}", reply.text);
    let entries = acme.audit(&format!("trace={}", reply.trace()));
    let cuts: Vec<_> = entries.iter().filter(|entry| entry["event"] == "call.limited").collect();
    assert_eq!(cuts.len(), 1, "{entries:?}");
    assert_eq!(cuts[0]["object"], "log");
}

#[test]
fn a_trap_is_told_by_function_to_the_operator_and_by_code_to_the_caller() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    let reply = acme.call("glutton/trap", &json!({}));
    assert!(!reply.refused("trap").to_string().contains("resources.rs"), "{}", reply.text);
    let told = bench.server.logged(&reply.trace());
    let why = "wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(told["internal"], why, "the reason; the stack stands in a field of its own");
    let frames = told["frames"].to_string();
    assert!(frames.contains("glutton::resources::stop_here") && !frames.contains(".rs"), "{frames}");
    let reply = acme.call("glutton/panic", &count(10));
    assert!(bench.server.log().contains("xxxxxxxxxx"), "{}", reply.text);
}

#[test]
fn where_all_addons_are_ones_own_a_trap_is_told_by_file_and_line() {
    let data = Data::init();
    data.configure("[engine]\ndebug-info = true\n");
    let bench = Bench::on(Server::on(data));
    let acme = glutton(&bench, "acme");
    let reply = acme.call("glutton/trap", &json!({}));
    reply.refused("trap");
    let frames = bench.server.logged(&reply.trace())["frames"].to_string();
    assert!(frames.contains("trap (") && frames.contains("src/resources.rs:"), "{frames}");
}

/// A server on which each call must take the memory, the table and the stack that the one before it had: one place, and one thread,
/// since each thread has slots of its own.
fn with_one_place() -> Bench {
    let mut data = Data::init();
    data.configure("[engine]\ninstances = 1\n");
    data.env("TOKIO_WORKER_THREADS", "1");
    let bench = Bench::on(Server::on(data));
    assert_eq!(
        bench.operator.get("/diagz").data()["engine"]["pooled"],
        true,
        "no pool, no slot that is used again"
    );
    bench
}

#[test]
fn nothing_is_kept_from_one_call_to_the_next() {
    let bench = with_one_place();
    let (acme, neighbour) = (glutton(&bench, "acme"), glutton(&bench, "neighbour"));
    let marker = json!({"head": "f5d2c8-one-half-", "tail": "and-the-other-91e07b"});
    let times =
        |tenant: &Tenant, action: &str| tenant.call(action, &marker).data()["times"].as_u64().unwrap();
    assert!(times(&acme, "glutton/leave_and_find_bytes") > 4_000, "the search finds what is there");
    for tenant in [&neighbour, &acme].repeat(4) {
        assert_eq!(acme.call("glutton/keep_state", &json!({})).data()["times"], 1);
        assert!(times(&acme, "glutton/leave_bytes") > 20_000);
        assert_eq!(times(tenant, "glutton/find_bytes"), 0);
    }
}

#[test]
fn no_function_is_kept_in_a_table() {
    let bench = with_one_place();
    let (acme, neighbour) = (bench.tenant("acme"), bench.tenant("neighbour"));
    let table = bench.publisher.seal(MANIFEST, &Component::filling_its_table().bytes());
    for tenant in [&acme, &neighbour] {
        tenant.install(&table, None).ok();
    }
    for tenant in [&acme, &neighbour, &acme, &acme] {
        assert_eq!(tenant.call("raw/go", &json!({})).data(), "fresh");
    }
}

#[test]
fn two_spinners_do_not_hold_up_health_or_a_neighbour() {
    let bench = Bench::start();
    let neighbour = glutton(&bench, "neighbour");
    // A tier with so much fuel that the deadline comes first.
    let acme = glutton(&bench, "acme");
    bench.quotas("[tier.wide]\nfuel = \"100G\"\ndeadline = \"3s\"\n[tenant.acme]\ntier = \"wide\"");
    std::thread::scope(|scope| {
        let spinners: Vec<_> =
            (0..4).map(|_| scope.spawn(|| acme.call("glutton/spin", &json!({})))).collect();
        let mut slowest = Duration::ZERO;
        while !spinners.iter().all(|spinner| spinner.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
            let (health, took) = timed(|| bench.operator.get("/healthz"));
            assert_eq!(health.status, 200);
            let (call, longer) = timed(|| neighbour.call("glutton/noop", &json!({})));
            call.ok();
            slowest = slowest.max(took).max(longer);
        }
        for spinner in spinners {
            spinner.join().unwrap().refused("deadline");
        }
        assert!(slowest < Duration::from_millis(1_500), "{slowest:?}");
    });
}
